"""Late reports that the host's own listeners make while the commit is under way."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import IntegrityError

from driftbreaker import CircuitBreaker, NoTransactionError
from tests.contract.steps import BAD
from tests.contract.test_transactions import Base, Order
from tests.support.worlds import SETTINGS, World, sync


def test_what_a_flush_reports_is_made_too(world: World) -> None:
    Base.metadata.create_all(world.outside)
    with world.session() as session:
        breaker = CircuitBreaker(sync(session), "pricing", when="commit", settings=SETTINGS)

        @event.listens_for(sync(session), "after_flush")
        def report(*_: Any) -> None:
            breaker.report_drift(BAD)

        breaker.report_drift(BAD)
        session.add(Order(id=1, note="work"))
        session.commit()
    assert world.row()["failures"] == 2


#: Where a host's own code runs amid a commit.
MOMENTS = ("before_commit", "before_flush", "after_flush", "after_flush_postexec")


@pytest.mark.parametrize("queued", [False, True])
@pytest.mark.parametrize("moment", MOMENTS)
def test_what_is_reported_amid_the_commit_is_made_too(world: World, moment: str, queued: bool) -> None:
    Base.metadata.create_all(world.outside)
    with world.session() as session:
        breaker = CircuitBreaker(sync(session), "pricing", when="commit", settings=SETTINGS)
        reported: list[None] = []

        @event.listens_for(sync(session), moment)
        def report(*_: Any) -> None:
            if not reported:
                reported.append(breaker.report_drift(BAD))

        if queued:
            breaker.report_drift(BAD)
        session.add(Order(id=1, note="work"))
        session.commit()
    assert world.row()["failures"] == 1 + queued


def test_what_a_mapper_reports_as_it_inserts_is_made_too(world: World) -> None:
    Base.metadata.create_all(world.outside)
    with world.session() as session:
        breaker = CircuitBreaker(sync(session), "pricing", when="commit", settings=SETTINGS)

        def report(*_: Any) -> None:
            breaker.report_drift(BAD)

        event.listen(Order, "after_insert", report)
        try:
            session.add(Order(id=1, note="work"))
            session.commit()
        finally:
            event.remove(Order, "after_insert", report)
    assert world.row()["failures"] == 1


def test_what_is_reported_amid_a_commit_that_fails_never_happened(world: World) -> None:
    Base.metadata.create_all(world.outside)
    with world.session() as session:
        breaker = CircuitBreaker(sync(session), "pricing", when="commit", settings=SETTINGS)
        listen = event.listens_for(sync(session), "before_flush", once=True)
        listen(lambda *_: breaker.report_drift(BAD))
        session.add(Order(id=1, note=None))
        with pytest.raises(IntegrityError):
            session.commit()
        session.rollback()
        assert world.count("breakers") == 0
        breaker.report_drift(BAD)
        assert world.count("breakers") == 0  # late again: it waits for the next commit
        session.commit()
    assert world.row()["failures"] == 1


def test_what_is_reported_when_the_commit_is_over_is_refused(world: World) -> None:
    with world.session() as session:
        breaker = CircuitBreaker(sync(session), "pricing", when="commit", settings=SETTINGS)
        refused: list[str] = []

        @event.listens_for(sync(session), "after_commit", once=True)
        def report(*_: Any) -> None:
            with pytest.raises(NoTransactionError) as error:
                breaker.report_drift(BAD)
            refused.append(str(error.value))

        session.execute(select(1))
        session.commit()
    assert refused == ["report_drift on breaker 'pricing' comes too late: the session's transaction takes no more work"]
