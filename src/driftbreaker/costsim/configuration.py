"""What the environment says about CostSim's breaker, read when a breaker is made."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache, partial
from typing import TypeVar

from ..checks import MAX_TTL, check_threshold_count, check_threshold_score, check_ttl, safely
from ..clean import clean_text
from ..errors import InvalidArgumentError
from ..settings import AlertSettings, BreakerSettings

T = TypeVar("T")

ALERT = AlertSettings(alertname="CostSimV2Disabled", component="costsim")
_A_DAY: timedelta | None = timedelta(hours=24)
# A lease holds all the tries of a pass: with the most of everything it is still one that a relay takes.
_MAX_SECONDS = 86_400.0
_MAX_ATTEMPTS = 1_000
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_WORDS = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """Everything that the environment decides."""

    drift_threshold: float
    warning_threshold: float
    failure_threshold: int
    schema_error_threshold: int
    auto_disable: bool
    auto_recover: bool
    ttl: timedelta | None
    incident_dir: str | None
    alertmanager_url: str | None
    alertmanager_timeout: float
    alertmanager_retry_attempts: int
    alertmanager_retry_delay: float
    instance_id: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Configuration:
        """Read the environment; raise InvalidArgumentError naming the variable and the value that cannot be."""
        read = _Reader(os.environ if environment is None else environment)
        return cls(
            drift_threshold=read("COSTSIM_DRIFT_THRESHOLD", _score, 0.2),
            warning_threshold=read("COSTSIM_DRIFT_WARNING_THRESHOLD", _score, 0.15),
            failure_threshold=read("COSTSIM_FAILURE_THRESHOLD", _count, 3),
            schema_error_threshold=read("COSTSIM_SCHEMA_ERROR_THRESHOLD", _count, 5),
            auto_disable=read("COSTSIM_V2_AUTO_DISABLE", _flag, True),
            auto_recover=read("COSTSIM_AUTO_RECOVER", _flag, True),
            ttl=read("COSTSIM_DISABLE_TTL_HOURS", _hours, _A_DAY),
            incident_dir=read("COSTSIM_INCIDENT_DIR", _text, None),
            alertmanager_url=read("ALERTMANAGER_URL", _urls, None, shown=_veiled),
            alertmanager_timeout=read("ALERTMANAGER_TIMEOUT", partial(_seconds, 0.001), 10.0),
            alertmanager_retry_attempts=read("ALERTMANAGER_RETRY_ATTEMPTS", _attempts, 3),
            alertmanager_retry_delay=read("ALERTMANAGER_RETRY_DELAY", partial(_seconds, 0.0), 1.0),
            instance_id=read("INSTANCE_ID", _text, None) or socket.gethostname() or "unknown",
        )

    def settings(self, failure_threshold: int | None, drift_threshold: float | None) -> BreakerSettings:
        """Return the settings of one breaker; None means what the environment says."""
        return BreakerSettings(
            failure_threshold=self.failure_threshold if failure_threshold is None else failure_threshold,
            drift_threshold=self.drift_threshold if drift_threshold is None else drift_threshold,
            warning_threshold=self.warning_threshold,
            schema_error_threshold=self.schema_error_threshold,
            auto_disable=self.auto_disable,
            auto_recover=self.auto_recover,
            ttl=self.ttl,
            alert=ALERT,
        )


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def __call__(
        self, variable: str, parse: Callable[[str], T], default: T, shown: Callable[[str], str] = str.__str__
    ) -> T:
        text = _text_of(self._environment, variable)
        if text is None:
            return default
        try:
            return parse(text.strip())
        except ValueError as error:
            value = clean_text(repr(shown(text)), 120)
            raise InvalidArgumentError(f"the environment variable {variable} is {value}: {error}") from None


@safely
def _text_of(environment: Mapping[str, str], variable: str) -> str | None:
    if not isinstance(environment, Mapping):
        raise InvalidArgumentError(f"environment must be a mapping, got {type(environment).__name__}")
    text = environment.get(variable)
    if text is None:
        return None
    if not isinstance(text, str):
        raise InvalidArgumentError(f"the environment variable {variable} must be text, got {type(text).__name__}")
    return str.__str__(text)


def _score(text: str) -> float:
    return check_threshold_score(_number(text), "it")


def _number(text: str) -> float:
    # One rule for all numbers: Python's own takes 1_0 and the digits of any script, where _count does not.
    if not _NUMBER.fullmatch(text):
        raise ValueError("it must be a number such as 0.25")
    return float(text)


def _count(text: str) -> int:
    if not re.fullmatch(r"[+-]?\d{1,20}", text, re.ASCII):
        raise ValueError("it must be an integer >= 1")
    return check_threshold_count(int(text), "it")


def _attempts(text: str) -> int:
    attempts = _count(text)
    if attempts > _MAX_ATTEMPTS:
        raise ValueError(f"it must be an integer from 1 to {_MAX_ATTEMPTS}")
    return attempts


def _flag(text: str) -> bool:
    try:
        return _WORDS[text.lower()]
    except KeyError:
        raise ValueError("it must be true or false") from None


def _hours(text: str) -> timedelta | None:
    hours = check_threshold_score(_number(text), "it")
    most = MAX_TTL / timedelta(hours=1)
    if hours > most:
        raise ValueError(f"it must be a number of hours from 0 (no end) to {most:g}")
    # Only 0 says "no end"; what merely rounds to nothing does not.
    return None if hours == 0 else check_ttl(timedelta(hours=hours), "it")


def _seconds(least: float, text: str) -> float:
    seconds = _number(text)
    if not least <= seconds <= _MAX_SECONDS:
        raise ValueError(f"it must be a number of seconds from {least:g} to {_MAX_SECONDS:.0f}")
    return seconds


def _text(text: str) -> str | None:
    return text or None


def _urls(text: str) -> str | None:
    if text:
        peers_of(text)
    return text or None


@lru_cache
def peers_of(text: str) -> tuple[str, ...]:
    """Return the URL of every peer, of one or of several with commas; raise for what the channel would refuse."""
    # Each operation makes a breaker, so what was found is kept; and who has no Alertmanager needs no HTTP client.
    from ..alertmanager.url import base_of
    from ..posting import Address

    peers = tuple(filter(None, map(str.strip, text.split(","))))
    if not peers:
        raise ValueError("it must be an http(s) URL, or several with commas between them")
    addresses = [Address.parse(peer, "it") for peer in peers]
    if len({base_of(address, "it") for address in addresses}) < len(peers):
        raise ValueError("it must be the URL of each peer once, and has one of them twice")
    return peers


def _veiled(text: str) -> str:
    """Return URLs without what may be secret: all before the last userinfo's end, whatever it is, and any query."""
    place = re.sub(r"^(\s*\w+://)?.*@", r"\1***@", text, flags=re.DOTALL)
    return re.sub(r"\?.*", "?***", place, flags=re.DOTALL)
