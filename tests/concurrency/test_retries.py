"""People who retry and relays that send wait for each other nowhere: no deadlock, nothing lost."""

from __future__ import annotations

import random
import threading
import time

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from driftbreaker import Alert, CircuitBreaker, Outcome, Relay
from driftbreaker.outbox import Ledger, retry
from driftbreaker.tables import default_tables
from tests.support.inbox import DOWN, REFUSED, Inbox

SECONDS = 3.0
ALERTS = 60


def test_retries_and_relays_never_meet(postgres_url: str) -> None:
    engine = create_engine(postgres_url, pool_size=10)
    with Session(engine) as session, session.begin():
        for number in range(ALERTS):
            CircuitBreaker(session, f"breaker {number}").disable("off", actor="alice")
    errors: list[BaseException] = []
    retried: list[int] = []
    end = time.monotonic() + SECONDS

    def unkind(_: Alert) -> Outcome:
        return random.choice([DOWN, REFUSED])

    def relaying() -> None:
        Relay(engine, [Inbox(answer=unkind)], retry_base=0.001, resend_interval=0.05).run_once()

    def retrying() -> None:
        with Session(engine) as session, session.begin():
            retried.append(len(retry(session, Ledger(default_tables()), None).due))

    def repeat(work: object) -> None:
        while time.monotonic() < end:
            try:
                work()  # type: ignore[operator]
            except BaseException as error:
                errors.append(error)

    threads = [threading.Thread(target=repeat, args=(work,)) for work in (relaying, retrying) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert sum(retried) > 0
    time.sleep(0.1)
    retrying()
    assert Relay(engine, [Inbox()]).run_once().sent == ALERTS
    engine.dispose()
