"""The how-to is true: its roles are made by its SQL, its commands are run as them, and its screen is what they show."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from tests.support.receiver import Answer, Receiver
from tests.support.terminal import cli

DOCUMENT = Path(__file__).parents[2] / "docs" / "how-to" / "doctor.md"
STATUS = {"versionInfo": {"version": "0.25.0"}, "config": {"original": "global:\n  resolve_timeout: 5m\n"}}
ALERTMANAGER = "http://alertmanager-1:9093"
ROLES = ("shop_checker", "shop_reporter", "shop_relay")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)


COMMANDS = [line.split()[2:] for line in blocks("console")[0].splitlines()]


@pytest.fixture
def url(postgres_url: str) -> Iterator[str]:
    """A database with the how-to's roles."""
    engine = create_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(text(blocks("sql")[0]))
    yield postgres_url
    with engine.begin() as connection:
        for name in ROLES:
            connection.execute(text(f"DROP OWNED BY {name}"))
            connection.execute(text(f"DROP ROLE {name}"))
    engine.dispose()


def masked(screen: str) -> str:
    """Take out what differs from machine to machine: numbers, and which clock is ahead."""
    return re.sub(r"ahead of|behind", "beside", re.sub(r"\d+(\.\d+)*", "N", screen))


def test_each_role_can_do_what_it_is_for_and_its_doctor_agrees(url: str) -> None:
    assert len(COMMANDS) == len(ROLES)
    for name, command in zip(ROLES, COMMANDS, strict=True):
        as_role = make_url(url).set(username=name).update_query_dict({"connect_timeout": "5"})
        with Receiver() as receiver:
            receiver.script(Answer(200, "OK"), Answer(200, json.dumps(STATUS)))
            given = [part.replace(ALERTMANAGER, receiver.url) for part in command]
            done = cli(*given, "--strict", DRIFTBREAKER_DATABASE_URL=as_role.render_as_string(hide_password=False))
            assert done.exit_code == 0, done.output
    assert masked(done.stdout.replace(receiver.url, ALERTMANAGER)) == masked(blocks("text")[0])


def test_a_role_is_not_enough_for_another_job(url: str) -> None:
    for name, job in (("shop_checker", "reporting"), ("shop_reporter", "relaying"), ("shop_relay", "reporting")):
        as_role = make_url(url).set(username=name).render_as_string(hide_password=False)
        assert cli("doctor", "--for", job, "--db", as_role).exit_code == 1
