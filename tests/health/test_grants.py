"""What the doctor says that a role needs is what it needs: with it a job is done, and without any part of it fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from driftbreaker import Alert, Cadence, CircuitBreaker, Outcome, Relay, Result, Tables
from driftbreaker.health import Job, Verdict, check_grants, examine
from driftbreaker.statements.health import GRANTS, NUMBERED
from tests.support.roles import role


class Taking:
    """A channel that takes everything."""

    name = "taking"
    cadence = Cadence.RECORD

    def send(self, alerts: Sequence[Alert]) -> list[Outcome]:
        return [Outcome(result=Result.ACCEPTED) for _ in alerts]

    def close(self) -> None: ...


def check(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        assert CircuitBreaker(session, "off").is_disabled()
        assert not CircuitBreaker(session, "expired").is_disabled()
        CircuitBreaker(session, "off", scope="tenant").get_state()


def report(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        breaker = CircuitBreaker(session, "reported")
        breaker.report_schema_error()
        for score in (0.9, 0.0, 0.9, 0.9, 0.9, 0.9):
            breaker.report_drift(score)
        CircuitBreaker(session, "expired").report_drift(0.9)
        CircuitBreaker(session, "late", when="commit").report_drift(0.9)
    with Session(engine) as session, session.begin():
        breaker = CircuitBreaker(session, "reported")
        assert breaker.is_disabled()
        breaker.enable("by hand", actor="alice")
        breaker.disable("by hand", actor="alice")
        breaker.hold("by hand", actor="alice", until=None)
        breaker.reset("by hand", actor="alice")
        breaker.force_on("by hand", actor="alice", until=datetime.now(UTC) + timedelta(hours=1))


def relay(engine: Engine) -> None:
    relay = Relay(engine, [Taking()], keep=0.001)
    done = relay.run_once() + relay.run_once()
    assert done.swept == 1
    assert done.sent


WORK: dict[Job, Callable[[Engine], None]] = {Job.CHECKING: check, Job.REPORTING: report, Job.RELAYING: relay}


def grants_of(job: Job) -> list[str]:
    grants = [f"{each} ON driftbreaker_{table}" for table, all_ in GRANTS[job].items() for each in all_]
    numbered = [table for table in NUMBERED if "INSERT" in GRANTS[job].get(table, ())]
    return grants + [f"USAGE ON SEQUENCE driftbreaker_{table}_seq_seq" for table in numbered]


CASES = [(job, grant) for job in Job for grant in grants_of(job)]


@pytest.fixture
def url(postgres_url: str) -> str:
    """A database in which everything is that a job may meet: off, expired, and over for a month."""
    engine = create_engine(postgres_url)
    with Session(engine) as session, session.begin():
        CircuitBreaker(session, "off").disable("x", actor="alice")
        past = datetime.now(UTC) - timedelta(hours=1)
        CircuitBreaker(session, "expired").disable("x", actor="alice", until=past)
        CircuitBreaker(session, "over").disable("x", actor="alice")
        CircuitBreaker(session, "over").enable("x", actor="alice")
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE driftbreaker_outbox SET changed_at = now() - interval '30 days' WHERE name = 'over'")
        )
    engine.dispose()
    return postgres_url


@pytest.mark.parametrize("job", Job, ids=str)
def test_with_what_the_doctor_asks_for_the_job_is_done(url: str, job: Job) -> None:
    with role(url, grants_of(job)) as as_role:
        engine = create_engine(as_role)
        WORK[job](engine)
        finding = check_grants(engine, [job])
        engine.dispose()
    assert finding.verdict is Verdict.OK
    assert job.value in finding.told.partition("; not for")[0]


@pytest.mark.parametrize(("job", "lacks"), CASES, ids=[f"{job}-{grant}".replace(" ", "_") for job, grant in CASES])
def test_without_any_part_of_it_the_job_fails_and_the_doctor_says_so(url: str, job: Job, lacks: str) -> None:
    with role(url, [grant for grant in grants_of(job) if grant != lacks]) as as_role:
        engine = create_engine(as_role)
        with pytest.raises(ProgrammingError, match="permission denied"):
            WORK[job](engine)
        finding = check_grants(engine, [job])
        engine.dispose()
    assert finding.verdict is Verdict.FAILED
    assert f"for {job.value} it lacks {lacks}" in finding.told
    assert f"GRANT {lacks} TO" in finding.advice


def test_a_role_is_not_blamed_for_what_it_is_not_for(url: str) -> None:
    with role(url, grants_of(Job.CHECKING)) as as_role:
        engine = create_engine(as_role)
        found = {finding.name: finding for finding in examine(engine)}
        engine.dispose()
    assert found["grants"].told == "enough for checking; not for reporting, relaying"
    assert {name for name, each in found.items() if each.verdict is Verdict.FAILED} == set()
    assert found["outbox"].verdict is Verdict.SKIPPED
    assert found["outbox"].told == "this role may not look: permission denied for table driftbreaker_outbox"


def test_a_role_that_may_not_enter_the_schema_fails(url: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("REVOKE ALL ON SCHEMA public FROM PUBLIC"))
    engine.dispose()
    with role(url, grants_of(Job.CHECKING)) as as_role:
        engine = create_engine(as_role)
        assert [each.name for each in examine(engine) if each.verdict is Verdict.FAILED]
        assert check_grants(engine).verdict is Verdict.FAILED
        engine.dispose()


def test_a_schema_of_the_hosts_choice_that_is_closed_to_the_role(url: str) -> None:
    tables = Tables(schema="private")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA private"))
    tables.metadata.create_all(engine)
    assert check_grants(engine, list(Job), tables).verdict is Verdict.OK
    engine.dispose()
    with role(url, ["SELECT ON private.driftbreaker_breakers"]) as as_role:
        engine = create_engine(as_role)
        found = check_grants(engine, tables=tables)
        engine.dispose()
    assert (found.verdict, found.told) == (
        Verdict.FAILED,
        "this role may not look: permission denied for schema private",
    )


def test_a_role_that_may_nothing_fails_also_when_no_job_is_named(url: str) -> None:
    with role(url, []) as as_role:
        engine = create_engine(as_role)
        found = {finding.name: finding for finding in examine(engine)}
        engine.dispose()
    assert found["grants"].verdict is Verdict.FAILED
    assert found["grants"].told == "for checking it lacks SELECT ON driftbreaker_breakers"


def test_sqlite_has_no_roles(sqlite_url: str) -> None:
    assert check_grants(create_engine(sqlite_url)).verdict is Verdict.SKIPPED
