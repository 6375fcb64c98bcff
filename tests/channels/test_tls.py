"""Certificates: who is not known is not told anything."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from driftbreaker import Alertmanager, Result, Webhook
from tests.channels.sending import send
from tests.channels.test_webhook import SECRET
from tests.support.alerts import an_alert
from tests.support.receiver import Receiver


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def server_context(authority: trustme.CA, host: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    return context


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[Receiver]:
    with Receiver(server_context(authority)) as receiver:
        yield receiver


def test_a_receiver_of_a_known_authority_is_told(secure: Receiver, ca_file: Path) -> None:
    assert send(Alertmanager(secure.url, ca_file=ca_file), an_alert())[0].result is Result.ACCEPTED
    assert send(Webhook(secure.url, secret=SECRET, ca_file=str(ca_file)), an_alert())[0].result is Result.ACCEPTED


def test_a_receiver_that_nobody_vouches_for_is_told_nothing(secure: Receiver) -> None:
    (outcome,) = send(Alertmanager(secure.url), an_alert())
    assert outcome.result is Result.FAILED
    assert "certificate verify failed" in outcome.error.lower()
    assert secure.requests == []


def test_a_plain_peer_does_not_lower_the_guard_towards_a_secure_one(secure: Receiver, receiver: Receiver) -> None:
    channel = Alertmanager([receiver.url, secure.url])
    assert send(channel, an_alert())[0].result is Result.ACCEPTED
    assert "certificate verify failed" in channel.peers[secure.url].error.lower()
    assert secure.requests == []


def test_a_certificate_of_another_host_is_refused(authority: trustme.CA, ca_file: Path) -> None:
    with Receiver(server_context(authority, "am.example")) as other:
        (outcome,) = send(Alertmanager(other.url, ca_file=ca_file), an_alert())
    assert "not valid for '127.0.0.1'" in outcome.error


def test_verification_can_be_switched_off_by_name_only(secure: Receiver) -> None:
    assert send(Alertmanager(secure.url, verify=False), an_alert())[0].result is Result.ACCEPTED


def test_a_receiver_may_ask_who_we_are(authority: trustme.CA, ca_file: Path, tmp_path: Path) -> None:
    ours = authority.issue_cert("driftbreaker@example.org")
    both, cert, key = tmp_path / "both.pem", tmp_path / "cert.pem", tmp_path / "key.pem"
    ours.private_key_and_cert_chain_pem.write_to_path(str(both))
    ours.cert_chain_pems[0].write_to_path(str(cert))
    ours.private_key_pem.write_to_path(str(key))
    context = server_context(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    with Receiver(context) as strict:
        for client_cert in (both, (cert, str(key))):
            channel = Alertmanager(strict.url, ca_file=ca_file, client_cert=client_cert)
            assert send(channel, an_alert())[0].result is Result.ACCEPTED
        (outcome,) = send(Alertmanager(strict.url, ca_file=ca_file), an_alert())
        assert outcome.result is Result.FAILED
        assert len(strict.requests) == 2


@pytest.mark.parametrize("what", ["ca_file", "client_cert"])
def test_a_file_that_cannot_be_read_is_named_and_read_again_at_the_next_try(
    secure: Receiver, ca_file: Path, tmp_path: Path, authority: trustme.CA, what: str
) -> None:
    path = tmp_path / "late.pem"
    options: dict[str, Any] = {"ca_file": ca_file, what: path}
    channel = Alertmanager(secure.url, **options)
    (outcome,) = send(channel, an_alert())
    assert outcome.result is Result.FAILED
    assert f"{what} '{path}' cannot be used: No such file or directory" in outcome.error
    path.write_text("no certificate")
    assert f"{what} '{path}' cannot be used" in send(channel, an_alert())[0].error
    ours = authority.issue_cert("driftbreaker@example.org").private_key_and_cert_chain_pem
    path.write_bytes(ca_file.read_bytes() if what == "ca_file" else ours.bytes())
    assert send(channel, an_alert())[0].result is Result.ACCEPTED


def test_an_encrypted_key_is_an_error_and_no_question_on_the_terminal(
    secure: Receiver, ca_file: Path, tmp_path: Path, authority: trustme.CA
) -> None:
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
        load_pem_private_key,
    )

    ours = authority.issue_cert("driftbreaker@example.org")
    plain = load_pem_private_key(ours.private_key_pem.bytes(), None)
    locked = plain.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"hunter2"))
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    ours.cert_chain_pems[0].write_to_path(str(cert))
    key.write_bytes(locked)
    (outcome,) = send(Alertmanager(secure.url, ca_file=ca_file, client_cert=(cert, key)), an_alert())
    assert "its key is encrypted" in outcome.error
