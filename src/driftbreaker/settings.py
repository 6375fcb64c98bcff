"""How a breaker is set up. Code owns settings; the row carries a copy for those who cannot read the code."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from functools import cached_property
from types import MappingProxyType
from typing import Any

from .checks import check_flag, check_threshold_count, check_threshold_score, check_ttl, safely
from .clean import clean_text
from .errors import InvalidArgumentError
from .model import Key, Severity

MAX_LABEL = 256
RESERVED_LABELS = frozenset({"alertname", "severity", "priority", "component", "circuit_breaker", "scope"})
SEVERITY_LABELS: Mapping[Severity, str] = MappingProxyType(
    {Severity.P1: "critical", Severity.P2: "warning", Severity.P3: "info"}
)
# What no URL holds, and one of the databases would not store: blanks, control characters, lone surrogates.
_URL = re.compile("https?://[^/\\s\x00-\x1f\x7f\ud800-\udfff][^\\s\x00-\x1f\x7f\ud800-\udfff]*")
MAX_URL = 2_048
_LABEL_NAME = re.compile("[a-zA-Z_][a-zA-Z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class AlertSettings:
    """What a breaker's alert is called and carries.

    `labels` are static labels (service, environment); nothing that differs between replicas, sends or incidents
    belongs there, or the resolve would not find the alert that it ends. `severities` maps P1 to P3 to the values
    of the label ``severity``. `runbook_url` and `generator_url` are shown with the alert.

    Raises InvalidArgumentError for a label name that Alertmanager or this library cannot take, and for values
    that are empty, no text, or above 256 characters.
    """

    alertname: str = "CandidateDisabled"
    component: str = "driftbreaker"
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    severities: Mapping[Severity, str] = field(default_factory=lambda: SEVERITY_LABELS, hash=False)
    runbook_url: str | None = None
    generator_url: str | None = None

    @safely
    def __post_init__(self) -> None:
        _check_label_value("alertname", self.alertname)
        _check_label_value("component", self.component)
        for what in ("labels", "severities"):
            if not isinstance(getattr(self, what), Mapping):
                raise InvalidArgumentError(
                    f"{what} must be a mapping, got {clean_text(repr(getattr(self, what)), 120)}"
                )
        for name, value in self.labels.items():
            if not isinstance(name, str) or not _LABEL_NAME.fullmatch(name) or len(name) > MAX_LABEL:
                raise InvalidArgumentError(
                    f"a label's name must match {_LABEL_NAME.pattern} and have at most {MAX_LABEL} characters, "
                    f"got {clean_text(repr(name), 120)}"
                )
            if name in RESERVED_LABELS:
                raise InvalidArgumentError(f"the label {name!r} is set by the breaker itself: choose another name")
            _check_label_value(name, value)
        for severity in Severity:
            _check_label_value(f"severities[{severity}]", self.severities.get(severity))
        for what in ("runbook_url", "generator_url"):
            url = getattr(self, what)
            if url is not None and not (isinstance(url, str) and _URL.fullmatch(url) and len(url) <= MAX_URL):
                raise InvalidArgumentError(
                    f"{what} must be an absolute http(s) URL of at most {MAX_URL} characters, "
                    f"got {clean_text(repr(url), 120)}"
                )
        # Copies: a caller's dictionary may change later, and an alert's identity must not. Plain ones, so that
        # settings can be pickled to a spawned worker.
        plain = {str.__str__(name): str.__str__(value) for name, value in self.labels.items()}
        object.__setattr__(self, "labels", plain)
        severities = {severity: str.__str__(self.severities[severity]) for severity in Severity}
        object.__setattr__(self, "severities", severities)
        for what in ("alertname", "component"):
            object.__setattr__(self, what, str.__str__(getattr(self, what)))

    def labels_for(self, key: Key, severity: Severity) -> dict[str, str]:
        """Return the full label set of an alert about `key`: its identity, the same on fire and on resolve."""
        labels = {
            **self.labels,
            "alertname": self.alertname,
            "severity": self.severities[severity],
            "priority": severity.value,
            "component": self.component,
            "circuit_breaker": key.name,
        }
        return {**labels, "scope": key.scope} if key.scope else labels

    def to_dict(self) -> dict[str, Any]:
        """Render as plain data, as stored with the breaker."""
        return {
            "alertname": self.alertname,
            "component": self.component,
            "labels": dict(self.labels),
            "severities": {severity.value: label for severity, label in self.severities.items()},
            "runbook_url": self.runbook_url,
            "generator_url": self.generator_url,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> AlertSettings:
        """Read back what `to_dict` rendered."""
        severities = {Severity(name): label for name, label in data["severities"].items()}
        return cls(**{**data, "severities": severities})


def identity_of(labels: Mapping[str, str]) -> str:
    """Return the identity of a label set: the SHA-256 of its sorted JSON, in hexadecimal."""
    return hashlib.sha256(json.dumps(labels, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class BreakerSettings:
    """When a breaker trips, for how long, and what its alert says.

    - `failure_threshold`: bad scores in a row that trip it, an integer >= 1.
    - `drift_threshold`: a score above it is bad, a finite number >= 0. A score that equals it is not.
    - `warning_threshold`: a score at or above it that is not bad emits a warning event; None for no warnings.
    - `schema_error_threshold`: schema errors within a rolling hour that trip it, an integer >= 1.
    - `auto_disable`: False counts and never trips.
    - `auto_recover`: False means that no opening ends by itself.
    - `ttl`: how long a trip lasts before it recovers by itself, kept to the millisecond; None for no end.
    - `alert`: the alert's names and labels.

    Raises InvalidArgumentError, naming the setting and the value, for anything else.
    """

    failure_threshold: int = 3
    drift_threshold: float = 0.2
    warning_threshold: float | None = 0.15
    schema_error_threshold: int = 5
    auto_disable: bool = True
    auto_recover: bool = True
    ttl: timedelta | None = timedelta(hours=24)
    alert: AlertSettings = field(default_factory=AlertSettings)

    @safely
    def __post_init__(self) -> None:
        # Kept as plain numbers: what merely is an Integral or a Real, no driver binds and no format prints.
        for what in ("failure_threshold", "schema_error_threshold"):
            object.__setattr__(self, what, check_threshold_count(getattr(self, what), what))
        for what in ("drift_threshold", "warning_threshold"):
            if what == "drift_threshold" or self.warning_threshold is not None:
                object.__setattr__(self, what, check_threshold_score(getattr(self, what), what))
        check_flag(self.auto_disable, "auto_disable")
        check_flag(self.auto_recover, "auto_recover")
        object.__setattr__(self, "ttl", check_ttl(self.ttl))
        if not isinstance(self.alert, AlertSettings):
            raise InvalidArgumentError(f"alert must be AlertSettings, got {clean_text(repr(self.alert), 120)}")

    @property
    def ttl_milliseconds(self) -> int | None:
        """The time to live in whole milliseconds, rounded up; None for no end."""
        return None if self.ttl is None else -(-self.ttl // timedelta(milliseconds=1))

    @cached_property
    def as_json(self) -> str:
        """The settings as the JSON that a breaker's row carries."""
        return json.dumps(
            {
                "failure_threshold": int(self.failure_threshold),
                "drift_threshold": float(self.drift_threshold),
                "warning_threshold": None if self.warning_threshold is None else float(self.warning_threshold),
                "schema_error_threshold": int(self.schema_error_threshold),
                "auto_disable": self.auto_disable,
                "auto_recover": self.auto_recover,
                "ttl_milliseconds": self.ttl_milliseconds,
                "alert": self.alert.to_dict(),
            },
            sort_keys=True,
        )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> BreakerSettings:
        """Read back what `as_json` holds. Raises InvalidArgumentError for what another version wrote."""
        try:
            milliseconds = data["ttl_milliseconds"]
            ttl = None if milliseconds is None else timedelta(milliseconds=milliseconds)
            plain = {name: each for name, each in data.items() if name not in ("ttl_milliseconds", "alert")}
            alert = AlertSettings.from_dict(data["alert"])
            known = plain.keys() | {"ttl", "alert"} == {each.name for each in fields(cls)}
        except InvalidArgumentError:
            raise
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise InvalidArgumentError(f"these are no settings: {clean_text(repr(error), 120)}") from error
        if not known:  # one that is not known here, or is missing, would judge otherwise
            raise InvalidArgumentError(f"the settings are another version's: {', '.join(sorted(plain))}")
        return cls(**plain, ttl=ttl, alert=alert)

    @cached_property
    def hash(self) -> str:
        """A short fingerprint of the settings: whoever reads the row sees whether they changed."""
        return hashlib.sha256(self.as_json.encode()).hexdigest()[:16]


def _check_label_value(what: str, value: object) -> None:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_LABEL or clean_text(value, MAX_LABEL) != value:
        raise InvalidArgumentError(
            f"the label value of {what} must be text of 1 to {MAX_LABEL} characters, got {clean_text(repr(value), 120)}"
        )
