"""Alerts as Alertmanager takes them: the same labels and start for ever, an end that cannot come too early."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from ..alerts import Alert
from ..checks import LATEST
from ..clean import to_json
from ..posting import annotations_within, instant, usable_uri

MAX_ALERT = 16 * 1024
MAX_BODY = 64 * 1024
HORIZON = 86_400.0


class LabelsTooLongError(ValueError):
    """The labels leave no room in the alert. They are its identity, so they cannot be cut."""


def postable(alert: Alert, horizon: float = HORIZON) -> dict[str, Any]:
    """Return one alert as the API's ``postableAlert``, at most 16 KiB of JSON.

    A firing alert that does not end by itself ends `horizon` seconds from now: one without an end would resolve after
    the receiver's own ``resolve_timeout``. Raises LabelsTooLongError when the labels alone are more than that.
    """
    body: dict[str, Any] = {
        "labels": dict(alert.labels),
        "annotations": {},
        "startsAt": instant(alert.starts_at),
        "endsAt": instant(max(_end(alert, horizon), alert.starts_at)),
    }
    if (uri := usable_uri(alert.generator_url)) is not None:
        body["generatorURL"] = uri
    room = MAX_ALERT - len(encode(body))
    if room < 0 and body.pop("generatorURL", None):
        room = MAX_ALERT - len(encode(body))
    if room < 0:
        raise LabelsTooLongError(
            f"the labels take {MAX_ALERT - room} bytes of at most {MAX_ALERT}: give the breaker fewer or shorter ones"
        )
    body["annotations"] = annotations_within(alert, room + len("{}"))
    return body


def encode(value: Any) -> bytes:
    """Return the JSON of an alert, always UTF-8."""
    return to_json(value).encode("utf-8", "replace")


def joined(encoded: Iterable[bytes]) -> bytes:
    """Return encoded alerts as one body."""
    return b"[" + b",".join(encoded) + b"]"


def bodies(encoded: Sequence[bytes]) -> Iterator[range]:
    """Split encoded alerts into runs whose body is at most 64 KiB each."""
    start, size = 0, 2
    for place, alert in enumerate(encoded):
        if place > start and size + len(alert) > MAX_BODY:
            yield range(start, place)
            start, size = place, 2
        size += len(alert) + 1
    if start < len(encoded):
        yield range(start, len(encoded))


def _end(alert: Alert, horizon: float) -> datetime:
    if alert.ends_at is not None:
        return alert.ends_at
    if not alert.firing:
        return alert.now
    try:
        return alert.now + timedelta(seconds=horizon)
    except OverflowError:
        return LATEST
