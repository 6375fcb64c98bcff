"""The pictures of docs/scopes.md, drawn from numbers: small SVGs that a screen reader and a dark page can read."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from html import escape
from itertools import islice, pairwise
from math import log10

from tests.support.runs import chances_in_a_row, chances_in_all, quantile

STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
.soft { fill: #59636e } .end { text-anchor: end } .middle { text-anchor: middle } .strong { font-weight: 600 }
.line { stroke: #d1d9e0; stroke-width: 1 }
.good { fill: #9aa4b0 } .bad, .whole-text { fill: #cf222e } .by-v1 { fill: none; stroke: #0969da; stroke-width: 1.6 }
.trip { stroke: #cf222e; stroke-width: 2.4 } .scope-text { fill: #0969da }
.whole, .scope { fill: none; stroke-width: 2.4; stroke-linejoin: round }
.whole { stroke: #cf222e; stroke-dasharray: 7 4 } .scope { stroke: #0969da }
.whole-dot { fill: #cf222e } .scope-dot { fill: #0969da }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc } .soft { fill: #9198a1 } .line { stroke: #3d444d } .good { fill: #6e7781 }
.bad, .whole-text, .whole-dot { fill: #ff7b72 } .trip, .whole { stroke: #ff7b72 }
.by-v1, .scope { stroke: #4493f8 } .scope-text, .scope-dot { fill: #4493f8 }
}
"""

SHARE, SEED, SHOWN = 0.1, 10, 60
#: By weight; the first is the one whose prices have changed.
MODELS = {"o3": 10, "gpt-4.1": 40, "claude-sonnet-4": 30, "gemini-2.5-pro": 20}
LEFT, STEP, LANE = 150, 10, 30


def crowd() -> str:
    """Draw one stretch of traffic twice: as one breaker for all sees it, and as one of each model does."""
    drawn = random.Random(SEED).choices(list(MODELS), list(MODELS.values()), k=SHOWN)
    bad = next(iter(MODELS))
    third = [number for number, model in enumerate(drawn) if model == bad][2]
    right = LEFT + STEP * SHOWN
    lanes = [
        _text(0, 22, "One breaker for all", "strong"),
        _text(right, 22, "never three in a row: V2 serves on", "whole-text end"),
        _lane(44, "every request", drawn, bad, None),
        _text(0, 88, "One of each model", "strong"),
        _text(right, 88, f"observation {third + 1} turns V2 off for {bad} alone", "scope-text end"),
    ]
    lanes += [
        _lane(110 + LANE * row, model, [each if each == model else "" for each in drawn], bad, third)
        for row, model in enumerate(MODELS)
    ]
    bottom = 110 + LANE * len(MODELS)
    legend = _legend(bottom + 8)
    told = (
        f"{SHOWN} requests, of which {drawn.count(bad)} are for {bad}, whose price is wrong. Among all requests no "
        f"three of them follow each other. Among the requests for {bad} the first three do, and its breaker opens at "
        f"observation {third + 1}; the other models' stay closed."
    )
    return _svg(
        LEFT + STEP * SHOWN + 10,
        bottom + 22,
        f"The same {SHOWN} requests, seen by one breaker and by four",
        told,
        [*lanes, *legend],
    )


def _lane(y: int, label: str, drawn: list[str], bad: str, trip: int | None) -> str:
    marks = [
        _mark(_x(number), y, is_bad=model == bad, tripped=trip is not None and number > trip and model == bad)
        for number, model in enumerate(drawn)
        if model
    ]
    ends = _x(-1) + 4, _x(SHOWN) - 4
    line = f'<line class="line" x1="{ends[0]}" x2="{ends[1]}" y1="{y + 11}" y2="{y + 11}"/>'
    opened = [_cross(_x(trip), y)] if trip is not None and bad in drawn else []
    return "".join([_text(LEFT - 14, y + 4, label, "soft end"), line, *marks, *opened])


def _mark(x: float, y: float, *, is_bad: bool, tripped: bool = False) -> str:
    if tripped:
        return f'<circle class="by-v1" cx="{x}" cy="{y}" r="3.4"/>'
    if is_bad:
        return f'<rect class="bad" x="{x - 4}" y="{y - 7}" width="8" height="14" rx="1"/>'
    return f'<circle class="good" cx="{x}" cy="{y}" r="2.6"/>'


def _cross(x: float, y: float) -> str:
    top = y - 10
    return f'<path class="trip" d="M{x - 4} {top - 6}l8 8m0 -8l-8 8"/>'


def _legend(y: float) -> list[str]:
    parts = [
        (LEFT, _mark(LEFT, y, is_bad=False), "same price"),
        (LEFT + 110, _mark(LEFT + 110, y, is_bad=True), "above the threshold"),
        (LEFT + 270, _cross(LEFT + 270, y + 12), "the third in a row: off"),
        (LEFT + 444, _mark(LEFT + 444, y, is_bad=True, tripped=True), "served by V1 since"),
    ]
    return [mark + _text(x + 12, y + 4, words, "soft") for x, mark, words in parts]


def _x(number: int) -> int:
    return LEFT + STEP * number + STEP // 2


#: Of the second picture: a decade of observations is DECADE wide, all runs are HIGH.
FIRST, DECADES, DECADE, HIGH, ORIGIN, TOP = 0, 5, 132, 250, 62, 50
EDGE = 0.002
Chances = Callable[[], Iterator[float]]
CURVES: list[tuple[str, str, Chances]] = [
    ("scope", "10 %", lambda: chances_in_all(0.1)),
    ("scope", "3 %", lambda: chances_in_all(0.03)),
    ("whole", "10 %", lambda: chances_in_a_row(0.1)),
    ("whole", "3 %", lambda: chances_in_a_row(0.03)),
]


def waiting() -> str:
    """Draw how many of all runs have tripped by each observation."""
    parts = [
        *_grid(),
        _text((_across(27) + _across(89)) / 2, 16, "one breaker of each model", "middle scope-text"),
        _text((_across(770) + _across(26_466)) / 2, 16, "one breaker for all", "middle whole-text"),
    ]
    medians = []
    for kind, share, chances in CURVES:
        middle = quantile(chances(), 0.5)
        medians.append(f"{middle:,}")
        x, y = _across(middle), _up(0.5)
        parts += [
            f'<polyline class="{kind}" points="{_points(chances())}"/>',
            f'<circle class="{kind}-dot" cx="{x:.1f}" cy="{y:.1f}" r="4"/>',
            _text(x + 9, y + 15, f"{middle:,}", f"strong {kind}-text"),
            _text(x, TOP - 14, share, f"strong middle {kind}-text"),
        ]
    told = (
        "Four curves over the number of observations, on a logarithmic scale. With one breaker of each model, half of "
        f"all runs have tripped after {medians[0]} observations at a share of 10 %, after {medians[1]} at 3 %. With "
        f"one breaker for all it takes {medians[2]} and {medians[3]}."
    )
    width = ORIGIN + DECADE * DECADES + 40
    return _svg(width, TOP + HIGH + 52, "How many runs have tripped by an observation", told, parts)


def _grid() -> Iterator[str]:
    for part in (0, 0.25, 0.5, 0.75, 1):
        y = _up(part)
        yield f'<line class="line" x1="{ORIGIN}" x2="{ORIGIN + DECADE * DECADES}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield _text(ORIGIN - 8, y + 4, f"{part:.0%}".replace("%", " %"), "soft end")
    for decade in range(FIRST, FIRST + DECADES + 1):
        x = _across(10**decade)
        yield f'<line class="line" x1="{x:.1f}" x2="{x:.1f}" y1="{_up(0):.1f}" y2="{_up(0) + 5:.1f}"/>'
        yield _text(x, TOP + HIGH + 20, f"{10**decade:,}", "soft middle")
    middle = ORIGIN + DECADE * DECADES / 2
    yield _text(middle, TOP + HIGH + 42, "observations of all models since V2 went wrong", "soft middle")


def _points(chances: Iterator[float]) -> str:
    """Sample a curve, closely enough for the eye; what is flat at an end is left out."""
    marks = sorted({round(10 ** (step / 30)) for step in range(FIRST * 30, (FIRST + DECADES) * 30 + 1)})
    found = []
    for before, number in pairwise([0, *marks]):
        chance = next(islice(chances, number - before - 1, None))
        if EDGE < chance < 1 - EDGE:
            found.append((number, chance))
    return " ".join(f"{_across(number):.1f},{_up(chance):.1f}" for number, chance in found)


def _across(observation: int) -> float:
    return ORIGIN + (log10(observation) - FIRST) * DECADE


def _up(part: float) -> float:
    return TOP + HIGH * (1 - part)


def _text(x: float, y: float, words: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}">{escape(words)}</text>'


def _svg(width: float, height: float, title: str, told: str, parts: list[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img" aria-labelledby="title told">'
    )
    named = f'<title id="title">{escape(title)}</title>\n<desc id="told">{escape(told)}</desc>'
    return "\n".join([head, named, f"<style>{STYLE}</style>", *filter(None, parts), "</svg>", ""])
