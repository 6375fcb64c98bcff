"""What a reporter is set up with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

from ..checks import check_clock, check_count, check_flag, check_key, check_kind, check_seconds, looks
from ..clock import Clock
from ..errors import InvalidArgumentError
from ..settings import BreakerSettings
from ..tables import Tables, default_tables


class ReporterOptions(TypedDict, total=False):
    """The keyword arguments that every kind of reporter takes; `Reporter` says what they mean."""

    settings: Mapping[str, BreakerSettings] | None
    interval: float
    batch: int
    capacity: int
    keep: float
    patience: float
    tables: Tables | None
    clock: Clock | None
    notify: bool


@dataclass(frozen=True, kw_only=True)
class Options:
    """The checked options of a reporter; all times are in seconds."""

    settings: dict[str, BreakerSettings]
    interval: float
    batch: int
    capacity: int
    keep: float
    patience: float
    tables: Tables
    clock: Clock | None
    notify: bool


def checked_options(
    *,
    settings: Mapping[str, BreakerSettings] | None = None,
    interval: float = 0.2,
    batch: int = 10_000,
    capacity: int = 10_000,
    keep: float = 900.0,
    patience: float = 10.0,
    tables: Tables | None = None,
    clock: Clock | None = None,
    notify: bool = True,
) -> Options:
    """Check everything that a reporter is given; raise InvalidArgumentError for what cannot be."""
    check_kind(tables, Tables, "tables")
    check_clock(clock)
    return Options(
        settings=_by_name(settings),
        interval=check_seconds(interval, "interval"),
        batch=check_count(batch, "batch", 1),
        capacity=check_count(capacity, "capacity", 1),
        keep=check_seconds(keep, "keep"),
        patience=check_seconds(patience, "patience"),
        tables=tables or default_tables(),
        clock=clock,
        notify=check_flag(notify, "notify"),
    )


def check_settings(settings: object, name: str) -> BreakerSettings:
    """Check the settings of one name."""
    if not looks(lambda: isinstance(settings, BreakerSettings)):
        raise InvalidArgumentError(f"the settings of {name!r} must be BreakerSettings, got {type(settings).__name__}")
    return settings  # type: ignore[return-value]


def _by_name(settings: Mapping[str, BreakerSettings] | None) -> dict[str, BreakerSettings]:
    if settings is None:
        return {}
    if not looks(lambda: isinstance(settings, Mapping)):
        raise InvalidArgumentError(
            f"settings must map names to BreakerSettings, got {type(settings).__name__}: "
            "settings={'pricing': BreakerSettings(...)}"
        )
    return {check_key(name, "").name: check_settings(each, name) for name, each in settings.items()}
