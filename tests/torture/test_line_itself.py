"""The line that tests cut: each of its faults does what it says, and leaves nothing behind."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError

from driftbreaker.testing import PostgresServer
from tests.support import pooler as pooling
from tests.support.alertmanagers import PATIENCE, always, eventually
from tests.support.failing import failing_test
from tests.support.line import Line
from tests.support.worlds import World

A_WHILE = 0.3


class Echo(BaseRequestHandler):
    """Sends back what it gets, and keeps it."""

    heard = bytearray()

    def handle(self) -> None:
        with suppress(ConnectionResetError):
            while data := self.request.recv(1024):
                Echo.heard += data
                self.request.sendall(data)


@pytest.fixture
def line() -> Iterator[Line]:
    """A line to an echo."""
    Echo.heard = bytearray()
    with ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        with Line(server.server_address[1]) as line:
            yield line
        server.shutdown()


def connect(line: Line, patience: float = PATIENCE) -> socket.socket:
    return socket.create_connection(("127.0.0.1", line.port), timeout=patience)


def answers(connection: socket.socket, word: bytes = b"x") -> bool:
    """Whether the echo of a word comes."""
    connection.sendall(word)
    return connection.recv(1024) == word


def swallows(connection: socket.socket, word: bytes = b"x") -> bool:
    """Whether nothing comes for a while after a word was sent."""
    connection.sendall(word)
    return not select.select([connection], [], [], A_WHILE)[0]


class TestLine:
    def test_it_passes_on_and_counts(self, line: Line) -> None:
        with connect(line) as first, connect(line) as second:
            assert answers(first)
            assert answers(second)
            assert (line.connections, line.accepted) == (2, 2)
        eventually(lambda: line.connections == 0, "both are gone")
        assert line.accepted == 2

    def test_much_arrives_as_it_was_sent(self, line: Line) -> None:
        sent, got = bytes(range(256)) * 20_000, bytearray()
        with connect(line) as connection, ThreadPoolExecutor() as pool:
            sending = pool.submit(connection.sendall, sent)
            while len(got) < len(sent):
                got += connection.recv(1 << 16)
            sending.result()
        assert got == sent

    def test_a_cut_line_resets(self, line: Line) -> None:
        with connect(line) as connection:
            assert answers(connection)
            line.cut()
            assert line.connections == 0
            with pytest.raises(ConnectionResetError):
                connection.recv(1)
        with connect(line) as connection:
            assert answers(connection)

    def test_a_cut_line_hangs_up_politely_when_asked(self, line: Line) -> None:
        with connect(line) as connection:
            assert answers(connection)
            line.cut(reset=False)
            assert connection.recv(1) == b""

    def test_a_silenced_line_swallows_everything_and_accepts(self, line: Line) -> None:
        with connect(line) as before:
            assert answers(before, b"before")
            line.silence()
            with connect(line) as meanwhile:
                assert swallows(before, b"lost")
                assert swallows(meanwhile, b"lost too")
                assert (line.connections, line.accepted) == (0, 2)
                line.heal()
                assert swallows(before, b"still lost")
                assert swallows(meanwhile, b"still lost")
                with connect(line) as after:
                    assert answers(after, b"after")
                assert Echo.heard == b"beforeafter"
                line.cut()
                with pytest.raises(ConnectionResetError):
                    before.recv(1)

    def test_what_is_on_its_way_is_lost_with_the_silence(self, line: Line) -> None:
        with connect(line) as connection:
            assert answers(connection, b"before")
            line.delay(A_WHILE)
            connection.sendall(b"late")
            line.silence()
            always(lambda: Echo.heard == b"before", "nothing of it arrives", 2 * A_WHILE)

    @pytest.mark.parametrize("gone", [False, True])
    def test_only_a_vanished_host_leaves_tcp_without_an_answer(self, line: Line, gone: bool) -> None:
        with connect(line) as before:
            assert answers(before)
            before.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 100)
            before.settimeout(2)
            if gone:
                line.vanish()
            else:
                line.silence()
            before.sendall(b"x")
            with pytest.raises(TimeoutError) as error:
                before.recv(1)
            assert (error.value.errno is not None) == gone, "the kernel's own timeout has a number"
            if gone:
                with pytest.raises(TimeoutError):
                    connect(line, A_WHILE)
            line.heal()
            with connect(line) as after:
                assert answers(after)

    def test_a_refusing_line_keeps_what_it_has_and_its_port(self, line: Line) -> None:
        with connect(line) as before:
            assert answers(before)
            line.refuse()
            for _ in range(3):
                with pytest.raises(ConnectionRefusedError):
                    connect(line)
            assert answers(before)
            line.heal()
            with connect(line) as after:
                assert answers(after)
                assert answers(before)

    def test_a_slow_line_delays_each_way(self, line: Line) -> None:
        with connect(line) as connection:
            assert answers(connection)
            line.delay(A_WHILE)
            began = time.monotonic()
            assert answers(connection)
            assert time.monotonic() - began >= 2 * A_WHILE
            line.heal()
            began = time.monotonic()
            assert answers(connection)
            assert time.monotonic() - began < 2 * A_WHILE

    def test_a_line_to_nowhere_hangs_up(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as nobody:
            port = nobody.getsockname()[1]
        with Line(port) as line, connect(line) as connection:
            assert connection.recv(1) == b""

    def test_it_ends_with_all_that_it_has(self) -> None:
        threads = threading.active_count()
        with (
            failing_test(),
            socket.create_server(("127.0.0.1", 0)) as server,
            Line(server.getsockname()[1]) as line,
        ):
            live = connect(line)
            eventually(lambda: line.connections == 1, "it is accepted")
            line.silence()
            silent = connect(line)
            eventually(lambda: line.accepted == 2, "it is accepted too")
            raise ZeroDivisionError
        for connection in (live, silent):
            with closing(connection), pytest.raises(ConnectionResetError):
                connection.recv(1)
        with pytest.raises(ConnectionRefusedError):
            connect(line)
        assert threading.active_count() == threads

    @pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
    def test_drivers_go_through_it(self, postgres: PostgresServer, postgres_database: str, driver: str) -> None:
        url = postgres.url(postgres_database, driver)
        with Line(pooling.port_of(postgres)) as line:
            world = World(driver, line.url(url), create_engine(postgres.url(postgres_database)))
            with world.committed() as breaker:
                assert breaker.disable("off", actor="alice")
            line.cut()
            with world.session() as session, pytest.raises(DBAPIError) as error:
                world.breaker(session).is_disabled()
            assert error.value.connection_invalidated
            with world.session() as session:
                assert world.breaker(session).is_disabled()
            world.close()
