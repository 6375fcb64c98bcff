"""Lines that fit a terminal, and what is drawn over what."""

from __future__ import annotations

import io

import click
import pytest

from driftbreaker.cli.watch import canvas
from driftbreaker.cli.watch.canvas import Canvas
from driftbreaker.cli.watch.live import countdown
from driftbreaker.cli.width import folded, width
from tests.support.screen import Screen

LINE = "   Until 2026-11-24 09:00:00 UTC (in 9 h), then V2 comes back by itself. Nobody is on it yet."


@pytest.mark.parametrize(
    ("line", "columns", "parts"),
    [
        ("short", 5, ["short"]),
        (LINE, 80, [LINE[:72].rstrip(), "   Nobody is on it yet."]),
        ("   why     one two three and", 24, ["   why     one two three", "           and"]),
        ("   details {one two three}", 22, ["   details {one two", "           three}"]),
        ("■ V2 OFF  pricing", 12, ["■ V2 OFF", "   pricing"]),
        ("x" * 25, 20, ["x" * 17, "   " + "x" * 8]),
        ("日本語 日本語", 9, ["日本語", "   日本語"]),
    ],
    ids=["short", "a sentence", "a label", "a long label", "no indent", "one word", "wide"],
)
def test_lines_are_folded_between_words_below_their_text(line: str, columns: int, parts: list[str]) -> None:
    assert list(folded(line, columns)) == parts


@pytest.mark.parametrize("columns", range(20, 101))
def test_nothing_is_wider_than_the_terminal_and_nothing_is_lost(columns: int) -> None:
    styled = click.style("■ V2 OFF · serving V1", fg="red", bold=True)
    for line in (LINE, f"{styled}  {'name' * 20}  since", "   why     " + "ab " * 60, "   note    日本語 é" * 9):
        parts = list(folded(line, columns))
        assert max(map(width, parts)) <= columns
        assert "".join("".join(parts).split()) == "".join(line.split())


def test_a_style_takes_no_room() -> None:
    assert width(click.style("日本", fg="red")) == 4
    assert width("e\u0301") == 1


@pytest.fixture
def size(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    size = [40, 10]
    monkeypatch.setattr(canvas, "size_of", lambda _: tuple(size))
    return size


def test_what_is_drawn_covers_what_was_drawn(size: list[int]) -> None:
    out = io.StringIO()
    drawing = Canvas(out)
    for lines in (["one", "a longer line", "three"], ["1", "2", "3", "4"], ["two", "short"]):
        drawing.draw(lines)
    assert Screen(40).feed(out.getvalue()).text == ["two", "short", ""]


def test_what_a_narrower_terminal_has_moved_is_left_alone(size: list[int]) -> None:
    out = io.StringIO()
    drawing = Canvas(out)
    drawing.draw(["x" * 35, "second"])
    size[0] = 30
    drawing.draw(["new"])
    drawing.draw(["newer"])
    assert Screen(40).feed(out.getvalue()).text == ["x" * 35, "second", "newer", ""]


def test_a_low_terminal_gets_what_fits(size: list[int]) -> None:
    size[1] = 4
    out = io.StringIO()
    drawing = Canvas(out)
    for _ in range(2):
        drawing.draw([str(number) for number in range(10)])
    assert Screen(40).feed(out.getvalue()).text == ["0", "1", "… and 8 lines more", ""]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "00:00:00"), (-5, "00:00:00"), (0.2, "00:00:01"), (3_661, "01:01:01"), (90_000, "1 d 01:00:00")],
)
def test_a_countdown(seconds: float, shown: str) -> None:
    assert countdown(seconds) == shown
