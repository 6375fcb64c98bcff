"""Nothing secret in any repr, log, error or outcome, whatever goes wrong."""

from __future__ import annotations

import asyncio
import json
import logging
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest

from driftbreaker import Alertmanager, Webhook
from driftbreaker.posting import Veil
from tests.channels.sending import sent
from tests.support.alerts import an_alert
from tests.support.receiver import (
    Answer,
    Behaviour,
    Line,
    Received,
    Receiver,
    black_hole,
    closed_port,
    cut,
    garbage,
    redirect,
    trickle,
)

PASSWORD, TOKEN, TENANT = 'hunter2/&"é', "sesame-open-0123456789", "tenant-4711"
PATH, KEY = "/services/T00000000/B00000000", "key-XXXXXXXXXXXX"
HOOK = "whsec_" + b64encode(b"0123456789abcdef0123456789abcdef").decode()
BASIC = b64encode(f"user:{PASSWORD}".encode()).decode()
USERINFO = f"user:{quote(PASSWORD, safe='')}@"
HOOKS_OWN = ["T00000000", "B00000000", KEY, HOOK, HOOK.removeprefix("whsec_")]
# What each channel knows, and must keep to itself.
SECRETS = {
    "basic": [PASSWORD, BASIC, TENANT],
    "token": [TOKEN],
    "userinfo": [PASSWORD, BASIC],
    "webhook": [TOKEN, *HOOKS_OWN],
    "webhook with userinfo": [PASSWORD, BASIC, *HOOKS_OWN],
}


def channel_of(kind: str, url: str) -> Alertmanager | Webhook:
    if kind == "basic":
        return Alertmanager(url, username="user", password=PASSWORD, headers={"X-Scope-OrgID": TENANT}, timeout=0.3)
    if kind == "token":
        return Alertmanager(url, token=TOKEN, timeout=0.3)
    if kind == "userinfo":
        return Alertmanager(url.replace("://", f"://{USERINFO}") + "/prefix", timeout=0.3)
    if kind == "webhook":
        return Webhook(f"{url}{PATH}?k={KEY}", secret=HOOK, headers={"X-Token": TOKEN}, timeout=0.3)
    hook = url.replace("://", f"://{USERINFO}")
    return Webhook(f"{hook}{PATH}?{KEY}", secret=HOOK, format="alertmanager", timeout=0.3)


def echo(status: int, known: list[str]) -> Behaviour:
    """Answer as debugging pages do: with all that came, and with what a receiver may know by other ways."""

    def answer(line: Line, request: Received) -> None:
        said = f"{request.path} {dict(request.headers)} {' '.join(known)} {json.dumps(known)}"
        Answer(status, said, {"Location": f"http://{USERINFO}x{PATH}?{KEY}"})(line, request)

    return answer


FAILURES: dict[str, Callable[[list[str]], Behaviour]] = {
    **{f"status {status}": partial(echo, status) for status in (200, 307, 400, 401, 407, 500)},
    "redirect to itself": lambda _: redirect(f"{PATH}?{KEY}"),
    "garbage": lambda known: garbage(" ".join(known).encode() + b"\r\n\r\n"),
    "garbage headers": lambda known: garbage(b"HTTP/1.1 200 OK\r\n\x00" + " ".join(known).encode() + b"\r\n\r\n"),
    "cut": lambda known: cut(b"HTTP/1.1 500 x\r\nContent-Length: 9999\r\n\r\nsent: " + known[-1].encode()[:-1]),
    "black hole": lambda _: black_hole(),
    "trickle": lambda _: trickle(),
}


async def everything_said(channel: Alertmanager | Webhook) -> str:
    outcomes = await sent(channel, [an_alert("a"), an_alert("b")])
    said: list[Any] = [channel, str(channel), *outcomes]
    if isinstance(channel, Alertmanager):
        said += [channel.peers, await channel.check()]
        await channel.close()
    return repr(said)


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("kind", SECRETS)
def test_no_failure_tells_a_secret(
    receiver: Receiver, caplog: pytest.LogCaptureFixture, failure: str, kind: str
) -> None:
    receiver.script(then=FAILURES[failure](SECRETS[kind]))
    caplog.set_level(logging.DEBUG)
    said = asyncio.run(everything_said(channel_of(kind, receiver.url)))
    ours = "".join(f"{record.getMessage()}{record.exc_text}" for record in caplog.records if is_ours(record))
    for secret in [*SECRETS[kind], *(secret[:-1] for secret in SECRETS[kind]), "hunter2", "sesame-open"]:
        assert secret not in said + ours


@pytest.mark.parametrize("kind", SECRETS)
def test_what_we_send_shows_in_no_log_of_any_library(
    receiver: Receiver, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    for logger in ("httpx2", "httpcore2", "driftbreaker", "asyncio"):
        caplog.set_level(logging.DEBUG, logger)
    said = asyncio.run(everything_said(channel_of(kind, receiver.url)))
    assert any(record.name.startswith("httpcore2") for record in caplog.records), "or this looks at nothing"
    for secret in SECRETS[kind]:
        assert secret not in said + caplog.text


@pytest.mark.parametrize("kind", SECRETS)
def test_nobody_there_tells_no_secret(caplog: pytest.LogCaptureFixture, kind: str) -> None:
    caplog.set_level(logging.DEBUG)
    said = asyncio.run(everything_said(channel_of(kind, closed_port())))
    for secret in SECRETS[kind]:
        assert secret not in said + caplog.text


def is_ours(record: logging.LogRecord) -> bool:
    """At DEBUG, httpcore2 prints the headers of answers, whatever a receiver wrote there: that is its own say."""
    return not record.name.startswith("httpcore2")


def test_a_veil_hides_every_spelling_and_the_beginning_of_one_that_was_cut() -> None:
    veil = Veil(["p/ss wörd", "abcdefgh", "ab"])
    assert veil.hide("p/ss wörd, p%2Fss%20w%C3%B6rd, p\\/ss wörd, p/ss w\\u00f6rd") == "***, ***, ***, ***"
    assert veil.hide("it was abcdef", cut=True) == "it was "
    assert veil.hide("ab but not abroad") == "*** but not abroad"
    assert repr(veil) == "Veil()"
    assert Veil().hide("nothing to hide", cut=True) == "nothing to hide"
