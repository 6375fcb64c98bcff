"""What others wrote cannot move a cursor, and no encoding is in the way."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from driftbreaker.cli.text import as_json, as_json_line, distance, moment, plain

EVIL = "\x1b[31mred\x07\r\n\x9b2J\u202eturned\u2028line\u200b\ud800 ok – é"


def test_control_characters_are_written_as_escapes() -> None:
    assert plain(EVIL) == "\\x1b[31mred\\x07\\r\\n\\x9b2J\\u202eturned\\u2028line\\u200b\\ud800 ok – é"


@pytest.mark.parametrize("render", [as_json, as_json_line])
def test_json_is_safe_to_show_and_reads_back(render: object) -> None:
    shown = render({"text": EVIL, EVIL: [EVIL]})  # type: ignore[operator]
    assert json.loads(shown) == {"text": EVIL, EVIL: [EVIL]}
    assert plain(shown.replace("\n", "")) == shown.replace("\n", "")
    shown.encode()


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.4, "now"),
        (-3, "3 s ago"),
        (59.9, "in 59 s"),
        (-60, "1 min ago"),
        (7200, "in 2 h"),
        (5_400, "in 1 h 30 min"),
        (86_399, "in 23 h"),
        (-90_000, "1 d 1 h ago"),
        (864_000 + 7_200, "in 10 d"),
    ],
)
def test_a_distance_is_told_in_its_largest_unit_and_the_next_where_that_is_few(seconds: float, told: str) -> None:
    assert distance(seconds) == told


def test_a_moment_is_absolute_and_relative() -> None:
    now = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
    assert moment(now - timedelta(minutes=3), now) == "2026-11-23 11:57:00 UTC (3 min ago)"
