"""The command `driftbreaker doctor`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from driftbreaker.cli.channels import Receivers, alertmanager_of, channel_options
from driftbreaker.cli.database import database_option, json_option, open_database
from driftbreaker.cli.environment import setting
from driftbreaker.cli.exits import Failure, Status, Usage
from driftbreaker.cli.text import as_json as render
from driftbreaker.cli.text import plain, say, tell
from driftbreaker.cli.width import say_lines

if TYPE_CHECKING:
    from driftbreaker.health import Finding

JOBS = ("checking", "reporting", "relaying")
READY = "Try the way to your pager: driftbreaker alerts test"
AGAIN = "When that is done, look again: driftbreaker doctor"
_WHERE = "Correct --db, or DRIFTBREAKER_DATABASE_URL: driftbreaker config show says what it is"
# The column in which a finding tells what it found: after a shape, the verdict, and the finding's name.
_TOLD = 28
_SHAPES = {"ok": ("●", "green"), "warning": ("▲", "yellow"), "failed": ("■", "red"), "skipped": ("◌", "bright_black")}


@click.command()
@database_option
@channel_options
@click.option(
    "--for",
    "jobs",
    type=click.Choice(JOBS),
    multiple=True,
    help="What this role must be able to do; may be repeated.  [default: checking]",
)
@click.option(
    "--resend-interval",
    type=click.FloatRange(0, min_open=True),
    default=60.0,
    metavar="S",
    help="How often the relay says a firing alert again.  [default: 60]",
)
@click.option("--strict", is_flag=True, help="Let warnings fail as well.")
@json_option
def doctor(
    url: str | None,
    receivers: Receivers,
    jobs: tuple[str, ...],
    resend_interval: float,
    strict: bool,
    as_json: bool,
) -> None:
    """Find what is wrong with the database and with the way to the pager. Changes nothing, and sends no alert.

    Looks at the database and its transactions, the tables, the role's grants, what waits in the outbox and whether a
    relay lives, the clocks, poolers and notifications, every Alertmanager, and the directories of incident files (also
    COSTSIM_INCIDENT_DIR). Exits with 1 when anything failed. Run it as the role, and on the host, that it is about.
    """
    found: list[Finding] = []
    for finding in _examined(url, receivers, jobs, resend_interval):
        found.append(finding)
        if not as_json:
            _print(finding)
    counts = Counter(finding.verdict.value for finding in found)
    healthy = not counts["failed"] and not (strict and counts["warning"])
    if as_json:
        say(render({"healthy": healthy, "findings": [_document(finding) for finding in found]}))
    else:
        tell(_summary(counts))
        tell(READY if healthy else AGAIN)
    if not healthy:
        raise click.exceptions.Exit(Status.NO)


def _examined(url: str | None, receivers: Receivers, jobs: Iterable[str], resend_interval: float) -> Iterator[Finding]:
    yield from _of_database(url, jobs)
    yield from _of_alertmanagers(receivers, resend_interval)
    yield from _of_directories(receivers)
    yield from _of_others(receivers)


def _of_database(url: str | None, jobs: Iterable[str]) -> Iterator[Finding]:
    from driftbreaker.health import Finding, Job, Verdict, examine

    wanted = [Job(job) for job in jobs]
    try:
        with open_database(url) as database:
            from driftbreaker.cli.engine import CONNECT_TIMEOUT

            yield from examine(database.engine, jobs=wanted, tables=database.tables, connect_timeout=CONNECT_TIMEOUT)
    except Failure as error:
        # A wrong URL says nothing of the way to the pager, which is looked at all the same.
        yield Finding(name="database", verdict=Verdict.FAILED, told=error.message, advice=_WHERE)


def _of_alertmanagers(receivers: Receivers, resend_interval: float) -> Iterator[Finding]:
    from driftbreaker.health import Finding, Verdict, check_alertmanager

    name = "alertmanager"
    if not receivers.alertmanager:
        told = "none is known here: give --alertmanager URL, or set ALERTMANAGER_URL"
        yield Finding(name=name, verdict=Verdict.SKIPPED, told=told)
        return
    try:
        channel = alertmanager_of(receivers.alertmanager)
    except Usage as error:
        yield Finding(name=name, verdict=Verdict.FAILED, told=error.message, advice="Correct the setting")
        return
    yield from check_alertmanager(channel, resend_interval)


def _of_directories(receivers: Receivers) -> Iterator[Finding]:
    from driftbreaker.health import Finding, Verdict, check_incident_directory

    directories = dict.fromkeys(each for each in (receivers.incident_dir, setting("COSTSIM_INCIDENT_DIR")) if each)
    if not directories:
        yield Finding(name="incident files", verdict=Verdict.SKIPPED, told="no directory is known here")
    for directory in directories:
        yield check_incident_directory(directory)


def _of_others(receivers: Receivers) -> Iterator[Finding]:
    from driftbreaker.health import Finding, Verdict

    others = [("webhook", receivers.webhook), ("apprise", receivers.apprise)]
    for name in (name for name, given in others if given):
        told = "it cannot be tried without sending it something: driftbreaker alerts test"
        yield Finding(name=name, verdict=Verdict.SKIPPED, told=told)


def _print(finding: Finding) -> None:
    shape, colour = _SHAPES[finding.verdict.value]
    word = click.style(f"{shape} {finding.verdict.value:<7}", fg=colour, bold=finding.verdict.value != "skipped")
    lines = [f"{word}  {finding.name:<15}  {plain(finding.told)}"]
    if finding.advice:
        lines.append(f"{'':<{_TOLD}}do: {plain(finding.advice)}")
    say_lines(lines, _TOLD)


def _document(finding: Finding) -> dict[str, Any]:
    return {
        "name": finding.name,
        "verdict": finding.verdict.value,
        "told": finding.told,
        "advice": finding.advice or None,
    }


def _summary(counts: Counter[str]) -> str:
    failed = f"{counts['failed']} failed" if counts["failed"] else "Nothing failed"
    warned = "1 warning" if counts["warning"] == 1 else f"{counts['warning']} warnings"
    return f"{failed}, {warned}." if counts["warning"] else f"{failed}."
