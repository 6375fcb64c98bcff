"""What becomes of what waits, whatever the database does: driven by hand, without one."""

from __future__ import annotations

import sys
import threading
from functools import partial

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhaustedError

from driftbreaker.model import Key, Observation, Verdict
from driftbreaker.reporter import flusher as flushing
from driftbreaker.reporter.pending import Report
from driftbreaker.reporter.writing import Chunk
from tests.support.boards import logged
from tests.support.simulated import (
    SIXTY,
    Clock,
    RefusedError,
    Scene,
    assert_in_order,
    cut_off,
    down,
    held,
    lock_timeout,
    names_of,
    read_only,
    refused_commit,
    segments_of,
)

pytestmark = pytest.mark.usefixtures("every_report_traced")


def chunks_of(scene: Scene, outcome: object = None, *, due_only: bool = True) -> list[list[str]]:
    """Flush, and return what was tried, transaction by transaction."""
    tried: list[list[str]] = []

    def note(chunk: Chunk) -> BaseException | None:
        tried.append(names_of(chunk))
        return None if outcome is None else outcome(chunk)  # type: ignore[operator, no-any-return]

    scene.flush(note, due_only=due_only)
    return tried


def test_a_breaker_that_somebody_holds_keeps_no_other_from_being_written() -> None:
    scene = Scene()
    for name in SIXTY:
        scene.report(name)
    tried = chunks_of(scene, held("07"))
    assert tried[:2] == [SIXTY[:50], SIXTY[50:]], "all together, then those that nobody is in the way of"
    assert tried[2:] == [[name] for name in SIXTY[:50]], "then each by itself"
    assert len(scene.written.numbers()) == 59
    for name in SIXTY:
        scene.report(name)
    assert chunks_of(scene) == [SIXTY[:7] + SIXTY[8:51], SIXTY[51:]], "while it rests, the others are as fast as ever"
    scene.clock.advance(flushing.RETRY_CAP)
    assert chunks_of(scene) == [["07"]]
    assert [
        one.score for _, one in scene.written.reports[next(k for k in scene.written.reports if k.name == "07")]
    ] == [7, 67]
    scene.assert_counts_are_exact()


def test_those_that_others_hold_take_turns_and_nobody_starves() -> None:
    """Each is waited for, and only for so long in one flush: those of before stand behind those of later."""
    scene = Scene()
    free = [f"free {number}" for number in range(5)]
    tries = dict.fromkeys(SIXTY, 0)
    waits: list[float] = []

    def outcome(chunk: Chunk) -> BaseException | None:
        chunk.begun()
        if not set(names_of(chunk)) & set(SIXTY):
            return None
        scene.clock.advance(chunk.lock_wait or 0.0)
        if len(chunk.waiting) == 1:
            tries[names_of(chunk)[0]] += 1
        return lock_timeout()

    for _ in range(200):
        began = scene.clock()
        for name in (*SIXTY, *free):
            scene.report(name)
        scene.flush(outcome, due_only=True)
        assert len(scene.written.numbers()) % len(free) == 0
        waits.append(scene.clock() - began)
        scene.clock.advance(0.2)
    assert len(scene.written.numbers()) == 200 * len(free), "each flush writes those that nobody holds"
    assert max(waits[1:]) <= flushing.SECOND_TRIES + 2 * 2.0, f"and soon: {max(waits)}"
    assert max(waits) == waits[0], "the first finds out"
    assert min(tries.values()) >= 3, f"each of the held is tried again: {tries}"
    assert max(tries.values()) <= min(tries.values()) + 3, f"as often as the others: {tries}"
    scene.flush(due_only=False)
    scene.assert_counts_are_exact()
    assert not scene.waiting()


def test_a_row_that_many_want_is_waited_for_longer_each_time_and_never_for_all_of_the_patience() -> None:
    scene = Scene(patience=2.0)
    waits: list[float | None] = []

    def outcome(chunk: Chunk) -> BaseException:
        chunk.begun()
        waits.append(chunk.lock_wait)
        return lock_timeout()

    scene.report("pricing")
    for _ in range(6):
        scene.flush(outcome)
    assert waits == [None, 0.1, 0.2, 0.4, 0.8, 1.0]


def test_while_only_those_wait_that_rest_it_sleeps_until_the_first_is_rested() -> None:
    scene = Scene(interval=0.5, batch=3)
    for _ in range(5):
        scene.report("held")
    scene.flush(held("held"), due_only=True)
    assert scene.flusher.delay(scene.clock()) == pytest.approx(0.4)
    scene.report("other")
    assert scene.flusher.delay(scene.clock()) == pytest.approx(0.5), "a report that comes waits as it always does"
    scene.report("other")
    scene.report("other")
    assert scene.flusher.delay(scene.clock()) == 0.0, "unless there is a batch of them"


@pytest.mark.parametrize(
    "error",
    [
        read_only(),
        cut_off(),
        PoolExhaustedError(),
        OSError(),
        OperationalError("UPDATE", {}, Exception("database is locked")),
    ],
    ids=["read only", "cut off", "pool exhausted", "no host", "SQLite's lock"],
)
def test_a_database_that_cannot_be_had_is_asked_once_and_left_alone_for_a_while(error: Exception) -> None:
    scene = Scene()
    for name in SIXTY:
        scene.report(name)

    def outcome(chunk: Chunk) -> BaseException:
        chunk.begun()
        return error

    assert len(chunks_of(scene, outcome)) == 1
    assert scene.flusher.delay(0.0) <= flushing.RETRY_BASE
    for _ in range(20):
        scene.flush(outcome)
    assert 0 < scene.flusher.delay(0.0) <= flushing.RETRY_CAP
    assert scene.flush()
    assert scene.flusher.delay(0.0) == 0.0
    scene.assert_counts_are_exact()
    assert len(scene.written.numbers()) == 60


def test_what_one_breakers_trigger_refuses_is_a_matter_of_that_breaker() -> None:
    scene = Scene()
    for name in SIXTY[:3]:
        scene.report(name)

    def outcome(chunk: Chunk) -> BaseException | None:
        chunk.begun()
        return IntegrityError("INSERT", {}, RefusedError("23514")) if "01" in names_of(chunk) else None

    assert chunks_of(scene, outcome) == [["00", "01", "02"], ["00"], ["01"], ["02"]]
    assert len(scene.written.numbers()) == 2


def at_commit(error: BaseException, *, committed: bool = False) -> object:
    def outcome(chunk: Chunk) -> BaseException:
        chunk.begun()
        chunk.ending()
        chunk.committed = committed
        return error

    return outcome


@pytest.mark.parametrize(
    "error",
    [
        cut_off(),
        TimeoutError(),
        KeyboardInterrupt(),
        ValueError("a listener of the host's, after the commit"),
        lock_timeout(),
    ],
    ids=["cut off", "no answer", "interrupted", "listener", "listener's statement"],
)
def test_what_may_have_been_committed_is_never_written_again(error: BaseException) -> None:
    scene = Scene()
    scene.report("pricing")
    scene.flush(at_commit(error))  # type: ignore[arg-type]
    scene.assert_counts_are_exact()
    assert scene.flusher.counts().in_doubt == 1
    scene.clock.advance(60)
    scene.flush()
    assert not scene.written.numbers()


def test_what_the_database_refused_to_commit_is_written_later() -> None:
    scene = Scene()
    scene.report("pricing")
    scene.flush(at_commit(refused_commit()))  # type: ignore[arg-type]
    assert scene.flusher.counts().in_doubt == 0
    assert scene.flush()
    scene.assert_counts_are_exact()


def test_what_fails_after_the_commit_takes_nothing_back() -> None:
    scene = Scene()
    scene.report("pricing")

    def outcome(chunk: Chunk) -> BaseException:
        scene.written.commit(chunk)
        return at_commit(ValueError("a listener of the pool's"), committed=True)(chunk)  # type: ignore[operator, no-any-return]

    assert scene.flush(outcome)
    scene.assert_counts_are_exact()


def test_trouble_is_told_of_once_when_it_begins_and_once_when_all_of_it_is_over() -> None:
    scene = Scene()
    with logged() as lines:
        for _ in range(3):
            scene.report("held")
            scene.report("other")
            scene.flush(held("held"), due_only=True)
        scene.report("other")
        scene.flush(due_only=True)
        assert len(lines) == 1, "one of them is still held"
        scene.flush(down)
        scene.clock.advance(60)
        assert scene.flush()
        assert scene.flush()
    assert len(lines) == 2
    assert "cannot write and goes on trying: OperationalError" in lines[0]
    assert "writes to the database again" in lines[1]


def test_nothing_is_said_to_work_again_that_was_not_tried() -> None:
    scene = Scene(keep=60.0)
    with logged() as lines:
        scene.report("pricing")
        scene.flush(down)
        scene.clock.advance(120)
        scene.flush()
        assert not [line for line in lines if "again" in line], "what waited is too old"
        scene.report("pricing")
        scene.flush()
    assert [line for line in lines if "again" in line]


def test_breakers_that_made_trouble_are_forgotten_with_what_waited_for_them() -> None:
    scene = Scene(keep=60.0)
    names = [f"scope {number}" for number in range(300)]
    for name in names:
        scene.report(name)
        scene.flush(held(*names), due_only=True)
        scene.clock.advance(30.0)
    assert 1 <= len(scene.flusher._troubles) <= 3
    scene.assert_counts_are_exact()


def test_what_comes_back_after_the_end_is_dropped_and_counted() -> None:
    scene = Scene()
    scene.report("pricing")
    scene.flusher.begin()
    chunk = scene.flusher.next_chunk()
    assert chunk is not None
    scene.flusher.close()
    assert scene.flusher.counts().waiting == 1, "it is being written"
    scene.flusher.failed(chunk, cut_off())
    assert scene.flusher.is_idle
    counts = scene.flusher.counts()
    assert (counts.waiting, counts.why_dropped) == (0, {"closed": 1})


def test_what_was_closed_before_a_fork_stays_so_in_the_child() -> None:
    scene = Scene()
    scene.flusher.close()
    scene.flusher.after_fork()
    scene.report("pricing")
    assert scene.flusher.counts().why_dropped == {"closed": 1}


def test_who_reports_sums_up_no_more_than_its_share_while_nobody_flushes() -> None:
    scene = Scene(batch=1_000)
    for number in range(5_000):
        folded = scene.flusher._pending.reports
        scene.report("pricing")
        assert scene.flusher._pending.reports - folded <= flushing.SHARE
        assert len(scene.flusher._raw) <= 2_000, number
    scene.assert_counts_are_exact()


def test_who_brings_evidence_sums_up_in_proportion_and_nobody_waits_for_a_batch() -> None:
    """Else twenty thousand reports would wait with all that they brought."""
    scene = Scene(batch=10_000)
    largest = 0
    for number in range(3_000):
        verdict = Verdict.BAD if number % 3 else Verdict.GOOD
        observation = Observation(score=float(number), verdict=verdict, details={"number": number})
        scene.reported += 1
        weight = 60_000 if verdict is Verdict.BAD and number >= 1_000 else 0
        scene.flusher.add(Report(Key(f"{number % 10}", ""), None, observation, weight=weight))
        largest = max(largest, sum(each.weight for each in scene.flusher._raw))
    assert largest <= 1_000 * flushing.WEIGHT + 60_000, "no more than so much for each report that was before"
    scene.assert_counts_are_exact()
    assert scene.flush()
    for reports in scene.written.reports.values():
        assert_in_order(reports)
    assert len(scene.written.numbers()) == 3_000


def test_it_stirs_once_when_something_waits_and_once_when_that_is_a_batch() -> None:
    scene = Scene(batch=100)
    for _ in range(1_000):
        scene.report("pricing")
    assert scene.stirred == 2
    scene.flush()
    scene.report("pricing")
    assert scene.stirred == 3


def test_order_survives_failures_of_every_kind() -> None:
    scene = Scene()
    outcomes = [down, held("pricing"), at_commit(refused_commit()), held("search"), down]
    for number, outcome in enumerate(outcomes * 5):
        for name in ("pricing", "search"):
            scene.report(name, Verdict.GOOD if number % 3 else Verdict.BAD)
        scene.flush(outcome, due_only=bool(number % 2))  # type: ignore[arg-type]
        scene.clock.advance(7.0)
    scene.flush()
    for reports in scene.written.reports.values():
        assert_in_order(reports)
        assert len(reports) == 25
    scene.assert_counts_are_exact()


def test_time_is_what_it_is_told() -> None:
    scene = Scene(keep=900.0)
    assert isinstance(scene.clock, Clock)
    scene.report("pricing")
    scene.flush(down)
    scene.clock.advance(901.0)
    scene.flush()
    assert scene.flusher.counts().why_dropped == {"too old": 1}
    assert not segments_of(scene.flusher)


def test_one_thread_may_look_how_long_to_sleep_while_another_flushes(request: pytest.FixtureRequest) -> None:
    request.addfinalizer(partial(sys.setswitchinterval, sys.getswitchinterval()))
    sys.setswitchinterval(1e-6)
    scene, over, errors = Scene(), threading.Event(), list[BaseException]()

    def look() -> None:
        try:
            while not over.is_set():
                assert scene.flusher.delay(scene.clock()) >= 0
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    names = [f"{number:03}" for number in range(300)]
    for turn in range(10):
        for name in names:
            scene.report(name)
        scene.flush(held(*names) if turn % 2 else lambda _: None, due_only=False)
    over.set()
    for thread in threads:
        thread.join()
    assert not errors
    scene.assert_counts_are_exact()


def test_an_unanswered_error_is_no_refusal() -> None:
    chunk = Chunk([], 1.0)
    chunk.begun()
    assert not chunk.concerns_all(lock_timeout())
    assert not chunk.in_doubt(cut_off()), "before the COMMIT"
    error: DBAPIError = OperationalError(None, None, RefusedError("57P01"), connection_invalidated=True)
    chunk.ending()
    assert chunk.in_doubt(error)
    assert not chunk.in_doubt(refused_commit())


def test_only_who_may_keep_others_waiting_is_told_how_long_to_wait() -> None:
    """Each saying is a statement more: of a million reports a minute on one breaker none is needed."""
    scene = Scene(patience=2.0)
    waits: list[float | None] = []

    def outcome(chunk: Chunk) -> BaseException | None:
        chunk.begun()
        waits.append(chunk.lock_wait)
        return None

    scene.report("pricing")
    scene.flush(outcome)
    scene.report("pricing")
    scene.report("search")
    scene.flush(outcome)
    scene.report("pricing")
    scene.flush(lambda _: OSError("the flush hung, and was cut off"))
    scene.flush(outcome)
    assert waits == [None, 1.0, 1.0], "alone; with another; alone, after what may have been a lock"
