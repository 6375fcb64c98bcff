"""Proxies of the environment are used, for plain and for secure receivers, and NO_PROXY is honoured."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from driftbreaker import Alertmanager, Result, Webhook
from tests.channels.sending import send
from tests.channels.test_webhook import SECRET
from tests.support.alerts import an_alert
from tests.support.proxy import Proxy
from tests.support.receiver import Receiver, closed_port


def test_a_plain_receiver_is_reached_by_the_proxy(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    with Proxy(receiver) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("://", "://user:hunter2@"))
        (outcome,) = send(Webhook("http://hooks.example/services/T0001?key=K0001", secret=SECRET), an_alert())
        assert outcome.result is Result.ACCEPTED
        assert proxy.requests[0].path == "http://hooks.example/services/T0001?key=K0001"
        assert proxy.requests[0].headers["proxy-authorization"].startswith("Basic ")
    assert len(receiver.requests) == 1


def test_a_secure_receiver_is_reached_through_a_tunnel_that_shows_its_host_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("hooks.example").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with Receiver(context) as secure, Proxy(secure) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.removeprefix("http://"))
        url = "https://hooks.example/services/T0001?key=K0001"
        (outcome,) = send(Webhook(url, secret=SECRET, ca_file=tmp_path / "ca.pem"), an_alert())
        assert outcome.result is Result.ACCEPTED
        assert [(request.method, request.path) for request in proxy.requests] == [("CONNECT", "hooks.example:443")]
        assert [request.path for request in secure.requests] == ["/services/T0001?key=K0001"]


@pytest.mark.parametrize("exempt", ["127.0.0.1", "x.example, 127.0.0.1:{port}", "*", ".0.0.1", "0.1"])
def test_no_proxy_is_honoured(receiver: Receiver, monkeypatch: pytest.MonkeyPatch, exempt: str) -> None:
    monkeypatch.setenv("ALL_PROXY", closed_port())
    for other in ("", "7.0.0.1", "127.0.0.1:1", "x.127.0.0.1", ",,"):
        monkeypatch.setenv("NO_PROXY", other)
        assert send(Alertmanager(receiver.url), an_alert())[0].result is Result.FAILED
    monkeypatch.setenv("NO_PROXY", exempt.format(port=receiver.port))
    assert send(Alertmanager(receiver.url), an_alert())[0].result is Result.ACCEPTED


@pytest.mark.parametrize(
    "proxy", ["nosuch://user:hunter2@x", "http://user:hunter2@x:port", "socks5://user:hunter2@x:1"]
)
def test_a_proxy_that_cannot_be_used_is_a_failed_try_without_its_password(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    (outcome,) = send(Alertmanager(receiver.url), an_alert())
    assert outcome.result is Result.FAILED
    assert "hunter2" not in outcome.error
