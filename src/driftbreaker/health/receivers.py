"""Where alerts go: are Alertmanagers ready, and may incident files be written."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from pathlib import Path

from ..alertmanager import Alertmanager, Checkup
from ..clean import clean_text
from .finding import Finding, failed, ok, warning

RESEND = 60.0
_DURATION = re.compile(r"(\d+)(ms|[smhdwy])")
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800, "y": 31_536_000}


def check_alertmanager(channel: Alertmanager, resend_interval: float = RESEND) -> list[Finding]:
    """Ask every peer, and find whether it is ready; sends no alert. `resend_interval` is in seconds, the relay's.

    Not for an event loop: there, await `channel.check()` and let `judge_alertmanager` judge each.
    """

    async def ask() -> list[Checkup]:
        try:
            return await channel.check()
        finally:
            await channel.close()

    return [judge_alertmanager(checkup, resend_interval) for checkup in asyncio.run(ask())]


def judge_alertmanager(checkup: Checkup, resend_interval: float = RESEND) -> Finding:
    """Find what one peer's own word comes to."""
    called = f"{checkup.url} {checkup.version or ''}".strip()
    if checkup.errors:
        told = clean_text("; ".join(checkup.errors), 300)
        return failed(
            "alertmanager", f"{called}: {told}", "Check the URL with its path prefix, the credentials, the network"
        )
    timeout = _seconds(checkup.resolve_timeout)
    if timeout is not None and timeout <= resend_interval:
        return warning(
            "alertmanager",
            f"{called} is ready; its resolve_timeout {checkup.resolve_timeout} is not above the re-send interval of "
            f"{resend_interval:g} s: an alert whose end is lost on the way would come and go",
            "Set global.resolve_timeout to 5m, or let the relay re-send more often: --resend-interval",
        )
    said = "" if checkup.resolve_timeout is None else f", resolve_timeout {checkup.resolve_timeout}"
    return ok("alertmanager", f"{called} is ready{said}, alerts are sent again every {resend_interval:g} s")


def check_incident_directory(directory: str | os.PathLike[str]) -> Finding:
    """Find whether a file can be written in a directory, by writing one and taking it away again.

    A directory that is missing is not made: the channel will make it, where its parent may be written.
    """
    wanted = Path(directory).absolute()
    there = next(path for path in (wanted, *wanted.parents) if path.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=there, prefix=".driftbreaker-doctor-") as file:
            file.write(b"written by driftbreaker doctor, and gone at once\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return failed(
            "incident files",
            f"{there} takes no file: {error.strerror or error}",
            "Let whoever runs the relay write there, or name another directory",
        )
    return ok("incident files", f"{wanted} can be written" if there == wanted else f"{wanted} will be made in {there}")


def _seconds(duration: str | None) -> float | None:
    """Return how long a duration of Prometheus's is; None for what is none."""
    if duration is None or not _DURATION.search(duration) or _DURATION.sub("", duration):
        return None
    return float(sum(int(number) * _UNITS[unit] for number, unit in _DURATION.findall(duration)))
