"""What several sessions should see of each other: committed breakers, and what each transaction changed, as copies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from driftbreaker import BreakerSettings
from tests.model.oracle import Breaker, Scores

Key = tuple[str, str]
Own = dict[Key, Breaker]


@dataclass(frozen=True)
class LateReport:
    """One call: scores, or else a number of schema errors."""

    key: Key
    settings: BreakerSettings
    generation: int | None
    scores: tuple[tuple[float, int], ...] = ()
    errors: int = 0

    @property
    def group(self) -> tuple[object, ...]:
        return self.key, self.settings.hash, self.generation, bool(self.scores)


@dataclass
class Transaction:
    """What one session has changed since its transaction began. `locked` are the rows that others must wait for."""

    begun: bool = False
    own: Own = field(default_factory=dict)
    locked: set[Key] = field(default_factory=set)
    late: list[LateReport] = field(default_factory=list)
    savepoints: list[tuple[Own, set[Key], list[LateReport]]] = field(default_factory=list)


class Ledger:
    """Committed breakers and the sessions' transactions; tells `reach` what came about."""

    def __init__(self, keys: tuple[Key, ...], sessions: int, reach: Callable[[str, object], None]) -> None:
        self.committed: Own = {key: Breaker(*key) for key in keys}
        self.sessions = [Transaction() for _ in range(sessions)]
        self.reach = reach

    def view(self, who: int) -> Own:
        """What a session sees: its own changes over what is committed."""
        return {**self.committed, **self.sessions[who].own}

    def holder(self, key: Key, but: int) -> int | None:
        """Another session that holds the breaker's row."""
        return next((n for n, each in enumerate(self.sessions) if n != but and key in each.locked), None)

    def busy(self, but: int) -> int | None:
        """Another session that is in a transaction."""
        return next((n for n, each in enumerate(self.sessions) if n != but and each.begun), None)

    def write(self, who: int, key: Key) -> Breaker:
        """The session's own copy of a breaker, whose row it holds from now on."""
        mine = self.sessions[who]
        mine.begun = True
        mine.locked.add(key)
        return mine.own.setdefault(key, self.committed[key].copy())

    def put(self, who: int, key: Key, breaker: Breaker) -> None:
        """As `write`, with a copy that was changed already."""
        self.write(who, key)
        self.sessions[who].own[key] = breaker

    # Transactions.

    def begin_savepoint(self, who: int) -> None:
        mine = self.sessions[who]
        mine.begun = True
        mine.savepoints.append((_copied(mine.own), set(mine.locked), list(mine.late)))

    def release_savepoint(self, who: int, depth: int) -> None:
        del self.sessions[who].savepoints[depth:]

    def undo_savepoint(self, who: int, depth: int) -> None:
        mine = self.sessions[who]
        own, locked, late = mine.savepoints[depth]
        tripped = any(self._trips(mine.own, key) > self._trips(own, key) for key in mine.own)
        self.reach("a savepoint undid a trip", tripped)
        self.reach("a savepoint forgot late reports", len(mine.late) > len(late))
        mine.own, mine.locked, mine.late = own, locked, late
        del mine.savepoints[depth:]

    def rollback(self, who: int) -> None:
        mine = self.sessions[who]
        tripped = any(self._trips(mine.own, key) > self._trips({}, key) for key in mine.own)
        self.reach("a rollback undid a trip", tripped)
        self.reach("a rollback forgot late reports", mine.late)
        self.sessions[who] = Transaction()

    def commit(self, who: int, now: datetime) -> None:
        self.make_late_reports(who, now)
        self.committed.update(self.sessions[who].own)
        self.sessions[who] = Transaction()

    def make_late_reports(self, who: int, now: datetime) -> None:
        """In the order of keys, then of calls; neighbours that are alike count as one report of all their scores."""
        late = sorted(self.sessions[who].late, key=lambda each: each.key)
        for _, alike in groupby(late, key=lambda each: each.group):
            reports = list(alike)
            first = reports[0]
            if first.scores:
                scores: Scores = [score for report in reports for score in report.scores]
                opened = self.write(who, first.key).report_drift(scores, first.generation, first.settings, now)
            else:
                errors = sum(report.errors for report in reports)
                opened = self.write(who, first.key).report_schema_errors(errors, first.generation, first.settings, now)
            self.reach("late reports were made", True)
            self.reach("late reports tripped", opened is not None)
        self.sessions[who].late = []

    def late_keys(self, who: int) -> set[Key]:
        return {report.key for report in self.sessions[who].late}

    def _trips(self, own: Own, key: Key) -> int:
        return {**self.committed, **own}[key].trips


def _copied(own: Own) -> Own:
    return {key: breaker.copy() for key, breaker in own.items()}
