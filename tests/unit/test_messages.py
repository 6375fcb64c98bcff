"""What a notification says, and what somebody else may send on our channel."""

from __future__ import annotations

import pytest

from driftbreaker.model import Key
from driftbreaker.store.messages import message_of, read_message


@pytest.mark.parametrize("key", [Key("pricing", ""), Key('Preis "Ä" €', "tenant 7")])
def test_what_was_written_is_read(key: Key) -> None:
    assert read_message(message_of(key, 3)) == (key, 3)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "not JSON",
        "3",
        "null",
        '["pricing", ""]',
        '["pricing", "", 3, 4]',
        '[1, "", 3]',
        '["pricing", null, 3]',
        '["pricing", "", "3"]',
        '["pricing", "", 3.0]',
        '["pricing", "", true]',
        '{"name": "pricing", "scope": "", "version": 3}',
    ],
)
def test_what_somebody_else_sent_is_nobodys_news(message: str) -> None:
    assert read_message(message) is None
