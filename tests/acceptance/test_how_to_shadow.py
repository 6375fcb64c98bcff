"""A stranger's service adopts the shadow in under ten lines: the page shows it before and after, and both run."""

from __future__ import annotations

import difflib
from pathlib import Path

from tests.acceptance.test_documents import PROGRAM

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "shadow.md"
LOOKING = "\n# What became of it, for whoever looks:"


def test_fewer_than_ten_lines_are_added_and_none_is_changed() -> None:
    before, after = (match["program"] for match in list(PROGRAM.finditer(PAGE.read_text()))[:2])
    service = after.partition(LOOKING)[0]
    changed = [line for line in difflib.ndiff(before.splitlines(), service.splitlines()) if line[0] in "+-"]
    assert [line for line in changed if line[0] == "-"] == []
    added = [line for line in changed if line[2:].strip()]
    assert 0 < len(added) < 10, added


def test_the_callers_answer_is_the_same() -> None:
    outputs = [match["output"] for match in list(PROGRAM.finditer(PAGE.read_text()))[:2]]
    assert outputs[1].splitlines()[0] == outputs[0].strip()
