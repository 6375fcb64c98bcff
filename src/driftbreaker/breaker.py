"""The joined door: a breaker inside the caller's own transaction."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal, TypedDict

from sqlalchemy.orm import Session, scoped_session

from . import store
from .checks import (
    check_actor,
    check_clock,
    check_count,
    check_door,
    check_flag,
    check_generation,
    check_incident,
    check_instant,
    check_key,
    check_kind,
    check_limit,
    check_present_or,
    check_reason,
    check_score,
    check_truth,
    check_until,
    check_when,
    looks,
)
from .clean import clean_details
from .clock import Clock
from .errors import WrongSessionError
from .model import BreakerState, HistoryEntry, Incident, Note, Observation
from .policy import Batch, judge
from .settings import BreakerSettings
from .store.joined import Door, Joined
from .store.late import LateReport, report_late
from .tables import Tables, default_tables

Details = Mapping[str, Any]
#: Of those who bring none. Made once: breakers are made on each request, and settings are checked.
_DEFAULTS = BreakerSettings()


class BreakerOptions(TypedDict, total=False):
    """The keyword arguments that every kind of breaker takes; `CircuitBreaker` says what they mean."""

    scope: str
    settings: BreakerSettings | None
    when: Literal["now", "commit"]
    clock: Clock | None
    tables: Tables | None
    notify: bool
    door: str


class CircuitBreaker:
    """A circuit breaker in the caller's transaction: what it writes commits with the caller's work, or not at all.

    - `session`: a ``sqlalchemy.orm.Session`` (or SQLModel's). Its transaction is joined; nothing here commits, rolls
      back, opens a savepoint, or flushes the caller's pending objects.
    - `name`, `scope`: which breaker, 1 to 200 and 0 to 200 characters. The scope ``""`` is the whole: while the whole
      is open, every scope of the name reads as open.
    - `settings`: thresholds, time to live, alert. Without settings the defaults judge reports, and what people do
      (disable, hold, …) acts on behalf of whoever's settings the row carries.
    - `when`: when reports are made. ``"now"`` at the call; ``"commit"`` just before the session's outermost commit,
      folded into one statement per breaker, so that a bad one holds the breaker's row for the commit alone. A late
      report answers None, is not seen by reads before the commit, and is forgotten with its savepoint or transaction.
      What it meets at the commit it raises there, and the commit fails. Only ``session.commit()`` (or ``prepare()``)
      makes it: a COMMIT sent as text or through the connection does not.
    - `clock`: stands in for the database's clock, in tests.
    - `tables`: tables under another prefix or in another schema.
    - `door`: what the history calls the way in, 1 to 32 characters: an admin page of yours may have a name of its own.
    - `notify`: whether its changes wake the switchboards of other processes, by NOTIFY in the caller's transaction, on
      PostgreSQL. Never under two-phase commit, which refuses it; switch it off where the database has no NOTIFY.

    Making one touches neither disk nor database, and it remembers nothing between calls. Raises WrongSessionError for
    what is no session, and InvalidArgumentError for a name, scope or option that cannot be.

    Every method may raise what the database raises, with a note that says whether the transaction is still usable;
    a method that writes raises NoTransactionError on a session in AUTOCOMMIT.
    """

    def __init__(
        self,
        session: Session | scoped_session[Any],
        name: str,
        *,
        scope: str = "",
        settings: BreakerSettings | None = None,
        when: Literal["now", "commit"] = "now",
        clock: Clock | None = None,
        tables: Tables | None = None,
        notify: bool = True,
        door: str = "session",
    ) -> None:
        self._session = _checked_session(session)
        key = check_key(name, scope)
        self._late = check_when(when) == "commit"
        check_kind(settings, BreakerSettings, "settings")
        check_kind(tables, Tables, "tables")
        check_clock(clock)
        self._door = Door(
            key=key,
            settings=settings or _DEFAULTS,
            tables=tables or default_tables(),
            clock=clock,
            owns_settings=settings is not None,
            kind=check_door(door),
            notify=check_flag(notify, "notify"),
        )
        # Whoever judges reports owns the settings that judge them, the defaults as well.
        self._reporting = replace(self._door, owns_settings=True)

    @property
    def name(self) -> str:
        """The breaker's name."""
        return self._door.key.name

    @property
    def scope(self) -> str:
        """The breaker's scope; ``""`` is the whole."""
        return self._door.key.scope

    @property
    def failure_threshold(self) -> int:
        """How many bad scores in a row trip it."""
        return self._door.settings.failure_threshold

    @property
    def drift_threshold(self) -> float:
        """The score above which a report is bad."""
        return self._door.settings.drift_threshold

    @property
    def settings(self) -> BreakerSettings:
        """The settings in force."""
        return self._door.settings

    def is_disabled(self) -> bool:
        """Return whether the candidate must not be used: open, and not expired. No row means False.

        One statement that locks nothing and waits for nobody. An expired breaker answers False; its recovery is
        written along only on PostgreSQL in a read-write READ COMMITTED transaction, for one row that nobody holds.
        """
        with self._join("is_disabled", writes=False) as joined:
            return store.is_open(joined, may_recover=True)

    def is_open(self) -> bool:
        """Return the same truth as `is_disabled`, without ever writing anything."""
        with self._join("is_open", writes=False) as joined:
            return store.is_open(joined, may_recover=False)

    def is_closed(self) -> bool:
        """Return the opposite of `is_open`."""
        return not self.is_open()

    def get_state(self) -> BreakerState:
        """Return everything the breaker says now. One statement; writes nothing, and makes no row."""
        with self._join("get_state", writes=False) as joined:
            return store.get_state(joined)

    def get_incidents(self, include_resolved: bool = False, limit: int = 10) -> list[Incident]:  # noqa: FBT001, FBT002
        """Return at most `limit` incidents, newest first; only unresolved ones unless `include_resolved`.

        Writes nothing. ``limit=0`` is an empty list; a negative one raises InvalidArgumentError.
        """
        limit, resolved = check_limit(limit), check_truth(include_resolved)
        with self._join("get_incidents", writes=False) as joined:
            return store.get_incidents(joined, include_resolved=resolved, limit=limit)

    def get_history(self, limit: int = 50, before: int | None = None) -> list[HistoryEntry]:
        """Return at most `limit` changes, newest first; `before` is the ``seq`` of the entry to go on from.

        Writes nothing. Raises InvalidArgumentError for a negative limit.
        """
        limit = check_limit(limit)
        before = None if before is None else check_count(before, "before", 0)
        with self._join("get_history", writes=False) as joined:
            return store.get_history(joined, limit=limit, before=before)

    def report_drift(
        self,
        score: float,
        sample_count: int = 1,
        details: Details | None = None,
        *,
        generation: int | None = None,
    ) -> Incident | None:
        """Report how far the candidate's answer lay from the control's; return the incident if this tripped it.

        - `score`: a finite number >= 0. Above `drift_threshold` it is bad; equal up to rounding it is not.
        - `sample_count`: how many comparisons it sums up, an integer >= 1; kept with the incident.
        - `details`: evidence, kept with the incident; copied, and cut or turned into text where JSON cannot hold it.
        - `generation`: the generation in which the candidate's call was admitted; in another, nothing changes.

        A bad score adds one to the streak and holds the breaker's row lock until the caller's transaction ends; the
        one that reaches `failure_threshold` opens the breaker and writes incident, alert and history. A score that is
        not bad clears a streak, under the same lock; where no streak was committed, it writes, locks and waits for
        nothing. An open breaker is neither changed nor locked.

        Raises InvalidArgumentError (a ValueError; for what is no number at all also a TypeError) before anything is
        sent.
        """
        score = check_score(score)
        observation = Observation(
            score=score,
            verdict=judge(score, self.drift_threshold),
            samples=check_count(sample_count, "sample_count", 1),
            details=clean_details(details),
        )
        generation = check_generation(generation)
        if self._late:
            late = LateReport(door=self._reporting, generation=generation, observation=observation)
            report_late(self._session, late)
            return None
        with self._reporting.join(self._session, "report_drift") as joined:
            return store.report_drift(joined, Batch.of([observation]), generation)

    def report_schema_error(
        self, count: int = 1, details: Details | None = None, *, generation: int | None = None
    ) -> Incident | None:
        """Report `count` answers of the candidate that had the wrong shape; return the incident if this tripped it.

        They add up over a rolling hour, apart from the streak of bad scores; reaching `schema_error_threshold` trips
        with severity P3. 0 is a no-op, and an open breaker ignores them. Holds the breaker's row lock until the
        caller's transaction ends. Raises InvalidArgumentError before anything is sent.
        """
        errors = check_count(count, "error_count", 0)
        generation = check_generation(generation)
        evidence = clean_details(details)
        if errors == 0:
            return None
        if self._late:
            late = LateReport(door=self._reporting, generation=generation, schema_errors=errors, details=evidence)
            report_late(self._session, late)
            return None
        with self._reporting.join(self._session, "report_schema_error") as joined:
            return store.report_schema_errors(joined, errors, evidence, generation)

    def disable(self, reason: str, *, actor: str, until: datetime | None = None) -> tuple[bool, Incident | None]:
        """Open the breaker by hand, until `until` or, without one, until somebody enables it.

        Returns whether anything changed, and the incident. Disabled already for the same reason: a later end extends
        the present incident, anything else changes nothing (``(False, None)``). Open for another reason: the present
        incident is superseded by a new one. An end in the past is accepted: on record, and expired at once.

        Writes breaker, incident, alert and history, under the row lock. Raises InvalidArgumentError for a blank
        reason or actor and for a naive `until`, before anything is sent.
        """
        reason, actor, until = check_reason(reason), check_actor(actor), check_until(until)
        with self._join("disable") as joined:
            return store.disable(joined, reason=reason, actor=actor, until=until)

    def hold(self, reason: str, *, actor: str, until: datetime | None) -> bool:
        """Give an *open* breaker a person's end: same incident, same alert, and no time to live ends it any more.

        `until` must lie ahead; None holds it until somebody enables it. Returns False when the breaker is closed.
        Writes breaker, incident, alert and history, under the row lock. Raises InvalidArgumentError.
        """
        reason, actor, until = check_reason(reason), check_actor(actor), check_until(until)
        with self._join("hold") as joined:
            return store.hold(joined, reason=reason, actor=actor, until=until)

    def enable(self, reason: str, *, actor: str) -> bool:
        """Close the breaker by hand; True iff this call closed it.

        Resolves incident and alert and clears the counts. An expired breaker's recovery is written, and the answer is
        False: it was closed already. Raises InvalidArgumentError for a blank reason or actor.
        """
        reason, actor = check_reason(reason), check_actor(actor)
        with self._join("enable") as joined:
            return store.enable(joined, reason=reason, actor=actor)

    def reset(self, reason: str, *, actor: str) -> bool:
        """Close the breaker by hand and, on a closed one, clear its streak, its schema errors and a force.

        True iff this call closed it. Raises InvalidArgumentError for a blank reason or actor.
        """
        reason, actor = check_reason(reason), check_actor(actor)
        with self._join("reset") as joined:
            return store.reset(joined, reason=reason, actor=actor)

    def force_on(self, reason: str, *, actor: str, until: datetime) -> bool:
        """Keep the breaker closed until `until`, a mandatory end ahead: reports count, and never trip.

        An open breaker is closed by it, and then the answer is True. A disable or a reset ends the force. Raises
        InvalidArgumentError for a blank reason or actor, and for an end that is missing, naive or past.
        """
        reason, actor, until = check_reason(reason), check_actor(actor), check_instant(until, "until")
        with self._join("force_on") as joined:
            return store.force_on(joined, reason=reason, actor=actor, until=until)

    def acknowledge(self, reason: str, *, actor: str, incident_id: str | None = None) -> tuple[bool, Incident | None]:
        """Say that somebody is on the present incident; return whether this call did it, and the incident.

        ``(False, incident)`` when somebody was first, whom the incident names, or when `incident_id` is given and that
        incident is over; ``(False, None)`` when the breaker is closed. The alert goes on firing.

        Writes incident and history, under the row lock. Raises InvalidArgumentError for a blank reason or actor, and
        for an incident that this breaker never had.
        """
        reason, actor, incident_id = check_reason(reason), check_actor(actor), check_present_or(incident_id)
        with self._join("acknowledge") as joined:
            return store.acknowledge(joined, reason=reason, actor=actor, incident_id=incident_id)

    def assign(
        self, to: str | None, reason: str, *, actor: str, incident_id: str | None = None
    ) -> tuple[bool, Incident | None]:
        """Give the present incident to somebody, or with None to nobody; return whether that is news, and the incident.

        ``(False, incident)`` when it is theirs already, or when `incident_id` is given and that incident is over;
        ``(False, None)`` when the breaker is closed. Writes and raises as `acknowledge` does.
        """
        to = None if to is None else check_actor(to, "to")
        reason, actor, incident_id = check_reason(reason), check_actor(actor), check_present_or(incident_id)
        with self._join("assign") as joined:
            return store.assign(joined, to=to, reason=reason, actor=actor, incident_id=incident_id)

    def add_note(self, body: str, *, actor: str, incident_id: str | None = None) -> Note | None:
        """Write to the present incident, or to any of this breaker's by its id; None when there is none.

        `body`: any text that is not blank, cut at 4,096 characters. Writes note and history, under the row lock.
        Raises InvalidArgumentError for a blank body or actor, and for an incident that this breaker never had.
        """
        body, actor, incident_id = check_reason(body, "body"), check_actor(actor), check_present_or(incident_id)
        with self._join("add_note") as joined:
            return store.add_note(joined, body=body, actor=actor, incident_id=incident_id)

    def get_notes(self, incident_id: str, limit: int = 50) -> list[Note]:
        """Return at most `limit` notes of one incident of this breaker, oldest first. Writes nothing."""
        limit, incident_id = check_limit(limit), check_incident(incident_id)
        with self._join("get_notes", writes=False) as joined:
            return store.get_notes(joined, incident_id=incident_id, limit=limit)

    def _join(self, operation: str, *, writes: bool = True) -> AbstractContextManager[Joined]:
        return self._door.join(self._session, operation, writes=writes)


def _checked_session(session: Any) -> Session:
    if looks(lambda: isinstance(session, scoped_session)):
        session = session()
    if looks(lambda: isinstance(session, Session)):
        return session  # type: ignore[no-any-return]
    if looks(lambda: hasattr(session, "sync_session")):
        raise WrongSessionError(
            "an AsyncSession needs AsyncCircuitBreaker (from driftbreaker import AsyncCircuitBreaker)"
        )
    raise WrongSessionError(f"session must be a sqlalchemy.orm.Session, got {type(session).__name__}")
