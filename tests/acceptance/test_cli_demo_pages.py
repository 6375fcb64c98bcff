"""`driftbreaker demo --alertmanager`: the pages come and go, and none is left."""

from __future__ import annotations

import json
import signal
import sys
import time
from types import FrameType
from typing import Any

from tests.support.alertmanager import alertmanager
from tests.support.receiver import Answer, Receiver, closed_port
from tests.support.terminal import cli, process

HIDDEN = "hunter2"
NAME = "cost-estimator-v2"


def test_every_page_appears_and_is_resolved() -> None:
    with alertmanager() as receiver:
        done = cli("demo", "--alertmanager", receiver.url)
        assert receiver.firing == []
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.count("page: firing at 20") == 3
    assert done.stdout.count("page: resolved, ") == 3
    for name in (NAME, f"{NAME}-by-hand", f"{NAME}-short-ttl"):
        assert [state for breaker, state in receiver.seen if breaker == name] == ["firing", "resolved"]
    assert f"{NAME}-rolled-back" not in dict(receiver.seen)


def test_the_document_has_the_pages() -> None:
    with alertmanager() as receiver:
        done = cli("demo", "--alertmanager", receiver.url, "--json")
        paging = json.loads(done.stdout)["paging"]
    assert paging["alertmanager"] == receiver.url
    assert [page["breaker"] for page in paging["pages"]] == [NAME, f"{NAME}-by-hand", f"{NAME}-short-ttl"]
    assert all(page["firing_at"] and page["resolved_after_seconds"] is not None for page in paging["pages"])


def test_an_alertmanager_that_does_not_answer_is_one_line() -> None:
    done = cli("demo", "--alertmanager", closed_port().replace("http://", f"http://u:{HIDDEN}@"))
    assert (done.exit_code, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert HIDDEN not in done.stderr


def test_what_is_no_alertmanager_is_one_line() -> None:
    with Receiver() as receiver:
        for answer in (Answer(200, "{}"), Answer(200, "[1]"), Answer(200, "<html>"), Answer(404, "gone")):
            receiver.script(then=answer)
            done = cli("demo", "--alertmanager", receiver.url)
            assert (done.exit_code, done.stdout) == (1, "")
            assert len(done.stderr.splitlines()) == 1


def test_a_database_of_ones_own_is_not_relayed(sqlite_url: str) -> None:
    done = cli("demo", "--db", sqlite_url, "--alertmanager", "http://127.0.0.1:1")
    assert done.exit_code == 2
    assert "a relay would send every alert of that database" in done.stderr


def test_interrupted_it_leaves_no_page() -> None:
    with alertmanager() as receiver:
        running = process("demo", "--alertmanager", receiver.url)
        deadline = time.monotonic() + 60
        while NAME not in receiver.firing:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)
        assert receiver.firing == []
    assert running.returncode == 130
    assert "Traceback" not in said


def test_interrupted_amid_a_statement_it_leaves_no_page() -> None:
    # A KeyboardInterrupt there leaves a cursor open, and with it the lock of a reader.
    with alertmanager() as receiver:

        def interrupt(caller: FrameType, what: str, called: Any) -> None:
            executed = what == "c_return" and called.__qualname__ == "Cursor.execute"
            statement = caller.f_locals.get("statement", "")
            if executed and statement.startswith("SELECT") and NAME in receiver.firing:
                sys.setprofile(None)
                signal.raise_signal(signal.SIGINT)

        sys.setprofile(interrupt)
        try:
            done = cli("demo", "--alertmanager", receiver.url)
        finally:
            sys.setprofile(None)
        assert receiver.firing == []
    assert done.exit_code == 130
