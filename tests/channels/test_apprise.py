"""Apprise: one notification per alert and target, and its URLs stay secret."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from driftbreaker import Cadence, InvalidArgumentError, Result
from driftbreaker.contrib.apprise import AppriseChannel
from tests.support.alerts import an_alert
from tests.support.receiver import Answer, Receiver, closed_port

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:apprise")


def target(receiver: Receiver, path: str = "hunter2") -> str:
    return f"json://user:hunter2pass@127.0.0.1:{receiver.port}/{path}"


def test_people_are_told_when_it_fires_and_when_that_is_over(receiver: Receiver) -> None:
    channel = AppriseChannel(target(receiver))
    assert channel.cadence is Cadence.MESSAGE
    outcomes = channel.send([an_alert(runbook_url="https://wiki.example/r"), an_alert(resolved=True)])
    assert {outcome.result for outcome in outcomes} == {Result.ACCEPTED}
    fired, over = [request.json for request in receiver.requests]
    assert (fired["title"], fired["type"]) == ("Candidate OFF, serving control: pricing", "failure")
    assert (over["title"], over["type"]) == ("Candidate back ON: pricing", "success")
    assert "drift above 0.2 thrice" in fired["message"]
    assert "alertname=CandidateDisabled" in fired["message"]
    assert "https://wiki.example/r" in fired["message"]


def test_who_was_told_is_not_told_again_while_it_is_tried_for_the_others(receiver: Receiver) -> None:
    with Receiver() as other:
        other.script(Answer(500), Answer(200))
        channel = AppriseChannel([target(receiver), target(other)])
        assert channel.send([an_alert()])[0].result is Result.FAILED
        assert channel.send([an_alert()])[0].result is Result.ACCEPTED
        assert (len(receiver.requests), len(other.requests)) == (1, 2)


def every_failure(receiver: Receiver) -> list[str]:
    receiver.script(then=Answer(401, "user hunter2pass at /hunter2"))
    return [target(receiver), closed_port().replace("http://", "json://user:hunter2pass@") + "/hunter2"]


def test_a_failed_notification_says_which_service_and_no_credentials(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    for logger in (None, "apprise", "driftbreaker", "requests", "urllib3"):
        caplog.set_level(logging.DEBUG, logger)
    channel = AppriseChannel(every_failure(receiver))
    (outcome,) = channel.send([an_alert()])
    assert outcome.result is Result.FAILED
    assert "JSON was not notified" in outcome.error
    for text in (repr(channel), str(vars(channel)["_veil"]), outcome.error, caplog.text):
        assert "hunter2" not in text


def test_an_exception_of_a_service_is_a_failed_try(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    channel = AppriseChannel(target(receiver))

    def fails(**_: Any) -> bool:
        raise RuntimeError("json://user:hunter2pass@x")

    monkeypatch.setattr(channel._targets[0], "notify", fails)
    (outcome,) = channel.send([an_alert()])
    assert (outcome.result, outcome.error) == (Result.FAILED, "JSON was not notified: RuntimeError")


@pytest.mark.parametrize("urls", ["nothing", "nosuch://hunter2", "slack://hunter2", "json://", ["json://x", "hunter2"]])
def test_a_url_that_apprise_cannot_use_is_refused_and_not_shown(urls: Any, caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.DEBUG, "apprise"),
        pytest.raises(InvalidArgumentError, match="none that Apprise can use") as caught,
    ):
        AppriseChannel(urls)
    assert "hunter2" not in str(caught.value) + caplog.text


@pytest.mark.parametrize("urls", [None, 1, [], [None]])
def test_what_is_no_url_is_refused_by_name(urls: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="urls must be"):
        AppriseChannel(urls)


def test_other_users_of_apprise_log_as_they_did(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "apprise"):
        logging.getLogger("apprise").warning("of somebody else")
    assert "of somebody else" in caplog.text
