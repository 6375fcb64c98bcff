"""DB-backed circuit breaker of CostSim V2. It works inside the caller's session and never commits.

Thin on purpose: every body is a call into the core.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ParamSpec, TypeVar, cast

from sqlalchemy.orm import Session

from ..breaker import CircuitBreaker as CoreBreaker
from ..checks import check_actor, check_reason, check_until, looks, text_or
from ..errors import WrongSessionError
from .configuration import Configuration
from .intents import FeatureIntent, RetryPolicy
from .records import CircuitBreakerState, Incident

FEATURE_INTENT = FeatureIntent.STATE_MUTATION
RETRY_POLICY = RetryPolicy.SAFE
CB_NAME = "costsim_v2"

logger = logging.getLogger("driftbreaker.costsim")

P = ParamSpec("P")
T = TypeVar("T")


class CircuitBreaker:
    """The breaker that turns CostSim V2 off when its costs drift from V1's.

    `session` is a ``Session`` (SQLAlchemy's or SQLModel's) or an ``AsyncSession``; its transaction is the caller's to
    end. Thresholds of None come from the environment, as everything else does, read here. Raises ValueError for a
    threshold, a name or an environment variable that cannot be, TypeError for what is no session.
    """

    def __init__(
        self,
        session: Session,
        failure_threshold: int | None = None,
        drift_threshold: float | None = None,
        name: str = CB_NAME,
    ) -> None:
        configuration = Configuration.from_environment()
        settings = configuration.settings(failure_threshold, drift_threshold)
        # A scoped session stands for its scope's own; an AsyncSession runs the core inside it, one hop per call.
        own: Any = session
        if looks(lambda: callable(session) and hasattr(session, "registry")):
            own = own()
        asynchronous = looks(lambda: hasattr(own, "sync_session") and hasattr(own, "run_sync"))
        self._hop: Callable[..., Any] | None = own.run_sync if asynchronous else None
        self._core = CoreBreaker(own.sync_session if asynchronous else own, name, settings=settings)
        self._instance_id = configuration.instance_id

    @property
    def name(self) -> str:
        """The breaker's name."""
        return self._core.name

    @property
    def failure_threshold(self) -> int:
        """How many bad scores in a row disable V2."""
        return self._core.failure_threshold

    @property
    def drift_threshold(self) -> float:
        """The score above which a report is bad."""
        return self._core.drift_threshold

    async def is_disabled(self) -> bool:
        """Return whether V2 is off. Locks nothing and waits for nobody."""
        return await self._run(self._core.is_disabled)

    async def report_drift(
        self, drift_score: float, sample_count: int = 1, details: Mapping[str, Any] | None = None
    ) -> Incident | None:
        """Report one drift score; return the incident if it disabled V2. See the core's `report_drift`."""
        return _narrow(await self._run(self._core.report_drift, drift_score, sample_count, details))

    async def report_schema_error(
        self, error_count: int = 1, details: Mapping[str, Any] | None = None
    ) -> Incident | None:
        """Report schema errors; return the incident if they disabled V2. See the core's `report_schema_error`."""
        return _narrow(await self._run(self._core.report_schema_error, error_count, details))

    async def disable_v2(
        self, reason: str, disabled_by: str, disabled_until: datetime | None = None
    ) -> tuple[bool, Incident | None]:
        """Disable V2 by hand, until somebody enables it or until `disabled_until`; (changed, incident)."""
        actor = check_actor(disabled_by, "disabled_by")
        until = check_until(disabled_until, "disabled_until")
        changed, incident = await self._run(self._core.disable, reason, actor=actor, until=until)
        return changed, _narrow(incident)

    async def enable_v2(self, enabled_by: str, reason: str | None = None) -> bool:
        """Enable V2 by hand; True iff this call did it."""
        actor = check_actor(enabled_by, "enabled_by")
        return await self._run(self._core.enable, check_reason(text_or(reason, "Manual enable")), actor=actor)

    async def reset(self, reason: str | None = None, reset_by: str | None = None) -> bool:
        """Enable V2 and clear its streak; True iff this call enabled it."""
        actor = check_actor(text_or(reset_by, self._instance_id), "reset_by")
        return await self._run(self._core.reset, check_reason(text_or(reason, "Manual reset")), actor=actor)

    def is_open(self) -> bool:
        """Return whether V2 is off, writing nothing."""
        return self._read(self._core.is_open)

    def is_closed(self) -> bool:
        """Return whether V2 is on, writing nothing."""
        return self._read(self._core.is_closed)

    def get_state(self) -> CircuitBreakerState:
        """Return everything the breaker says now, writing nothing."""
        return CircuitBreakerState.of(self._read(self._core.get_state))

    def get_incidents(self, include_resolved: bool = False, limit: int = 10) -> list[Incident]:  # noqa: FBT001, FBT002
        """Return at most `limit` incidents, newest first, writing nothing."""
        return [Incident.of(each) for each in self._read(self._core.get_incidents, include_resolved, limit)]

    async def _run(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._hop is None:
            return method(*args, **kwargs)
        return cast(T, await self._hop(lambda _: method(*args, **kwargs)))

    def _read(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._hop is not None:
            raise WrongSessionError(
                f"{getattr(method, '__name__', 'this method')} is not awaited and cannot use an AsyncSession: "
                "use driftbreaker.AsyncCircuitBreaker, whose readers are"
            )
        return method(*args, **kwargs)


def _narrow(incident: Any) -> Incident | None:
    return None if incident is None else Incident.of(incident)


def create_circuit_breaker(
    session: Session,
    failure_threshold: int | None = None,
    drift_threshold: float | None = None,
    name: str = CB_NAME,
) -> CircuitBreaker:
    """Return a breaker on `session`: each operation gets its own, none is kept."""
    return CircuitBreaker(session, failure_threshold, drift_threshold, name)


async def is_v2_disabled(session: Session) -> bool:
    """Return whether CostSim V2 is off."""
    return await create_circuit_breaker(session).is_disabled()


async def disable_v2(
    session: Session, reason: str, disabled_by: str, disabled_until: datetime | None = None
) -> tuple[bool, Incident | None]:
    """Disable CostSim V2 by hand; (changed, incident)."""
    return await create_circuit_breaker(session).disable_v2(reason, disabled_by, disabled_until)


async def enable_v2(session: Session, enabled_by: str, reason: str | None = None) -> bool:
    """Enable CostSim V2 by hand; True iff this call did it."""
    return await create_circuit_breaker(session).enable_v2(enabled_by, reason)
