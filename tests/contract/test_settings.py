"""Code owns the settings; the row carries a copy, and a change of it is one history entry."""

from __future__ import annotations

import json

from driftbreaker import AlertSettings, BreakerSettings
from tests.contract.steps import BAD, GOOD, changes
from tests.support.worlds import SETTINGS, World

OTHER = BreakerSettings(failure_threshold=9)


def test_row_carries_the_settings_of_whoever_touches_it(world: World) -> None:
    with world.committed(settings=OTHER) as breaker:
        breaker.report_drift(BAD)
    assert json.loads(world.row()["settings"])["failure_threshold"] == 9
    assert world.row()["settings_hash"] == OTHER.hash


def test_changed_settings_are_one_history_entry(world: World) -> None:
    with world.committed() as breaker:
        breaker.report_drift(BAD)
    for _ in range(2):
        with world.committed(settings=OTHER) as breaker:
            breaker.report_drift(BAD)
    assert changes(world) == ["settings"]
    (entry,) = world.rows("history")
    assert entry["details"] == {"old": SETTINGS.hash, "new": OTHER.hash}
    assert (entry["old_status"], entry["new_status"], entry["actor_kind"]) == ("closed", "closed", "system")
    assert world.row()["settings_hash"] == OTHER.hash


def test_same_settings_are_no_entry(world: World) -> None:
    for _ in range(2):
        with world.committed(settings=BreakerSettings()) as breaker:
            breaker.report_drift(BAD)
            breaker.report_drift(GOOD)
            breaker.report_schema_error()
    assert changes(world) == []


def test_every_writer_that_touches_the_row_keeps_its_settings(world: World) -> None:
    writers = {
        "bad": lambda b: b.report_drift(BAD),
        "good": lambda b: b.report_drift(GOOD),
        "schema": lambda b: b.report_schema_error(),
        "disable": lambda b: b.disable("why", actor="alice"),
        "enable": lambda b: b.enable("why", actor="alice"),
        "reset": lambda b: b.reset("why", actor="alice"),
    }
    for name, write in writers.items():
        with world.committed(name) as breaker:
            breaker.report_drift(BAD)
        with world.committed(name, settings=OTHER) as breaker:
            write(breaker)
        assert changes(world, name)[0] == "settings", name
        assert world.row(name)["settings_hash"] == OTHER.hash


def test_a_report_that_touches_nothing_keeps_no_settings(world: World) -> None:
    with world.committed() as breaker:
        breaker.disable("why", actor="alice")
    before = world.everything()
    with world.committed(settings=OTHER) as breaker:
        breaker.report_drift(BAD)
        breaker.report_drift(GOOD)
        breaker.is_disabled()
        breaker.get_state()
    assert world.everything() == before


def test_a_door_without_settings_saves_none(world: World) -> None:
    with world.committed() as breaker:
        breaker.report_drift(BAD)
    with world.committed(settings=None) as script:
        script.disable("why", actor="alice")
        script.enable("why", actor="alice")
    assert world.row()["settings_hash"] == SETTINGS.hash
    assert "settings" not in changes(world)


def test_a_service_with_other_settings_opens_by_its_own(world: World) -> None:
    first, then = (BreakerSettings(alert=AlertSettings(labels={"service": name})) for name in ("first", "then"))
    with world.committed(settings=first) as breaker:
        breaker.report_drift(BAD)
    with world.committed(settings=then) as breaker:
        breaker.disable("why", actor="alice")
    (alert,) = world.rows("outbox")
    assert alert["labels"]["service"] == "then"


def test_first_settings_of_a_row_made_without_are_no_change(world: World) -> None:
    with world.committed(settings=None) as script:
        script.disable("why", actor="alice")
        script.enable("why", actor="alice")
    assert world.row()["settings"] is None
    with world.committed(settings=OTHER) as breaker:
        breaker.report_drift(BAD)
    assert world.row()["settings_hash"] == OTHER.hash
    assert changes(world) == ["disable", "enable"]


def test_for_an_opening_that_exists_the_row_wins(world: World) -> None:
    """Another replica's settings neither end nor prolong what is open already."""
    with world.committed(settings=BreakerSettings(auto_recover=False)) as breaker:
        breaker.disable("why", actor="alice")
    with world.committed(settings=BreakerSettings(auto_recover=True)) as breaker:
        breaker.report_drift(BAD)
        assert breaker.is_disabled()
    assert world.row()["auto_recover"] is False
