"""The channel to Alertmanager, against receivers that answer well, badly, and never."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import threading
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from driftbreaker import Alertmanager, Cadence, Outcome, Result
from tests.channels.sending import send, sent
from tests.support.alerts import an_alert, an_incident
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

SOON = 1.0  # seconds: a deadline that tests can wait for, and that a busy machine keeps


def names(receiver: Receiver) -> list[str]:
    return [alert["labels"]["circuit_breaker"] for alert in receiver.alerts]


def refusing(*bad: str) -> Behaviour:
    """Answer 400 to every body that holds one of these breakers."""

    def answer(line: Line, request: Received) -> None:
        found = [each["labels"]["circuit_breaker"] for each in request.json if each["labels"]["circuit_breaker"] in bad]
        (Answer(400, json.dumps(f"invalid label set: {found}")) if found else Answer())(line, request)

    return answer


def test_an_alert_is_posted_as_the_api_wants_it(receiver: Receiver) -> None:
    channel = Alertmanager(receiver.url + "/prefix/")
    assert channel.cadence is Cadence.STATE
    assert send(channel, an_alert()) == [Outcome(result=Result.ACCEPTED)]
    (request,) = receiver.requests
    assert (request.method, request.path) == ("POST", "/prefix/api/v2/alerts")
    assert request.headers["content-type"] == "application/json"
    assert "content-encoding" not in request.headers
    assert names(receiver) == ["pricing"]


def test_nothing_to_send_sends_nothing(receiver: Receiver) -> None:
    assert send(Alertmanager(receiver.url)) == []
    assert receiver.connections == 0


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_taken_as_accepted(receiver: Receiver, status: int) -> None:
    receiver.script(Answer(status, b""))
    assert send(Alertmanager(receiver.url), an_alert())[0].result is Result.ACCEPTED


@pytest.mark.parametrize("status", [401, 403, 404, 405, 407, 408, 425, 429, 500, 502, 503, 504, 599])
def test_what_may_pass_is_tried_again(receiver: Receiver, status: int) -> None:
    receiver.script(then=Answer(status, "out of order"))
    (outcome,) = send(Alertmanager(receiver.url), an_alert())
    assert outcome.result is Result.FAILED
    assert outcome.error.startswith(f"{receiver.url} answered {status}")
    assert outcome.error.endswith(": out of order")
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("status", [400, 406, 409, 410, 413, 415, 422])
def test_what_never_passes_is_refused_with_the_text_and_the_body(receiver: Receiver, status: int) -> None:
    receiver.script(then=Answer(status, "start time\n must be before end time"))
    (outcome,) = send(Alertmanager(receiver.url), an_alert())
    assert outcome.result is Result.REFUSED
    assert outcome.error == f"{receiver.url} answered {status}: start time must be before end time"
    assert json.loads(outcome.body)[0]["labels"]["circuit_breaker"] == "pricing"


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (black_hole(), "did not answer within"),
        (trickle(), "did not answer within"),
        (garbage(), "could not be asked: RemoteProtocolError"),
        (garbage(b""), "could not be asked: RemoteProtocolError"),
        (cut(), "could not be asked: RemoteProtocolError"),
    ],
    ids=["black hole", "trickle", "garbage", "hangs up", "cut"],
)
def test_no_answer_worth_the_name_is_a_failed_try_within_the_deadline(
    receiver: Receiver, behaviour: Behaviour, said: str
) -> None:
    receiver.script(then=behaviour)
    start = time.monotonic()
    (outcome,) = send(Alertmanager(receiver.url, timeout=SOON), an_alert())
    assert (outcome.result, said in outcome.error) == (Result.FAILED, True), outcome
    assert time.monotonic() - start < 5


def test_nobody_there_is_a_failed_try() -> None:
    (outcome,) = send(Alertmanager(closed_port()), an_alert())
    assert outcome.result is Result.FAILED
    assert "could not be asked: ConnectError" in outcome.error


@pytest.mark.parametrize("status", [200, 400])
def test_a_status_counts_even_if_its_text_never_ends(receiver: Receiver, status: int) -> None:
    head = f"HTTP/1.1 {status} x\r\nContent-Length: 100000\r\n\r\n".encode()

    def answer(line: Line, request: Received) -> None:
        line.write(head)
        trickle(b"well")(line, request)

    receiver.script(then=answer)
    (outcome,) = send(Alertmanager(receiver.url, timeout=SOON), an_alert())
    assert outcome.result is (Result.ACCEPTED if status == 200 else Result.REFUSED)


def test_an_endless_answer_is_read_in_part(receiver: Receiver) -> None:
    receiver.script(then=Answer(500, b"x" * 5_000_000))
    (outcome,) = send(Alertmanager(receiver.url), an_alert())
    assert outcome.result is Result.FAILED
    assert len(outcome.error) < 700


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_says_what_to_configure(receiver: Receiver, status: int) -> None:
    receiver.script(then=redirect("https://user:hunter2@am.example/x?token=hunter2", status))
    (outcome,) = send(Alertmanager(receiver.url), an_alert())
    assert outcome.result is Result.FAILED
    assert outcome.error.endswith("configure the final URL, which is at https://am.example")
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("-5", 0.0),
        ("999999999", 3_600.0),
        ("soon", None),
        ("nan", None),
        (formatdate(1_800_000_060, usegmt=True), 60.0),
        (formatdate(1_700_000_000, usegmt=True), 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3_600.0),
    ],
)
def test_the_receivers_wish_to_be_left_alone_is_passed_on(
    receiver: Receiver, value: str, seconds: float | None
) -> None:
    date = formatdate(1_800_000_000, usegmt=True)
    receiver.script(then=Answer(503, "", {"Retry-After": value, "Date": date}))
    assert send(Alertmanager(receiver.url), an_alert())[0].retry_after == seconds


def test_of_a_refused_batch_only_the_bad_ones_are_refused(receiver: Receiver) -> None:
    receiver.script(then=refusing("b2", "b5"))
    outcomes = send(Alertmanager(receiver.url), *(an_alert(f"b{number}") for number in range(7)))
    refused = {place for place, outcome in enumerate(outcomes) if outcome.result is Result.REFUSED}
    assert refused == {2, 5}
    assert all(outcome.result is Result.ACCEPTED for place, outcome in enumerate(outcomes) if place not in refused)
    assert [json.loads(outcomes[place].body)[0]["labels"]["circuit_breaker"] for place in (2, 5)] == ["b2", "b5"]
    assert "['b2']" in outcomes[2].error


def test_a_peer_that_fails_while_the_bad_one_is_looked_for_is_left_alone(receiver: Receiver) -> None:
    receiver.script(Answer(400), then=Answer(503))
    outcomes = send(Alertmanager(receiver.url), *(an_alert(f"b{number}") for number in range(8)))
    assert {outcome.result for outcome in outcomes} == {Result.FAILED}
    assert len(receiver.requests) == 2


def test_many_alerts_go_out_in_bodies_of_bounded_size(receiver: Receiver) -> None:
    incident = an_incident(reason="r" * 4_000)
    outcomes = send(Alertmanager(receiver.url), *(an_alert(f"b{number}", incident=incident) for number in range(300)))
    assert {outcome.result for outcome in outcomes} == {Result.ACCEPTED}
    assert names(receiver) == [f"b{number}" for number in range(300)]
    assert max(len(request.body) for request in receiver.requests) <= 65_536
    assert receiver.connections == 1, "and over one connection"


def test_an_alert_whose_labels_are_too_long_holds_up_no_other(receiver: Receiver) -> None:
    labels = {f"label_{number}": "x" * 256 for number in range(80)}
    outcomes = send(Alertmanager(receiver.url), an_alert("a"), an_alert(labels=labels), an_alert("c"))
    assert [outcome.result.value for outcome in outcomes] == ["accepted", "refused", "accepted"]
    assert names(receiver) == ["a", "c"]


def test_every_peer_gets_everything_and_one_that_took_it_is_enough(receiver: Receiver) -> None:
    with Receiver() as other, Receiver() as slow:
        slow.script(then=black_hole())
        channel = Alertmanager([receiver.url, closed_port(), slow.url, other.url], timeout=SOON)
        assert send(channel, an_alert("a"), an_alert("b"))[1] == Outcome(result=Result.ACCEPTED)
        assert names(receiver) == names(other) == names(slow) == ["a", "b"]
        assert [peer.failing for peer in channel.peers.values()] == [False, True, True, False]
        assert channel.peers[slow.url].error.startswith(f"{slow.url} did not answer")
        assert (channel.peers[slow.url].failed, channel.peers[other.url].accepted) == (2, 2)


@pytest.mark.parametrize(
    ("first", "second", "result", "wait"),
    [
        (Answer(400), Answer(422), Result.REFUSED, None),
        (Answer(400), Answer(503), Result.FAILED, None),
        (Answer(400), Answer(503, "", {"Retry-After": "9"}), Result.FAILED, 9.0),
        (Answer(429, "", {"Retry-After": "900"}), Answer(503, "", {"Retry-After": "9"}), Result.FAILED, 9.0),
        (Answer(429, "", {"Retry-After": "900"}), Answer(503), Result.FAILED, None),
        (Answer(400), Answer(200), Result.ACCEPTED, None),
    ],
)
def test_peers_that_disagree_are_judged_together(
    receiver: Receiver, first: Answer, second: Answer, result: Result, wait: float | None
) -> None:
    with Receiver() as other:
        receiver.script(then=first)
        other.script(then=second)
        (outcome,) = send(Alertmanager([receiver.url, other.url]), an_alert())
    assert (outcome.result, outcome.retry_after) == (result, wait)


def test_a_peer_that_fails_is_logged_once_and_once_more_when_it_is_back(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    channel = Alertmanager(receiver.url)
    receiver.script(Answer(503), Answer(503), Answer(500), Answer(400), Answer(200))
    with caplog.at_level(logging.WARNING, "driftbreaker"):
        for _ in range(5):
            send(channel, an_alert())
    failing, back = [record.getMessage() for record in caplog.records]
    assert failing == f"channel 'alertmanager': {receiver.url} answered 503: {{}}; it is tried again and again"
    assert back == f"channel 'alertmanager': {receiver.url} answers again"


@pytest.mark.parametrize(
    ("options", "userinfo", "authorization"),
    [
        ({"username": "user", "password": "päss"}, "", "Basic dXNlcjpww6Rzcw=="),
        ({}, "user:p%C3%A4ss@", "Basic dXNlcjpww6Rzcw=="),
        ({"token": "sesame\n"}, "", "Bearer sesame"),
        ({"headers": {"Authorization": "Custom x"}}, "", "Custom x"),
    ],
)
def test_credentials_reach_the_receiver(
    receiver: Receiver, options: dict[str, Any], userinfo: str, authorization: str
) -> None:
    url = receiver.url.replace("://", f"://{userinfo}")
    send(Alertmanager(url, **options), an_alert())
    assert receiver.requests[0].headers["authorization"] == authorization


def test_headers_reach_the_receiver(receiver: Receiver) -> None:
    send(Alertmanager(receiver.url, headers={"X-Scope-OrgID": "tenant-1", "Host": "am.example"}), an_alert())
    assert receiver.requests[0].headers["x-scope-orgid"] == "tenant-1"
    assert receiver.requests[0].headers["host"] == "am.example"


def test_one_channel_serves_many_event_loops_and_threads(receiver: Receiver) -> None:
    channel = Alertmanager(receiver.url)
    threads = [threading.Thread(target=send, args=(channel, an_alert(f"b{number}"))) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(names(receiver)) == [f"b{number}" for number in range(8)]


def test_a_closed_channel_opens_again(receiver: Receiver) -> None:
    async def twice() -> list[Outcome]:
        channel = Alertmanager(receiver.url)
        await channel.close()
        return [*await sent(channel, [an_alert()]), *await sent(channel, [an_alert()])]

    assert {outcome.result for outcome in asyncio.run(twice())} == {Result.ACCEPTED}
    assert receiver.connections == 2


def test_a_cancelled_send_leaves_the_channel_usable(receiver: Receiver) -> None:
    async def cancelled() -> list[Outcome]:
        channel = Alertmanager(receiver.url, timeout=30)
        receiver.script(black_hole())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SOON):
                await channel.send([an_alert()])
        return await sent(channel, [an_alert()])

    assert asyncio.run(cancelled())[0].result is Result.ACCEPTED


FORKING = """
import asyncio, os, sys
from driftbreaker import Alertmanager, Result
from tests.support.alerts import an_alert

def send(loop, name):
    (outcome,) = loop.run_until_complete(channel.send([an_alert(name)]))
    assert outcome.result is Result.ACCEPTED, outcome

channel = Alertmanager(sys.argv[1])
loop = asyncio.new_event_loop()
send(loop, "parent")
if (child := os.fork()) == 0:
    own = asyncio.new_event_loop()
    send(own, "child")
    own.run_until_complete(channel.close())
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
send(loop, "parent again")
loop.run_until_complete(channel.close())
loop.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_leaves_its_parents_connection_alone(receiver: Receiver) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", FORKING, receiver.url],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.stderr, run.returncode) == ("", 0)
    assert names(receiver) == ["parent", "child", "parent again"]
    # The parent's second request may find its connection too old on a slow machine; the child never takes it.
    assert receiver.connections in (2, 3)


def test_the_connections_of_another_process_are_not_used_even_in_the_same_loop(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process id stands for the fork: a real one, amid a running loop, would be a gamble."""

    async def forked() -> None:
        channel = Alertmanager(receiver.url)
        await channel.send([an_alert()])
        parents = channel._poster._by_loop[asyncio.get_running_loop()]
        process = os.getpid()
        with monkeypatch.context() as child:
            child.setattr(os, "getpid", lambda: process + 1)
            await channel.close()
            await sent(channel, [an_alert()])
        channel._poster._by_loop[asyncio.get_running_loop()] = parents
        await sent(channel, [an_alert()])

    asyncio.run(forked())
    assert receiver.connections == 2, "the child's own, and the parent's as it was"


STATUS = {"versionInfo": {"version": "0.25.0"}, "config": {"original": "global:\n  resolve_timeout: 5m\nroute: {}\n"}}


def test_a_checkup_reads_version_and_settings(receiver: Receiver) -> None:
    receiver.script(Answer(200, "OK"), Answer(200, json.dumps(STATUS)))
    (found,) = asyncio.run(checked(Alertmanager(receiver.url + "/prefix")))
    assert (found.ready, found.version, found.resolve_timeout, found.errors) == (True, "0.25.0", "5m", ())
    assert [request.path for request in receiver.requests] == ["/prefix/-/ready", "/prefix/api/v2/status"]


def test_a_checkup_reads_the_same_with_a_tenant_that_looks_like_a_version(receiver: Receiver) -> None:
    receiver.script(Answer(200, "OK"), Answer(200, json.dumps({**STATUS, "uptime": 5})))
    (found,) = asyncio.run(checked(Alertmanager(receiver.url, headers={"X-Scope-OrgID": "5"})))
    assert (found.version, found.resolve_timeout) == ("0.25.0", "5m")


def test_a_checkup_repeats_no_credentials(receiver: Receiver) -> None:
    told = {"versionInfo": {"version": "sesame-open"}, "config": {"original": ""}}
    receiver.script(then=Answer(200, json.dumps(told)))
    (found,) = asyncio.run(checked(Alertmanager(receiver.url, token="sesame-open")))
    assert found.version == "***"


@pytest.mark.parametrize("status", ["nothing", "[]", "{}", '{"versionInfo": {"version": 1}, "config": 1}', "[" * 9999])
def test_a_checkup_of_something_else_says_so(receiver: Receiver, status: str) -> None:
    receiver.script(then=Answer(200, status))
    (found,) = asyncio.run(checked(Alertmanager(receiver.url)))
    assert found.errors == ("/api/v2/status is not an Alertmanager's: check the URL's path prefix",)


def test_a_checkup_asks_every_peer_and_raises_for_none(receiver: Receiver) -> None:
    receiver.script(Answer(503, "starting"), Answer(404))
    one, other = asyncio.run(checked(Alertmanager([receiver.url, closed_port()])))
    assert not one.ready
    assert one.errors[0] == "/-/ready answered 503: starting"
    assert "check the URL's path prefix" in one.errors[1]
    assert len(other.errors) == 2


async def checked(channel: Alertmanager) -> Any:
    try:
        return await channel.check()
    finally:
        await channel.close()
