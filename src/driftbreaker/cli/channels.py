"""Where alerts go: channels from options, or from the environment where no option says so."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from driftbreaker.cli.environment import seconds, secret, setting
from driftbreaker.cli.exits import Usage
from driftbreaker.cli.text import tell

if TYPE_CHECKING:
    from driftbreaker import Alertmanager, Channel, Webhook

Command = TypeVar("Command", bound=Callable[..., Any])

NO_CHANNEL = (
    "no channel is configured{without}: give --alertmanager URL, --webhook URL, --incident-dir DIR or --apprise URL, "
    "or set ALERTMANAGER_URL, DRIFTBREAKER_WEBHOOK_URL, DRIFTBREAKER_INCIDENT_DIR or DRIFTBREAKER_APPRISE_URLS"
)


@dataclass(frozen=True)
class Receivers:
    """Where a command was told to send alerts: what no option named, the environment did."""

    alertmanager: tuple[str, ...]
    webhook: str | None
    incident_dir: str | None
    apprise: tuple[str, ...]

    @classmethod
    def chosen(
        cls, alertmanager: tuple[str, ...], webhook: str | None, incident_dir: str | None, apprise: tuple[str, ...]
    ) -> Receivers:
        """Return what the options say; each that is missing is read from the environment."""
        return cls(
            alertmanager=_parts(alertmanager) or _parts((setting("ALERTMANAGER_URL") or "",)),
            webhook=webhook or secret("DRIFTBREAKER_WEBHOOK_URL"),
            incident_dir=incident_dir or setting("DRIFTBREAKER_INCIDENT_DIR"),
            # Apprise's own URLs may hold commas; blanks they do not.
            apprise=apprise or tuple((secret("DRIFTBREAKER_APPRISE_URLS") or "").split()),
        )


def channel_options(command: Command) -> Command:
    """Give a command the options of all channels, which it gets as `receivers`."""

    @wraps(command)
    def receiving(
        *args: Any,
        alertmanager: tuple[str, ...],
        webhook: str | None,
        incident_dir: str | None,
        apprise: tuple[str, ...],
        **kwargs: Any,
    ) -> Any:
        _tell_of_secrets({"--webhook": webhook, "--apprise": apprise})
        receivers = Receivers.chosen(alertmanager, webhook, incident_dir, apprise)
        return command(*args, receivers=receivers, **kwargs)

    options = (
        click.option(
            "--alertmanager",
            metavar="URL",
            multiple=True,
            help="An Alertmanager; repeat it for every peer.  [env: ALERTMANAGER_URL, comma separated]",
        ),
        click.option(
            "--webhook",
            metavar="URL",
            help="A webhook; its secret is in DRIFTBREAKER_WEBHOOK_SECRET. A list of processes shows an option, and no "
            "variable or file.  [env: DRIFTBREAKER_WEBHOOK_URL, or DRIFTBREAKER_WEBHOOK_URL_FILE]",
        ),
        click.option(
            "--incident-dir",
            metavar="DIR",
            type=click.Path(file_okay=False),
            help="A directory that gets a file per incident.  [env: DRIFTBREAKER_INCIDENT_DIR]",
        ),
        click.option(
            "--apprise",
            metavar="URL",
            multiple=True,
            help="An Apprise URL, secrets and all: rather a variable or a file. May be repeated.  "
            "[env: DRIFTBREAKER_APPRISE_URLS, separated by blanks, or DRIFTBREAKER_APPRISE_URLS_FILE]",
        ),
    )
    decorated: Any = receiving
    for option in reversed(options):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


def _tell_of_secrets(given: Mapping[str, object]) -> None:
    for option, name in (("--webhook", "DRIFTBREAKER_WEBHOOK_URL"), ("--apprise", "DRIFTBREAKER_APPRISE_URLS")):
        if given[option]:
            tell(f"{option} may hold a secret, and a list of processes shows it: set {name}, or {name}_FILE")


def channels_of(receivers: Receivers, without: str = "") -> list[Channel]:
    """Return the channels. Raises Usage when there is none, and for what a channel cannot be made from."""
    made: list[Channel] = []
    if receivers.alertmanager:
        made.append(alertmanager_of(receivers.alertmanager))
    made += other_channels_of(receivers)
    if not made:
        raise Usage(NO_CHANNEL.format(without=without))
    return made


def other_channels_of(receivers: Receivers) -> list[Channel]:
    """Return every channel but the Alertmanager."""
    made: list[Channel] = []
    if receivers.webhook:
        made.append(_webhook_of(receivers.webhook))
    if receivers.incident_dir:
        from driftbreaker import IncidentFiles

        made.append(IncidentFiles(os.path.abspath(receivers.incident_dir)))
    if receivers.apprise:
        made.append(_apprise_of(receivers.apprise))
    return made


def alertmanager_of(urls: tuple[str, ...]) -> Alertmanager:
    """Return the channel to some Alertmanagers, with the credentials of the environment."""
    from driftbreaker import Alertmanager

    timeout = seconds("ALERTMANAGER_TIMEOUT")
    options: dict[str, Any] = {} if timeout is None else {"timeout": timeout}
    options |= {
        "username": setting("ALERTMANAGER_USERNAME"),
        "password": secret("ALERTMANAGER_PASSWORD"),
        "token": secret("ALERTMANAGER_TOKEN"),
    }
    return _made("--alertmanager / ALERTMANAGER_*", lambda: Alertmanager(urls, **options))


def _webhook_of(url: str) -> Webhook:
    from driftbreaker import Webhook

    signing = secret("DRIFTBREAKER_WEBHOOK_SECRET")
    if signing is None:
        raise Usage(
            "a webhook's messages are signed: set DRIFTBREAKER_WEBHOOK_SECRET, or DRIFTBREAKER_WEBHOOK_SECRET_FILE, "
            'to whsec_ and random bytes in base64, as of: echo "whsec_$(openssl rand -base64 32)"'
        )
    return _made("--webhook / DRIFTBREAKER_WEBHOOK_*", lambda: Webhook(url, secret=signing))


def _apprise_of(urls: tuple[str, ...]) -> Channel:
    try:
        from driftbreaker.contrib.apprise import AppriseChannel
    except ImportError as error:
        raise Usage(str(error)) from None
    return _made("--apprise / DRIFTBREAKER_APPRISE_URLS", lambda: AppriseChannel(urls))


Made = TypeVar("Made")


def _made(what: str, make: Callable[[], Made]) -> Made:
    from driftbreaker import InvalidArgumentError

    try:
        return make()
    except InvalidArgumentError as error:
        # The channels' own messages show no secret.
        raise Usage(f"{what}: {error}") from None


def _parts(urls: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part.strip() for url in urls for part in url.split(",") if part.strip())
