"""Writes every incident to a file of its own, for those who look at directories and not at tables."""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC
from pathlib import Path
from typing import Any

from .alerts import ACCEPTED, Alert, Cadence, Outcome, Result
from .checks import check_channel_name
from .errors import InvalidArgumentError
from .model import Incident

_SAFE_ID = re.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


class IncidentFiles:
    """Writes ``<directory>/<time>_<incident id>.json`` when a breaker opens, and again when that is over.

    The directory is made when it is missing. A file is there as a whole or not at all, also after a power cut. Files
    are never deleted.
    """

    cadence = Cadence.RECORD

    def __init__(self, directory: str | os.PathLike[str], *, name: str = "incident-files") -> None:
        if not isinstance(directory, (str, os.PathLike)) or not os.fspath(directory):
            raise InvalidArgumentError(f"directory must be a path, got {type(directory).__name__}")
        self.name = check_channel_name(name)
        self.directory = Path(directory)

    def __repr__(self) -> str:
        return f"IncidentFiles({str(self.directory)!r}, name={self.name!r})"

    def send(self, alerts: Sequence[Alert]) -> list[Outcome]:
        """Write the files of these alerts' incidents; return what became of each. Blocks, and never raises OSError."""
        return [self._write_all(alert) for alert in alerts]

    def close(self) -> None:
        """Nothing is kept open."""

    def path_of(self, incident: Incident) -> Path:
        """Return where an incident is written: the same at every time."""
        at = incident.timestamp.astimezone(UTC).isoformat(timespec="seconds").removesuffix("+00:00")
        return self.directory / f"{at.replace('-', '').replace(':', '')}Z_{incident.id}.json"

    def _write_all(self, alert: Alert) -> Outcome:
        for incident in (*alert.earlier, alert.incident):
            if not _SAFE_ID.fullmatch(incident.id):
                return Outcome(result=Result.REFUSED, error=f"incident id {incident.id[:120]!r} cannot name a file")
            path = self.path_of(incident)
            try:
                _write(path, _content(alert, incident))
            except OSError as error:
                code = errno.errorcode.get(error.errno or 0, "OSError")
                return Outcome(
                    result=Result.FAILED, error=f"cannot write {str(path)!r}: {code}: {error.strerror or error}"
                )
        return ACCEPTED


def _content(alert: Alert, incident: Incident) -> bytes:
    about: dict[str, Any] = {
        "labels": alert.labels,
        "runbook_url": alert.runbook_url,
        "generator_url": alert.generator_url,
    }
    if incident is alert.incident:
        about |= {
            "state": alert.state.value,
            "summary": alert.summary,
            "description": alert.description,
            "starts_at": alert.starts_at.isoformat(),
            "ends_at": None if alert.ends_at is None else alert.ends_at.isoformat(),
            "held_by": alert.held_by,
            "held_until": None if alert.held_until is None else alert.held_until.isoformat(),
        }
    record = {**incident.to_dict(), "alert": about}
    text = json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False, default=str)
    return (text + "\n").encode("utf-8", "replace")


def _write(path: Path, content: bytes) -> None:
    """Replace a file at once, and durably."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own: of two writers who share a temporary file, one would put the other's half in place.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _sync_directory(path.parent)
    _clear(path)


def _clear(path: Path) -> None:
    """Remove what killed writers of this very file left behind. A living one is told to try again, and does."""
    with suppress(OSError):
        for name in os.listdir(path.parent):
            if name.startswith(f".{path.name}.") and name.endswith(".tmp"):
                os.unlink(path.with_name(name))


def _sync_directory(directory: Path) -> None:
    if os.name == "nt":  # directories cannot be opened there
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems cannot; the file itself is on disk.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)
