"""Changes the core in hundreds of small ways, one at a time, and asks whether a test notices each.

    python scripts/mutants.py [--share 1/2] [--only store/late.py] [--report]

Needs cosmic-ray, whose operators make the mutants, beside the test dependencies. All mutants meet the tests of their
own rooms first, on SQLite and then on PostgreSQL; what these left alive meets the whole contract on each, and last the
tests of what is built upon it. What was found is kept in build/mutants.jsonl: a run that was cut off goes on where it
was.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import importlib
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

import pytest
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).parents[1]
PACKAGE = Path("src/driftbreaker")
FOUND = ROOT / "build" / "mutants.jsonl"
ROOMS = ("policy", "statements", "store", "breaker.py", "costsim")
#: Operators that need arguments of their own, that change nothing that runs (annotations, the marker of
#: keyword arguments), that no reader tells from another (== and `is` for what is one object), or
#: whose result no import takes.
LEFT_OUT = re.compile(
    "core/(RemoveDecorator|Variable(Inserter|Replacer)|ReplaceBinaryOperator_(BitOr|Mul|Pow)_.*"
    "|ReplaceBinaryOperator_.*_(RShift|LShift|Pow|BitXor|BitOr|BitAnd)"
    "|ReplaceComparisonOperator_(Eq|NotEq)_(Is|IsNot|Lt|Gt|LtE|GtE)"
    "|ReplaceComparisonOperator_(Gt|Lt|GtE|LtE)_(Is|IsNot)"
    "|ReplaceComparisonOperator_Is_(Eq|NotEq|Lt|Gt|LtE|GtE)"
    "|ReplaceComparisonOperator_IsNot_(Eq|NotEq|Lt|Gt|LtE|GtE))"
)
#: What declares and does not run: what only type checkers import, and how records are made.
DECLARED = ("TYPE_CHECKING", "@dataclass(")
#: The tests of each file: see there.
TESTS = tomllib.loads((ROOT / "scripts" / "mutants.toml").read_text())
#: Why each survivor may survive.
EXPLAINED = ROOT / "scripts" / "survivors.toml"
#: The share that must be killed, of those that are not on their way.
GOAL = 0.95
CONTRACT = "tests/contract tests/sqlite"
#: What is loaded already is one of pytest's own plugins, whose asserts are nobody's.
QUIETLY = ("-x", "-q", "--no-header", "--tb=no", "-W", "ignore::pytest.PytestAssertRewriteWarning")
STAGES = 5
#: What all tests import and no mutant changes: most of the time that a short test takes, were it not shared.
PRELOADED = (
    "aiosqlite",
    "asyncpg",
    "click",
    "fastapi.testclient",
    "httpx2",
    "hypothesis.stateful",
    "psycopg",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.ext.asyncio",
    "sqlmodel",
)
PATIENCE = 900  # seconds: the tests of a stage take less on a busy machine, unless a mutant goes on for ever
TIMES = count(1)
# Minutes of generated arguments, processes to kill, event loops to wait for: they kill nothing that the others do not.
SLOW = "not at_scale and not killed and not background and not hangs and not forked and not demo"


@dataclass(frozen=True)
class Mutant:
    """One change of one file; `twin` counts the equal changes of equal lines before it."""

    path: Path
    operator: str
    code: str
    diff: str
    twin: int

    @property
    def key(self) -> str:
        # Without line numbers: what was found of a line holds when lines are added above it.
        return hashlib.sha256(f"{self.path}{_change(self.diff)}{self.twin}".encode()).hexdigest()[:16]

    @property
    def name(self) -> tuple[str, str, int]:
        """What survivors.toml calls it."""
        return str(self.path.relative_to(PACKAGE)), _change(self.diff), self.twin


def mutants(only: str) -> Iterator[Mutant]:
    """Make every mutant of the rooms, in the order of the files."""
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        name = path.relative_to(ROOT / PACKAGE).as_posix()
        if not name.startswith(ROOMS) or path.name == "__init__.py" or only not in name:
            continue
        code = path.read_text()
        twins: Counter[str] = Counter()
        for operator in sorted(operator_names()):
            if not LEFT_OUT.fullmatch(operator):
                yield from _of_operator(path.relative_to(ROOT), code, operator, twins)


def _of_operator(path: Path, code: str, operator: str, twins: Counter[str]) -> Iterator[Mutant]:
    occurrence = 0
    while (mutated := mutate_code(code, get_operator(operator)(), occurrence)) is not None:
        lines = difflib.unified_diff(code.splitlines(), mutated.splitlines(), lineterm="", n=0)
        diff = "\n".join(line for line in lines if not line.startswith(("---", "+++")))
        if diff and not any(word in diff for word in DECLARED):
            yield Mutant(path, operator, mutated, diff, twins[_change(diff)])
            twins[_change(diff)] += 1
        occurrence += 1


def _change(diff: str) -> str:
    return "\n".join(line for line in diff.splitlines() if not line.startswith("@@"))


def stages(mutant: Mutant) -> list[tuple[str, str]]:
    """Say which tests to run on which driver, the likeliest killers first."""
    nearest, upon = (_of(mutant, TESTS[kind]) for kind in ("nearest", "upon"))
    near = [("sqlite", nearest), ("psycopg", nearest)]
    return [*near, ("sqlite", CONTRACT), ("psycopg", CONTRACT), ("sqlite,psycopg,asyncpg", upon)]


def _of(mutant: Mutant, tests: dict[str, list[str]]) -> str:
    name = mutant.path.relative_to(PACKAGE).as_posix()
    names = tests[max((room for room in tests if name.startswith(room)), key=len)]
    return " ".join(map(_path, names))


def _path(name: str) -> str:
    path = Path("tests") / name
    return str(path if (ROOT / path).is_dir() else path.with_suffix(".py"))


def killer(mutant: Mutant, stage: int, tree: Path, postgres: str) -> str | None:
    """Return the first test of a stage that fails on a mutant, or None when it survives."""
    file = tree / mutant.path
    original, before = file.read_text(), file.stat()
    file.write_text(mutant.code)
    # What Python compiled is known by seconds and size, of which two mutants may have the same: no two get one time.
    os.utime(file, (next(TIMES), next(TIMES)))
    try:
        driver, tests = stages(mutant)[stage]
        return run(tree, driver, tests, postgres)
    finally:
        file.write_text(original)
        os.utime(file, (before.st_atime, before.st_mtime))


def everything() -> str:
    """Return all tests that any mutant may meet."""
    named = {_path(each) for kind in TESTS.values() for names in kind.values() for each in names}
    return " ".join(sorted({*named, *CONTRACT.split()}))


def run(tree: Path, driver: str, tests: str, postgres: str, patience: float | None = PATIENCE) -> str | None:
    """Run some tests in a forked child; return the first that failed, or None when all passed."""
    environment = {
        "DRIFTBREAKER_DRIVERS": driver,
        "DRIFTBREAKER_TEST_POSTGRES": postgres,
        "PYTHONPATH": str(tree / "src"),  # for the programs that tests start
        "PYTHONPYCACHEPREFIX": str(tree / "compiled"),
    }
    with tempfile.TemporaryFile("w+") as said:
        child = os.fork()
        if child == 0:
            _test(tree, environment, tests, said.fileno())
        status = _status_of(child, patience)
        said.seek(0)
        failed = re.search(r"^(?:FAILED|ERROR) (\S+)", said.read(), re.MULTILINE)
    if status is None:
        return f"timeout on {driver}"
    if status == 0:
        return None
    return failed[1] if failed else "nothing could be imported"


def _test(tree: Path, environment: dict[str, str], tests: str, said: int) -> NoReturn:
    """Be a child that runs tests of a mutant, and ends."""
    status = 3
    try:
        os.setsid()
        os.dup2(said, 1)
        os.dup2(said, 2)
        os.chdir(tree)
        os.environ.update(environment)
        sys.pycache_prefix = environment["PYTHONPYCACHEPREFIX"]
        sys.dont_write_bytecode = False
        sys.path[:0] = [environment["PYTHONPATH"], str(tree)]
        status = int(pytest.main([*QUIETLY, "-k", SLOW, *tests.split()]))
    except BaseException:  # noqa: BLE001  whatever it is, the child ends here
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _status_of(child: int, patience: float | None) -> int | None:
    """Wait for a child; end it, and whatever it started, where it takes too long, and return None."""
    end = math.inf if patience is None else time.monotonic() + patience
    while time.monotonic() < end:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


@contextmanager
def server() -> Iterator[str]:
    """Start a PostgreSQL in a process of its own, for nothing of ours may be imported in this one."""
    program = (
        "import sys; from driftbreaker.testing import postgres_server\n"
        "with postgres_server() as server: print(server.url('postgres'), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=-1, stdout=-1, text=True) as process:
        yield process.stdout.readline().strip().replace("+psycopg", "")
        process.stdin.close()


def known() -> dict[str, dict[str, Any]]:
    """Read what earlier runs found: of each mutant what was found last."""
    if not FOUND.exists():
        return {}
    return {found["key"]: found for found in map(json.loads, FOUND.read_text().splitlines())}


def is_due(mutant: Mutant, stage: int) -> bool:
    """Return whether a mutant has survived all stages before this one, and not met it yet.

    What survivors.toml explains meets the tests of its own room alone: it counts as a survivor.
    """
    if stage > 1 and mutant.name in explanations():
        return False
    found = known().get(mutant.key, {"killer": None, "stages": 0})
    return found["killer"] is None and found["stages"] == stage


def report() -> int:
    """Print the score of each file, and the survivors; return 0 when it is good enough and each survivor explained."""
    made = {mutant.key: mutant for mutant in mutants("")}
    found = {key: each for key, each in known().items() if key in made}
    for path in sorted({str(each["path"]) for each in found.values()}):
        of_file = [each for each in found.values() if each["path"] == path]
        killed = [each for each in of_file if each["killer"]]
        print(f"{len(killed):4} of {len(of_file):4} killed  {path}")
    killed = [key for key, each in found.items() if each["killer"]]
    explained = explanations()
    alive = [(made[key], each["stages"]) for key, each in found.items() if not each["killer"]]
    survivors = [each for each, met in alive if met == STAGES or (each.name in explained and met > 1)]
    share = len(killed) / max(1, len(killed) + len(survivors))
    on_their_way = len(made) - len(killed) - len(survivors)
    print(f"{len(killed)} of {len(made)} killed, {len(survivors)} survived ({share:.1%}), {on_their_way} on their way")
    unexplained = [each for each in survivors if each.name not in explained]
    for each in unexplained:
        print(f"\nnot explained in {EXPLAINED.name}: {each.path}, {each.twin}\n{_change(each.diff)}")
    for path, change, twin in explained - {each.name for each in survivors}:
        print(f"\nexplained in {EXPLAINED.name}, but no survivor: {path}, {twin}\n{change}")
    return int(bool(unexplained or on_their_way) or share < GOAL)


@cache
def explanations() -> set[tuple[str, str, int]]:
    """Return the names of the survivors that are explained."""
    read = tomllib.loads(EXPLAINED.read_text()).get("survivor", [])
    return {(each["path"], each["change"].strip(), each.get("twin", 0)) for each in read if each["why"].strip()}


def main() -> None:
    """Run this share of the mutants that no earlier run has tried."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--share", default="1/1", help="which part of how many, to run several side by side")
    arguments.add_argument("--only", default="", help="a part of the name of the files to change")
    arguments.add_argument("--trusting", action="store_true", help="do not look first whether the tests pass")
    arguments.add_argument("--report", action="store_true", help="print what was found, and try nothing")
    options = arguments.parse_args()
    if options.report:
        sys.exit(report())
    part, parts = map(int, options.share.split("/"))
    tree = ROOT / "build" / f"mutants-{part}"
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", ".venv", "build", ".*_cache", ".hypothesis"))
    for module in PRELOADED:
        importlib.import_module(module)
    with server() as url:
        failed = None if options.trusting else run(tree, "sqlite,psycopg,asyncpg", everything(), url, patience=None)
        if failed is not None:
            sys.exit(f"{failed} fails before anything is changed")
        # In no order that means anything: what an interrupted run has found is a fair sample.
        made = sorted(mutants(options.only), key=lambda mutant: mutant.key)[part - 1 :: parts]
        for stage in range(STAGES):
            for mutant in made:
                if is_due(mutant, stage):
                    note(mutant, stage, killer(mutant, stage, tree, url))


def note(mutant: Mutant, stage: int, killed_by: str | None) -> None:
    """Keep what was found."""
    found = {
        "key": mutant.key,
        "path": mutant.path.as_posix(),
        "operator": mutant.operator,
        "diff": mutant.diff,
        "killer": killed_by,
        "stages": stage + 1,
    }
    with FOUND.open("a") as file:
        file.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
