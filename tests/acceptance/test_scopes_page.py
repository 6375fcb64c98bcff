"""The numbers and pictures of docs/scopes.md are those of the exact formulas."""

from __future__ import annotations

import os
from bisect import bisect_left
from itertools import islice
from pathlib import Path
from random import Random
from statistics import median, quantiles
from xml.etree import ElementTree

import pytest
from tests.support import pictures
from tests.support.runs import by, chances_in_a_row, chances_in_all, mean_in_a_row, quantile

DOCUMENT = Path(__file__).parents[2] / "docs" / "scopes.md"
BEGIN, END = "<!-- waiting: written by tests/acceptance/test_scopes_page.py -->", "<!-- waiting end -->"
REWRITE = "DRIFTBREAKER_WRITE_DOCS=1 .venv/bin/pytest tests/acceptance/test_scopes_page.py"
PICTURES = {"crowd": pictures.crowd, "waiting": pictures.waiting}
SHARES = (1.0, 0.3, 0.1, 0.03, 0.01)


def table() -> str:
    one, own = "one breaker for all: half of all runs by", "a breaker of its own: half of all runs by"
    lines = [f"| share that drifts | {one} | mean | {own} | 94 of 100 by | mean |", "|---|---|---|---|---|---|"]
    for share in SHARES:
        halves = quantile(chances_in_a_row(share), 0.5), quantile(chances_in_all(share), 0.5)
        mean = 3.0 if share == 1 else mean_in_a_row(share)
        most = quantile(chances_in_all(share), 0.94)
        lines.append(
            f"| {share * 100:g} % | {halves[0]:,} | {mean:,.0f} | **{halves[1]:,}** | {most:,} | {3 / share:,.0f} |"
        )
    return "\n".join(lines)


def test_the_table_is_what_the_formulas_say() -> None:
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    written, _, after = rest.partition(END)
    if os.environ.get("DRIFTBREAKER_WRITE_DOCS"):
        DOCUMENT.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}")
    else:
        assert written.strip() == table(), f"the page is behind: {REWRITE}"


@pytest.mark.parametrize("name", PICTURES)
def test_the_picture_is_what_the_formulas_draw(name: str) -> None:
    file = DOCUMENT.parent / "pictures" / f"{name}.svg"
    drawn = PICTURES[name]()
    if os.environ.get("DRIFTBREAKER_WRITE_DOCS"):
        file.write_text(drawn)
    assert file.read_text() == drawn, f"the picture is behind: {REWRITE}"
    assert f"(pictures/{name}.svg)" in DOCUMENT.read_text()


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_says_in_words_what_it_shows_and_fetches_nothing(name: str) -> None:
    root = ElementTree.fromstring(PICTURES[name]())  # noqa: S314 - our own
    kinds = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert root.get("role") == "img"
    assert (
        {"title", "desc"}
        <= kinds
        <= {"svg", "title", "desc", "style", "text", "line", "circle", "rect", "path", "polyline"}
    )
    assert "prefers-color-scheme: dark" in PICTURES[name]()
    assert "http" not in PICTURES[name]().replace("http://www.w3.org/2000/svg", "")


def test_the_formulas_are_what_chance_does() -> None:
    """Counted over drawn observations, to three standard errors."""
    rng = Random(1)
    in_a_row, in_all = [], []
    for _ in range(4_000):
        run = seen = number = 0
        while run < 3:
            number += 1
            bad = rng.random() < 0.3
            run = run + 1 if bad else 0
            seen += bad
            if bad and seen == 3:
                in_all.append(number)
        in_a_row.append(number)
    for counted, chances in ((in_a_row, chances_in_a_row), (in_all, chances_in_all)):
        for number in (3, 10, 40):
            assert sum(each <= number for each in counted) / 4_000 == pytest.approx(by(chances(0.3), number), abs=0.024)
    assert sum(in_a_row) / 4_000 == pytest.approx(mean_in_a_row(0.3), rel=0.05)
    assert list(islice(chances_in_a_row(1.0), 3)) == [0, 0, 1]


def test_medians_of_eight_runs_scatter_as_the_page_says() -> None:
    chances = list(islice(chances_in_a_row(0.1), 20_000))
    rng = Random(1)
    medians = [median(bisect_left(chances, rng.random()) + 1 for _ in range(8)) for _ in range(4_000)]
    lower, _, upper = quantiles(medians, n=4)
    assert (lower, upper) == (pytest.approx(570, abs=10), pytest.approx(1050, abs=20))
