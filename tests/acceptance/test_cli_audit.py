"""`driftbreaker audit export`: the whole history as a stream, exactly, in little memory and short transactions."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import signal
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.orm import Session
from tests.support.histories import fill
from tests.support.measured import measured
from tests.support.terminal import COMMAND, Place, cli, process

from driftbreaker import store
from driftbreaker.cli.breakers.document import HISTORY_COLUMNS
from driftbreaker.store import Wanted
from driftbreaker.tables import default_tables

HISTORY = default_tables().history
EVIL = "red \x1b[31m \x07 \u202e text\nsecond, \"line' \\ =cmd()"
ROWS = 20_000


def exported(place: Place, *options: str, kind: str = "jsonl") -> list[dict[str, Any]]:
    done = cli("audit", "export", "--db", place.url, "-o", kind, *options)
    assert done.exit_code == 0, done.output
    if kind == "csv":
        return list(csv.DictReader(io.StringIO(done.stdout)))
    return [json.loads(line) for line in done.stdout.splitlines()]


def table(place: Place) -> list[dict[str, Any]]:
    """The table, as the stream should be."""
    with place.engine.connect() as connection:
        found = connection.execute(select(HISTORY).order_by(HISTORY.c.seq)).mappings().all()
    return [{name: row[name] if name != "at" else row[name].isoformat() for name in HISTORY_COLUMNS} for row in found]


def seqs(rows: list[dict[str, Any]]) -> list[int]:
    return [int(row["seq"]) for row in rows]


def test_everything_as_it_stands_in_the_table(place: Place) -> None:
    place.disable("pricing", EVIL)
    place.disable("search", EVIL, scope="gpt-4")
    place.enable("pricing")
    rows = exported(place)
    assert rows == table(place)
    assert [row["change"] for row in rows] == ["disable", "disable", "enable"]
    assert rows[0]["reason"] == EVIL


def test_csv_has_a_header_and_moves_no_cursor(place: Place) -> None:
    place.disable("pricing", EVIL)
    rows = exported(place, kind="csv")
    assert tuple(rows[0]) == HISTORY_COLUMNS
    assert rows[0]["reason"].startswith("red \\x1b[31m \\x07 \\u202e text\\nsecond")
    done = cli("audit", "export", "--db", place.url)
    assert done.stdout.startswith("seq,at,name,"), "CSV is what people get who do not say"
    assert done.stderr == "1 change written.\n"


def test_nothing_on_record_is_a_header(place: Place) -> None:
    done = cli("audit", "export", "--db", place.url)
    assert (done.stdout, done.stderr) == (",".join(HISTORY_COLUMNS) + "\n", "Nothing of it is on record.\n")
    assert cli("audit", "export", "--db", place.url, "-o", "jsonl").stdout == ""


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ((), lambda n: True),
        (("--actor", "alice"), lambda n: n % 7 == 0),
        (("--breaker", "rare"), lambda n: n % 11 == 0),
        (("--breaker", "rare", "--actor", "alice"), lambda n: n % 77 == 0),
        (("--actor", "nobody"), lambda n: False),
        (("--since", "2026-01-01T10:00Z"), lambda n: n >= 600),
        (("--since", "2026-01-01T10:00"), lambda n: n >= 600),
        (("--until", "2026-01-01T12:00+02:00"), lambda n: n < 600),
        (("--since", "2026-01-02", "--until", "2026-01-03"), lambda n: 1440 <= n < 2880),
        (("--quarter", "2026Q1"), lambda n: True),
        (("--quarter", "2025q4"), lambda n: False),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_what_is_wanted_and_no_more(place: Place, options: tuple[str, ...], wanted: Any) -> None:
    fill(place.engine, 5_000)
    assert [row["version"] for row in exported(place, *options)] == [n for n in range(1, 5_001) if wanted(n)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--since", "yesterday"), "--since takes 2026-07-01, 2026-07-01T09:00Z or a length such as 90d"),
        (("--until", "99999-01-01"), "--until takes"),
        (("--since", "99999999d"), "--since must be above zero and at most 36500d"),
        (("--since", "2026-02-01", "--until", "2026-01-01"), "does not lie before --until 2026-01-01"),
        (("--quarter", "2026Q5"), "--quarter takes 2026Q3 or 'last', got '2026Q5'"),
        (("--quarter", "9999Q4"), "--quarter takes"),
        (("--quarter", "last", "--since", "1d"), "--quarter goes without --since and --until"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_a_time_that_cannot_be_is_said(place: Place, options: tuple[str, ...], message: str) -> None:
    done = cli("audit", "export", "--db", place.url, *options)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr


def test_who_misspells_a_breaker_is_told_the_near_one(place: Place) -> None:
    place.disable("pricing")
    done = cli("audit", "export", "--db", place.url, "--breaker", "pricng")
    assert (done.exit_code, done.stdout) == (3, "")
    assert "did you mean 'pricing'?" in done.stderr


def test_no_transaction_lasts_longer_than_a_stretch(place: Place) -> None:
    fill(place.engine, 2_500)
    with place.engine.begin() as connection:
        connection.execute(text("DELETE FROM driftbreaker_history WHERE seq BETWEEN 700 AND 1900"))
    open_now, read = 0, []

    def sessions() -> AbstractContextManager[Session]:
        return Session(place.engine)

    @event.listens_for(place.engine, "checkout")
    def count(*_: object) -> None:
        nonlocal open_now
        open_now += 1

    @event.listens_for(place.engine, "checkin")
    def discount(*_: object) -> None:
        nonlocal open_now
        open_now -= 1

    for stretch in store.history(sessions, default_tables(), Wanted(), limit=100):
        assert open_now == 0, "a transaction is open while the reader takes its time"
        assert len(stretch.entries) <= 100
        assert 0 < stretch.passed <= stretch.places
        read += [entry.seq for entry in stretch.entries]
    assert read == seqs(table(place))
    assert len(read) == 2_500 - 1_201


def test_what_comes_meanwhile_does_not_keep_it_from_ending(place: Place) -> None:
    fill(place.engine, 250)
    before, read = table(place), []
    for stretch in store.history(lambda: Session(place.engine), default_tables(), Wanted(), limit=100):
        read += [entry.seq for entry in stretch.entries]
        place.disable("another", f"meanwhile {len(read)}")
    assert read == seqs(before)


def test_many_rows_take_no_more_memory_than_few(place: Place, tmp_path: Path) -> None:
    command = ("audit", "export", "--db", place.url, "-o", "jsonl")
    fill(place.engine, 10)
    few = measured(*command, stdout=tmp_path / "few")
    with place.engine.begin() as connection:
        connection.execute(text("DELETE FROM driftbreaker_history"))
        connection.execute(text("DELETE FROM driftbreaker_breakers"))
    fill(place.engine, ROWS)
    many = measured(*command, stdout=tmp_path / "many")
    assert (few.status, many.status, many.stderr) == (0, 0, f"{ROWS} changes written.")
    with (tmp_path / "many").open() as lines:
        assert [json.loads(line) for line in lines] == table(place)
    # Measured: up to 8 MB more, of a first whole stretch; all of them at once are 27 MB and more.
    assert many.megabytes < few.megabytes + 20, f"{few.megabytes:.0f} became {many.megabytes:.0f} MB"


def test_a_closed_pipe_ends_it_quietly(place: Place) -> None:
    fill(place.engine, ROWS)
    running = process("audit", "export", "--db", place.url)
    assert running.stdout is not None
    assert running.stdout.readline().startswith("seq,")
    running.stdout.close()
    _, complaint = running.communicate(timeout=60)
    assert (running.returncode, complaint) == (2, "")


def test_ctrl_c_is_130(place: Place) -> None:
    fill(place.engine, ROWS)
    running = process("audit", "export", "--db", place.url)
    assert running.stdout is not None
    # It now waits for somebody to read on.
    assert running.stdout.readline().startswith("seq,")
    running.send_signal(signal.SIGINT)
    _, complaint = running.communicate(timeout=60)
    assert (running.returncode, complaint) == (130, "Interrupted.\n")


def test_a_terminal_is_shown_how_far_it_is(place: Place, tmp_path: Path) -> None:
    fill(place.engine, 3_000)
    ours, theirs = pty.openpty()
    with (tmp_path / "rows").open("wb") as file:
        running = subprocess.Popen(
            [*COMMAND, "audit", "export", "--db", place.url], stdin=subprocess.DEVNULL, stdout=file, stderr=theirs
        )
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:
        pass  # how a terminal says that nobody writes to it any more
    os.close(ours)
    assert running.wait(60) == 0
    assert b"Exporting" in shown
    assert b"100%" in shown
    assert b"3000 changes written." in shown
    assert len((tmp_path / "rows").read_text().splitlines()) == 3_001
