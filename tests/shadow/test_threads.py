"""The threads of a shadow: as many as are needed, gone when they are not, replaced when they hang."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from driftbreaker.scores import equality
from driftbreaker.shadow import jobs, pool

from .conftest import House, own_threads, until
from .test_budget import LATE
from .test_control_is_safe import raising


def test_threads_that_hang_are_replaced_up_to_a_cap_and_then_comparisons_are_skipped(
    house: House, gate: threading.Event
) -> None:
    shadow = house.shadow(score=equality(), budget=0.1, workers=2)
    for calls in range(1, 5):
        assert shadow(lambda: 1, gate.wait) == 1
        until(lambda calls=calls: shadow.counts["timed_out"] == calls)
    assert shadow(lambda: 1, lambda: 1) == 1
    assert shadow.counts["skipped"] == 1
    assert len([name for name in own_threads() if not name.endswith("watcher")]) == 4
    gate.set()
    until(lambda: not shadow._pool._running)
    assert shadow(lambda: 1, lambda: 1) == 1
    assert shadow.drain()
    assert shadow.counts["compared"] == 1, "once they go on, there is room again"


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("calls_are", ["at once", "one after the other"])
def test_every_candidate_that_began_and_hangs_is_reported(
    house: House, gate: threading.Event, workers: int, calls_are: str
) -> None:
    """However many hang together: the threads that would hand on what is known of one may hang themselves."""
    began: list[int] = []
    shadow = house.shadow(score=equality(), budget=0.1, workers=workers)
    for _ in range(3 * workers):
        shadow(lambda: 1, lambda: began.append(1) or gate.wait())
        time.sleep(0.03 if calls_are == "one after the other" else 0)
    until(lambda: sum(shadow.counts.kinds.values()) == 3 * workers)
    until(lambda: workers <= len(began) == shadow.counts["timed_out"])
    assert shadow.counts.kinds == {"timed_out": len(began), "skipped": 3 * workers - len(began)}
    assert [report.why for report in house.reports] == [LATE] * len(began)


def test_what_is_known_of_a_late_candidate_is_not_lost_with_the_thread_that_was_to_hand_it_on(
    house: House, gate: threading.Event
) -> None:
    """It waits behind work that is late itself a moment later, and then nobody is left but the watcher."""
    shadow = house.shadow(score=equality(), budget=0.1, workers=1)
    shadow(lambda: 1, gate.wait)
    until(lambda: len(shadow._pool._running) == 1)
    (first,) = shadow._pool._running
    shadow._pool._size = 2
    time.sleep(0.05)
    shadow(lambda: 1, gate.wait)
    until(lambda: len(shadow._pool._running) == 2)
    shadow._pool._size = 1  # no thread takes the first one's place
    until(lambda: first.lost)
    until(lambda: sum(shadow.counts.kinds.values()) == 2)
    assert shadow.counts.kinds == {"timed_out": 2}


def test_a_publish_function_that_hangs_holds_up_no_caller_where_every_thread_hangs(
    house: House, gate: threading.Event
) -> None:
    shadow = house.shadow(score=equality(), budget=0.1, workers=1, publish=lambda _: gate.wait())
    for _ in range(4):
        shadow(lambda: 1, gate.wait)
    until(lambda: shadow.counts["timed_out"] >= 1)
    began = time.monotonic()
    assert shadow(lambda: 1, lambda: 1) == 1
    shadow.close(timeout=0.05)
    assert time.monotonic() - began < 2


def test_what_waited_behind_threads_that_all_hang_is_counted_as_skipped(house: House, gate: threading.Event) -> None:
    shadow = house.shadow(score=equality(), budget=0.1, workers=1)
    for _ in range(5):
        shadow(lambda: 1, gate.wait)
    until(lambda: sum(shadow.counts.kinds.values()) == 5)
    assert shadow.counts.kinds == {"timed_out": 2, "skipped": 3}


def test_more_than_can_wait_is_skipped_and_counted(
    house: House, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "BACKLOG", 3)
    shadow = house.shadow(score=equality(), workers=1)
    began = threading.Event()
    shadow(lambda: 1, lambda: began.set() or gate.wait())
    assert began.wait(5)
    for _ in range(5):
        assert shadow(lambda: 1, lambda: 1) == 1
    assert shadow.counts["skipped"] == 2
    gate.set()
    assert shadow.drain()
    assert shadow.counts["compared"] == 4


@pytest.mark.parametrize("serve", ["control", "candidate"])
def test_who_waits_for_an_answer_that_breaks_on_its_way_is_served_all_the_same(
    house: House, serve: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A thread that has no memory left takes the word, and has not the room to hand it over."""
    monkeypatch.setattr(jobs.Waiting, "_take", raising(MemoryError()))
    monkeypatch.setattr(jobs, "HANDING_OVER", 0.05)
    shadow = house.shadow(serve=serve, score=equality(), budget=0.1, beside="thread")
    answers: list[int] = []
    caller = threading.Thread(target=lambda: answers.append(shadow(lambda: 1, lambda: 2)), daemon=True)
    caller.start()
    caller.join(5)
    assert answers == [1]
    assert shadow.counts.kinds == {"skipped": 1}
    assert [record.levelname for record in caplog.records] == ["ERROR"]


@pytest.mark.parametrize("serve", ["control", "candidate"])
def test_who_waits_for_a_thread_that_never_comes_calls_it_no_drift(
    house: House, gate: threading.Event, serve: str
) -> None:
    shadow = house.shadow(serve=serve, score=equality(), budget=0.1, beside="thread", workers=1)
    shadow._pool._size = 0
    assert shadow(lambda: 1, lambda: 2) == 1
    assert shadow.counts["skipped"] == 1
    assert house.reports == []


def test_a_publish_function_that_hangs_holds_up_neither_callers_nor_other_comparisons(
    house: House, gate: threading.Event
) -> None:
    shadow = house.shadow(score=equality(), budget=0.1, workers=1, publish=lambda _: gate.wait())
    assert shadow(lambda: 1, lambda: 1) == 1
    until(lambda: shadow._pool._lost == 1)
    assert shadow(lambda: 1, lambda: 1) == 1
    until(lambda: shadow.counts["compared"] == 2)


def test_threads_end_when_there_is_nothing_to_do(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "IDLE", 0.05)
    shadow = house.shadow(score=equality(), budget=1.0)
    assert own_threads() == []
    shadow(lambda: 1, lambda: 1)
    assert shadow.drain()
    until(lambda: own_threads() == [])
    shadow(lambda: 1, lambda: 1)
    assert shadow.drain()
    assert shadow.counts["compared"] == 2


def test_no_more_threads_than_workers(house: House) -> None:
    shadow = house.shadow(score=equality(), workers=2)
    for _ in range(50):
        shadow(lambda: 1, lambda: time.sleep(0.001) or 1)
    assert len([name for name in own_threads() if not name.endswith("watcher")]) <= 2
    assert shadow.drain()
    assert shadow.counts["compared"] == 50


def test_closing_waits_no_longer_than_it_is_told(house: House, gate: threading.Event) -> None:
    shadow = house.shadow(score=equality(), workers=1)
    began = threading.Event()
    shadow(lambda: 1, lambda: began.set() or gate.wait())
    assert began.wait(5)
    shadow(lambda: 1, lambda: 1)
    started = time.monotonic()
    assert not shadow.drain(timeout=0.05)
    shadow.close(timeout=0.05)
    assert time.monotonic() - started < 2
    assert shadow.counts["skipped"] == 1, "what waited is counted"


def test_a_hanging_candidate_does_not_hang_the_exit() -> None:
    program = (
        "import threading\n"
        "from driftbreaker import Shadow\n"
        "from driftbreaker.testing import MemoryReporter, MemorySwitchboard\n"
        "shadow = Shadow(MemorySwitchboard(), MemoryReporter(), 'pricing')\n"
        "print(shadow(lambda: 1, threading.Event().wait))\n"
    )
    run = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=20)
    assert (run.stdout, run.stderr, run.returncode) == ("1\n", "", 0)


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
def test_after_a_fork_the_child_compares_with_threads_of_its_own() -> None:
    program = (
        "import os, threading\n"
        "from driftbreaker import Shadow\n"
        "from driftbreaker.testing import MemoryReporter, MemorySwitchboard\n"
        "shadow = Shadow(MemorySwitchboard(), MemoryReporter(), 'pricing', workers=1)\n"
        "gate = threading.Event()\n"
        "shadow(int, gate.wait); shadow(int, int)\n"
        "held, go_on = threading.Event(), threading.Event()\n"
        "def hold():\n"
        "    with shadow._pool._lock, shadow._tally._lock:\n"
        "        held.set(); go_on.wait()\n"
        "holder = threading.Thread(target=hold); holder.start(); held.wait()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    shadow(int, int)\n"
        "    drained = shadow.drain(5) and shadow.counts['compared'] == 1\n"
        "    os._exit(0 if drained else 1)\n"
        "go_on.set(); holder.join()\n"
        "gate.set()\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        "shadow.close()\n"
        "print(shadow.counts['compared'])\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert (run.stdout, run.stderr) == ("0\n2\n", "")


def test_a_finalizer_that_calls_in_between_locks_nobody_out(house: House) -> None:
    shadow = house.shadow(score=equality())
    with shadow._pool._lock, shadow._tally._lock:
        assert shadow(lambda: 1, lambda: 1) == 1
        assert shadow.counts.kinds == {}
    assert shadow.drain()
    assert shadow.counts["compared"] == 1
