"""The code that a service needs, as `driftbreaker init` prints it."""

SNIPPET = """\
import os

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from driftbreaker import CircuitBreaker

engine = create_engine(os.environ["DRIFTBREAKER_DATABASE_URL"])  # yours, if you have one


def control(order):  # the old way: yours
    return 100.0


def candidate(order):  # the new way: yours
    return 170.0


def price(order):
    with Session(engine) as session, session.begin():
        breaker = CircuitBreaker(session, "pricing-v2")
        old = control(order)
        if breaker.is_disabled():
            return old
        new = candidate(order)
        drift = abs(new - old) / old
        breaker.report_drift(drift)  # three in a row above 0.2 turn V2 off, in every process
        return new if drift <= 0.2 else old


print(price({"item": "book"}))
"""
