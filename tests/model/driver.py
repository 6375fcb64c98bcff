"""Takes each step twice, through the doors of a real breaker and in the model, and compares what comes of it.

Several sessions work side by side. Where two writers would wait for each other, the session that is there already
takes the turn; readers never wait, and see what is committed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from hypothesis import event
from sqlalchemy.orm import Session

from driftbreaker import BreakerSettings, CircuitBreaker, Event, listen
from driftbreaker.testing import ManualClock
from tests.model.compare import Tables, compare_incidents, compare_lists, compare_state, compare_tables, same
from tests.model.ledger import Key, LateReport, Ledger
from tests.model.oracle import Breaker
from tests.model.places import Place

WHOLE, PART, OTHER = ("a", ""), ("a", "part"), ("b", "")
KEYS: tuple[Key, ...] = (WHOLE, PART, OTHER)
SESSIONS = 3
HOUR = timedelta(hours=1)


class Driver:
    """One world for one example: sessions, a clock that stands still, the model, and a count of what was reached."""

    def __init__(self, place: Place, reached: Counter[str]) -> None:
        self.place = place
        self.reached = reached
        self.clock = ManualClock()
        self.settings = BreakerSettings()
        self.ledger = Ledger(KEYS, SESSIONS, self.reach)
        self.sessions = [Session(place.engine) for _ in range(SESSIONS)]
        self.savepoints: list[list[Any]] = [[] for _ in range(SESSIONS)]
        self.reader = Session(place.engine)
        self.outside = place.outside.connect()
        self.acted: tuple[int, Key] = (0, WHOLE)
        self.opened: tuple[Key, int, str] | None = None
        self.told: Counter[tuple[str, str, str]] = Counter()
        self.stop_listening = listen(self._hear)

    def close(self) -> None:
        self.stop_listening()
        for each in (*self.sessions, self.reader, self.outside):
            each.close()
        self.place.empty()

    def _hear(self, told: Event) -> None:
        if told.kind != "warning":
            self.told[told.kind, told.name, told.scope] += 1

    def reach(self, what: str, really: object = True) -> None:
        if really:
            self.reached[what] += 1
            event(what)

    # What the steps have in common.

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def seen(self, session: int, key: Key) -> Breaker:
        return self.ledger.view(session)[key]

    def door(self, session: int, key: Key, *, late: bool = False, as_script: bool = False) -> CircuitBreaker:
        return CircuitBreaker(
            self.sessions[session],
            key[0],
            scope=key[1],
            settings=None if as_script else self.settings,
            when="commit" if late else "now",
            clock=self.clock,
        )

    def turn(self, session: int, key: Key) -> int:
        """The session that may write: whoever is at it already."""
        holder = self.ledger.holder(key, but=session)
        if holder is None and self.place.one_writer and not self.ledger.sessions[session].begun:
            holder = self.ledger.busy(but=session)
        return session if holder is None else holder

    def _acts(self, session: int, key: Key) -> None:
        self.ledger.sessions[session].begun = True
        self.acted = (session, key)

    def _returned(self, key: Key, incident: Any, position: int | None) -> None:
        """Compare a returned incident; its id is compared with the tables, after the step."""
        same("an incident is returned", incident is not None, position is not None)
        self.opened = None if position is None else (key, position, incident.id)
        if position is not None:
            model = self.seen(self.acted[0], key).incidents[position]
            facts = (incident.timestamp, incident.reason, incident.severity, incident.drift_score)
            same("the returned incident", facts, (model.at, model.reason, model.severity, model.score))
            same("its samples", (incident.sample_count, incident.resolved), (model.samples, False))

    def _fence(self, kind: str, session: int, key: Key) -> int | None:
        """A generation as a caller reads it, through the door, when its call is admitted."""
        if kind == "none":
            return None
        generation = self.door(session, key).get_state().generation
        return max(0, generation + {"present": 0, "earlier": -1, "next": 1}[kind])

    # Reports.

    def report(self, session: int, key: Key, scores: Sequence[float], fence: str = "none") -> None:
        door = self.door(session, key)
        generation = self._fence(fence, session, key)
        for samples, score in enumerate(scores, start=1):

            def model(breaker: Breaker, one: tuple[float, int] = (score, samples)) -> int | None:
                return breaker.report_drift([one], generation, self.settings, self.now)

            incident = door.report_drift(score, samples, {"n": samples}, generation=generation)
            self._reported(session, key, model, incident, fence)
            if incident is not None:
                return

    def report_schema_errors(self, session: int, key: Key, count: int, fence: str) -> None:
        generation = self._fence(fence, session, key)

        def model(breaker: Breaker) -> int | None:
            return breaker.report_schema_errors(count, generation, self.settings, self.now)

        incident = self.door(session, key).report_schema_error(count, generation=generation)
        self.reach("schema errors tripped", incident)
        self._reported(session, key, model, incident, fence, locks=count > 0)

    def _reported(
        self,
        session: int,
        key: Key,
        model: Callable[[Breaker], int | None],
        incident: Any,
        fence: str,
        *,
        locks: bool = False,
    ) -> None:
        """Let the model report as well. An open breaker is not locked by it, nor is one that it leaves as it is."""
        before = self.seen(session, key)
        after = before.copy()
        position = model(after)
        if after != before or (locks and not before.is_open(self.now)):
            self.ledger.put(session, key, after)
        self._acts(session, key)
        self._returned(key, incident, position)
        changed = after != before
        changes = [entry.change for entry in after.history]
        self.reach("tripped", position is not None)
        self.reach("tripped after a recovery", position is not None and changes[-2:-1] == ["recover"])
        self.reach("reported on an open breaker", before.is_open(self.now))
        self.reach("a report recovered an expired breaker", changed and before.expired(self.now))
        self.reach("a fenced report changed nothing", fence in ("earlier", "next") and not changed)
        self.reach("a fenced report counted", fence == "present" and changed)
        self.reach("a force prevented a trip", changed and after.forced(self.now) and self._would_trip(after))
        self._sync_recovery(session, key)

    def _would_trip(self, breaker: Breaker) -> bool:
        return self.settings.auto_disable and breaker.streak >= self.settings.failure_threshold

    def _sync_recovery(self, session: int, key: Key) -> None:
        """A report of another generation may put a recovery on record, or not: no reader can tell."""
        if self.seen(session, key).expired(self.now):
            (row,) = Tables(self.sessions[session].connection()).of("breakers", key)
            if row["status"] == "closed":
                self.ledger.write(session, key).recover()

    def report_late(
        self, session: int, key: Key, scores: Sequence[float], errors: int = 0, fence: str = "none"
    ) -> None:
        """Scores, then schema errors where there are any; made when the session commits."""
        generation = self._fence(fence, session, key)
        door = self.door(session, key, late=True)
        late = self.ledger.sessions[session].late
        for samples, score in enumerate(scores, start=1):
            assert door.report_drift(score, samples, generation=generation) is None
            late.append(LateReport(key, self.settings, generation, scores=((score, samples),)))
        if errors:
            assert door.report_schema_error(errors, generation=generation) is None
            late.append(LateReport(key, self.settings, generation, errors=errors))
        self._acts(session, key)

    # By hand.

    def disable(self, session: int, key: Key, reason: str, until: datetime | None, *, as_script: bool = False) -> None:
        before = self.seen(session, key).copy()
        changed, incident = self.door(session, key, as_script=as_script).disable(reason, actor="alice", until=until)
        breaker = self.ledger.write(session, key)
        model = breaker.disable(reason, "alice", until, None if as_script else self.settings, self.now)
        self._acts(session, key)
        same("changed", changed, model[0])
        self._returned(key, incident, model[1])
        last = breaker.history[-1].change if changed else None
        self.reach("superseded", last == "supersede")
        self.reach("superseded under other labels", last == "supersede" and before.labels != breaker.labels)
        self.reach("extended", last == "extend")
        self.reach("extended what was held", last == "extend" and before.hold)
        self.reach("extended a trip", last == "extend" and breaker.actor == "circuit_breaker")
        self.reach("disabled again without a change", not changed)
        self.reach("disabled until a time that is past", changed and breaker.expired(self.now))
        self.reach("disabled an expired breaker", before.expired(self.now))
        self.reach("disabled one that was forced on", before.forced(self.now))

    def hold(self, session: int, key: Key, until: datetime | None, *, as_script: bool) -> None:
        held = self.door(session, key, as_script=as_script).hold("hold it", actor="bob", until=until)
        breaker = self.ledger.write(session, key)
        settings = None if as_script else self.settings
        same("held", held, breaker.hold_until("hold it", "bob", until, settings, self.now))
        self._acts(session, key)
        self.reach("held a trip", held and breaker.actor == "circuit_breaker")

    def shut(self, session: int, key: Key, word: str, *, as_script: bool = False) -> None:
        before = self.seen(session, key).copy()
        closed = getattr(self.door(session, key, as_script=as_script), word)("fine again", actor="carol")
        model = getattr(self.ledger.write(session, key), word)
        same("closed", closed, model("fine again", "carol", None if as_script else self.settings, self.now))
        self._acts(session, key)
        self.reach("closed by hand", closed)
        self.reach("closed by hand after its end", before.expired(self.now))
        self.reach("reset the counts of a closed one", word == "reset" and not before.open and before.streak)

    def force_on(self, session: int, key: Key, until: datetime) -> None:
        closed = self.door(session, key).force_on("known drift", actor="dave", until=until)
        model = self.ledger.write(session, key).force_on("known drift", "dave", until, self.settings, self.now)
        same("closed", closed, model)
        self._acts(session, key)
        self.reach("forced on")
        self.reach("forced on an open breaker", closed)

    # Transactions.

    def commit(self, session: int) -> None:
        """What is in another session's way is rolled back: its late reports could only wait for it."""
        for key in self.ledger.late_keys(session):
            holder = self.ledger.holder(key, but=session)
            if holder is not None:
                self.rollback(holder)
        self.sessions[session].commit()
        self.ledger.commit(session, self.now)
        self.savepoints[session].clear()
        self.acted = (session, self.acted[1])
        for key, breaker in self.ledger.committed.items():  # as in _sync_recovery, for the late reports
            if breaker.expired(self.now) and Tables(self.outside).of("breakers", key)[0]["status"] == "closed":
                breaker.recover()

    def rollback(self, session: int) -> None:
        self.sessions[session].rollback()
        self.ledger.rollback(session)
        self.savepoints[session].clear()
        self.acted = (session, self.acted[1])

    def begin_savepoint(self, session: int) -> None:
        self.savepoints[session].append(self.sessions[session].begin_nested())
        self.ledger.begin_savepoint(session)

    def end_savepoint(self, session: int, depth: int, *, undo: bool) -> None:
        """Those inside it end along."""
        savepoint = self.savepoints[session][depth]
        del self.savepoints[session][depth:]
        if undo:
            savepoint.rollback()
            self.ledger.undo_savepoint(session, depth)
        else:
            savepoint.commit()
            self.ledger.release_savepoint(session, depth)
            self.reach("released a savepoint")
        self.acted = (session, self.acted[1])

    # Reading.

    def check(self, session: int, key: Key) -> None:
        """A check may put a recovery on record, where it need not wait for that; no reader can tell."""
        seen = self.seen(session, key)
        expired, held = seen.expired(self.now), self.ledger.holder(key, but=session) is not None
        door = self.door(session, key)
        before = door.get_state()
        compare_lists(door)
        same("is disabled", door.is_disabled(), before.is_open)
        same("the state", door.get_state(), before)
        compare_lists(door)
        if expired and self.place.checks_recover and not held:
            self.ledger.write(session, key).recover()
            self.reach("a check put a recovery on record")
        self.reach("a check met an expired breaker", expired)
        self.reach("a check met an expired breaker that another session holds", expired and held)
        self.acted = (session, key)

    def compare(self) -> None:
        """Compare what is committed, from outside; what the acting session sees; and what others see of it."""
        session, key = self.acted
        tables = Tables(self.outside)
        compare_tables(tables, self.ledger.committed)
        recorded = Counter((row["change"], row["name"], row["scope"]) for row in tables.everything()["history"])
        same("what listeners were told", self.told, recorded)
        view = self.ledger.view(session)
        if self.ledger.sessions[session].own:
            tables = Tables(self.sessions[session].connection())
            compare_tables(tables, view)
            self._compare_others(key)
        if self.opened is not None:
            where, position, incident = self.opened
            same("the returned id", incident, tables.of("incidents", where)[position]["id"])
            self.opened = None
        # An expired breaker's check may write: that is a step of its own.
        check = not (self.place.checks_recover and view[key].expired(self.now))
        door = self.door(session, key)
        compare_state(door, view, self.now, check=check)
        compare_incidents(door, view, self.now)
        whole = view[key[0], ""]
        self.reach("a scope read open with its whole", key[1] and whole.is_open(self.now) and not view[key].open)
        self.reach("a reader met an expired breaker", view[key].expired(self.now))
        self.reach("others read on while one had changed it", view[key].open != self.ledger.committed[key].open)
        if not self.ledger.sessions[session].begun:
            self.sessions[session].rollback()

    def _compare_others(self, key: Key) -> None:
        door = CircuitBreaker(self.reader, key[0], scope=key[1], clock=self.clock)
        compare_state(door, self.ledger.committed, self.now, check=False)
        self.reader.rollback()
