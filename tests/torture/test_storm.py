"""Sixteen processes report, late too, disable, enable, reset and roll back at random: some order explains it all."""

from __future__ import annotations

import random
from typing import Any

import pytest
from sqlalchemy import Boolean, Column, Integer, MetaData, String, Table, event, func, insert, select, text
from sqlalchemy.exc import OperationalError

from driftbreaker import BreakerSettings
from tests.support.crowd import Crowd, Member, Place
from tests.support.promises import assert_promises_kept
from tests.support.size import LONG, size
from tests.support.worlds import World, sync
from tests.torture.replay import Deed, Transaction, unexplained

NAMES = ("basket", "checkout", "pricing")
PROCESSES = 16
ROLLED_BACK = 0.3
ORDERS = Table(
    "orders",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("name", String(20)),
    Column("held", Boolean),
    sqlite_autoincrement=True,
)
ALL_KINDS = {
    "bad": 10,
    "good": 1,
    "check": 3,
    "disable: maintenance": 1,
    "disable: audit": 1,
    "enable": 2,
    "reset": 1,
}
ONLY_BAD = {"bad": 1}
OUR_ROW = text(
    "SELECT count(*) FROM driftbreaker_breakers"
    " WHERE name = :name AND xmin::text = pg_current_xact_id_if_assigned()::text"
)


class Worker:
    """One process's part: transactions at random, and a log of what it was answered."""

    def __init__(self, member: Member, seed: str, kinds: dict[str, int], threshold: int) -> None:
        self._member = member
        self._dice = random.Random(seed)
        self._kinds = kinds
        self._settings = BreakerSettings(failure_threshold=threshold)
        self._refusable = member.place.begin == "BEGIN"
        self._written: dict[str, bool] = {}
        event.listen(member.world.sync_engine, "after_cursor_execute", self._sent)

    def work(self) -> list[Transaction]:
        """Do one transaction, again until the database takes it; return it last, after those that were refused."""
        done: list[Transaction] = []
        while True:
            transaction, ended = self._try()
            done.append(transaction)
            if ended:
                return done

    def _try(self) -> tuple[Transaction, bool]:
        """Do one on one breaker both now and late, or on several in the order of their names; say whether it ended."""
        dice = self._dice
        done = Transaction(worker=self._member.number, deeds=[], late=[])
        self._written.clear()
        names = sorted(dice.sample(NAMES, dice.choice((1, 1, 2, 3))))
        late = [dice.random() < 0.4] * 2 if len(names) > 1 else [False, dice.random() < 0.5]
        with self._member.world.session() as session:
            event.listen(sync(session), "before_commit", lambda _: self._order(session, done, names))
            try:
                for name in names:
                    for _ in range(dice.randint(1, 3)):
                        self._act(session, done, name, late=dice.choice(late))
                if dice.random() < ROLLED_BACK:
                    session.rollback()
                    done.orders.clear()
                else:
                    session.commit()
            except OperationalError as error:
                # A BEGIN that takes no lock, and then a read: who writes next may be told that another has.
                if not self._refusable or "database is locked" not in str(error):
                    raise
                session.rollback()
                done.orders.clear()
                return done, False
        return done, True

    def _act(self, session: Any, done: Transaction, name: str, *, late: bool) -> None:
        kinds = {kind: weight for kind, weight in self._kinds.items() if not late or kind in ("bad", "good")}
        (verb,) = self._dice.choices(list(kinds), list(kinds.values()))
        since = session.execute(
            select(func.coalesce(func.max(ORDERS.c.id), 0)).where(ORDERS.c.name == name, ORDERS.c.held)
        ).scalar_one()
        when = "commit" if late else "now"
        breaker = self._member.world.breaker(session, name, settings=self._settings, when=when)
        answer, incident = do(breaker, verb, f"user {self._member.number}")
        if late:
            done.late.append(Deed(name=name, verb=verb, since=since))
        else:
            held = self._holds(session, name)
            done.deeds.append(Deed(name=name, verb=verb, answer=answer, incident=incident, since=since, held=held))

    def _order(self, session: Any, done: Transaction, names: list[str]) -> None:
        """Write the own rows, after the late reports: this listener is the session's, theirs is the class's."""
        held = {name: self._holds(session, name) for name in names}
        done.late[:] = [Deed(name=d.name, verb=d.verb, since=d.since, held=held[d.name]) for d in done.late]
        for name in names:
            order = insert(ORDERS).values(name=name, held=held[name])
            (done.orders[name],) = sync(session).execute(order).inserted_primary_key

    def _holds(self, session: Any, name: str) -> bool:
        """Return whether this transaction kept others from changing the breaker when it was last spoken to."""
        if self._member.world.dialect == "sqlite":
            return self._written.get(name, False)
        return bool(sync(session).connection().execute(OUR_ROW, {"name": name}).scalar_one())

    def _sent(
        self, connection: Any, _cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool
    ) -> None:
        """Note, for SQLite, whether what was sent for a breaker ran under the one write lock."""
        if context.compiled is None or self._member.world.dialect != "sqlite":
            return
        for values in context.compiled_parameters:
            if "p_name" in values:
                self._written[values["p_name"]] = connection.connection.driver_connection.in_transaction


def do(breaker: Any, verb: str, who: str) -> tuple[Any, str | None]:
    """Return the answer as the replay has it, and the incident that came with it."""
    word, _, reason = verb.partition(": ")
    if word in ("bad", "good"):
        incident = breaker.report_drift(0.5 if word == "bad" else 0.1)
        return (None if word == "good" else incident is not None), incident and incident.id
    if word == "disable":
        changed, incident = breaker.disable(reason, actor=who)
        return (changed, incident is not None), incident and incident.id
    if word == "check":
        return breaker.is_disabled(), None
    return getattr(breaker, word)("because", actor=who), None


def storm(member: Member, race: int, transactions: int, kinds: dict[str, int], threshold: int) -> list[Transaction]:
    worker = Worker(member, f"{race} {member.number}", kinds, threshold)
    return [transaction for _ in range(transactions) for transaction in worker.work()]


def logs(crowd: Crowd, place: Place, world: World, kinds: dict[str, int], threshold: int) -> list[Transaction]:
    ORDERS.create(world.outside)
    found: list[Transaction] = []
    for race in range(size(2, 60)):
        for log in crowd.race(PROCESSES, place, storm, race, 20, kinds, threshold):
            found += log
    return found


BEGINS = ["sqlite BEGIN IMMEDIATE", "sqlite-wal BEGIN"]
if LONG:
    BEGINS += ["sqlite BEGIN", "sqlite-wal BEGIN IMMEDIATE"]
EVERYWHERE = pytest.mark.parametrize("place", ["sqlite", "sqlite-wal", *BEGINS, "psycopg"], indirect=True)


@EVERYWHERE
def test_no_acknowledged_bad_report_is_lost_and_no_rolled_back_one_counts(
    crowd: Crowd, place: Place, world: World
) -> None:
    log = logs(crowd, place, world, ONLY_BAD, 1_000_000)
    assert [each for each in log if not each.orders], "somebody rolled back"
    for name in NAMES:
        acknowledged = [deed for each in log if each.orders for deed in each.on(name, each.deeds + each.late)]
        assert world.row(name)["failures"] == len(acknowledged)
    assert list(unexplained(world, log, NAMES, 1_000_000)) == []


@EVERYWHERE
def test_a_storm_of_every_kind_is_explained_by_the_order_of_its_commits(
    crowd: Crowd, place: Place, world: World
) -> None:
    log = logs(crowd, place, world, ALL_KINDS, 3)
    found = list(unexplained(world, log, NAMES, 3))
    assert not found, f"{len(found)} do not fit together:\n" + "\n".join(found[:20])
    assert_promises_kept(world)
    changes = {entry["change"] for entry in world.rows("history")}
    assert changes >= {"trip", "disable", "supersede", "enable", "reset"}
