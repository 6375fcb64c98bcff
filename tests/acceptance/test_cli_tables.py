"""Tables under another prefix or in another schema are found by option and by environment."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session
from tests.support.inbox import Inbox
from tests.support.terminal import Place, cli

from driftbreaker import CircuitBreaker, Relay, Tables


def disable_in(place: Place, tables: Tables) -> None:
    tables.metadata.create_all(place.engine)
    with Session(place.engine) as session, session.begin():
        CircuitBreaker(session, "theirs", tables=tables).disable("off", actor="alice")


def test_a_prefix(place: Place) -> None:
    disable_in(place, Tables("shop_"))
    place.disable("ours")
    assert "theirs" not in cli("list", "--db", place.url).stdout
    for done in (
        cli("list", "--db", place.url, "--table-prefix", "shop_"),
        cli("--table-prefix", "shop_", "--db", place.url, "list"),
        cli("list", "--db", place.url, DRIFTBREAKER_TABLE_PREFIX="shop_"),
    ):
        assert "theirs" in done.stdout
        assert "ours" not in done.stdout
    cli("enable", "theirs", "-y", "--reason", "right", "--db", place.url, "--table-prefix", "shop_")
    assert "V2 ON" in cli("check", "theirs", "--db", place.url, "--table-prefix", "shop_").stdout


def test_the_relay_sends_what_lies_under_a_prefix(place: Place, tmp_path_factory: pytest.TempPathFactory) -> None:
    disable_in(place, Tables("shop_"))
    folder = tmp_path_factory.mktemp("incidents")
    once = ("relay", "--once", "--incident-dir", str(folder), "--db", place.url)
    assert "sent 0" in cli(*once).stdout
    assert "sent 1" in cli(*once, "--table-prefix", "shop_").stdout
    inbox = Inbox("inbox")
    assert Relay(place.engine, [inbox], tables=Tables("shop_")).run_once().sent == 1


def test_a_schema(postgres_url: str) -> None:
    place = Place(postgres_url, create_engine(postgres_url))
    with place.engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA shop"))
    disable_in(place, Tables(schema="shop"))
    assert "theirs" in cli("--schema", "shop", "list", "--db", place.url).stdout
    assert "theirs" in cli("list", "--db", place.url, DRIFTBREAKER_SCHEMA="shop").stdout
    assert cli("list", "--db", place.url).stdout == ""
    missing = cli("list", "--db", place.url, "--schema", "none")
    assert (missing.exit_code, missing.stdout) == (2, "")
    assert "the tables of driftbreaker are not in" in missing.stderr
    place.engine.dispose()


def test_a_prefix_that_cannot_be(place: Place) -> None:
    done = cli("list", "--db", place.url, "--table-prefix", "x" * 31)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "prefix must be text of 0 to 30 bytes" in done.stderr
