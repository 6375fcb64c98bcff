"""The joined door for asyncio: the same body, one hop per call, in the AsyncSession's own transaction."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from ..breaker import BreakerOptions, CircuitBreaker, Details
from ..checks import looks
from ..errors import WrongSessionError
from ..model import BreakerState, HistoryEntry, Incident, Note
from ..settings import BreakerSettings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session
    from typing_extensions import Unpack

P = ParamSpec("P")
T = TypeVar("T")


class AsyncCircuitBreaker:
    """`CircuitBreaker` for an ``AsyncSession``: every method is awaited and none blocks the event loop.

    Arguments, answers, locks and errors are those of `CircuitBreaker`. Needs ``driftbreaker[asyncio]`` (greenlet).
    """

    def __init__(
        self, session: AsyncSession | async_scoped_session[Any], name: str, **options: Unpack[BreakerOptions]
    ) -> None:
        self._session = checked_async_session(session)
        self._breaker = CircuitBreaker(self._session.sync_session, name, **options)

    @property
    def name(self) -> str:
        """The breaker's name."""
        return self._breaker.name

    @property
    def scope(self) -> str:
        """The breaker's scope; ``""`` is the whole."""
        return self._breaker.scope

    @property
    def failure_threshold(self) -> int:
        """How many bad scores in a row trip it."""
        return self._breaker.failure_threshold

    @property
    def drift_threshold(self) -> float:
        """The score above which a report is bad."""
        return self._breaker.drift_threshold

    @property
    def settings(self) -> BreakerSettings:
        """The settings in force."""
        return self._breaker.settings

    async def is_disabled(self) -> bool:
        """See `CircuitBreaker.is_disabled`."""
        return await self._hop(self._breaker.is_disabled)

    async def is_open(self) -> bool:
        """See `CircuitBreaker.is_open`."""
        return await self._hop(self._breaker.is_open)

    async def is_closed(self) -> bool:
        """See `CircuitBreaker.is_closed`."""
        return await self._hop(self._breaker.is_closed)

    async def get_state(self) -> BreakerState:
        """See `CircuitBreaker.get_state`."""
        return await self._hop(self._breaker.get_state)

    async def get_incidents(self, include_resolved: bool = False, limit: int = 10) -> list[Incident]:  # noqa: FBT001, FBT002
        """See `CircuitBreaker.get_incidents`."""
        return await self._hop(self._breaker.get_incidents, include_resolved, limit)

    async def get_history(self, limit: int = 50, before: int | None = None) -> list[HistoryEntry]:
        """See `CircuitBreaker.get_history`."""
        return await self._hop(self._breaker.get_history, limit, before)

    async def report_drift(
        self,
        score: float,
        sample_count: int = 1,
        details: Details | None = None,
        *,
        generation: int | None = None,
    ) -> Incident | None:
        """See `CircuitBreaker.report_drift`."""
        return await self._hop(self._breaker.report_drift, score, sample_count, details, generation=generation)

    async def report_schema_error(
        self, count: int = 1, details: Details | None = None, *, generation: int | None = None
    ) -> Incident | None:
        """See `CircuitBreaker.report_schema_error`."""
        return await self._hop(self._breaker.report_schema_error, count, details, generation=generation)

    async def disable(self, reason: str, *, actor: str, until: datetime | None = None) -> tuple[bool, Incident | None]:
        """See `CircuitBreaker.disable`."""
        return await self._hop(self._breaker.disable, reason, actor=actor, until=until)

    async def hold(self, reason: str, *, actor: str, until: datetime | None) -> bool:
        """See `CircuitBreaker.hold`."""
        return await self._hop(self._breaker.hold, reason, actor=actor, until=until)

    async def enable(self, reason: str, *, actor: str) -> bool:
        """See `CircuitBreaker.enable`."""
        return await self._hop(self._breaker.enable, reason, actor=actor)

    async def reset(self, reason: str, *, actor: str) -> bool:
        """See `CircuitBreaker.reset`."""
        return await self._hop(self._breaker.reset, reason, actor=actor)

    async def force_on(self, reason: str, *, actor: str, until: datetime) -> bool:
        """See `CircuitBreaker.force_on`."""
        return await self._hop(self._breaker.force_on, reason, actor=actor, until=until)

    async def acknowledge(
        self, reason: str, *, actor: str, incident_id: str | None = None
    ) -> tuple[bool, Incident | None]:
        """See `CircuitBreaker.acknowledge`."""
        return await self._hop(self._breaker.acknowledge, reason, actor=actor, incident_id=incident_id)

    async def assign(
        self, to: str | None, reason: str, *, actor: str, incident_id: str | None = None
    ) -> tuple[bool, Incident | None]:
        """See `CircuitBreaker.assign`."""
        return await self._hop(self._breaker.assign, to, reason, actor=actor, incident_id=incident_id)

    async def add_note(self, body: str, *, actor: str, incident_id: str | None = None) -> Note | None:
        """See `CircuitBreaker.add_note`."""
        return await self._hop(self._breaker.add_note, body, actor=actor, incident_id=incident_id)

    async def get_notes(self, incident_id: str, limit: int = 50) -> list[Note]:
        """See `CircuitBreaker.get_notes`."""
        return await self._hop(self._breaker.get_notes, incident_id, limit)

    async def _hop(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._session.run_sync(lambda _: method(*args, **kwargs))


def checked_async_session(session: Any) -> AsyncSession:
    """Return the AsyncSession behind `session`, or raise WrongSessionError."""
    # By duck: importing SQLAlchemy's asyncio would need greenlet even to say what is wrong.
    if looks(lambda: callable(session) and hasattr(session, "registry")):
        session = session()
    if not looks(lambda: hasattr(session, "sync_session") and hasattr(session, "run_sync")):
        raise WrongSessionError(f"session must be a sqlalchemy AsyncSession, got {type(session).__name__}")
    return session  # type: ignore[no-any-return]
