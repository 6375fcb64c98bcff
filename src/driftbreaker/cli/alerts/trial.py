"""Sends one synthetic alert, firing and then resolved, through channels; no database has a part in it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from driftbreaker import Alert, AlertSettings, Channel, Incident, Outcome, Result, Severity
from driftbreaker.clean import clean_text
from driftbreaker.model import AlertState, IncidentStatus, Key
from driftbreaker.settings import identity_of

TEST_NAME = "DriftbreakerTest"
BREAKER = "driftbreaker-test"
PATIENCE = 60.0
# Should the resolve be lost, the receiver ends it by itself.
AT_MOST = timedelta(minutes=5)


@dataclass(frozen=True)
class Answer:
    """What a channel made of the alert, firing and resolved."""

    fire: Outcome
    resolve: Outcome

    @property
    def taken(self) -> bool:
        """Whether both were taken."""
        return self.fire.result is Result.ACCEPTED and self.resolve.result is Result.ACCEPTED

    def to_dict(self) -> dict[str, Any]:
        """Render as plain data."""
        return {"taken": self.taken, "firing": _rendered(self.fire), "resolved": _rendered(self.resolve)}


def try_channels(channels: Sequence[Channel], severity: str, seconds: float) -> list[Answer]:
    """Fire through every channel at once, wait, and resolve, also when interrupted. What a channel raises is failed."""
    return asyncio.run(_try_all(channels, firing(severity, timedelta(seconds=seconds)), seconds))


def firing(severity: str, lasting: timedelta = timedelta(0)) -> Alert:
    """Return the synthetic alert as it fires."""
    now = datetime.now(UTC)
    labels = AlertSettings(alertname=TEST_NAME).labels_for(Key(BREAKER, ""), Severity(severity))
    incident = Incident(
        id=str(uuid4()),
        name=BREAKER,
        scope="",
        timestamp=now,
        reason="A test of the way to the pager: nothing has happened, and nothing is to be done",
        severity=severity,
        drift_score=0.0,
        sample_count=0,
        details={"test": True},
    )
    return Alert(
        identity=identity_of(labels),
        # Counts on with every test, or a receiver that knows the id would drop the second as a repetition.
        version=int(now.timestamp() * 1000) * 2,
        name=BREAKER,
        scope="",
        state=AlertState.FIRING,
        labels=labels,
        starts_at=now,
        ends_at=now + lasting + AT_MOST,
        now=now,
        incident=incident,
    )


def resolved(fired: Alert) -> Alert:
    """Return the same alert as it is over."""
    now = max(datetime.now(UTC), fired.starts_at)
    incident = replace(
        fired.incident,
        status=IncidentStatus.RESOLVED,
        resolved=True,
        resolved_at=now,
        resolved_by="driftbreaker alerts test",
        resolution_notes="the test is over",
    )
    return replace(fired, version=fired.version + 1, state=AlertState.RESOLVED, ends_at=now, now=now, incident=incident)


async def _try_all(channels: Sequence[Channel], alert: Alert, seconds: float) -> list[Answer]:
    fires: list[Outcome] = []
    try:
        fires = await asyncio.gather(*(_send(channel, alert) for channel in channels))
        if any(fire.result is Result.ACCEPTED for fire in fires):
            await asyncio.sleep(seconds)
    finally:
        over = resolved(alert)
        resolves = await asyncio.gather(*(_send(channel, over) for channel in channels))
        await asyncio.gather(*(_call(channel.close) for channel in channels))
    return [Answer(fire, resolve) for fire, resolve in zip(fires, resolves, strict=True)]


async def _send(channel: Channel, alert: Alert) -> Outcome:
    try:
        async with asyncio.timeout(PATIENCE):
            answer = await _call(channel.send, [alert])
    except TimeoutError:
        return Outcome(result=Result.FAILED, error=f"no answer within {PATIENCE:g} s")
    except Exception as error:  # noqa: BLE001  a channel that raises has failed, and the others go on
        return Outcome(result=Result.FAILED, error=clean_text(f"{type(error).__name__}: {error}", 500))
    outcome: Outcome = answer[0]
    return outcome


async def _call(method: Any, *arguments: Any) -> Any:
    if inspect.iscoroutinefunction(method):
        return await method(*arguments)
    return await asyncio.to_thread(method, *arguments)


def _rendered(outcome: Outcome) -> dict[str, str]:
    return {"result": outcome.result.value, "error": outcome.error}
