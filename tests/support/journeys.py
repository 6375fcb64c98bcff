"""Journeys: what a page tells people to type, taken from its text alone and typed into a real shell."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"<!-- journey: (?P<name>[^\n]+) -->\n```console\n(?P<block>.*?)```", re.DOTALL)
_END = "--- end of a command, with status "


@dataclass(frozen=True)
class Step:
    """A command, and what the page shows of its output; … stands for anything."""

    command: str
    shown: tuple[str, ...]


@dataclass(frozen=True)
class Taken:
    """A step that was taken."""

    step: Step
    status: int
    output: str

    @property
    def missing(self) -> list[str]:
        """Return the lines that the page shows and the command did not print, in this order."""
        printed = iter(self.output.splitlines())
        return [line for line in self.step.shown if not any(_matches(line, each) for each in printed)]


def journeys(page: str) -> dict[str, list[Step]]:
    """Return the journeys of a page by their names."""
    text = (ROOT / page).read_text()
    return {found["name"]: _steps(found["block"]) for found in _BLOCK.finditer(text)}


def take(steps: list[Step], folder: Path, **environment: str) -> list[Taken]:
    """Type the commands into one shell, as somebody who has just come to an empty folder."""
    _tools(folder / "bin")
    script = "".join(f"{step.command}\nprintf '%s%s\\n' '{_END}' $?\n" for step in steps)
    done = subprocess.run(
        ["bash"],
        input=script,
        cwd=folder,
        env={
            "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT / "src"), os.environ.get("PYTHONPATH")))),
            "PYTHONIOENCODING": "utf-8",
            "HOME": str(folder),
            "LOGNAME": "oncall",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    *outputs, rest = re.split(rf"{_END}(\d+)\n", done.stdout)
    assert rest == "", done.stderr
    return [
        Taken(step, int(status), output)
        for step, output, status in zip(steps, outputs[::2], outputs[1::2], strict=True)
    ]


def _steps(block: str) -> list[Step]:
    steps: list[Step] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            steps.append(Step(line.removeprefix("$ "), ()))
        elif line != "…":
            steps[-1] = Step(steps[-1].command, (*steps[-1].shown, line))
    return steps


def _matches(shown: str, printed: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, shown.split("…"))), printed) is not None


def _tools(folder: Path) -> None:
    """Put what an installation puts on the path; nothing is fetched from a network."""
    folder.mkdir()
    for name, line in {
        "driftbreaker": f'exec "{sys.executable}" -m driftbreaker.cli "$@"',
        "python": f'exec "{sys.executable}" "$@"',
        "pip": '[ "$*" = "install driftbreaker[cli]" ]',
    }.items():
        tool = folder / name
        tool.write_text(f"#!/bin/sh\n{line}\n")
        tool.chmod(0o755)
