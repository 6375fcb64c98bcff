"""The pages about the command line show the help that it prints."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.support.commands import every_command

from driftbreaker.cli.app import app

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
PAGES = sorted(REFERENCE.glob("cli-*.md"))
REWRITE = "DRIFTBREAKER_WRITE_DOCS=1 .venv/bin/pytest tests/acceptance/test_cli_reference.py"
SHOWN = re.compile(r"```console\n\$ driftbreaker(?P<command>[^\n]*) --help\n.*?```", re.DOTALL)


def with_real_help(page: str) -> str:
    def real(block: re.Match[str]) -> str:
        done = CliRunner().invoke(
            app,
            [*block["command"].split(), "--help"],
            prog_name="driftbreaker",
            terminal_width=100,
            max_content_width=100,
        )
        assert done.exit_code == 0, f"there is no driftbreaker{block['command']}"
        return f"```console\n$ driftbreaker{block['command']} --help\n{done.stdout}```"

    return SHOWN.sub(real, page)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_the_page_shows_the_help_that_is_printed(page: Path) -> None:
    written = page.read_text()
    real = with_real_help(written)
    if os.environ.get("DRIFTBREAKER_WRITE_DOCS"):
        page.write_text(real)
    else:
        assert written == real, f"the page is old, this writes it anew: {REWRITE}"


def test_every_command_has_its_help_on_a_page() -> None:
    shown = {block["command"].strip() for page in PAGES for block in SHOWN.finditer(page.read_text())}
    assert shown == {"", *every_command()}
