"""Tells people by way of Apprise: Slack, Teams, mail, SMS and a hundred more. Needs ``driftbreaker[apprise]``."""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from ..alerts import ACCEPTED, Alert, Cadence, Outcome, Result
from ..checks import check_channel_name
from ..clean import clean_text
from ..errors import InvalidArgumentError
from ..posting import Veil
from ..posting.reply import one_line

try:
    from apprise import Apprise, NotifyBase, NotifyType
except ModuleNotFoundError as missing:
    raise ImportError("AppriseChannel needs apprise: pip install 'driftbreaker[apprise]'") from missing

__all__ = ["AppriseChannel"]

MAX_LABELS = 1_000
REMEMBERED = 1_000
_heard: ContextVar[list[str] | None] = ContextVar("driftbreaker_apprise_heard", default=None)


class AppriseChannel:
    """Sends one notification per alert to each of some Apprise URLs, when it fires and when that is over.

    An alert is accepted when every target took it; those that did are not told again when it is tried for the others,
    for as long as this process lives. The URLs hold credentials: they are never printed, logged or stored.

    Raises InvalidArgumentError for a URL that Apprise cannot use.
    """

    cadence = Cadence.MESSAGE

    def __init__(self, urls: str | Sequence[str], *, name: str = "apprise") -> None:
        self.name = check_channel_name(name)
        given = [urls] if isinstance(urls, str) else urls
        if not isinstance(given, Sequence) or not given:
            raise InvalidArgumentError(f"urls must be an Apprise URL or a sequence of them, got {type(urls).__name__}")
        self._targets = [_target(url, place) for place, url in enumerate(given, start=1)]
        self._veil = Veil(part for url in given for part in (url, *re.split(r"[/:@?&=,]+", url)[1:]) if len(part) > 2)
        self._told: OrderedDict[str, set[int]] = OrderedDict()

    def __repr__(self) -> str:
        return f"AppriseChannel({[_shown(target) for target in self._targets]!r}, name={self.name!r})"

    def send(self, alerts: Sequence[Alert]) -> list[Outcome]:
        """Notify every target of every alert; return what became of each. Blocks, and never raises for what they do."""
        return [self._send(alert) for alert in alerts]

    def close(self) -> None:
        """Nothing is kept open."""

    def _send(self, alert: Alert) -> Outcome:
        told = self._told.setdefault(alert.id, set())
        errors = []
        for place, target in enumerate(self._targets):
            if place not in told and (error := self._notify(target, alert)) is not None:
                errors.append(error)
            elif place not in told:
                told.add(place)
        while len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        if not errors:
            self._told.pop(alert.id, None)
            return ACCEPTED
        return Outcome(result=Result.FAILED, error="; ".join(errors))

    def _notify(self, target: NotifyBase, alert: Alert) -> str | None:
        kind = NotifyType.FAILURE if alert.firing else NotifyType.SUCCESS
        with _listening() as heard:
            try:
                if target.notify(title=alert.summary, body=_body(alert), notify_type=kind):
                    return None
                reason = heard[-1] if heard else "it gave no reason"
            except Exception as error:  # noqa: BLE001  a target's failure is a failed try; its text may hold the URL
                reason = type(error).__name__
        return f"{_shown(target)} was not notified: {one_line(self._veil.hide(reason))}"


def _body(alert: Alert) -> str:
    labels = " · ".join(f"{name}={value}" for name, value in sorted(alert.labels.items()))
    link = f"\n{alert.runbook_url}" if alert.runbook_url else ""
    return f"{alert.description}\n{clean_text(labels, MAX_LABELS)}{link}"


def _target(url: object, place: int) -> NotifyBase:
    if not isinstance(url, str):
        raise InvalidArgumentError(f"urls must be text, got {type(url).__name__} in place {place}")
    with _listening():
        try:
            target = Apprise.instantiate(url)
        except Exception:  # noqa: BLE001  its text may hold the URL
            target = None
    if not isinstance(target, NotifyBase):
        raise InvalidArgumentError(
            f"urls must be Apprise URLs, and the one in place {place} is none that Apprise can use (it is not shown); "
            "see https://github.com/caronc/apprise/wiki for the form of each service"
        )
    return target


def _shown(target: NotifyBase) -> str:
    """Name a target by its service and nothing else: what Apprise's private form shows depends on the service."""
    return str(target.service_name)


@contextmanager
def _listening() -> Iterator[list[str]]:
    """Keep what Apprise says of our calls from every log: it quotes tokens and URLs. Its complaints are returned."""
    heard: list[str] = []
    token = _heard.set(heard)
    try:
        yield heard
    finally:
        _heard.reset(token)


def _keep_to_ourselves(record: logging.LogRecord) -> bool:
    heard = _heard.get()
    if heard is None:
        return True
    if record.levelno >= logging.WARNING:
        heard.append(record.getMessage())
    return False


# Other users of Apprise in this process, and other threads, log as they did. What Apprise sends by logs whole paths.
for _name in ("apprise", "urllib3.connectionpool"):
    logging.getLogger(_name).addFilter(_keep_to_ourselves)
