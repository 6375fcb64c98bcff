"""The command `driftbreaker alerts test`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from driftbreaker.cli.channels import NO_CHANNEL, Receivers, alertmanager_of, channel_options, other_channels_of
from driftbreaker.cli.database import json_option
from driftbreaker.cli.exits import Status, Usage
from driftbreaker.cli.seconds import Seconds
from driftbreaker.cli.text import as_json as render
from driftbreaker.cli.text import plain, say, tell

if TYPE_CHECKING:
    from driftbreaker import Channel
    from driftbreaker.cli.alerts.trial import Answer


@click.command()
@channel_options
@click.option(
    "--severity", type=click.Choice(["P1", "P2", "P3"]), default="P3", show_default=True, help="How loudly it pages."
)
@click.option(
    "--for",
    "seconds",
    type=Seconds(0, 3600),
    default=0.0,
    metavar="S",
    help="Let it fire so long.  [default: 0]",
)
@json_option
def test(receivers: Receivers, severity: str, seconds: float, as_json: bool) -> None:
    """Fire and resolve a synthetic alert through every channel, and say what each answered.

    The alert is DriftbreakerTest of the breaker driftbreaker-test; every Alertmanager is asked on its own. Needs no
    database. An Alertmanager waits for its group_wait before it notifies anybody: to see a page, let the alert fire
    for longer than that. Exits with 1 when any channel did not take it; Ctrl-C resolves it first.
    """
    from driftbreaker.cli.alerts.trial import TEST_NAME, try_channels
    from driftbreaker.cli.relay.log import logging_to

    channels = _channels(receivers)
    if seconds:
        tell(f"The alert {TEST_NAME} fires for {seconds:g} s.")
    with logging_to(lambda _: None):  # what a channel logs is in its answer as well
        answers = try_channels(list(channels.values()), severity, seconds)
    _print(dict(zip(channels, answers, strict=True)), in_json=as_json)
    if not all(answer.taken for answer in answers):
        raise click.exceptions.Exit(Status.NO)


def _channels(receivers: Receivers) -> dict[str, Channel]:
    """Return every channel by what it is called here, each Alertmanager of a set as one of its own."""
    channels: dict[str, Channel] = {}
    for url in receivers.alertmanager:
        peer = alertmanager_of((url,))
        channels[f"alertmanager {next(iter(peer.peers))}"] = peer
    for channel in other_channels_of(receivers):
        channels[channel.name] = channel
    if not channels:
        raise Usage(NO_CHANNEL.format(without=""))
    return channels


def _print(answers: dict[str, Answer], *, in_json: bool) -> None:
    if in_json:
        channels: list[dict[str, Any]] = [{"channel": name, **answer.to_dict()} for name, answer in answers.items()]
        say(render({"channels": channels}))
        return
    for name, answer in answers.items():
        for state, outcome in (("firing", answer.fire), ("resolved", answer.resolve)):
            error = f": {plain(outcome.error)}" if outcome.error else ""
            say(f"{plain(name)}: {state}: {outcome.result.value}{error}")
