"""No password is shown, and none can be guessed from what was hidden in its stead."""

from __future__ import annotations

import pytest
from sqlalchemy.engine import make_url
from tests.support.terminal import cli

from driftbreaker.store.passwords import hide_passwords


@pytest.mark.parametrize("password", ["p", "1", "port", "failed", "connection", "127.0", "5432x"])
@pytest.mark.parametrize("command", [("list",), ("doctor",), ("check", "x", "--nagios")])
def test_a_password_that_is_a_word_garbles_nothing(command: tuple[str, ...], password: str) -> None:
    url = f"postgresql+psycopg://u:{password}@127.0.0.1:1/x"
    said = cli(*command, "--db", url).output
    (line,) = [line for line in said.splitlines() if "port 1 failed" in line]
    assert 'connection to server at "127.0.0.1", port 1 failed: ' in line
    assert "u:***@127.0.0.1:1/x" in said or command == ("doctor",)
    assert f":{password}@" not in said


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("cannot reach postgresql://u:p@h/x", "cannot reach postgresql://u:***@h/x"),
        ("cannot reach postgresql://u:p%2Fq@h/x?password=p", "cannot reach postgresql://u:p%2Fq@h/x?password=***"),
        ("bad option in host=h password=p dbname=p", "bad option in host=h password=*** dbname=p"),
        ("bad option in host=h password='p' port=1", "bad option in host=h password='***' port=1"),
        ("sslpassword = hunter2 is wrong, passwordp", "sslpassword = *** is wrong, passwordp"),
        ('password authentication failed for user "p"', 'password authentication failed for user "p"'),
        ("no entry for hunter2", "no entry for ***"),
        ("HUNTER2 is another", "HUNTER2 is another"),
    ],
)
def test_where_a_driver_repeats_one_it_is_hidden(said: str, shown: str) -> None:
    assert hide_passwords(said, make_url("postgresql+psycopg://u:p@h/x?sslpassword=hunter2")) == shown


def test_one_with_signs_that_a_url_escapes_is_hidden_in_both_spellings() -> None:
    url = make_url("postgresql+psycopg://u:a%2Fb%40c@h/x")
    assert hide_passwords("u:a%2Fb%40c@h, u:a/b@c@h", url) == "u:***@h, u:***@h"
