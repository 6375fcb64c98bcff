"""A board whose database crashes, vanishes, is cut off or slow: its policies answer, and it comes back right."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import create_engine

import driftbreaker
from driftbreaker import Basis, Outage
from tests.support.alertmanagers import eventually
from tests.support.line import Line
from tests.support.servers import RestartableServer
from tests.support.size import LONG, size
from tests.support.watched import (
    CANNOT_TELL,
    LONG_KNOWN,
    PATIENCE,
    Announced,
    Running,
    Watch,
    announced,
    close_,
    descriptors,
    open_,
    resident,
    running,
    threads,
    watched,
)

DRIVERS = ("psycopg", "psycopg-async", "asyncpg")
BOTH_KINDS = DRIVERS if LONG else ("psycopg", "asyncpg")
POLL, STALE = 0.1, 1.0
KNOWN_OPEN, KNOWN_CLOSED = (Basis.DATABASE, True), (Basis.DATABASE, False)
NOBODY_KNOWS = {Outage.OPEN: (Basis.OUTAGE, True), Outage.CLOSED: (Basis.OUTAGE, False)}
IN_TURNS = {"failing": "restored", "stale": "fresh", "polling": "listening"}
MEMORY_SLACK = 8 << 20


@pytest.fixture(scope="module")
def server() -> Iterator[RestartableServer]:
    with RestartableServer() as server:
        yield server


@pytest.fixture
def database(server: RestartableServer) -> Iterator[str]:
    name = server.create_database()
    engine = create_engine(server.url(name))
    driftbreaker.metadata.create_all(engine)
    engine.dispose()
    yield name
    server.drop_database(name)


@pytest.fixture
def _deafness_is_soon_found(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("driftbreaker.refresh.listener", "driftbreaker.aio.listener", "driftbreaker.aio.switchboard"):
        monkeypatch.setattr(f"{module}.PING_EVERY", 0.5, raising=False)
        monkeypatch.setattr(f"{module}.ANSWER", 2.0)


@dataclass
class Scene:
    """A server, a line to it, a board at the line's other end with its readers, and what it said."""

    server: RestartableServer
    database: str
    line: Line
    running: Running
    watch: Watch
    said: Announced

    @property
    def url(self) -> str:
        """The way in that no fault touches."""
        return self.server.url(self.database)

    def settled(self) -> bool:
        """Whether it knows, and hears: has said so more recently than the contrary."""
        kinds = self.said.kinds()
        hears = kinds["listening"] >= max(kinds["polling"], 1)
        return self.watch.all_know() and kinds["restored"] == kinds["failing"] and hears

    def all_is_over(self) -> bool:
        """Whether it has taken back all the bad that it said of itself; how often, a busy machine may decide."""
        kinds = self.said.kinds()
        return all(kinds[bad] == kinds[good] > 0 for bad, good in IN_TURNS.items() if bad in kinds)

    def backends(self) -> int:
        """How many connections the server has, but for ours."""
        ((count,),) = self.server.ask(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'",
            self.database,
        )
        return int(count)


@contextmanager
def scene(server: RestartableServer, database: str, driver: str, *names: str, **options: Any) -> Iterator[Scene]:
    """All of it at rest: fresh and listening."""
    through = "asyncpg" if driver == "asyncpg" else "psycopg"
    options = {"poll": POLL, "stale_after": STALE, **options}
    with Line(server.port) as line, announced() as said:
        url = line.url(server.url(database, through))
        with running(driver, url, **options) as board, watched(board.board, *names) as watch:
            it = Scene(server, database, line, board, watch, said)
            eventually(lambda: watch.all_know() and said.kinds()["listening"] == 1, "it is at rest")
            for reader in watch.readers:  # what was before the first reading is another test's
                for seen in (*reader.answers.values(), *reader.checks.values(), *reader.by_name.values()):
                    del seen[:-1]
            said.assert_just(fresh=1, listening=1)
            said.clear()
            yield it


def timed(what: str, condition: Callable[[], object], healed: float) -> None:
    """Wait for a recovery, and print how long it took."""
    eventually(condition, what, PATIENCE)
    print(f"\n{what} {time.monotonic() - healed:.2f} s after healing")


class Fault:
    """Cuts a board off until healed; `reachable` makes sure that the server itself can be written to."""

    def __init__(self, begin: Callable[[Scene], None], reachable: Callable[[Scene], None] = lambda _: None) -> None:
        self.begin = begin
        self.reachable = reachable


def crash(scene: Scene) -> None:
    scene.line.refuse()
    scene.server.stop_immediately()


def come_back(scene: Scene) -> None:
    scene.server.start()


def reset(scene: Scene) -> None:
    scene.line.refuse()
    scene.line.cut()


def hang_up(scene: Scene) -> None:
    scene.line.refuse()
    scene.line.cut(reset=False)


FAULTS = {
    "crash": Fault(crash, come_back),
    "reset": Fault(reset),
    "hang up": Fault(hang_up),
    "silence": Fault(lambda scene: scene.line.silence()),
    "vanish": Fault(lambda scene: scene.line.vanish()),
}
SHORT_FORM = {
    "psycopg": ("crash", "reset", "silence"),
    "asyncpg": ("crash", "silence"),
    "psycopg-async": ("hang up",),
}
DRIVERS_AND_FAULTS = [(driver, fault) for driver in DRIVERS for fault in FAULTS if LONG or fault in SHORT_FORM[driver]]


@pytest.mark.usefixtures("_deafness_is_soon_found")
@pytest.mark.parametrize(("driver", "fault"), DRIVERS_AND_FAULTS)
def test_cut_off_for_long_it_answers_by_policy_and_comes_back_right(
    server: RestartableServer, database: str, driver: str, fault: str
) -> None:
    open_(server.url(database), "closed meanwhile")
    open_(server.url(database), "stays open")
    with scene(server, database, driver, "opened meanwhile", "closed meanwhile", "stays open", "stays closed") as it:
        FAULTS[fault].begin(it)
        eventually(it.watch.nobody_knows, "it is stale")
        FAULTS[fault].reachable(it)
        open_(it.url, "opened meanwhile")
        close_(it.url, "closed meanwhile")
        healed = time.monotonic()
        it.line.heal()
        timed(f"{driver}, {fault}: fresh", it.watch.all_know, healed)
        timed(f"{driver}, {fault}: listening", it.settled, healed)
        eventually(lambda: it.said.kinds()["listening"] == 1, "it has said so")
        it.said.assert_just(failing=1, polling=1, stale=1, fresh=1, restored=1, listening=1)
        wanted = it.watch
    for name, before, after in (
        ("opened meanwhile", False, True),
        ("closed meanwhile", True, False),
        ("stays open", True, True),
        ("stays closed", False, False),
    ):
        assert_the_course_was_right(wanted, name, before=before, after=after)


def assert_the_course_was_right(watch: Watch, name: str, *, before: bool, after: bool) -> None:
    """Every reader saw what was known, then what the policy says, then the truth; nothing else, and no more often."""
    known, true = (Basis.DATABASE, before), (Basis.DATABASE, after)
    for policy, nobody_knows in NOBODY_KNOWS.items():
        assert watch.seen(name, policy) == {(known, nobody_knows, true)}, (name, policy)
        assert watch.checked(name, policy) == {changes(before, policy.is_open, after)}, (name, policy)
    assert watch.checked(name, Outage.RAISE) == {(before, CANNOT_TELL, after)}, name
    assert watch.seen(name, Outage.RAISE) == {(known, NOBODY_KNOWS[Outage.OPEN], true)}, name
    assert watch.seen(name, LONG_KNOWN) == {changes(known, true)}, name
    assert watch.checked(name, LONG_KNOWN) == {changes(before, after)}, name
    assert watch.asked_by_name(name) == {changes(before, True, after)}, name


def changes(*answers: Any) -> tuple[Any, ...]:
    """The same without repetitions."""
    return tuple(answer for answer, before in zip(answers, (None, *answers), strict=False) if answer != before)


@pytest.mark.parametrize("driver", BOTH_KINDS)
def test_what_is_soon_over_changes_no_answer(server: RestartableServer, database: str, driver: str) -> None:
    """A crash with a quick restart, and a cut line: what was known holds until the truth is read."""
    open_(server.url(database), "closed meanwhile")
    with scene(server, database, driver, "opened meanwhile", "closed meanwhile", stale_after=PATIENCE) as it:
        for end in (lambda: it.server.restart_immediately(), lambda: it.line.cut(reset=False)):
            end()
            healed = time.monotonic()
            eventually(lambda: it.said.kinds()["restored"] == 1, "it reads again")
            timed(f"{driver}, quick: listening", it.settled, healed)
            it.said.assert_just(failing=1, restored=1, polling=1, listening=1)
            it.said.clear()
        open_(it.url, "opened meanwhile")
        close_(it.url, "closed meanwhile")
        opened, closed = (it.running.board[name] for name in it.watch.names)
        eventually(lambda: opened.is_open and not closed.is_open, "it sees both")
        watch = it.watch
    for policy in (Outage.OPEN, Outage.CLOSED, Outage.RAISE, LONG_KNOWN):
        assert watch.seen("opened meanwhile", policy) == {(KNOWN_CLOSED, KNOWN_OPEN)}
        assert watch.seen("closed meanwhile", policy) == {(KNOWN_OPEN, KNOWN_CLOSED)}
        assert watch.checked("opened meanwhile", policy) == {(False, True)}


@pytest.mark.parametrize("driver", BOTH_KINDS)
def test_killed_backends_cost_nothing_that_stays(server: RestartableServer, database: str, driver: str) -> None:
    """Twenty times; threads, files, connections and memory are afterwards what they were after the first time."""
    times = size(20 if driver == "psycopg" else 5, 500)
    with scene(server, database, driver, "pricing", stale_after=PATIENCE) as it:
        slowest = 0.0
        for number in range(times):
            assert it.server.terminate_backends(it.database) >= 2
            healed = time.monotonic()
            eventually(lambda: it.said.kinds().keys() >= {"restored", "listening"}, "it is at rest again", PATIENCE)
            slowest = max(slowest, time.monotonic() - healed)
            it.said.assert_just(failing=1, restored=1, polling=1, listening=1)
            it.said.clear()
            if number == 0:
                first, memory = at_rest(it), resident()
        print(f"\n{driver}: at rest at most {slowest:.2f} s after its backends were killed")
        eventually(lambda: usage(it) == first, f"{usage(it)} is {first} again")
        assert resident() < memory + MEMORY_SLACK
        watch = it.watch
    assert watch.seen("pricing", Outage.OPEN) == {(KNOWN_CLOSED,)}


def usage(scene: Scene) -> tuple[list[str], int, int]:
    return threads(), descriptors(), scene.backends()


def at_rest(scene: Scene) -> tuple[list[str], int, int]:
    """What is used when nothing is under way: the ping's connection comes and goes."""
    seen: list[tuple[list[str], int, int]] = []

    def steady() -> bool:
        seen.append(usage(scene))
        return scene.backends() == 2 and len(seen) > 1 and seen[-1] == seen[-2]

    eventually(steady, "only the two connections are left")
    return seen[-1]


@pytest.mark.usefixtures("_deafness_is_soon_found")
@pytest.mark.parametrize("driver", DRIVERS if LONG else DRIVERS[:1])
def test_silence_again_and_again_costs_nothing_that_stays(
    server: RestartableServer, database: str, driver: str
) -> None:
    with scene(server, database, driver, "pricing") as it:
        for number in range(size(2, 100)):
            (it.line.silence if number % 2 else it.line.vanish)()
            eventually(it.watch.nobody_knows, "it is stale")
            it.line.heal()
            eventually(it.settled, "it is at rest again", PATIENCE)
            eventually(it.all_is_over, "it has said so", PATIENCE)
            it.said.clear()
            it.line.cut()  # what the line keeps of the dead would count as ours
            eventually(lambda: it.said.kinds().keys() >= {"failing", "polling"}, "it has noticed", PATIENCE)
            eventually(it.all_is_over, "it is at rest again", PATIENCE)
            it.said.clear()
            if number == 0:
                first, memory = at_rest(it), resident()
        eventually(lambda: usage(it) == first, f"{usage(it)} is {first} again")
        assert resident() < memory + MEMORY_SLACK


@pytest.mark.parametrize("driver", BOTH_KINDS)
def test_started_while_the_database_is_down_it_begins_when_that_comes(
    server: RestartableServer, database: str, driver: str
) -> None:
    open_(server.url(database), "open")
    through = "asyncpg" if driver == "asyncpg" else "psycopg"
    with Line(server.port) as line, announced() as said:
        line.refuse()
        url = line.url(server.url(database, through))
        began = time.monotonic()
        with running(driver, url, poll=POLL, stale_after=STALE) as board:
            assert 0.9 < time.monotonic() - began < 5, "it waits for a second and no longer"
            with watched(board.board, "open", "closed") as watch:
                said.assert_just(failing=1)
                said.clear()
                healed = time.monotonic()
                line.heal()
                timed(f"{driver}, started while down: fresh", watch.all_know, healed)
                timed(f"{driver}, started while down: listening", lambda: said.kinds()["listening"], healed)
                eventually(lambda: said.kinds()["restored"] == 1, "it has said so")
                said.assert_just(fresh=1, restored=1, listening=1)
    for name, truth in (("open", True), ("closed", False)):
        for policy, nobody_knows in NOBODY_KNOWS.items():
            assert watch.seen(name, policy) == {(nobody_knows, (Basis.DATABASE, truth))}
        assert watch.checked(name, Outage.RAISE) == {(CANNOT_TELL, truth)}


@pytest.mark.parametrize("driver", BOTH_KINDS)
def test_a_slow_database_is_only_seen_later(server: RestartableServer, database: str, driver: str) -> None:
    with scene(server, database, driver, "pricing", stale_after=3.0) as it:
        it.line.delay(0.1)
        opened = time.monotonic()
        open_(it.url, "pricing")
        eventually(lambda: it.running.board.is_open("pricing"), "it sees it")
        assert time.monotonic() - opened < 3
        it.said.assert_just()
        it.line.heal()


@pytest.mark.parametrize("driver", BOTH_KINDS)
def test_a_board_begins_on_a_line_that_takes_long_to_connect(
    server: RestartableServer, database: str, driver: str
) -> None:
    """Connecting takes some round trips, and a reading one: what suffices for that must not be denied it."""
    through = "asyncpg" if driver == "asyncpg" else "psycopg"
    with Line(server.port) as line:
        line.delay(0.06)
        url = line.url(server.url(database, through))
        with running(driver, url, poll=POLL, stale_after=1.4, connect_args={}) as board:
            eventually(lambda: board.board["pricing"].basis is Basis.DATABASE, "it knows", PATIENCE)


@pytest.mark.parametrize("driver", BOTH_KINDS)
def test_a_read_only_database_is_read(server: RestartableServer, database: str, driver: str) -> None:
    open_(server.url(database), "open")
    with scene(server, database, driver, "open", "closed", stale_after=PATIENCE) as it:
        it.server.read_only(it.database)
        eventually(lambda: it.said.kinds().keys() >= {"restored", "listening"}, "it reads and hears", PATIENCE)
        it.said.assert_just(failing=1, restored=1, polling=1, listening=1)
        with pytest.raises(Exception, match="read-only"):
            open_(it.url, "closed")
        began = time.monotonic()
        eventually(lambda: it.running.board.age < time.monotonic() - began, "it has read since")
        it.server.read_write(it.database)
        open_(it.url, "closed")
        eventually(lambda: it.running.board.is_open("closed"), "it sees it")
        watch = it.watch
    assert watch.seen("open", Outage.CLOSED) == {(KNOWN_OPEN,)}
    assert watch.seen("closed", Outage.OPEN) == {(KNOWN_CLOSED, KNOWN_OPEN)}
