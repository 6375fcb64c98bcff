"""What others offer for "may the new code run?", each asked the way its own documentation tells."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial

from .peers import resilient_call

Guard = Callable[[], object]


def _new_code() -> None:
    """What the breakers guard: nothing, so that only the guard is measured."""


def decorated() -> Guard:
    """Return circuitbreaker's decorator around a no-op."""
    from circuitbreaker import circuit

    return circuit(_new_code)


def in_memory(folder: str) -> dict[str, Guard]:
    """Return those that keep their state in this process, by name."""
    from interlock import CircuitBreaker as Interlock
    from purgatory import SyncCircuitBreakerFactory
    from pybreaker import CircuitBreaker as PyBreaker

    return {
        "pybreaker, in memory": PyBreaker()(_new_code),
        "purgatory, in memory": SyncCircuitBreakerFactory()("pricing")(_new_code),
        "interlock, in memory": Interlock(name="pricing")(_new_code),
        "UnleashClient, bootstrapped": _unleash(folder),
        "OpenFeature, in-memory provider": _openfeature(),
    }


def _unleash(folder: str) -> Guard:
    from UnleashClient import UnleashClient
    from UnleashClient.cache import FileCache

    cache = FileCache("bench", directory=folder)
    flag = {"name": "pricing", "enabled": True, "strategies": [{"name": "default"}]}
    cache.bootstrap_from_dict({"version": 2, "features": [flag]})
    # Never initialized: it answers from the bootstrap and speaks to no server.
    client = UnleashClient("http://127.0.0.1:9/api", "bench", cache=cache)
    assert client.is_enabled("pricing"), "the flag was not bootstrapped"
    return partial(client.is_enabled, "pricing")


def _openfeature() -> Guard:
    from openfeature import api
    from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider

    api.set_provider_and_wait(InMemoryProvider({"pricing": InMemoryFlag("on", {"on": True, "off": False})}))
    client = api.get_client()
    assert client.get_boolean_value("pricing", False), "the flag was not found"
    return partial(client.get_boolean_value, "pricing", False)


def on_postgres(conninfo: str) -> dict[str, Guard]:
    """Return those that share their state through PostgreSQL, by name."""
    return {
        "resilient-circuit, PostgreSQL, each second": resilient_call(conninfo, refresh=timedelta(seconds=1)),
        "resilient-circuit, PostgreSQL, each call": resilient_call(conninfo),
    }


@contextmanager
def on_redis() -> Iterator[dict[str, Guard] | None]:
    """Yield those that share their state through a Redis of this machine, by name; None where it has none."""
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    from interlock import CircuitBreaker as Interlock
    from interlock.integrations.redis import RedisStorage
    from pybreaker import STATE_CLOSED, CircuitRedisStorage
    from pybreaker import CircuitBreaker as PyBreaker
    from redis import Redis

    with _redis_server(program) as port, Redis("127.0.0.1", port) as redis:
        pybreaker = PyBreaker(state_storage=CircuitRedisStorage(STATE_CLOSED, redis))
        with closing(Interlock(name="pricing", storage=RedisStorage(redis))) as interlock:
            yield {
                "pybreaker, Redis, each call": pybreaker(_new_code),
                "interlock, Redis, each second": interlock(_new_code),
            }


@contextmanager
def _redis_server(program: str) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen([program, *options], cwd=folder, stdout=subprocess.DEVNULL)
        try:
            _wait_for(port)
            yield port
        finally:
            server.terminate()
            server.wait(10)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
