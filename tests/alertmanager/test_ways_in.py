"""Behind a path prefix, TLS and a password."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from driftbreaker import Alertmanager, Pass
from tests.contract.steps import trip
from tests.support.alertmanagers import AlertmanagerProcess, Pager
from tests.support.worlds import World

LOGIN = "relay", "correct horse"
# bcrypt, at its least cost: every request is checked against it.
WEB = """\
tls_server_config:
  cert_file: {folder}/cert.pem
  key_file: {folder}/key.pem
basic_auth_users:
  relay: $2b$04$9.MtyySNNpzdfJCZC13FIeToz2/Tdwlv6/hDCLjfUAQX1iipPBnz6
"""


@pytest.fixture
def opened(any_world: World) -> World:
    with any_world.committed() as breaker:
        trip(breaker)
    return any_world


@pytest.mark.parametrize("path", ["/am", "/am/", "/am/api/v2/alerts"])
def test_a_path_prefix_is_kept(opened: World, tmp_path: Path, pager: Pager, path: str) -> None:
    with AlertmanagerProcess(tmp_path / "prefixed", pager, prefix="/am") as alertmanager:
        origin = alertmanager.url.removesuffix("/am")
        assert opened.relay(Alertmanager(origin)).run_once() == Pass(failed=1)
        assert "check the URL's path prefix" in opened.rows("deliveries")[0]["last_error"]
        # It waits for whoever corrects the configuration; under another name the channel begins afresh.
        assert opened.relay(Alertmanager(origin + path, name="corrected")).run_once() == Pass(sent=1)
        assert alertmanager.fires()
        pager.wait("firing")


@pytest.fixture
def guarded(tmp_path: Path, pager: Pager) -> Iterator[AlertmanagerProcess]:
    certificate(tmp_path)
    web = WEB.format(folder=tmp_path)
    ca_file = tmp_path / "cert.pem"
    with AlertmanagerProcess(tmp_path / "guarded", pager, web=web, login=LOGIN, ca_file=ca_file) as alertmanager:
        yield alertmanager


def certificate(folder: Path) -> None:
    """Make a certificate that nobody signed but itself."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-days", "2", "-subj", "/CN=alertmanager", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", folder / "key.pem", "-out", folder / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )


def test_tls_and_a_password_are_spoken_and_missing_ones_are_said(
    opened: World, guarded: AlertmanagerProcess, tmp_path: Path, pager: Pager
) -> None:
    username, password = LOGIN
    ca_file = tmp_path / "cert.pem"
    wrong = {
        "CERTIFICATE_VERIFY_FAILED": Alertmanager(guarded.url, name="stranger", username=username, password=password),
        "answered 401": Alertmanager(guarded.url, name="nobody", ca_file=ca_file),
        "check username, password": Alertmanager(
            guarded.url, name="wrong", ca_file=ca_file, username=username, password="hunter2"
        ),
    }
    for error, channel in wrong.items():
        assert opened.relay(channel).run_once() == Pass(failed=1)
        (delivery,) = [row for row in opened.rows("deliveries") if row["channel"] == channel.name]
        assert error in delivery["last_error"]
        assert "hunter2" not in delivery["last_error"]
    right = Alertmanager(guarded.url, name="right", ca_file=ca_file, username=username, password=password)
    assert opened.relay(right).run_once() == Pass(sent=1)
    assert guarded.fires()
    pager.wait("firing")


def test_credentials_may_stand_in_the_url_and_anybody_may_be_believed(
    opened: World, guarded: AlertmanagerProcess, pager: Pager
) -> None:
    url = guarded.url.replace("https://", "https://relay:correct%20horse@")
    assert opened.relay(Alertmanager(url, verify=False)).run_once() == Pass(sent=1)
    pager.wait("firing")


def test_a_check_says_what_is_there(opened: World, guarded: AlertmanagerProcess, tmp_path: Path) -> None:
    username, password = LOGIN
    channel = Alertmanager(guarded.url, ca_file=tmp_path / "cert.pem", username=username, password=password)
    (found,) = opened.call(channel.check)
    opened.call(channel.close)
    assert (found.url, found.ready, found.resolve_timeout, found.errors) == (guarded.url, True, "1s", ())
    assert found.version.startswith("0.")
