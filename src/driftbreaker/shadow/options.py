"""What a shadow is set up with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypedDict

from ..checks import (
    check_callable,
    check_count,
    check_flag,
    check_instant,
    check_kind,
    check_seconds,
    check_threshold_score,
    check_ttl,
)
from ..errors import InvalidArgumentError
from ..model import Verdict
from ..scores import ScoreFunction
from ..settings import BreakerSettings
from .comparison import Comparison
from .forms import check_plain

Isolate = Callable[[tuple[Any, ...], dict[str, Any]], tuple[tuple[Any, ...], dict[str, Any]]]
BUDGET = 5.0
WORKERS = 4
MAX_SCOPES = 1_000


class GuardOptions(TypedDict, total=False):
    """The keyword arguments of a guard; `Shadow` says what they mean."""

    score: ScoreFunction | None
    settings: BreakerSettings | None
    sample: float
    key: str | Callable[..., object] | None
    scope: str | Callable[..., object]
    max_scopes: int
    budget: float
    beside: Literal["inline", "thread", "background"]
    isolate: bool | Isolate
    schema: Callable[[Any], object] | None
    unusable: Literal["inconclusive", "bad"]
    lifetime: timedelta | datetime | None
    keep: int
    redact: Callable[[Comparison], Mapping[str, Any]] | None
    publish: Callable[[Comparison], object] | None
    workers: int


class ShadowOptions(GuardOptions, total=False):
    """The keyword arguments of a shadow; `Shadow` says what they mean."""

    serve: Literal["control", "candidate", "auto"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """The checked options of a shadow; all times are in seconds, `ends` since 1970."""

    serve: str
    score: ScoreFunction | None
    settings: BreakerSettings | None
    sample: float
    key: str | Callable[..., object] | None
    scope: str | Callable[..., object]
    max_scopes: int
    budget: float
    beside: str
    isolate: bool | Isolate
    schema: Callable[[Any], object] | None
    unusable: Verdict
    ends: float | None
    keep: int
    redact: Callable[[Comparison], Mapping[str, Any]] | None
    publish: Callable[[Comparison], object] | None
    workers: int


def checked_options(
    *,
    serve: str = "control",
    score: ScoreFunction | None = None,
    settings: BreakerSettings | None = None,
    sample: float = 1.0,
    key: str | Callable[..., object] | None = None,
    scope: str | Callable[..., object] = "",
    max_scopes: int = MAX_SCOPES,
    budget: float = BUDGET,
    beside: str = "background",
    isolate: bool | Isolate = False,
    schema: Callable[[Any], object] | None = None,
    unusable: str = "inconclusive",
    lifetime: timedelta | datetime | None = None,
    keep: int = 0,
    redact: Callable[[Comparison], Mapping[str, Any]] | None = None,
    publish: Callable[[Comparison], object] | None = None,
    workers: int = WORKERS,
) -> Options:
    """Check everything that a shadow is given; raise InvalidArgumentError for what cannot be."""
    functions: tuple[tuple[str, Any], ...] = (
        ("score", score),
        ("schema", schema),
        ("redact", redact),
        ("publish", publish),
    )
    for what, function in functions:
        if function is not None:
            check_callable(function, what)
    for what, function in (*functions, ("key", key), ("scope", scope), ("isolate", isolate)):
        if callable(function):
            check_plain(function, what)  # nobody would await it, and a schema that never ran passes everything
    return Options(
        serve=_one_of(serve, "serve", "control", "candidate", "auto"),
        score=score,
        settings=check_kind(settings, BreakerSettings, "settings"),
        sample=_share(sample),
        key=_text_or_function(key, "key") if key is not None else None,
        scope=_text_or_function(scope, "scope"),
        max_scopes=check_count(max_scopes, "max_scopes", 1),
        budget=check_seconds(budget, "budget"),
        beside=_one_of(beside, "beside", "inline", "thread", "background"),
        isolate=isolate if callable(isolate) else check_flag(isolate, "isolate"),
        schema=schema,
        unusable=Verdict(_one_of(unusable, "unusable", "inconclusive", "bad")),
        ends=_end(lifetime),
        keep=check_count(keep, "keep", 0),
        redact=redact,
        publish=publish,
        workers=check_count(workers, "workers", 1),
    )


def _one_of(value: object, what: str, *values: str) -> str:
    if type(value) is not str or value not in values:
        raise InvalidArgumentError(f"{what} must be one of {', '.join(map(repr, values))}, got {value!r}")
    return value


def _share(value: object) -> float:
    share = check_threshold_score(value, "sample")
    if not 0.0 < share <= 1.0:
        raise InvalidArgumentError(f"sample must be a share of the calls, above 0 and up to 1, got {value!r}")
    return share


def _text_or_function(value: Any, what: str) -> Any:
    if not isinstance(value, str) and not callable(value):
        raise InvalidArgumentError(
            f"{what} must be text, or a function of the call's arguments, got {type(value).__name__}"
        )
    return value


def _end(lifetime: object) -> float | None:
    if lifetime is None:
        return None
    if isinstance(lifetime, datetime):
        return check_instant(lifetime, "lifetime").timestamp()
    interval = check_ttl(lifetime, "lifetime")
    return None if interval is None else (datetime.now(UTC) + interval).timestamp()
