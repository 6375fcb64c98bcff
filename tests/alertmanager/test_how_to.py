"""The how-to is true: its configuration loads and routes, and its program pages."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.alertmanagers import AMTOOL, AlertmanagerProcess, Pager

DOCUMENT = Path(__file__).parents[2] / "docs" / "how-to" / "alertmanager.md"
ROUTES = {
    "component=driftbreaker severity=critical": "pagerduty",
    "component=driftbreaker severity=warning": "slack",
    "component=driftbreaker severity=info": "mail",
    "component=something severity=critical": "mail",
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    (text,) = blocks("yaml")
    path = tmp_path / "alertmanager.yml"
    path.write_text(text)
    return path


def amtool(*arguments: str | Path) -> str:
    assert AMTOOL is not None
    run = subprocess.run([AMTOOL, *arguments], capture_output=True, text=True, timeout=30)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_the_configuration_is_accepted(configuration: Path) -> None:
    told = amtool("check-config", configuration)
    assert "SUCCESS" in told
    assert "3 receivers" in told


@pytest.mark.parametrize("labels", ROUTES)
def test_the_severity_chooses_the_receiver(configuration: Path, labels: str) -> None:
    told = amtool("config", "routes", "test", f"--config.file={configuration}", *labels.split())
    assert told.strip() == ROUTES[labels]


def test_the_commands_say_what_the_document_says(configuration: Path) -> None:
    commands = [line[2:].split() for block in blocks("console") for line in block.splitlines() if line[:2] == "$ "]
    assert [command[:2] for command in commands] == [
        ["amtool", "check-config"],
        ["amtool", "config"],
        ["amtool", "alert"],
    ]
    routed = [each.replace("alertmanager.yml", str(configuration)) for each in commands[1][1:]]
    assert f"\n{amtool(*routed)}```" in DOCUMENT.read_text()


def test_the_program_pages(alertmanager: AlertmanagerProcess, pager: Pager, tmp_path: Path) -> None:
    (program,) = blocks("python")
    program = program.replace("http://alertmanager-1:9093", alertmanager.url)
    assert program.count(alertmanager.url) == 1
    program += "\nprint(relay.run_once())\n"
    (tmp_path / "pasted.py").write_text(program)
    run = subprocess.run([sys.executable, "pasted.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    # The second peer is not there; one is enough.
    assert run.stdout.splitlines()[-1] == "Pass(swept=0, sent=1, failed=0, parked=0)", run.stderr
    (told,) = pager.wait("firing")
    assert told.labels["service"] == "shop"
    assert told.annotations["runbook_url"] == "https://wiki.example.com/run-book"
    query = amtool("alert", "query", f"--alertmanager.url={alertmanager.url}", "component=driftbreaker")
    assert "CandidateDisabled" in query
    assert "Candidate OFF, serving control: price-v2" in query
