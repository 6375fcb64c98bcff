"""What others wrote cannot move a cursor, and no encoding is in the way."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from driftbreaker.cli.text import SHORT, as_json, as_json_line, distance, moment, plain, short

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
        (59.4, "in 59 s"),
        (59.9, "in 1 min"),
        (-59.9, "59 s ago"),
        (-60, "1 min ago"),
        (100, "in 2 min"),
        (-100, "1 min ago"),
        (3_590, "in 1 h"),
        (7200, "in 2 h"),
        (5_400, "in 1 h 30 min"),
        (28_790, "in 8 h"),
        (28_700, "in 7 h 58 min"),
        (-28_790, "7 h 59 min ago"),
        (35_990, "in 10 h"),
        (86_400 - 1_801, "in 23 h"),
        (86_400 - 1_800, "in 1 d"),
        (86_399.9, "in 1 d"),
        (-86_399, "23 h ago"),
        (-90_000, "1 d 1 h ago"),
        (172_000, "in 2 d"),
        (864_000 - 1, "in 10 d"),
        (864_000 + 7_200, "in 10 d"),
    ],
)
def test_a_distance_is_told_in_its_largest_unit_and_the_next_where_that_is_few(seconds: float, told: str) -> None:
    assert distance(seconds) == told


def test_a_moment_is_absolute_and_relative() -> None:
    now = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
    assert moment(now - timedelta(minutes=3), now) == "2026-11-23 11:57:00 UTC (3 min ago)"


def test_what_is_long_is_cut_and_says_so() -> None:
    assert short("x" * SHORT) == "x" * SHORT
    assert short("x" * (SHORT + 1)) == "x" * (SHORT - 1) + "…"
    assert short("\x1b[31m") == "\\x1b[31m"
