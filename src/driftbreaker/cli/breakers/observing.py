"""The command `driftbreaker observe`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from driftbreaker.cli.completion import name_argument
from driftbreaker.cli.database import database_option, json_option, open_database
from driftbreaker.cli.exits import CannotTell, NotFound, Usage
from driftbreaker.cli.people import actor, by_option, dry_run_option
from driftbreaker.cli.text import as_json as render
from driftbreaker.cli.text import say, tell
from driftbreaker.cli.width import say_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from driftbreaker import BreakerSettings, Incident
    from driftbreaker.cli.engine import Database
    from driftbreaker.store import Overview
    from driftbreaker.store.joined import Door

DEFAULTS = "--new judges by the defaults"


class Given(NamedTuple):
    """What is reported."""

    score: float | None
    samples: int
    schema_errors: int
    details: Mapping[str, Any]
    generation: int | None


@click.command()
@name_argument
@click.argument("score", type=float, required=False)
@database_option
@click.option("--scope", metavar="SCOPE", default="", help="A scope instead of the whole.")
@click.option("--samples", type=int, default=1, show_default=True, help="How many comparisons the score sums up.")
@click.option("--schema-errors", type=int, default=0, metavar="N", help="How many answers had the wrong shape.")
@click.option("--details", metavar="JSON", help="Evidence: an object, kept with an incident.")
@click.option("--generation", type=int, metavar="N", help="Of V2's call: in another one, nothing is counted.")
@click.option("--new", "is_new", is_flag=True, help="Judge by the defaults: no service has reported to it yet.")
@by_option
@dry_run_option
@json_option
def observe(
    name: str,
    score: float | None,
    url: str | None,
    scope: str,
    samples: int,
    schema_errors: int,
    details: str | None,
    generation: int | None,
    is_new: bool,
    by: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Report a score by hand, as the service would: it counts, and may trip.

    Judged by the settings that the service stored, which stay as they are. Who reports is kept with the evidence.
    """
    if score is None and not schema_errors:
        raise Usage("what is to be reported? Give a SCORE, or --schema-errors N")
    evidence = {**_evidence(details), "reported_by": actor(by)}
    given = Given(score, samples, schema_errors, evidence, generation)
    with open_database(url) as database:
        from driftbreaker import InvalidArgumentError

        with database.session(keeps=not dry_run) as session:
            try:
                door = _door(session, database, name, scope, is_new=is_new)
                incident = _report(session, door, given)
            except InvalidArgumentError as error:
                raise Usage(str(error)) from None
            after = _row(session, database, name, scope)
    _show(given, door.settings, incident, after, dry_run=dry_run, as_json=as_json)


def _evidence(details: str | None) -> dict[str, Any]:
    if details is None:
        return {}
    try:
        evidence = json.loads(details)
    except (ValueError, RecursionError):
        evidence = None
    if not isinstance(evidence, dict):
        raise Usage('--details takes a JSON object, as in \'{"model": "gpt-4"}\'')
    return evidence


def _door(session: Session, database: Database, name: str, scope: str, *, is_new: bool) -> Door:
    """Return a door that judges as the service does, and leaves what the row says of that as it is."""
    from driftbreaker import BreakerSettings
    from driftbreaker.checks import check_key
    from driftbreaker.cli.breakers.finding import found
    from driftbreaker.store.joined import Door

    key = check_key(name, scope)
    row = _row(session, database, name, scope)
    if row is None and not is_new:
        try:
            found(session, database, name, scope)
        except NotFound as error:
            raise NotFound(f"{error.message}. For a new one, {DEFAULTS}") from None
    stored = None if row is None else row.settings
    if stored is None and not is_new:
        raise CannotTell(f"no service has reported to {name!r}, so it carries no settings: {DEFAULTS}")
    settings = BreakerSettings() if stored is None else BreakerSettings.from_dict(stored)
    return Door(key=key, settings=settings, tables=database.tables, clock=None, owns_settings=False, kind="cli")


def _row(session: Session, database: Database, name: str, scope: str) -> Overview | None:
    from driftbreaker import store

    rows = store.breakers_named(session, database.tables, name)
    return next((row for row in rows if row.state.scope == scope), None)


def _report(session: Session, door: Door, given: Given) -> Incident | None:
    """Report as `CircuitBreaker` does; return the incident when this tripped the breaker."""
    from driftbreaker import store
    from driftbreaker.checks import check_count, check_generation, check_score
    from driftbreaker.clean import clean_details
    from driftbreaker.model import Observation
    from driftbreaker.policy import Batch, judge

    samples, errors = check_count(given.samples, "--samples", 1), check_count(given.schema_errors, "--schema-errors", 0)
    generation, evidence = check_generation(given.generation), clean_details(given.details)
    incident = None
    if given.score is not None:
        score = check_score(given.score, "the score")
        verdict = judge(score, door.settings.drift_threshold)
        batch = Batch.of([Observation(score=score, verdict=verdict, samples=samples, details=evidence)])
        with door.join(session, "report_drift") as joined:
            incident = store.report_drift(joined, batch, generation)
    if errors:
        with door.join(session, "report_schema_error") as joined:
            incident = store.report_schema_errors(joined, errors, evidence, generation) or incident
    return incident


def _show(
    given: Given,
    settings: BreakerSettings,
    incident: Incident | None,
    after: Overview | None,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    from driftbreaker.cli.breakers import document, screen
    from driftbreaker.cli.breakers.advice import suggest

    became = _became(given, incident, after)
    if as_json:
        row = None if after is None else document.breaker(after)
        say(render({"outcome": became, "dry_run": dry_run, "settings": json.loads(settings.as_json), "breaker": row}))
    else:
        say_lines([] if after is None else screen.listed(after))
    tell(_SENTENCES[became])
    if dry_run:
        tell("Nothing was changed: this is what it would be.")
    elif after is not None and not as_json:
        suggest(after)


_SENTENCES = {
    "tripped": "This tripped it.",
    "off": "V2 is off already: nothing is counted while it is.",
    "late": "It is in another generation than the call was: nothing was counted.",
    "counted": "It counts.",
    "nothing": "Nothing bad was reported, and there is nothing to clear: nothing is on record.",
}


def _became(given: Given, incident: Incident | None, after: Overview | None) -> str:
    if incident is not None:
        return "tripped"
    if after is None:
        return "late" if given.generation not in (None, 0) else "nothing"
    if after.state.is_open:
        return "off"
    return "late" if given.generation not in (None, after.state.generation) else "counted"
