"""Sends in an event loop of its own, and closes what was opened there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from driftbreaker import Alert, Alertmanager, Outcome, Webhook


def send(channel: Alertmanager | Webhook, *alerts: Alert) -> list[Outcome]:
    return asyncio.run(sent(channel, alerts))


async def sent(channel: Alertmanager | Webhook, alerts: Sequence[Alert]) -> list[Outcome]:
    try:
        return await channel.send(alerts)
    finally:
        await channel.close()
