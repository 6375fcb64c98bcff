"""What Alertmanager is sent, alert by alert."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from driftbreaker.alertmanager.payload import (
    MAX_ALERT,
    MAX_BODY,
    LabelsTooLongError,
    bodies,
    encode,
    joined,
    postable,
)
from driftbreaker.clean import fit_text, to_json
from tests.support.alerts import NOW, START, an_alert, an_incident


def test_an_open_breaker_that_recovers_by_itself_ends_when_it_does() -> None:
    sent = postable(an_alert(ends_at=START + timedelta(hours=24)))
    assert sent["startsAt"] == "2026-11-23T15:00:00.123Z"
    assert sent["endsAt"] == "2026-11-24T15:00:00.123Z"
    assert sent["annotations"]["disabled_until"] == "2026-11-24T15:00:00.123Z"


def test_one_that_must_be_enabled_by_hand_outlives_every_sender_by_the_horizon() -> None:
    sent = postable(an_alert(), horizon=7_200.0)
    assert sent["endsAt"] == "2026-11-23T17:05:00.123Z"
    assert sent["annotations"]["disabled_until"] == "manual enable required"


def test_a_resolve_has_the_labels_and_the_start_of_its_fire() -> None:
    fired, resolved = postable(an_alert()), postable(an_alert(resolved=True))
    assert (resolved["labels"], resolved["startsAt"]) == (fired["labels"], fired["startsAt"])
    assert resolved["endsAt"] == "2026-11-23T15:05:00.123Z"
    assert "disabled_until" not in resolved["annotations"]


@pytest.mark.parametrize("resolved", [False, True])
def test_no_end_lies_before_its_start(resolved: bool) -> None:
    sent = postable(an_alert(resolved=resolved, ends_at=START - timedelta(days=1)))
    assert sent["endsAt"] == sent["startsAt"]


def test_times_are_sent_in_utc_whatever_zone_they_came_in() -> None:
    local = START.astimezone(tz=timezone(timedelta(hours=5, minutes=30)))
    assert postable(an_alert(starts_at=local))["startsAt"] == "2026-11-23T15:00:00.123Z"


def test_the_last_instants_of_the_calendar_are_no_error() -> None:
    late = datetime(9999, 12, 29, 23, tzinfo=UTC)
    assert postable(an_alert(now=late, starts_at=late), horizon=1e9)["endsAt"].startswith("9999-12-30")


def test_annotations_say_what_why_and_where_to_read_on() -> None:
    sent = postable(an_alert(runbook_url="https://wiki.example/runbook", generator_url="https://console.example/x y?é"))
    assert sent["annotations"] == {
        "summary": "Candidate OFF, serving control: pricing",
        "incident_id": "00000000-0000-0000-0000-000000000001",
        "disabled_until": "manual enable required",
        "description": "drift above 0.2 thrice. Drift score 0.35, samples 120. Off until enabled by hand.",
        "runbook_url": "https://wiki.example/runbook",
    }
    assert sent["generatorURL"] == "https://console.example/x%20y?%C3%A9"


@pytest.mark.parametrize("link", ["http://[half", "https://bücher.example/", "http://:80/", "https://x/" + "a" * 2_048])
def test_a_link_that_alertmanager_would_refuse_is_left_out(link: str) -> None:
    assert "generatorURL" not in postable(an_alert(generator_url=link))


def test_a_percent_sign_that_means_nothing_is_spelled_out() -> None:
    assert postable(an_alert(generator_url="http://x/100%/%41"))["generatorURL"] == "http://x/100%25/%41"


def test_labels_too_long_to_send_are_refused_and_said_so() -> None:
    labels = {f"label_{number}": "x" * 256 for number in range(80)}
    with pytest.raises(LabelsTooLongError, match="give the breaker fewer or shorter ones"):
        postable(an_alert(labels=labels))


def test_what_must_give_way_is_the_description_and_never_the_incident() -> None:
    labels = {f"label_{number}": "x" * 256 for number in range(57)}
    sent = postable(an_alert(labels=labels, incident=an_incident(reason="r" * 4_000), runbook_url="https://x/y"))
    assert sent["annotations"]["incident_id"] == "00000000-0000-0000-0000-000000000001"
    assert sent["annotations"]["description"].endswith("…")
    assert len(encode(sent)) <= MAX_ALERT


texts = some.text(alphabet=some.characters(codec=None, exclude_categories=()), max_size=300)
long_texts = some.builds(lambda text, times: text * times, texts, some.integers(1, 200))
short = some.text(min_size=1, max_size=256).filter(lambda text: "\x00" not in text)
labels = some.dictionaries(
    some.from_regex("[a-zA-Z_][a-zA-Z0-9_]{0,60}", fullmatch=True), short, min_size=1, max_size=40
)


@settings(deadline=None, max_examples=150)
@given(labels=labels, reason=long_texts, notes=long_texts, link=long_texts, resolved=some.booleans())
def test_no_text_makes_an_alert_too_long_or_unreadable(
    labels: dict[str, str], reason: str, notes: str, link: str, resolved: bool
) -> None:
    incident = an_incident(reason=reason, resolution_notes=notes, resolved_by=notes[:200])
    alert = an_alert(
        labels=labels, resolved=resolved, incident=incident, runbook_url=link, generator_url="http://" + link
    )
    try:
        encoded = encode(postable(alert))
    except LabelsTooLongError:
        assert len(to_json(labels).encode()) > MAX_ALERT - 200
        return
    assert len(encoded) <= MAX_ALERT
    assert json.loads(encoded.decode("utf-8"))["labels"] == labels


@given(some.lists(some.integers(2, MAX_ALERT), max_size=60))
def test_bodies_hold_every_alert_once_in_order_and_none_is_too_long(sizes: list[int]) -> None:
    encoded = [b"x" * size for size in sizes]
    runs = list(bodies(encoded))
    assert [place for run in runs for place in run] == list(range(len(sizes)))
    assert all(len(joined(encoded[run.start : run.stop])) <= MAX_BODY for run in runs)


@given(long_texts, some.integers(-5, 500))
def test_fitted_text_takes_no_more_room_than_there_is(text: str, room: int) -> None:
    fitted = fit_text(text, room)
    assert fitted == "" or len(to_json(fitted).encode()) <= room


def test_fitted_text_is_cut_where_it_must_be_and_marked() -> None:
    assert fit_text("abcdef", 8) == "abcdef"
    assert fit_text("abcdef", 7) == "ab…"
    assert fit_text("abcdef", 7, whole=True) == ""
    assert fit_text("a\x00b\ud800", 100) == "a�b�"


def test_a_firing_alert_says_the_same_at_every_time_but_for_its_horizon() -> None:
    def without_end(sent: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in sent.items() if name != "endsAt"}

    first, later = an_alert(), replace(an_alert(), now=NOW + timedelta(hours=3))
    assert without_end(postable(first)) == without_end(postable(later))
