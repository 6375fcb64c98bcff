"""The webhook: signed, one message per alert, and an address that nobody reads in a log."""

from __future__ import annotations

import asyncio
import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from driftbreaker import Cadence, InvalidArgumentError, Outcome, Result, Webhook
from driftbreaker.webhook.body import MAX_BODY, TooLongError, alertmanager_body, fingerprint, json_body
from tests.channels.sending import send
from tests.support.alerts import START, an_alert, an_incident
from tests.support.receiver import Answer, Line, Received, Receiver, black_hole, redirect

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQIhrs="


@pytest.mark.parametrize("secret", [SECRET, OTHER])
@pytest.mark.parametrize("shape", ["json", "alertmanager"])
def test_the_official_verifier_believes_every_message(receiver: Receiver, secret: str, shape: Any) -> None:
    channel = Webhook(receiver.url + "/hooks/x?y=z", secret=f"{SECRET} {OTHER}", format=shape)
    assert channel.cadence is Cadence.MESSAGE
    assert send(channel, an_alert()) == [Outcome(result=Result.ACCEPTED)]
    (request,) = receiver.requests
    assert (request.method, request.path) == ("POST", "/hooks/x?y=z")
    assert Verifier(secret).verify(request.body, dict(request.headers)) == request.json
    with pytest.raises(WebhookVerificationError):
        Verifier(secret).verify(request.body + b" ", dict(request.headers))


def test_every_try_of_one_message_has_the_same_id_and_no_other_message_has_it(receiver: Receiver) -> None:
    channel = Webhook(receiver.url, secret=SECRET)
    for alert in (an_alert(), an_alert(), an_alert(resolved=True), an_alert("other")):
        send(channel, alert)
    first, again, *others = [request.headers["webhook-id"] for request in receiver.requests]
    assert first == again == an_alert().id
    assert len({first, *others}) == 3


def test_our_own_shape_says_what_happened_and_why(receiver: Receiver) -> None:
    channel = Webhook(receiver.url, secret=SECRET)
    send(channel, an_alert(ends_at=START + timedelta(hours=1)))
    send(channel, an_alert(resolved=True))
    opened, resolved = [request.json for request in receiver.requests]
    assert (opened["type"], opened["timestamp"]) == ("incident.opened", "2026-11-23T15:00:00.123Z")
    assert (resolved["type"], resolved["timestamp"]) == ("incident.resolved", "2026-11-23T15:05:00.123Z")
    data = opened["data"]
    assert (data["breaker"], data["status"], data["ends_at"]) == ("pricing", "firing", "2026-11-23T16:00:00.123Z")
    assert data["incident"] == {
        "id": "00000000-0000-0000-0000-000000000001",
        "severity": "P1",
        "status": "open",
        "timestamp": "2026-11-23T15:00:00.123Z",
        "reason": "drift above 0.2 thrice",
        "drift_score": 0.35,
        "sample_count": 120,
        "details": {"metric": "cost", "kl": 0.35},
        "resolved_at": None,
        "resolved_by": None,
        "resolution_notes": None,
    }


def test_the_other_shape_is_what_alertmanager_sends_its_receivers(receiver: Receiver) -> None:
    channel = Webhook(receiver.url, secret=SECRET, format="alertmanager", name="pager")
    send(channel, an_alert(generator_url="https://console.example/"))
    send(channel, an_alert(resolved=True))
    fired, resolved = [request.json for request in receiver.requests]
    labels = an_alert().labels
    assert {name: fired[name] for name in ("version", "status", "receiver", "groupLabels", "commonLabels")} == {
        "version": "4",
        "status": "firing",
        "receiver": "pager",
        "groupLabels": labels,
        "commonLabels": labels,
    }
    assert fired["externalURL"] == "https://console.example/"
    (alert,) = fired["alerts"]
    assert (alert["startsAt"], alert["endsAt"]) == ("2026-11-23T15:00:00.123Z", "0001-01-01T00:00:00Z")
    assert (resolved["status"], resolved["alerts"][0]["endsAt"]) == ("resolved", "2026-11-23T15:05:00.123Z")
    assert fired["groupKey"] == resolved["groupKey"]
    assert alert["fingerprint"] == resolved["alerts"][0]["fingerprint"]


def test_the_fingerprint_is_the_one_that_alertmanager_computes() -> None:
    """The empty set's is FNV-1a's offset; the other was worked out byte by byte."""
    assert fingerprint({}) == "cbf29ce484222325"
    digest = 0xCBF29CE484222325
    for byte in b"alertname\xffx\xff":
        digest = ((digest ^ byte) * 0x100000001B3) % 2**64
    assert fingerprint({"alertname": "x"}) == f"{digest:016x}"


@pytest.mark.parametrize("status", [400, 404, 410, 413, 422, 429, 500])
def test_statuses_mean_what_they_mean_elsewhere(receiver: Receiver, status: int) -> None:
    receiver.script(then=Answer(status, "gone"))
    (outcome,) = send(Webhook(receiver.url + "/hook", secret=SECRET), an_alert())
    refused = status in (400, 410, 413, 422)
    assert outcome.result is (Result.REFUSED if refused else Result.FAILED)
    assert outcome.error.startswith(f"{receiver.url} answered {status}")
    assert bool(outcome.body) is refused


def test_messages_go_out_together_but_never_more_than_eight_at_once(receiver: Receiver) -> None:
    lock, at_once, most = threading.Lock(), 0, 0

    def answer(line: Line, request: Received) -> None:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        line.wait(0.05)
        with lock:
            at_once -= 1
        Answer()(line, request)

    receiver.script(then=answer)
    outcomes = send(Webhook(receiver.url, secret=SECRET), *(an_alert(f"b{number}") for number in range(24)))
    assert {outcome.result for outcome in outcomes} == {Result.ACCEPTED}
    assert len(receiver.requests) == 24
    assert 1 < most <= 8


def test_outcomes_come_in_the_order_of_the_alerts(receiver: Receiver) -> None:
    def answer(line: Line, request: Received) -> None:
        bad = request.json["data"]["breaker"] == "b3"
        Answer(400 if bad else 200)(line, request)

    receiver.script(then=answer)
    outcomes = send(Webhook(receiver.url, secret=SECRET), *(an_alert(f"b{number}") for number in range(6)))
    assert [outcome.result is Result.REFUSED for outcome in outcomes] == [number == 3 for number in range(6)]


def test_a_receiver_that_never_answers_costs_one_deadline(receiver: Receiver) -> None:
    receiver.script(then=black_hole())
    (outcome,) = send(Webhook(receiver.url, secret=SECRET, timeout=0.2), an_alert())
    assert outcome.error == f"{receiver.url} did not answer within 0.2 s"


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.script(then=redirect("https://elsewhere.example/services/T000/B000"))
    (outcome,) = send(Webhook(receiver.url + "/hook", secret=SECRET), an_alert())
    assert outcome.error.endswith("configure the final URL, which is at https://elsewhere.example")


@pytest.mark.parametrize(
    "secret",
    [None, "", "   ", 1, b"whsec_", "hunter2", "whsec_", "whsec_hunter2", "whsec_aHVudGVyMg==", f"{SECRET} hunter2"],
)
def test_a_secret_that_is_none_is_refused_with_the_way_to_make_one(secret: object) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^secret .*openssl rand -base64 32") as caught:
        Webhook("https://x.example", secret=secret)  # type: ignore[arg-type]
    assert "hunter2" not in str(caught.value)


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="format must be 'json' or 'alertmanager'"):
        Webhook("https://x.example", secret=SECRET, format="xml")  # type: ignore[arg-type]


def test_labels_too_long_to_send_are_refused_and_said_so(receiver: Receiver) -> None:
    labels = {f"label_{number}": "x" * 256 for number in range(300)}
    (outcome,) = send(Webhook(receiver.url, secret=SECRET), an_alert(labels=labels))
    assert (outcome.result, "give the breaker fewer" in outcome.error) == (Result.REFUSED, True)


texts = some.builds(lambda text, times: text * times, some.text(max_size=100), some.integers(1, 500))


@settings(deadline=None)
@given(reason=texts, notes=texts, link=texts, detail=texts, labels=some.integers(1, 60))
def test_no_text_makes_a_body_too_long_or_unreadable(
    reason: str, notes: str, link: str, detail: str, labels: int
) -> None:
    incident = an_incident(reason=reason, resolution_notes=notes, details={"text": detail})
    given_labels = {f"label_{number}": "\x01" * 256 for number in range(labels)}
    alert = an_alert(resolved=True, labels=given_labels, incident=incident, runbook_url=link)
    for render in (json_body, lambda each: alertmanager_body(each, "webhook")):
        try:
            body = render(alert)
        except TooLongError:
            assert labels > 9
        else:
            assert len(body) <= MAX_BODY
            json.loads(body.decode("utf-8"))


def test_a_channel_is_closed_more_than_once_without_harm() -> None:
    async def close() -> None:
        channel = Webhook("https://x.example", secret=SECRET)
        await channel.close()
        await channel.close()

    asyncio.run(close())
