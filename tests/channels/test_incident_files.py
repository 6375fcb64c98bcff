"""Incident files: whole or not there, the same name for ever, and trouble is an outcome."""

from __future__ import annotations

import json
import os
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from driftbreaker import Alert, Cadence, IncidentFiles, InvalidArgumentError, Outcome, Result
from driftbreaker.model import IncidentStatus
from tests.support.alerts import NOW, START, an_alert, an_incident

NAME = "20261123T150000Z_00000000-0000-0000-0000-000000000001.json"


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_an_incident_gets_a_file_of_its_own_with_all_that_is_known(tmp_path: Path) -> None:
    channel = IncidentFiles(tmp_path / "deep" / "er")
    assert channel.cadence is Cadence.RECORD
    alert = an_alert(runbook_url="https://wiki.example/ü")
    assert channel.send([alert]) == [Outcome(result=Result.ACCEPTED)]
    assert files(tmp_path / "deep" / "er") == [NAME]
    text = (tmp_path / "deep" / "er" / NAME).read_text("utf-8")
    read = json.loads(text)
    about = read.pop("alert")
    assert read == alert.incident.to_dict()
    assert (about["labels"], about["state"], about["ends_at"]) == (alert.labels, "firing", None)
    assert '\n  "drift_score": 0.35,' in text
    assert "ü" in text


def test_a_resolution_rewrites_the_same_file(tmp_path: Path) -> None:
    channel = IncidentFiles(tmp_path)
    ended = an_incident(status=IncidentStatus.RESOLVED, resolved=True, resolved_at=NOW, resolved_by="ada")
    channel.send([an_alert()])
    channel.send([an_alert(resolved=True, incident=ended)])
    assert files(tmp_path) == [NAME]
    read = json.loads((tmp_path / NAME).read_text())
    assert (read["resolved_by"], read["alert"]["state"]) == ("ada", "resolved")


def test_incidents_that_came_and_went_unheard_get_their_files_too(tmp_path: Path) -> None:
    earlier = tuple(an_incident(number, timestamp=START - timedelta(hours=number)) for number in (3, 2))
    IncidentFiles(tmp_path).send([an_alert(earlier=earlier)])
    assert [name[:16] for name in files(tmp_path)] == ["20261123T120000Z", "20261123T130000Z", "20261123T150000Z"]


def test_the_name_is_in_utc_whatever_zone_the_time_came_in() -> None:
    channel = IncidentFiles("x")
    local = START.astimezone(timezone(timedelta(hours=-9)))
    assert channel.path_of(an_incident(timestamp=local)) == channel.path_of(an_incident())
    early = channel.path_of(an_incident(timestamp=datetime(99, 1, 2, tzinfo=UTC)))
    assert early.name.startswith("00990102T000000Z_")


@pytest.mark.parametrize("bad", ["../../etc/passwd", "a/b", "", ".", "a\x00b", "x" * 300, "a\nb"])
def test_an_id_that_is_no_file_name_is_refused(tmp_path: Path, bad: str) -> None:
    (outcome,) = IncidentFiles(tmp_path / "in").send([an_alert(incident=an_incident(id=bad))])
    assert outcome.result is Result.REFUSED
    assert files(tmp_path) == []


def test_a_directory_that_cannot_be_is_a_failed_try_that_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    outcomes = IncidentFiles(tmp_path / "file" / "x").send([an_alert(), an_alert("other")])
    assert [outcome.result for outcome in outcomes] == [Result.FAILED, Result.FAILED]
    assert outcomes[0].error.startswith(f"cannot write '{tmp_path}/file/x/{NAME}': ENOTDIR: ")


@pytest.mark.parametrize("step", ["fsync", "replace", "open"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    channel = IncidentFiles(tmp_path)
    channel.send([an_alert()])
    before = (tmp_path / NAME).read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, step, full)
        (outcome,) = channel.send([an_alert(resolved=True)])
    assert outcome.error.endswith("ENOSPC: No space left on device")
    assert files(tmp_path) == [NAME]
    assert (tmp_path / NAME).read_bytes() == before


def test_what_a_killed_process_left_behind_is_cleared_by_the_next_write(tmp_path: Path) -> None:
    left = tmp_path / f".{NAME}.0123456789abcdef.tmp"
    left.write_text('{"half')
    (tmp_path / "notes.tmp").write_text("somebody else's")
    IncidentFiles(tmp_path).send([an_alert()])
    assert files(tmp_path) == [NAME, "notes.tmp"]


def test_writers_at_once_never_leave_a_torn_file(tmp_path: Path) -> None:
    alerts = [an_alert(incident=an_incident(reason=letter * 50_000)) for letter in "abcd"]
    results: list[Outcome] = []

    def write(alert: Alert) -> None:
        for _ in range(20):
            results.extend(IncidentFiles(tmp_path).send([alert]))

    threads = [threading.Thread(target=write, args=(alert,)) for alert in alerts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert files(tmp_path) == [NAME]
    assert len(set(json.loads((tmp_path / NAME).read_text())["reason"])) == 1
    assert Result.ACCEPTED in {result.result for result in results}
    assert Result.REFUSED not in {result.result for result in results}


def test_odd_evidence_is_written_as_text(tmp_path: Path) -> None:
    incident = an_incident(reason="half \ud800 pair", details={"at": START})
    assert IncidentFiles(tmp_path).send([an_alert(incident=incident)])[0].result is Result.ACCEPTED
    assert json.loads((tmp_path / NAME).read_text("utf-8"))["details"] == {"at": str(START)}


@pytest.mark.parametrize("directory", [None, "", 1])
def test_what_is_no_directory_is_refused_by_name(directory: object) -> None:
    with pytest.raises(InvalidArgumentError, match="directory must be a path"):
        IncidentFiles(directory)  # type: ignore[arg-type]
