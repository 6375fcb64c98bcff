"""A process killed at any step of the way: another relay goes on, and a person is told once, or rightly never."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from driftbreaker import Alert, Alertmanager, Outcome
from tests.contract.steps import trip
from tests.support.alertmanagers import AlertmanagerProcess, Pager, always, eventually
from tests.support.children import CHILDREN, import_before_forking
from tests.support.crowd import Place
from tests.support.worlds import World

BEFORE_COMMIT = "before the commit"
BEFORE_CLAIM = "after the commit, before a relay claims it"
BEFORE_SEND = "after the claim, before it is sent"
BEFORE_SETTLE = "after it is sent, before that is written down"
AFTER_SETTLE = "after that is written down"


@dataclass(frozen=True)
class Found:
    """What there is when the process is dead, and what comes of it."""

    opened: bool
    at_once: int
    claimed: bool
    then: int
    told: int


FOUND = {
    BEFORE_COMMIT: Found(opened=False, at_once=0, claimed=False, then=0, told=0),
    BEFORE_CLAIM: Found(opened=True, at_once=0, claimed=False, then=1, told=1),
    BEFORE_SEND: Found(opened=True, at_once=0, claimed=True, then=1, told=1),
    BEFORE_SETTLE: Found(opened=True, at_once=1, claimed=True, then=1, told=1),
    AFTER_SETTLE: Found(opened=True, at_once=1, claimed=False, then=1, told=1),
}
# Short, for the tests wait for it; long enough to send within three quarters of it.
LEASE = 1.6

DOCUMENT = Path(__file__).parents[2] / "docs" / "alerts.md"
BEGIN, END = "<!-- crashes: written by tests/alertmanager/test_crashes.py -->", "<!-- crashes end -->"
REWRITE = "DRIFTBREAKER_WRITE_DOCS=1 make test-alertmanager"

import_before_forking("tests.alertmanager.test_crashes", "httpx2")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Dying(Alertmanager):
    """Dies before it sends, or after."""

    def __init__(self, url: str, point: str) -> None:
        super().__init__(url)
        self._point = point

    async def send(self, alerts: Sequence[Alert]) -> list[Outcome]:
        if self._point == BEFORE_SEND:
            die()
        outcomes = await super().send(alerts)
        if self._point == BEFORE_SETTLE:
            die()
        return outcomes


def live(place: Place, url: str, point: str) -> None:
    """Trip, commit and relay, as far as the point."""
    with place.open() as world:
        with world.session() as session:
            trip(world.breaker(session))
            if point == BEFORE_COMMIT:
                die()
            session.commit()
        if point == BEFORE_CLAIM:
            die()
        world.relay(Dying(url, point), lease=LEASE).run_once()
        die()


@pytest.mark.parametrize("point", FOUND)
def test_killed_at_any_point_it_ends_in_one_notification_or_rightly_none(
    place: Place, world: World, alertmanager: AlertmanagerProcess, pager: Pager, point: str
) -> None:
    child = CHILDREN.Process(target=live, args=(place, alertmanager.url, point))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    child.close()

    with world.committed() as breaker:
        opened = breaker.is_open()
    at_once = len(alertmanager.alerts())
    claimed = any(row["lease"] for row in world.rows("deliveries"))

    relay = world.relay(Alertmanager(alertmanager.url), lease=LEASE)
    swept = relay.run_once()
    if claimed:
        assert not swept.sent, "the lease of the dead one is not over yet"
        eventually(lambda: relay.run_once().sent, "the lease is over, and another relay takes it")
    always(lambda: len(pager.states()) <= 1, "told once")
    found = Found(opened, at_once, claimed, len(alertmanager.alerts()), len(pager.wait(*["firing"] * opened)))
    assert found == FOUND[point]
    if opened:
        (delivery,) = world.rows("deliveries")
        assert (delivery["state_sent"], delivery["lease"]) == ("firing", None)
        assert world.rows("incidents")[0]["alert_sent_at"] is not None


def test_the_document_has_the_crashes() -> None:
    document = DOCUMENT.read_text()
    before, _, rest = document.partition(BEGIN)
    stands, _, after = rest.partition(END)
    assert END in rest, f"{DOCUMENT.name} has lost the lines {BEGIN} and {END}"
    if os.environ.get("DRIFTBREAKER_WRITE_DOCS"):
        DOCUMENT.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}")
        return
    assert stands.strip() == table(), f"{DOCUMENT.name} says something else; rewrite it: {REWRITE}"


def table() -> str:
    lines = [
        "| killed | breaker | at Alertmanager at once | and in the end | when | people told |",
        "|---|---|---|---|---|---|",
    ]
    for point, found in FOUND.items():
        when = "when the lease is over" if found.claimed else "at the next pass" if found.opened else "—"
        if found.at_once and not found.claimed:
            when = "nothing is left to do"
        told = {0: "never", 1: "once"}[found.told]
        alerts = ["1 alert" if count else "nothing" for count in (found.at_once, found.then)]
        status = "open" if found.opened else "unchanged"
        lines.append(f"| {point} | {status} | {alerts[0]} | {alerts[1]} | {when} | {told} |")
    return "\n".join(lines)
