"""What the documents show is what happens."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted(EXAMPLES.rglob("*.md"))]
PROGRAM = re.compile(r"```python\n(?P<program>.*?)```\n(?:\s*```text\n(?P<output>.*?)```)?", re.DOTALL)


def programs() -> list[tuple[str, str, str]]:
    found = []
    for document in DOCUMENTS:
        for number, match in enumerate(PROGRAM.finditer(document.read_text()), start=1):
            # The root's README keeps its name: others are called by their folder as well.
            name = document.name if document.parent == ROOT else f"{document.parent.name}-{document.name}"
            found.append((f"{name}-{number}", match["program"], match["output"] or ""))
    return found


@pytest.mark.parametrize(("program", "output"), [pytest.param(*rest, id=name) for name, *rest in programs()])
def test_program_runs_as_pasted_and_prints_what_the_document_says(program: str, output: str, tmp_path: Path) -> None:
    file = tmp_path / "pasted.py"
    file.write_text(program)
    run = subprocess.run(
        [sys.executable, "-W", "error", file],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(EXAMPLES), os.environ.get("PYTHONPATH", "")])},
    )
    assert run.stderr == ""
    assert run.stdout == output


def test_readme_has_programs() -> None:
    assert len([name for name, *_ in programs() if name.startswith("README")]) >= 4


@pytest.mark.parametrize("document", [*DOCUMENTS, ROOT / "CONTRIBUTING.md"], ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for text, target in re.findall(r"\[([^\]]+)\]\((?!https?:)([^)#]+)\)", document.read_text()):
        file = document.parent / target
        assert file.exists(), f"{document.name} links to {target}"
        if text.startswith("test_"):
            assert f"def {text}(" in file.read_text(), f"{text} is not in {target}"


def test_the_thesis_program_is_short() -> None:
    first = programs()[0][1]
    assert len([line for line in first.splitlines() if line.strip()]) <= 20


def test_the_houses_floors_are_the_import_contract() -> None:
    floors = re.search(r"```text\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    assert floors is not None
    drawn = [name for line in floors[1].splitlines() for name in re.split(r" {2,}", line)[0].split(" · ")]
    packages = {
        path.stem for path in (ROOT / "src" / "driftbreaker").iterdir() if path.suffix == ".py" or path.is_dir()
    }
    assert set(drawn) == packages - {"__init__", "__main__", "__pycache__", "py"}
