"""What becomes of a flush that is left in its midst: an error from a signal's handler may be raised anywhere."""

from __future__ import annotations

import pytest

from driftbreaker.reporter.writing import Chunk
from tests.support.simulated import (
    SIXTY,
    Scene,
    lock_timeout,
)

pytestmark = pytest.mark.usefixtures("every_report_traced")


@pytest.mark.parametrize("chunks", [0, 1, 2])
def test_a_flush_that_was_left_in_its_midst_loses_nothing(chunks: int) -> None:
    """A time limit's signal may be raised between any two steps of ours."""
    scene = Scene()
    for name in SIXTY:
        scene.report(name)
    scene.flusher.begin()
    for number in range(chunks):
        chunk = scene.flusher.next_chunk()
        assert chunk is not None
        if number + 1 < chunks:
            scene.written.commit(chunk)
            scene.flusher.wrote(chunk)
    assert scene.flush()
    scene.assert_counts_are_exact()
    assert len(scene.written.numbers()) == 60


def test_a_flush_that_was_left_at_its_commit_is_in_doubt() -> None:
    scene = Scene()
    for name in SIXTY:
        scene.report(name)
    scene.flusher.begin()
    chunk = scene.flusher.next_chunk()
    assert chunk is not None
    chunk.begun()
    chunk.ending()
    scene.flush()
    scene.doubted = [float(number) for number in range(50)]
    scene.assert_counts_are_exact()


@pytest.mark.parametrize("outcome", ["written", "failed"])
def test_what_was_interrupted_while_it_was_settled_is_counted_all_the_same(
    monkeypatch: pytest.MonkeyPatch, outcome: str
) -> None:
    scene = Scene()
    scene.report("pricing")

    def interrupt(*_: object) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    def settle(chunk: Chunk) -> BaseException | None:
        chunk.begun()
        monkeypatch.setattr(scene.flusher._troubles, "over", interrupt)
        monkeypatch.setattr(scene.flusher._troubles, "failed", interrupt)
        return None if outcome == "written" else lock_timeout()

    with pytest.raises(KeyboardInterrupt):
        scene.flush(settle)
    scene.flush()
    counts = scene.flusher.counts()
    assert (counts.reported, counts.in_doubt, counts.waiting) == (1, 1, 0)


def test_a_chunk_that_a_later_flush_found_left_behind_is_settled_once() -> None:
    """An event loop may end amid a flush, and what it left goes on when it is collected."""
    scene = Scene()
    scene.report("pricing")
    left = scene.flusher.flushing()
    left.__enter__()
    chunk = scene.flusher.next_chunk()
    assert chunk is not None
    with scene.flusher.flushing():
        later = scene.flusher.next_chunk()
        assert later is not None
        scene.flusher.failed(chunk, GeneratorExit())
        scene.flusher.wrote(chunk)
        left.__exit__(None, None, None)
        scene.written.commit(later)
        scene.flusher.wrote(later)
    scene.assert_counts_are_exact()
    assert scene.flusher.counts().flushed == 1


def test_what_a_flush_leaves_waits_again_at_once() -> None:
    """Whatever a listener raises after the first chunk of three."""
    scene = Scene()
    for number in range(120):
        scene.report(f"{number:03}")
    with scene.flusher.flushing():
        chunk = scene.flusher.next_chunk()
        assert chunk is not None
        scene.written.commit(chunk)
        scene.flusher.wrote(chunk)
    assert not scene.flusher.is_idle
    scene.flusher.close()
    scene.assert_counts_are_exact()
    assert scene.flusher.counts().why_dropped == {"closed": 70}
