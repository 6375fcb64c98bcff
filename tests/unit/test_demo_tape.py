from datetime import UTC, datetime, timedelta
from decimal import Decimal

from driftbreaker.cli.demo.job import Step
from driftbreaker.cli.demo.request import Request
from driftbreaker.cli.demo.screen import in_ascii
from driftbreaker.cli.demo.tape import Fortnight, Mark, fortnights, requests_per_mark

START = datetime(2026, 6, 1, tzinfo=UTC)


def step(day: int, score: float | None) -> Step:
    request = Request(START + timedelta(days=day), "openai", "any", 1, 1)
    return Step(1, request, "control" if score is None else "candidate", Decimal(1), score)


def test_each_step_lands_in_the_fortnight_of_its_day() -> None:
    rows = fortnights([step(0, 0.0), step(13, 0.0), step(14, 0.0)], START.date(), 28, 0.2)

    assert [len(row.marks) for row in rows] == [2, 1]


def test_a_score_that_equals_the_threshold_is_marked_below() -> None:
    steps = [step(0, score) for score in (0.0, 0.2, 0.21, None)]
    (row,) = fortnights(steps, START.date(), 14, 0.2)

    assert row.marks == (Mark.AGREES, Mark.BELOW, Mark.ABOVE, Mark.CONTROL)


def test_much_traffic_shares_marks_and_the_worst_one_shows() -> None:
    marks = (Mark.AGREES, Mark.ABOVE, Mark.CONTROL) * 28
    row = Fortnight(START.date(), START.date(), marks)

    assert requests_per_mark([row]) == 2
    assert row.shortened(3) == [Mark.ABOVE] * 28


def test_ascii_keeps_every_column() -> None:
    assert in_ascii("● V2 ON · ▂█✖○ → ü") == "* V2 ON . -#X1 > ?"
