"""What the tests with a real Alertmanager share. It is not started for them by `make test`: a machine may lack it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from driftbreaker import Alertmanager
from tests.concurrency.conftest import place, world
from tests.support.alertmanagers import AMTOOL, BINARY, MISSING, AlertmanagerProcess, Pager
from tests.support.crowd import Place
from tests.support.worlds import World

__all__ = ["place", "world"]


def pytest_sessionstart() -> None:
    if BINARY is None or AMTOOL is None:
        pytest.exit(MISSING, returncode=1)


@pytest.fixture
def pager() -> Iterator[Pager]:
    with Pager() as pager:
        yield pager


@pytest.fixture
def alertmanager(tmp_path: Path, pager: Pager) -> Iterator[AlertmanagerProcess]:
    with AlertmanagerProcess(tmp_path / "alertmanager", pager) as alertmanager:
        yield alertmanager


@pytest.fixture
def channel(alertmanager: AlertmanagerProcess) -> Alertmanager:
    return Alertmanager(alertmanager.url)


@pytest.fixture
def any_world(sqlite_url: str) -> Iterator[World]:
    """One database, where it does not matter which."""
    with Place("sqlite", sqlite_url, sqlite_url).open() as world:
        yield world
