"""One operation meets another transaction's change, and is compared with the two ways of running both in turn."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from itertools import count
from time import monotonic
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from tests.support.worlds import TABLES, World

AHEAD = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
FURTHER = AHEAD + timedelta(hours=1)
PAST = AHEAD - timedelta(hours=9)
# What differs between two runs of the same.
_DIFFERENT = {"seq", "name", "labels", "settings"}
_ID = re.compile("[0-9a-f]{64}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+\+00:00")
_NAMED_TIMES = {AHEAD: "ahead", FURTHER: "further", PAST: "past"}

READ_COMMITTED, REPEATABLE_READ, SERIALIZABLE = LEVELS = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")

Step = Callable[[Any], Any]


class Outcome(StrEnum):
    """What became of an operation; everything else is a defect."""

    RIGHT = "right"
    FIRST = "as if first"
    RETRY = "40001"


# What was so before either transaction began. Without a row, both make the first use.
STATES: dict[str, Step] = {
    "no row": lambda _: None,
    "closed": lambda b: (b.report_drift(0.5), b.report_drift(0.1)),
    "counting": lambda b: (b.report_drift(0.5), b.report_drift(0.5), b.report_schema_error(4)),
    "forced": lambda b: b.force_on("known", actor="alice", until=AHEAD),
    "open": lambda b: b.disable("maintenance", actor="alice", until=AHEAD),
    "expired": lambda b: b.disable("maintenance", actor="alice", until=PAST),
}
# What the other transaction commits.
CHANGES: dict[str, Step] = {
    "counts": lambda b: b.report_drift(0.5),
    "clears": lambda b: b.report_drift(0.1),
    "counts a schema error": lambda b: b.report_schema_error(),
    "disables": lambda b: b.disable("other", actor="bob"),
    "holds": lambda b: b.hold("other", actor="bob", until=FURTHER),
    "enables": lambda b: b.enable("other", actor="bob"),
    "resets": lambda b: b.reset("other", actor="bob"),
    "forces": lambda b: b.force_on("other", actor="bob", until=FURTHER),
}
# Those that tell the most; DRIFTBREAKER_LONG=1 tries all.
TELLING: dict[str, tuple[str, ...]] = {
    "no row": ("counts", "disables"),
    "closed": ("counts", "disables"),
    "counting": ("counts", "clears", "disables"),
    "forced": ("resets",),
    "open": ("disables", "holds", "enables"),
    "expired": ("clears", "disables"),
}
READERS: dict[str, Step] = {
    "is_disabled": lambda b: b.is_disabled(),
    "is_open": lambda b: b.is_open(),
    "get_state": lambda b: b.get_state(),
    "get_incidents": lambda b: b.get_incidents(include_resolved=True),
    "get_history": lambda b: b.get_history(),
}
WRITERS: dict[str, Step] = {
    "report_drift, good": lambda b: b.report_drift(0.1),
    "report_drift, bad": lambda b: b.report_drift(0.5),
    "report_schema_error": lambda b: b.report_schema_error(),
    "disable": lambda b: b.disable("maintenance", actor="alice", until=FURTHER),
    "hold": lambda b: b.hold("why", actor="alice", until=FURTHER),
    "enable": lambda b: b.enable("why", actor="alice"),
    "reset": lambda b: b.reset("why", actor="alice"),
    "force_on": lambda b: b.force_on("why", actor="alice", until=FURTHER),
}
LATE: dict[str, Step] = {
    "late report_drift, good": lambda b: b.report_drift(0.1),
    "late report_drift, bad": lambda b: b.report_drift(0.5),
    "late report_schema_error": lambda b: b.report_schema_error(),
}
OPERATIONS = READERS | WRITERS | LATE


class NotSerial(AssertionError):  # noqa: N818 - what was found
    """The two transactions did what no order of them does."""


@dataclass(frozen=True)
class Result:
    """What an operation answered, and all that is written of its breaker afterwards, names, ids and times aside."""

    answer: Any
    written: Any


class Arena:
    """One database in which every case has a breaker of its own."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._numbers = count()
        self._in_turn = cache(self._run_in_turn)

    def alone(self, level: str, operation: str, state: str) -> Outcome:
        """Run an operation with nobody beside it."""
        name = self._prepared(state)
        with self.world.session() as session:
            self._begin(session, name, level)
            answer = self._operate(session, name, operation)
        orders = {Outcome.RIGHT: self._in_turn(state, operation)}
        return self._judged(operation, Result(answer, self._written(name)), orders, self._in_turn(state).written)

    def contended(self, level: str, operation: str, state: str, change: str) -> Outcome:
        """Take the snapshot, let another transaction commit a change, and then run the operation and commit."""
        name = self._prepared(state)
        with self.world.session() as session:
            self._begin(session, name, level)
            self._change(name, change, level)
            answer = self._caught(session, name, operation)
            return self._settled(session, name, level, operation, state, change, answer)

    def overtaken(self, level: str, operation: str, state: str, change: str) -> Outcome:
        """Begin the operation while another transaction's change is not committed, and commit that meanwhile."""
        name = self._prepared(state)
        with self.world.session() as session, self.world.session() as other:
            self._begin(session, name, level)
            other.connection(execution_options={"isolation_level": level})
            CHANGES[change](self.world.breaker(other, name))
            pid = other.execute(text("SELECT pg_backend_pid()")).scalar_one()
            with ThreadPoolExecutor(1) as pool:
                future = pool.submit(self._caught, session, name, operation)
                waits = self._waits(future, pid)
                assert not (waits and operation in READERS), f"{operation} waits for a writer"
                other.commit()
                answer = future.result(10)
            return self._settled(session, name, level, operation, state, change, answer)

    def conflicts(self, state: str, change: str) -> bool:
        """Return whether a change writes anything in a state."""
        return self._in_turn(state, change) != self._in_turn(state)

    def _waits(self, future: Future[Any], blocker: int) -> bool:
        """Return, once it is known, whether the operation waits for the other transaction."""
        asked = text("SELECT count(*) FROM pg_stat_activity WHERE :pid = ANY(pg_blocking_pids(pid))")
        deadline = monotonic() + 10
        with self.world.outside.connect().execution_options(isolation_level="AUTOCOMMIT") as watcher:
            while not future.done():
                if watcher.execute(asked, {"pid": blocker}).scalar_one():
                    return True
                assert monotonic() < deadline, "neither done nor waiting"
        return False

    def _prepared(self, state: str) -> str:
        name = f"case {next(self._numbers)}"
        with self.world.committed(name) as breaker:
            STATES[state](breaker)
        return name

    def _begin(self, session: Any, name: str, level: str) -> None:
        session.connection(execution_options={"isolation_level": level})
        # The caller's own look is what takes the snapshot, and under SERIALIZABLE what it depends on from then on.
        self.world.breaker(session, name).is_open()

    def _change(self, name: str, change: str, level: str) -> None:
        with self.world.session() as session:
            session.connection(execution_options={"isolation_level": level})
            CHANGES[change](self.world.breaker(session, name))
            session.commit()

    def _operate(self, session: Any, name: str, operation: str) -> Any:
        when = "commit" if operation in LATE else "now"
        answer = OPERATIONS[operation](self.world.breaker(session, name, when=when))
        session.commit()
        return plain(answer)

    def _caught(self, session: Any, name: str, operation: str) -> Any:
        try:
            return self._operate(session, name, operation)
        except DBAPIError as error:
            return error

    def _settled(
        self, session: Any, name: str, level: str, operation: str, state: str, change: str, answer: Any
    ) -> Outcome:
        orders = {
            Outcome.RIGHT: self._in_turn(state, change, operation),
            Outcome.FIRST: self._in_turn(state, operation, change),
        }
        changed = self._in_turn(state, change).written
        if not isinstance(answer, DBAPIError):
            return self._judged(operation, Result(answer, self._written(name)), orders, changed)
        assert operation not in READERS, answer
        expect_retryable(answer, operation.removeprefix("late ").partition(",")[0], name)
        session.rollback()
        assert self._written(name) == changed, "what was rolled back has left something"
        self._begin(session, name, level)
        again = Result(self._operate(session, name, operation), self._written(name))
        self._judged(operation, again, {Outcome.RIGHT: orders[Outcome.RIGHT]}, changed)
        return Outcome.RETRY

    @staticmethod
    def _judged(operation: str, found: Result, orders: dict[Outcome, Result], untouched: Any) -> Outcome:
        for outcome, expected in orders.items():
            # A check above READ COMMITTED leaves an expired breaker's recovery to the next writer.
            unwritten = operation in READERS and found == Result(expected.answer, untouched)
            if found == expected or unwritten:
                return outcome
        raise NotSerial("\n".join([f"found: {found}", *(f"{name}: {order}" for name, order in orders.items())]))

    def _run_in_turn(self, state: str, *steps: str) -> Result:
        """Run changes and operations one after another, and return what came of it and what the operation answered."""
        name = self._prepared(state)
        answer = None
        for step in steps:
            if step in CHANGES:
                self._change(name, step, READ_COMMITTED)
            else:
                with self.world.session() as session:
                    answer = self._operate(session, name, step)
        return Result(answer, self._written(name))

    def _written(self, name: str) -> Any:
        own = {}
        with self.world.outside.connect() as connection:
            for table in (TABLES.breakers, TABLES.incidents, TABLES.outbox, TABLES.history):
                rows = select(table).where(table.c.name == name).order_by(*table.primary_key)
                own[table.name] = [dict(row) for row in connection.execute(rows).mappings()]
        own[TABLES.outbox.name].sort(key=lambda alert: alert["labels"]["priority"])
        return plain(own)


def expect_retryable(error: DBAPIError, method: str, name: str) -> None:
    """The database's own error, and our sentence with it."""
    assert getattr(error.orig, "sqlstate", None) == "40001", error
    (note,) = error.__notes__
    assert note == (
        f"driftbreaker: {method} on breaker {name!r} failed. The transaction is aborted and nothing of it can be "
        "committed: roll it back, then retry it."
    )


def plain(value: Any) -> Any:
    """Return a value without what differs between two runs of the same: names, ids, sequences, times."""
    known: dict[str, str] = {}

    def copy(each: Any) -> Any:
        if isinstance(each, datetime):
            return _NAMED_TIMES.get(each, "a time")
        if isinstance(each, Mapping):
            kept = {key: copy(inner) for key, inner in each.items() if key not in _DIFFERENT}
            buckets = each.get("schema_errors")
            return {**kept, "schema_errors": sum(n for _, n in buckets)} if isinstance(buckets, list) else kept
        if isinstance(each, (list, tuple)):
            return [copy(inner) for inner in each]
        if hasattr(each, "to_dict"):
            return copy(vars(each))
        if isinstance(each, str):
            timeless = _INSTANT.sub(lambda at: copy(datetime.fromisoformat(at[0])), each)
            return _ID.sub(lambda id_: known.setdefault(id_[0], f"id {len(known)}"), timeless)
        return each

    return copy(value)
