"""What the environment says about CostSim's breaker, read when a breaker is made."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from ..checks import MAX_TTL, check_threshold_count, check_threshold_score, check_ttl, safely
from ..clean import clean_text
from ..errors import InvalidArgumentError
from ..settings import AlertSettings, BreakerSettings

T = TypeVar("T")

ALERT = AlertSettings(alertname="CostSimV2Disabled", component="costsim")
_A_DAY: timedelta | None = timedelta(hours=24)
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
            alertmanager_url=read("ALERTMANAGER_URL", _url, None),
            alertmanager_timeout=read("ALERTMANAGER_TIMEOUT", _seconds, 10.0),
            alertmanager_retry_attempts=read("ALERTMANAGER_RETRY_ATTEMPTS", _count, 3),
            alertmanager_retry_delay=read("ALERTMANAGER_RETRY_DELAY", _score, 1.0),
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

    def __call__(self, variable: str, parse: Callable[[str], T], default: T) -> T:
        text = _text_of(self._environment, variable)
        if text is None:
            return default
        try:
            return parse(text.strip())
        except ValueError as error:
            shown = clean_text(repr(text), 120)
            raise InvalidArgumentError(f"the environment variable {variable} is {shown}: {error}") from None


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
    try:
        return float(text)
    except ValueError:
        raise ValueError("it must be a number") from None


def _count(text: str) -> int:
    if not re.fullmatch(r"[+-]?\d{1,20}", text, re.ASCII):
        raise ValueError("it must be an integer >= 1")
    return check_threshold_count(int(text), "it")


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


def _seconds(text: str) -> float:
    seconds = _score(text)
    if seconds == 0:
        raise ValueError("it must be a number of seconds above 0")
    return seconds


def _text(text: str) -> str | None:
    return text or None


def _url(text: str) -> str | None:
    if text and not re.match(r"https?://[^/\s]", text):
        raise ValueError("it must be an http(s) URL")
    return text or None
