"""`check` answers by its status: 0 on, 1 off, 2 cannot tell (3 for Nagios), whatever goes wrong."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from tests.support.locks import locked
from tests.support.roles import role
from tests.support.terminal import Place, cli

EITHER = pytest.mark.parametrize(("option", "status", "begin"), [((), 2, ""), (("--nagios",), 3, "UNKNOWN: ")])


@EITHER
def test_who_may_not_look_cannot_tell(option: tuple[str, ...], status: int, begin: str, postgres_url: str) -> None:
    with role(postgres_url, []) as url:
        done = cli("check", "pricing", *option, "--db", url)
    assert done.exit_code == status
    assert (done.stdout or done.stderr).startswith(f"{begin or 'Error: '}this is not allowed in ")


@EITHER
def test_what_is_locked_cannot_be_told(option: tuple[str, ...], status: int, begin: str, place: Place) -> None:
    with locked(place):
        done = cli("check", "pricing", *option, "--timeout", "0.2", "--db", place.url)
    assert done.exit_code == status
    assert (done.stdout or done.stderr).startswith(f"{begin or 'Error: '}somebody else holds a lock in ")


@EITHER
def test_a_row_that_nobody_can_read_cannot_be_told(
    option: tuple[str, ...], status: int, begin: str, sqlite_url: str
) -> None:
    place = Place(sqlite_url, create_engine(sqlite_url))
    place.disable("pricing")
    with place.engine.begin() as connection:
        connection.execute(text("UPDATE driftbreaker_breakers SET opened_at = 'yester\x1b[31mday'"))
    place.engine.dispose()
    done = cli("check", "pricing", *option, "--db", sqlite_url)
    assert done.exit_code == status
    assert (done.stdout or done.stderr).startswith(f"{begin or 'Error: '}what is on record of 'pricing' cannot be read")
    assert "\x1b" not in done.output


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("pricing", "another"),
        ("pricing", "--scop", "x"),
        ("pricing", "--timeout", "soon"),
        ("pricing", "--json"),
        ("",),
        ("pricing", "--table-prefix", "x" * 31),
    ],
)
def test_wrong_usage_is_not_critical_to_nagios(arguments: tuple[str, ...], place: Place) -> None:
    done = cli("check", "--nagios", *arguments, "--db", place.url)
    assert (done.exit_code, done.stdout[:9], len(done.stdout.splitlines())) == (3, "UNKNOWN: ", 1)
    assert cli("check", *arguments, "--db", place.url).exit_code == (0 if "--json" in arguments else 2)


def test_no_database_is_not_critical_to_nagios() -> None:
    done = cli("check", "pricing", "--nagios", DRIFTBREAKER_DATABASE_URL=None)
    assert (done.exit_code, done.stdout[:25]) == (3, "UNKNOWN: which database? ")


def test_a_misspelt_name_is_on_and_the_near_one_is_named(place: Place) -> None:
    place.disable("pricing")
    done = cli("check", "pricng", "--db", place.url)
    assert (done.exit_code, done.stdout) == (0, "V2 ON  pricng  (nothing bad was ever reported to it)\n")
    assert done.stderr == "Did you mean 'pricing'?\n"
    assert cli("check", "pricng", "--db", place.url, "--json").stderr == done.stderr
    assert cli("check", "unheard of", "--db", place.url).stderr == ""
    assert cli("check", "pricing", "--scope", "unheard of", "--db", place.url).stderr == ""
    place.enable("pricing")
    assert cli("check", "pricing", "--scope", "unheard of", "--db", place.url).stderr == ""


def test_the_near_name_moves_no_cursor_and_is_no_part_of_the_answer(place: Place) -> None:
    place.disable("pric\x1b[31ming")
    done = cli("check", "pric\x1b[31mng", "--db", place.url)
    assert done.exit_code == 0
    assert "Did you mean" in done.stderr
    assert "\x1b" not in done.output


def test_a_near_name_that_cannot_be_looked_for_is_not_missed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_slow(*_: object) -> None:
        raise OperationalError("SELECT", {}, Exception("canceling statement due to statement timeout"))

    monkeypatch.setattr("driftbreaker.store.names_near", too_slow)
    done = cli("check", "pricng", "--db", place.url)
    assert (done.exit_code, done.stderr) == (0, "")
