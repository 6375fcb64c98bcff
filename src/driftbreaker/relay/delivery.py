"""One channel's deliveries, without any database: what to send, in how many tries, and what became of it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ..alerts import Alert, Cadence, Channel, Outcome, Result
from ..clean import clean_text
from ..model import AlertState
from ..outbox import Claim, Settled
from ..threads import in_thread
from ..waits import CHANCE, Chance, back_off
from .options import Options
from .schedule import next_send

T = TypeVar("T")


def wants(cadence: Cadence, claim: Claim) -> bool:
    """Return whether a channel wants to hear of a claimed alert."""
    if cadence is not Cadence.MESSAGE:
        return True
    told = (claim.state_sent, claim.incident_sent)
    alert = claim.alert
    if alert.firing:
        return told != (AlertState.FIRING, alert.incident.id)
    # That something is over is news for those alone who heard that it began.
    return claim.state_sent is AlertState.FIRING


async def deliver(
    channel: Channel, claims: Sequence[Claim], options: Options, chance: Chance = CHANCE
) -> list[Settled]:
    """Send what the channel wants to hear of, and return every claim with its outcome and when it is due again."""
    wanted = [claim for claim in claims if wants(channel.cadence, claim)]
    outcomes = await _send_in_tries(channel, [claim.alert for claim in wanted], options, chance)
    unwanted = [Settled(claim=claim, outcome=None) for claim in claims if not wants(channel.cadence, claim)]
    return [
        Settled(claim=claim, outcome=outcome, delay=_delay(channel, claim, outcome, options, chance))
        for claim, outcome in zip(wanted, outcomes, strict=True)
    ] + unwanted


def _delay(channel: Channel, claim: Claim, outcome: Outcome, options: Options, chance: Chance) -> float | None:
    if outcome.result is Result.ACCEPTED:
        sends = claim.sends + 1 if claim.version_sent == claim.alert.version else 1
        return next_send(claim.alert, channel.cadence, sends, options.resend_interval, chance)
    if outcome.result is Result.FAILED:
        # Never rarer than a healthy alert is said again: the pager must not wait once its receiver is back.
        failures = claim.attempts + 1
        return back_off(failures, options.retry_base, options.resend_interval, chance, outcome.retry_after)
    return None


async def _send_in_tries(channel: Channel, alerts: Sequence[Alert], options: Options, chance: Chance) -> list[Outcome]:
    """Send; what fails is tried again as often as the options say, and no longer than the lease allows."""
    if not alerts:
        return []
    loop = asyncio.get_running_loop()
    deadline = loop.time() + options.patience
    outcomes = await _send(channel, alerts, deadline)
    for failures in range(1, options.tries):
        failed = [place for place, outcome in enumerate(outcomes) if outcome.result is Result.FAILED]
        if not failed:
            break
        wished = max(outcomes[place].retry_after or 0.0 for place in failed)
        pause = back_off(failures, options.retry_base, options.resend_interval, chance, wished)
        if loop.time() + pause >= deadline:
            break
        await asyncio.sleep(pause)
        again = await _send(channel, [alerts[place] for place in failed], deadline)
        for place, outcome in zip(failed, again, strict=True):
            outcomes[place] = outcome
    return outcomes


async def _send(channel: Channel, alerts: Sequence[Alert], deadline: float) -> list[Outcome]:
    """One try. Whatever a channel does, there is an outcome for each alert."""
    try:
        async with asyncio.timeout_at(deadline):
            answer = await _call(lambda: channel.send(alerts), plain=not inspect.iscoroutinefunction(channel.send))
    except TimeoutError:
        return _all_failed(alerts, "it took longer than a delivery may: raise the relay's lease, or lower its timeout")
    except Exception as error:  # noqa: BLE001  somebody's channel must not end the relay, nor lose an alert
        return _all_failed(alerts, f"{type(error).__name__}: {error}")
    outcomes = answer if isinstance(answer, list | tuple) else []
    if len(outcomes) != len(alerts) or not all(isinstance(each, Outcome) for each in outcomes):
        return _all_failed(alerts, f"send() must return a list of {len(alerts)} Outcome, got {answer!r}")
    return list(outcomes)


def _all_failed(alerts: Sequence[Alert], error: str) -> list[Outcome]:
    return [Outcome(result=Result.FAILED, error=clean_text(error, 500))] * len(alerts)


async def _call(method: Callable[[], Any], *, plain: bool) -> Any:
    if not plain:
        return await method()
    answer = await in_thread(method)
    return await answer if inspect.isawaitable(answer) else answer


async def close(channel: Channel) -> None:
    """Let a channel close its connections of this event loop."""
    await _call(channel.close, plain=not inspect.iscoroutinefunction(channel.close))
