"""Several Alertmanagers, several relays: still one notification for each change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from driftbreaker import Alertmanager, Pass, Relay
from tests.contract.steps import trip
from tests.support.alertmanagers import (
    PAIRS_GROUP_INTERVAL,
    PEER_TIMEOUT,
    AlertmanagerProcess,
    Pager,
    always,
    eventually,
    pair,
)
from tests.support.children import CHILDREN
from tests.support.clocks import OffsetClock
from tests.support.crowd import Place
from tests.support.worlds import World

BREAKERS = [f"b{number}" for number in range(5)]
# By then both of a pair have looked once more whether there is something to tell.
BOTH_LOOKED = PAIRS_GROUP_INTERVAL + 2 * PEER_TIMEOUT

Pair = tuple[AlertmanagerProcess, AlertmanagerProcess]


@pytest.fixture
def peers(tmp_path: Path, pager: Pager) -> Iterator[Pair]:
    with pair(tmp_path / "pair", pager) as peers:
        yield peers


def test_both_of_a_pair_have_it_and_a_person_is_told_once(world: World, peers: Pair, pager: Pager) -> None:
    relay = world.relay(Alertmanager([peer.url for peer in peers]))
    with world.committed() as breaker:
        trip(breaker)
    assert relay.run_once() == Pass(sent=1)
    assert [len(peer.alerts()) for peer in peers] == [1, 1]
    pager.wait("firing")
    with world.committed() as breaker:
        breaker.enable("on", actor="alice")
    assert relay.run_once() == Pass(sent=1)
    assert [peer.fires() for peer in peers] == [False, False]
    pager.wait("firing", "resolved")
    always(lambda: pager.states() == ["firing", "resolved"], "no flapping", BOTH_LOOKED)


def test_a_peer_that_was_down_is_told_by_the_next_send(world: World, peers: Pair, pager: Pager) -> None:
    clock = OffsetClock(timedelta(minutes=-10))
    channel = Alertmanager([peer.url for peer in peers])
    relay = world.relay(channel, clock=clock)
    up, down = peers
    down.stop()
    with world.committed(clock=clock) as breaker:
        trip(breaker)
    assert relay.run_once() == Pass(sent=1), "one that took it is enough"
    assert {url: peer.failing for url, peer in channel.peers.items()} == {up.url: False, down.url: True}
    pager.wait("firing")
    down.start()
    eventually(lambda: up.peers() == down.peers() == 2, "they know of each other")
    assert not down.fires(), "peers do not tell each other alerts"
    clock.advance(timedelta(seconds=67))
    assert relay.run_once() == Pass(sent=1)
    assert up.fires()
    assert down.fires()
    assert not any(peer.failing for peer in channel.peers.values())
    always(lambda: pager.states() == ["firing"], "the repaired peer tells nobody again", BOTH_LOOKED)
    with world.committed(clock=clock) as breaker:
        breaker.enable("on", actor="alice")
    assert relay.run_once() == Pass(sent=1)
    assert not up.fires()
    assert not down.fires()
    eventually(lambda: "resolved" in pager.states(), "it is over")


def relay_until_told(place: Place, url: str, ready: Event) -> None:
    """Be a worker of its own."""
    with place.open() as world:
        ready.set()
        Relay(world.engine, [Alertmanager(url)], poll=0.1).run()


@contextmanager
def working(place: Place, url: str, count: int) -> Iterator[None]:
    """Have so many workers, and see them at work."""
    ready = [CHILDREN.Event() for _ in range(count)]
    workers = [CHILDREN.Process(target=relay_until_told, args=(place, url, each), daemon=True) for each in ready]
    for worker in workers:
        worker.start()
    try:
        assert all(each.wait(30) for each in ready)
        yield
    finally:
        for worker in workers:
            worker.terminate()
            worker.join(30)


def test_however_many_relays_each_change_is_sent_once(
    place: Place, world: World, alertmanager: AlertmanagerProcess, pager: Pager
) -> None:
    """Three in the hosts, woken by their commits, and two workers that poll."""
    with ExitStack() as stack:
        stack.enter_context(working(place, alertmanager.url, 2))
        hosts = [stack.enter_context(place.open()) for _ in range(3)]
        for host in hosts:
            stack.enter_context(Relay(host.engine, [Alertmanager(alertmanager.url)], poll=0.1))
        for number, name in enumerate(BREAKERS):
            with hosts[number % 3].committed(name) as breaker:
                trip(breaker)
        pager.wait(*["firing"] * len(BREAKERS))
        for number, name in enumerate(BREAKERS):
            with hosts[(number + 1) % 3].committed(name) as breaker:
                breaker.enable("on", actor="alice")
        pager.wait(*["firing"] * len(BREAKERS), *["resolved"] * len(BREAKERS))
        assert alertmanager.received("firing") == len(BREAKERS)
        assert alertmanager.received("resolved") == len(BREAKERS)
