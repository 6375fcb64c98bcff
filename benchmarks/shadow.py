"""What a shadow adds to a call: beside the bare control, and beside the port of Scientist to Python."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from sqlalchemy import create_engine

import driftbreaker
from driftbreaker import BreakerSettings, Reporter, Shadow
from driftbreaker.scores import ScoreFunction, measure, relative_delta
from driftbreaker.testing import MemorySwitchboard

from .rounds import Contender, Result, race

NAME = "pricing"
RARELY = 1e-9
INSTALL = "pip install laboratory"
# The promises, in microseconds beyond what the caller would have run anyway.
NOT_SAMPLED, SAMPLED = 2.0, 20.0
#: Of whom the second is promised: a call with the real reporter, and one in the mode that is the default.
PROMISED = ("shadow(…), with a Reporter that writes", "beside='background', the default")
#: Fewer than may wait for a thread at once: none is skipped.
BURST = 100


class _Nobody:
    """Takes reports and forgets them: what reporting costs is the reporter's to show."""

    def report(self, *args: Any, **keywords: Any) -> None:
        pass

    report_schema_error = use = report


def control(tokens: float) -> float:
    return tokens * 0.000010


def candidate(tokens: float) -> float:
    return tokens * 0.000011


def exact_control(tokens: int) -> Decimal:
    return tokens * Decimal("0.000010")


def exact_candidate(tokens: int) -> Decimal:
    return tokens * Decimal("0.000011")


def not_sampled() -> list[Result]:
    """A call that only has to find out that it is not compared."""
    board = MemorySwitchboard()
    board.set("open", is_open=True)
    rare = _shadow(board, sample=RARELY)
    keyed = _shadow(board, sample=RARELY, key=lambda tokens: "customer")
    opened = Shadow(board, _Nobody(), "open", score=relative_delta())
    decorated = rare.against(candidate)(control)
    return race(
        [
            Contender("the control, called directly", lambda: control(100.0)),
            Contender("shadow(control, candidate)", lambda: rare(control, candidate, 100.0)),
            Contender("the control, decorated", lambda: decorated(100.0)),
            Contender("shadow(…), sampled by a key", lambda: keyed(control, candidate, 100.0)),
            Contender("shadow(…), the breaker is open", lambda: opened(control, candidate, 100.0)),
        ]
    )


def sampled() -> list[Result]:
    """A call that is compared inline: both run, are scored and reported."""
    board = MemorySwitchboard()
    score = relative_delta()
    shadow = _shadow(board, beside="inline")

    def exact() -> float:
        return measure(score, exact_control(7), exact_candidate(7))

    plain = _shadow(board, beside="inline", score=lambda control, candidate: abs(candidate - control))
    with _writing_reporter() as reporter:
        written = Shadow(board, reporter, NAME, beside="inline", score=relative_delta())
        # What calls that follow each other without a pause would measure is the thread that sums them up meanwhile.
        reported = Contender(
            PROMISED[0], lambda: written(control, candidate, 100.0), most=BURST, after=lambda: reporter.flush()
        )
        return _sampled(score, exact, shadow, plain, reported)


def _sampled(
    score: ScoreFunction, exact: Callable[[], float], shadow: Shadow, plain: Shadow, reported: Contender
) -> list[Result]:
    return race(
        [
            Contender("both, called directly", lambda: (control(100.0), candidate(100.0))),
            Contender("both, and relative_delta of floats", lambda: measure(score, control(100.0), candidate(100.0))),
            Contender("shadow(…), the same", lambda: shadow(control, candidate, 100.0)),
            reported,
            Contender("both, and relative_delta of Decimals", exact),
            Contender("shadow(…), the same of Decimals", lambda: shadow(exact_control, exact_candidate, 7)),
            Contender("shadow(…), scored by a subtraction", lambda: plain(control, candidate, 100.0)),
            *_laboratory(),
        ]
    )


@contextmanager
def _writing_reporter() -> Iterator[Reporter]:
    """A real one, which flushes to a SQLite file in its own thread meanwhile; nothing ever trips."""
    with tempfile.TemporaryDirectory() as folder:
        engine = create_engine(f"sqlite:///{folder}/bench.db")
        driftbreaker.metadata.create_all(engine)
        with Reporter(engine, settings={NAME: BreakerSettings(failure_threshold=2**40)}) as reporter:
            yield reporter
        engine.dispose()


def elsewhere() -> list[Result]:
    """What the caller waits for where the candidate runs in a thread."""
    board = MemorySwitchboard()
    with _shadow(board, beside="thread") as thread, _shadow(board) as background:
        guarded = _shadow(board, serve="candidate", sample=RARELY)
        auto = _shadow(board, serve="auto", sample=RARELY)
        with guarded:
            results = race(
                [
                    Contender("both, called directly", lambda: (control(100.0), candidate(100.0))),
                    Contender(
                        "beside='background', the default",
                        lambda: background(control, candidate, 100.0),
                        most=BURST,
                        after=background.drain,
                    ),
                    Contender("beside='thread'", lambda: thread(control, candidate, 100.0)),
                    Contender("guard, not sampled, in a thread", lambda: guarded(control, candidate, 100.0)),
                    Contender("auto, not sampled", lambda: auto(control, candidate, 100.0)),
                ],
            )
    assert set(background.counts.kinds) == {"compared"}, background.counts
    return results


def coroutines() -> list[Result]:
    """What is added to coroutines, which cost something themselves: both, awaited one after the other."""
    with asyncio.Runner() as runner:
        return race(_coroutines(runner, MemorySwitchboard()), rounds=20)


def added(results: list[Result]) -> dict[str, float]:
    """Return the microseconds that each contender adds to the first."""
    return {each.name: each.median - results[0].median for each in results[1:]}


def _shadow(board: MemorySwitchboard, **options: Any) -> Shadow:
    return Shadow(board, _Nobody(), NAME, **{"score": relative_delta(), **options})


def _coroutines(runner: asyncio.Runner, board: MemorySwitchboard) -> list[Contender]:
    rare = _shadow(board, sample=RARELY)
    modes = {beside: _shadow(board, beside=beside) for beside in ("background", "thread", "inline")}

    async def one(tokens: float) -> float:
        return control(tokens)

    async def other(tokens: float) -> float:
        return candidate(tokens)

    async def both(tokens: float) -> None:
        await one(tokens)
        await other(tokens)

    def often(call: Callable[[], Any], *drained: Shadow) -> Callable[[], object]:
        async def calls() -> None:
            for _ in range(BURST):
                await call()
            for each in drained:
                await each.adrain()

        return lambda: runner.run(calls())

    def compared(beside: str) -> Contender:
        shadow = modes[beside]
        run = often(lambda: shadow(one, other, 100.0), shadow)
        return Contender(f"shadow(coroutine, …), beside={beside!r}", run, times=BURST)

    return [
        Contender("both coroutines, awaited directly", often(lambda: both(100.0)), times=BURST),
        Contender("the control alone", often(lambda: one(100.0)), times=BURST),
        Contender("shadow(coroutine, …), not sampled", often(lambda: rare(one, other, 100.0)), times=BURST),
        *map(compared, modes),
    ]


def _laboratory() -> list[Contender]:
    """An experiment of `laboratory`, where it is installed: both run, are compared with ==, and published to nobody."""
    try:
        import laboratory
    except ImportError:
        return []

    def experiment() -> object:
        made = laboratory.Experiment()
        made.control(control, args=[100.0])
        made.candidate(candidate, args=[100.0])
        return made.conduct()

    return [Contender("laboratory's Experiment, compared with ==", experiment)]
