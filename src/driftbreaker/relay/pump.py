"""What a relay does, for whatever engine: sweep, claim, send, settle; once, or until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Protocol, TypeVar

from sqlalchemy.orm import Session

from .. import outbox
from ..alerts import Channel, Result
from ..hooks import Event, emit
from ..model import AlertState
from ..outbox import Settled
from ..waits import CHANCE, back_off, spread
from .delivery import close, deliver
from .options import A_WEEK, Options, Pass

T = TypeVar("T")

_logger = logging.getLogger("driftbreaker")
SWEEP_BATCH = 100
PRUNE_BATCH = 500
PRUNE_EVERY = 60.0
LOOK_EVERY = 300.0
DATABASE = "database"


class Database(Protocol):
    """Runs one step in one short transaction of its own, and commits it."""

    async def run(self, step: Callable[[Session], T]) -> T:
        """Run a step with a session; roll back what it raises."""
        ...


class Pump:
    """The steps of a relay, in one event loop.

    Each channel is pumped on its own, so that a receiver that answers slowly, or not at all, delays no other.
    """

    def __init__(self, database: Database, options: Options) -> None:
        self._database = database
        self._options = options
        self._ledger = options.ledger
        self._wakes: list[asyncio.Event] = []
        self._stopping = asyncio.Event()
        self._trouble: defaultdict[str, set[str]] = defaultdict(set)
        self._prune_at: float | None = None
        self._look_at: dict[str, float] = {}

    async def one_pass(self) -> Pass:
        """Sweep, then send everything that is due now; return what was done."""
        swept = await self._sweep()
        drained = await asyncio.gather(*map(self._drain, self._options.channels), return_exceptions=True)
        done = Pass(swept=swept)
        for each in drained:
            # Only when every channel had its turn: one of them must not cut the others short.
            if isinstance(each, BaseException):
                raise each
            done += each
        await self._mark_missed()
        await self._prune()
        return done

    async def forever(self) -> None:
        """Go on until told to stop, and send what is due then, in one last pass."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._repeat("housekeeping", self._keep_house, asyncio.Event()))
                for channel in self._options.channels:
                    # Commits wake the channels alone: for housekeeping they would pay with this process's time.
                    wake = asyncio.Event()
                    self._wakes.append(wake)
                    group.create_task(self._repeat(_called(channel), partial(self._drain, channel), wake))
        finally:
            await self.close()

    async def close(self) -> None:
        """Close the channels' connections of this event loop."""
        for channel in self._options.channels:
            try:
                await close(channel)
            except Exception:
                _logger.exception("driftbreaker: the channel %r could not be closed", channel.name)

    def wake(self) -> None:
        """Look for work at once. For this event loop's own thread."""
        for wake in self._wakes:
            wake.set()

    def stop(self) -> None:
        """Stop after one last pass. For this event loop's own thread."""
        self._stopping.set()

    async def _repeat(self, what: str, work: Callable[[], Coroutine[Any, Any, Pass]], wake: asyncio.Event) -> None:
        """Work when woken, and at every poll; an outage of the database or of the receiver only slows it down."""
        failures = 0
        while True:
            stopping = self._stopping.is_set()
            wake.clear()
            failed = not await self._worked(what, work)
            failures = failures + 1 if failed else 0
            if stopping:
                return
            if failures:
                # Woken or not: what is down is not asked at every commit of the host's.
                pause = back_off(failures, self._options.retry_base, self._options.resend_interval, CHANCE)
                await self._wait(pause)
            else:
                await self._wait(spread(self._options.poll, CHANCE), wake)

    async def _worked(self, what: str, work: Callable[[], Coroutine[Any, Any, Pass]]) -> bool:
        try:
            done = await work()
        except Exception as error:
            # The database's, mostly, and told once. A defect of ours must not end the pager either.
            _logger.debug("driftbreaker: the relay's %s failed", what, exc_info=True)
            said = str(error).partition("\n")[0]  # the database's own line; statement and parameters follow
            self._troubled(DATABASE, what, f"{type(error).__name__}: {said}")
            return False
        self._untroubled(DATABASE, what)
        if done.sent or done.parked:
            self._untroubled(what, what)
        return not done.failed or bool(done.sent)

    async def _wait(self, seconds: float, *events: asyncio.Event) -> None:
        """Wait for one of the events, or for the end, but no longer than so many seconds."""
        waiting = [asyncio.ensure_future(event.wait()) for event in (self._stopping, *events)]
        try:
            await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()

    async def _keep_house(self) -> Pass:
        swept = await self._sweep()
        await self._mark_missed()
        now = asyncio.get_running_loop().time()
        # Never first: what a relay finds after a long absence is sent before it is forgotten.
        if self._prune_at is not None and now >= self._prune_at:
            await self._prune()
        if self._prune_at is None or now >= self._prune_at:
            self._prune_at = now + PRUNE_EVERY
        if swept:
            self.wake()
        return Pass(swept=swept)

    async def _mark_missed(self) -> None:
        await self._database.run(lambda session: outbox.mark_missed(session, self._ledger, SWEEP_BATCH))

    async def _sweep(self) -> int:
        swept = 0
        while recovered := await self._database.run(lambda session: outbox.sweep(session, self._ledger, SWEEP_BATCH)):
            swept += recovered
        return swept

    async def _prune(self) -> None:
        keep = self._options.keep
        while await self._database.run(
            lambda session: outbox.prune(session, self._ledger, keep=keep, keep_parked=A_WEEK, limit=PRUNE_BATCH)
        ):
            pass

    async def _drain(self, channel: Channel) -> Pass:
        """Send by one channel until nothing is due; stop where everything fails, for then the receiver is down."""
        done = Pass()
        now = asyncio.get_running_loop().time()
        everything = now >= self._look_at.get(channel.name, 0.0)
        told: set[tuple[str, int]] = set()
        while claims := await self._claim(channel, everything=everything):
            settled = await deliver(channel, claims, self._options)
            await self._settle(channel, settled)
            part = _count(settled)
            self._tell(channel, settled)
            done += part
            if part.failed and not (part.sent or part.parked):
                return done
            claimed = {(claim.alert.identity, claim.alert.version) for claim in claims}
            if claimed <= told:
                # Due again before all was sent once: it would go round for ever, and nobody could stop it.
                break
            told |= claimed
        if everything:
            self._look_at[channel.name] = now + LOOK_EVERY
        return done

    async def _claim(self, channel: Channel, *, everything: bool) -> list[outbox.Claim]:
        options, ledger = self._options, self._ledger
        found = await self._database.run(
            lambda session: outbox.find_due(session, ledger, channel.name, options.batch, everything=everything)
        )
        if not found:
            return []
        records = channel.cadence.keeps_records
        return await self._database.run(
            lambda session: outbox.claim(session, ledger, channel.name, found, lease=options.lease, records=records)
        )

    async def _settle(self, channel: Channel, settled: list[Settled]) -> None:
        ledger = self._ledger
        fired = [
            each.claim.alert.incident.id
            for each in settled
            if each.outcome is not None and each.outcome.result is Result.ACCEPTED and each.claim.alert.firing
            if not each.claim.alert.incident.alert_sent
        ]
        await self._database.run(lambda session: outbox.settle(session, ledger, channel.name, settled))
        # A transaction of its own: a row of the host's that it would wait for must not hold up the claims.
        await self._database.run(lambda session: outbox.mark_sent(session, ledger, fired))

    def _tell(self, channel: Channel, settled: list[Settled]) -> None:
        """Tell the log and the listeners what changed: never once per send."""
        what = _called(channel)
        errors = [each.outcome.error for each in settled if each.outcome and each.outcome.result is Result.FAILED]
        if errors:
            self._troubled(what, what, errors[0])
        emit(_event(channel, each) for each in settled if _is_news(each))

    def _troubled(self, what: str, whose: str, error: str) -> None:
        """Say that something began to fail, once however many meet it."""
        if not self._trouble[what]:
            _logger.warning("driftbreaker: the relay's %s is failing, nothing is lost: %s", what, error)
            emit([Event(kind="relay_failing", name="", scope="", facts={"what": what, "error": error})])
        self._trouble[what].add(whose)

    def _untroubled(self, what: str, whose: str) -> None:
        """Say that it works again, once it does for all."""
        if whose in self._trouble[what]:
            self._trouble[what].discard(whose)
            if not self._trouble[what]:
                _logger.warning("driftbreaker: the relay's %s works again", what)
                emit([Event(kind="relay_restored", name="", scope="", facts={"what": what})])


def _called(channel: Channel) -> str:
    return f"channel {channel.name!r}"


def _count(settled: list[Settled]) -> Pass:
    results = [each.outcome.result for each in settled if each.outcome is not None]
    return Pass(
        sent=results.count(Result.ACCEPTED),
        failed=results.count(Result.FAILED),
        parked=results.count(Result.REFUSED),
    )


def _is_news(settled: Settled) -> bool:
    """Whether a channel was told a state for the first time, or refused one."""
    outcome, claim = settled.outcome, settled.claim
    if outcome is None or outcome.result is Result.FAILED:
        return False
    if outcome.result is Result.REFUSED:
        return True
    return (claim.state_sent, claim.incident_sent) != (claim.alert.state, claim.alert.incident.id)


def _event(channel: Channel, settled: Settled) -> Event:
    alert, outcome = settled.claim.alert, settled.outcome
    assert outcome is not None  # noqa: S101  only what was sent is news
    kind = "alert_parked" if outcome.result is Result.REFUSED else "alert_sent"
    facts: dict[str, Any] = {
        "channel": channel.name,
        "state": alert.state.value,
        "incident_id": alert.incident.id,
        "firing": alert.state is AlertState.FIRING,
        "error": outcome.error,
    }
    return Event(kind=kind, name=alert.name, scope=alert.scope, facts=facts)
