"""What changes a breaker wakes the switchboards of other processes, when the caller commits and not before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session
from tests.support.ears import listening
from tests.support.terminal import cli
from tests.support.worlds import CHOSEN, World

from driftbreaker import BreakerSettings, CircuitBreaker, Tables

BAD = 0.9
TOMORROW = datetime.now(UTC) + timedelta(days=1)
PREPARING = [driver for driver in CHOSEN if driver == "psycopg"]  # nobody else can prepare a session


def trip(breaker: Any) -> None:
    for _ in range(3):
        breaker.report_drift(BAD)


CHANGES = {
    "trip": trip,
    "trip on schema errors": lambda breaker: breaker.report_schema_error(5),
    "disable": lambda breaker: breaker.disable("off", actor="alice"),
    "hold": lambda breaker: breaker.hold("until tomorrow", actor="alice", until=TOMORROW),
    "extend": lambda breaker: breaker.disable("off", actor="alice", until=None),
    "supersede": lambda breaker: breaker.disable("another", actor="alice"),
    "enable": lambda breaker: breaker.enable("fixed", actor="alice"),
    "reset": lambda breaker: breaker.reset("fixed", actor="alice"),
    "force on": lambda breaker: breaker.force_on("sale", actor="alice", until=TOMORROW),
}
NEEDS = {
    "hold": lambda breaker: breaker.disable("off", actor="alice"),
    "extend": lambda breaker: breaker.disable("off", actor="alice", until=TOMORROW),
    "supersede": lambda breaker: breaker.disable("off", actor="alice"),
    "enable": lambda breaker: breaker.disable("off", actor="alice"),
    "reset": lambda breaker: breaker.disable("off", actor="alice"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_heard_once_it_is_committed(postgres_world: World, change: str) -> None:
    if change in NEEDS:
        with postgres_world.committed(scope="eu") as breaker:
            NEEDS[change](breaker)
    with listening(postgres_world.url) as ears, postgres_world.session() as session:
        CHANGES[change](postgres_world.breaker(session, scope="eu"))
        assert ears.heard() == []
        session.commit()
        assert ears.heard() == [["pricing", "eu", postgres_world.row(scope="eu")["version"]]]


def test_a_rollback_wakes_nobody(postgres_world: World) -> None:
    with listening(postgres_world.url) as ears, postgres_world.session() as session:
        trip(postgres_world.breaker(session))
        session.rollback()
        assert ears.heard(0.05) == []


def test_a_savepoint_that_is_rolled_back_wakes_nobody(postgres_world: World) -> None:
    with listening(postgres_world.url) as ears, postgres_world.session() as session:
        savepoint = postgres_world.call(session.target.begin_nested)
        trip(postgres_world.breaker(session))
        postgres_world.call(savepoint.rollback)
        postgres_world.breaker(session, "other").disable("off", actor="alice")
        session.commit()
        assert ears.heard(0.05) == [["other", "", 1]]


def test_what_only_counts_wakes_nobody(postgres_world: World) -> None:
    with listening(postgres_world.url) as ears, postgres_world.committed() as breaker:
        breaker.report_drift(BAD)
        breaker.report_schema_error(1)
        breaker.report_drift(0.0)
        assert not breaker.is_open()
    with listening(postgres_world.url) as ears:
        assert ears.heard(0.05) == []


def test_a_recovery_that_a_check_writes_is_heard(postgres_world: World) -> None:
    with postgres_world.committed() as breaker:
        trip(breaker)
    postgres_world.age(timedelta(days=2))
    with listening(postgres_world.url) as ears:
        with postgres_world.committed() as breaker:
            assert not breaker.is_disabled()
        assert ears.heard() == [["pricing", "", 2]]


def test_a_breaker_that_is_not_to_notify_wakes_nobody(postgres_world: World) -> None:
    with listening(postgres_world.url) as ears, postgres_world.session() as session:
        trip(postgres_world.breaker(session, notify=False))
        session.commit()
        assert ears.heard(0.05) == []
    assert postgres_world.row()["status"] == "open"


def test_a_relay_that_is_not_to_notify_wakes_nobody(postgres_world: World) -> None:
    with postgres_world.committed() as breaker:
        trip(breaker)
    postgres_world.age(timedelta(days=2))
    with listening(postgres_world.url) as ears:
        assert postgres_world.relay(notify=False).run_once().swept == 1
        assert ears.heard(0.05) == []


def test_the_recovery_that_a_relay_writes_is_heard(postgres_world: World) -> None:
    with postgres_world.committed() as breaker:
        trip(breaker)
    postgres_world.age(timedelta(days=2))
    with listening(postgres_world.url) as ears:
        assert postgres_world.relay().run_once().swept == 1
        assert ears.heard() == [["pricing", "", 2]]


@pytest.mark.parametrize("postgres_world", PREPARING, indirect=True)
@pytest.mark.parametrize("arguments", [("disable", "--reason", "off"), ("observe", "0.9")])
def test_what_the_command_line_changes_is_heard(postgres_world: World, arguments: tuple[str, ...]) -> None:
    command, *options = arguments
    with postgres_world.committed(settings=BreakerSettings(failure_threshold=1)) as breaker:
        breaker.report_drift(0.1)
        breaker.report_schema_error()  # from here on there is a row, which carries the settings
    with listening(postgres_world.url) as ears:
        done = cli(command, "pricing", *options, "--by", "alice", "--db", postgres_world.url)
        assert done.exit_code == 0, done.stderr
        assert ears.heard() == [["pricing", "", postgres_world.row()["version"]]]


@pytest.mark.parametrize("postgres_world", PREPARING, indirect=True)
def test_a_two_phase_transaction_is_prepared_without_a_word(postgres_world: World) -> None:
    with listening(postgres_world.url) as ears, postgres_world.session(twophase=True) as session:
        trip(postgres_world.breaker(session))
        session.prepare()
        session.commit()
        assert ears.heard(0.05) == []
    assert postgres_world.row()["status"] == "open"


@pytest.mark.parametrize("prefix", ["odd'%:s\"\\_", "grün_"])
def test_any_prefix_makes_a_channel(postgres_world: World, prefix: str) -> None:
    tables = Tables(prefix)
    tables.metadata.create_all(postgres_world.outside)
    with listening(postgres_world.url, f"{prefix}changes") as ears, postgres_world.session() as session:
        postgres_world.breaker(session, "odd'\"\\%:", scope="\n😀", tables=tables).disable("off", actor="alice")
        session.commit()
        assert ears.heard() == [["odd'\"\\%:", "\n😀", 1]]


def test_the_longest_name_fits_a_message(postgres_world: World) -> None:
    name = "\U0001f600" * 200
    with listening(postgres_world.url) as ears, postgres_world.session() as session:
        postgres_world.breaker(session, name, scope=name).disable("off", actor="alice")
        session.commit()
        assert ears.heard() == [[name, name, 1]]


@pytest.mark.parametrize("notify", [None, 1, "yes"])
def test_notify_is_yes_or_no(notify: Any) -> None:
    with pytest.raises(ValueError, match="notify must be True or False"):
        CircuitBreaker(Session(), "pricing", notify=notify)
