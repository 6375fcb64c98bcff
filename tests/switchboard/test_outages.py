"""What handles answer while the database is gone, by policy: the table of docs/switchboard.md, found out anew."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from driftbreaker import AsyncSwitchboard, Basis, CannotTellError, Handle, Outage, Switchboard
from driftbreaker.testing import PostgresServer
from tests.support.boards import eventually, logged, pause, stranger, told
from tests.support.line import Line
from tests.support.worlds import World, wait_for

DOCUMENT = Path(__file__).parents[2] / "docs" / "switchboard.md"
BEGIN, END = "<!-- outages: written by tests/switchboard/test_outages.py -->", "<!-- outages end -->"
REWRITE = "DRIFTBREAKER_WRITE_DOCS=1 .venv/bin/pytest tests/switchboard/test_outages.py"

STALE_AFTER, MAX_AGE = 1.5, 3.0
POLICIES = {
    "`Outage.OPEN`": Outage.OPEN,
    "`Outage.CLOSED`": Outage.CLOSED,
    "`Outage.RAISE`": Outage.RAISE,
    "`Outage.last_known(max_age)`": Outage.last_known(timedelta(seconds=MAX_AGE)),
}
Row = tuple[str, ...]


@dataclass
class Bench:
    """A board on a line that can be cut, with a handle of every policy on an open and on a closed breaker."""

    world: World
    line: Line
    board: Any

    def __post_init__(self) -> None:
        self.handles = [
            [self.board.handle(name, outage=policy) for name in ("opened", "pricing")] for policy in POLICIES.values()
        ]

    def start(self, wait: float = 1.0) -> None:
        wait_for(self.world.runner, self.board.start, wait)

    def close(self) -> None:
        wait_for(self.world.runner, self.board.close)

    def cut(self) -> None:
        self.line.refuse()
        self.line.cut()

    def until(self, what: Callable[[], object], within: float = 20.0) -> None:
        assert eventually(self.world, what, within), f"not within {within} s"

    @property
    def answers(self) -> Row:
        return tuple(_answer(opened, closed) for opened, closed in self.handles)

    def fresh(self) -> bool:
        return bool(self.board.age < STALE_AFTER)

    def known_is_too_old(self) -> bool:
        """Whether even the policy that trusts longest does so no more."""
        return bool(self.board.age > MAX_AGE and self.handles[3][0].basis is Basis.OUTAGE)

    def stale(self) -> bool:
        return bool(self.board.age > STALE_AFTER and self.handles[0][0].basis is Basis.OUTAGE)


def _answer(opened: Handle, closed: Handle) -> str:
    """Name what two handles of one policy show: what was read, or one answer for both."""
    try:
        shown = (opened.check(), closed.check())
    except CannotTellError:
        assert (opened.is_open, closed.is_open) == (True, True)
        return "control; `check()` raises"
    assert shown == (opened.is_open, closed.is_open)
    return {(True, False): "as read last", (True, True): "control", (False, False): "candidate"}[shown]


@pytest.fixture(params=["psycopg", "asyncpg"])
def bench(request: pytest.FixtureRequest, postgres: PostgresServer, postgres_database: str) -> Iterator[Bench]:
    driver: str = request.param
    world = World(driver, postgres.url(postgres_database, driver), create_engine(postgres.url(postgres_database)))
    with stranger(world, "opened") as breaker:
        breaker.disable("off", actor="alice")
    port = make_url(world.url).port
    assert port is not None
    with Line(port) as line:
        url = line.url(world.url)
        if world.is_async:
            engine = create_async_engine(url)
            board: Any = AsyncSwitchboard(engine, poll=0.1, stale_after=STALE_AFTER)
        else:
            engine = create_engine(url, connect_args={"connect_timeout": 2})
            board = Switchboard(engine, poll=0.1, stale_after=STALE_AFTER)
        bench = Bench(world, line, board)
        yield bench
        bench.close()
        wait_for(world.runner, engine.dispose)
        world.runner.run(asyncio.sleep(0))
    world.close()


def before_anything_was_read(bench: Bench) -> Row:
    bench.cut()
    bench.start(wait=0.2)
    return bench.answers


def while_the_database_answers(bench: Bench) -> Row:
    bench.start()
    return bench.answers


def it_is_read_only(bench: Bench) -> Row:
    with bench.world.outside.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        name = connection.exec_driver_sql("SELECT current_database()").scalar_one()
        connection.exec_driver_sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    bench.line.cut()
    bench.start()
    return bench.answers


def it_is_gone_and_the_last_reading_is_fresh(bench: Bench) -> Row:
    bench.start()
    bench.cut()
    answers = bench.answers
    assert bench.fresh(), "the machine was too slow for this: it is stale already"
    return answers


def it_is_gone_and_the_last_reading_is_stale(bench: Bench) -> Row:
    bench.start()
    bench.cut()
    bench.until(bench.stale)
    answers = bench.answers
    assert bench.board.age < MAX_AGE, "the machine was too slow for this: even the last known is too old"
    return answers


def it_is_gone_for_longer_than_max_age(bench: Bench) -> Row:
    bench.start()
    bench.cut()
    bench.until(bench.known_is_too_old)
    return bench.answers


def it_does_not_answer_any_more(bench: Bench) -> Row:
    bench.start()
    bench.line.silence()
    bench.until(bench.known_is_too_old)
    return bench.answers


def it_answers_again(bench: Bench) -> Row:
    bench.start()
    bench.cut()
    bench.until(bench.stale)
    bench.line.heal()
    bench.until(bench.fresh)
    return bench.answers


def the_board_is_closed(bench: Bench) -> Row:
    bench.start()
    bench.close()
    return bench.answers


SITUATIONS: dict[str, Callable[[Bench], Row]] = {
    "nothing was read yet": before_anything_was_read,
    "the database answers": while_the_database_answers,
    "it is read-only": it_is_read_only,
    "it is gone, and the last reading is not older than `stale_after`": it_is_gone_and_the_last_reading_is_fresh,
    "it is gone, and the last reading is older": it_is_gone_and_the_last_reading_is_stale,
    "it is gone, and the last reading is older than `max_age`": it_is_gone_for_longer_than_max_age,
    "it takes connections and never answers, for as long": it_does_not_answer_any_more,
    "it answers again": it_answers_again,
    "the board is closed": the_board_is_closed,
}
FOUND: dict[str, Row] = {}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_policy_answers_as_the_document_says(bench: Bench, situation: str) -> None:
    answers = SITUATIONS[situation](bench)
    FOUND[situation] = answers
    if not os.environ.get("DRIFTBREAKER_WRITE_DOCS"):
        assert _line(situation, answers) in DOCUMENT.read_text(), f"rewrite the document: {REWRITE}"


def test_the_table_is_what_was_found() -> None:
    if FOUND.keys() != SITUATIONS.keys():
        return  # only some of the situations were tried
    heads = ["", *POLICIES]
    table = "\n".join(
        [
            "| " + " | ".join(heads) + " |",
            "|---" * len(heads) + "|",
            *(_line(situation, FOUND[situation]) for situation in SITUATIONS),
        ]
    )
    text = DOCUMENT.read_text()
    before, _, rest = text.partition(BEGIN)
    stands, _, after = rest.partition(END)
    if os.environ.get("DRIFTBREAKER_WRITE_DOCS"):
        DOCUMENT.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")
        return
    assert stands.strip() == table, f"{DOCUMENT.name} says something else; rewrite it: {REWRITE}"


def _line(situation: str, answers: Row) -> str:
    return f"| {situation} | " + " | ".join(answers) + " |"


def test_each_change_of_mode_is_one_line_and_one_event(bench: Bench) -> None:
    with told() as heard, logged() as lines:
        bench.start()
        # Listening is a change of its own, and comes when it comes.
        bench.until(lambda: "switchboard_listening" in heard.kinds)
        for healed in (1, 2):
            bench.cut()
            bench.until(bench.stale)
            pause(bench.world, 1.0)  # many retries
            bench.line.heal()
            # Handles are fresh a moment before anybody is told of it.
            bench.until(lambda healed=healed: heard.kinds.count("switchboard_restored") == healed)
            bench.until(
                lambda: heard.kinds.count("switchboard_listening") == heard.kinds.count("switchboard_polling") + 1
            )
    assert set(heard.kinds[:2]) == {"switchboard_fresh", "switchboard_listening"}
    outage = ["switchboard_failing", "switchboard_stale", "switchboard_fresh", "switchboard_restored"]
    rest = [kind for kind in heard.kinds[2:] if kind not in ("switchboard_listening", "switchboard_polling")]
    assert sorted(rest) == sorted(outage * 2)
    assert heard.kinds.count("switchboard_polling") == 2
    assert len(lines) == len(heard.kinds), lines


def test_what_changed_meanwhile_is_right_from_the_first_fresh_answer_on(bench: Bench) -> None:
    bench.start()
    opened, pricing = bench.handles[0]
    bench.cut()
    with stranger(bench.world, "pricing") as breaker:
        breaker.disable("off", actor="alice")
    with stranger(bench.world, "opened") as breaker:
        breaker.enable("fixed", actor="alice")
    bench.until(bench.stale)
    bench.line.heal()
    wrong = []

    def fresh_again() -> bool:
        if opened.basis is Basis.DATABASE and opened.is_open:
            wrong.append(repr(opened))
        if pricing.basis is Basis.DATABASE and not pricing.is_open:
            wrong.append(repr(pricing))
        return opened.basis is Basis.DATABASE and pricing.basis is Basis.DATABASE

    bench.until(fresh_again)
    assert (opened.is_open, pricing.is_open, wrong) == (False, True, [])


def test_missing_tables_are_told_with_the_line_that_creates_them(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'empty.db'}")
    with logged() as lines, Switchboard(engine) as board:
        assert board["pricing"].is_open
    assert any("driftbreaker.metadata.create_all(engine)" in line for line in lines)
    engine.dispose()


@pytest.mark.parametrize("value", ["", " , "])
def test_an_empty_list_forces_nothing_off(monkeypatch: pytest.MonkeyPatch, value: str, sqlite_url: str) -> None:
    monkeypatch.setenv("DRIFTBREAKER_FORCE_OFF", value)
    engine = create_engine(sqlite_url)
    with Switchboard(engine) as board:
        assert not board.is_open("pricing")
    engine.dispose()


def test_an_operator_turns_breakers_off_without_any_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DRIFTBREAKER_FORCE_OFF", "payments/*,search")
    engine = create_engine(f"sqlite:///{tmp_path / 'nowhere' / 'none.db'}")
    with logged() as lines:
        board = Switchboard(engine, outage=Outage.CLOSED)
        board.start(wait=0.1)
    names = {name: board.is_open(name) for name in ("payments/eu", "search", "other")}
    assert names == {"payments/eu": True, "search": True, "other": False}
    assert board["search"].basis is Basis.FORCED
    assert board.is_open("search", "a tenant")
    assert "driftbreaker: forced off in this process by its environment: payments/*, search" in lines
    board.close()
    assert board.is_open("search")
    engine.dispose()


def test_a_breaker_of_the_joined_door_is_none_of_the_environments_business(
    monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    monkeypatch.setenv("DRIFTBREAKER_FORCE_OFF", "*")
    with world.committed() as breaker:
        assert not breaker.is_open()
