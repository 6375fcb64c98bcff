"""Any form of URL that people paste leads to the API, and none leads a password into an error."""

from __future__ import annotations

import traceback

import pytest

from driftbreaker import Alertmanager, InvalidArgumentError, Webhook

SECRET = "whsec_" + "c2VjcmV0" * 5
PASTED = [
    ("http://am:9093", "http://am:9093"),
    ("http://am:9093/", "http://am:9093"),
    ("  http://am:9093\n", "http://am:9093"),
    ("http://am:9093/#/alerts", "http://am:9093"),
    ("http://am:9093/api/v2", "http://am:9093"),
    ("http://am:9093/api/v2/alerts", "http://am:9093"),
    ("http://am:9093/api/v2/alerts/", "http://am:9093"),
    ("http://am:9093/api/v1/alerts", "http://am:9093"),
    ("http://am:9093/-/ready", "http://am:9093"),
    ("https://example.org/alertmanager", "https://example.org/alertmanager"),
    ("https://example.org/alertmanager/", "https://example.org/alertmanager"),
    ("https://example.org/team/alertmanager/api/v2/alerts", "https://example.org/team/alertmanager"),
    ("https://user:pass@example.org/alertmanager", "https://example.org/alertmanager"),
    ("http://[::1]:9093/", "http://[::1]:9093"),
    ("http://bücher.example/", "http://bücher.example"),
]


@pytest.mark.parametrize(("pasted", "base"), PASTED)
def test_every_form_that_people_paste_leads_to_the_same_place(pasted: str, base: str) -> None:
    assert list(Alertmanager(pasted).peers) == [base]


UNUSABLE = [
    "am:9093",
    "hunter2@am:9093",
    "user:hunter2@am",
    "ftp://user:hunter2@am",
    "//user:hunter2@am",
    "http://",
    "http://user:hunter2@",
    "http://user:hunter2@am:port",
    "http://user:hunter2@am:99999",
    "http://user:hunter2@am:0",
    "http://user:hunter2@[::1",
    "http://user:hunter2@am/a b",
    "http://user:hunter2@a\x00m/",
    "http://user:hunter2@a_%41:b/",
    "",
]


@pytest.mark.parametrize("url", UNUSABLE)
def test_an_unusable_url_is_refused_by_name_and_never_shown(url: str) -> None:
    for make, what in ((lambda: Alertmanager(url), "urls"), (lambda: Webhook(url, secret=SECRET), "url")):
        with pytest.raises(InvalidArgumentError, match=f"^{what} must be an absolute") as caught:
            make()
        assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_a_query_is_refused_for_alertmanager_and_not_shown() -> None:
    with pytest.raises(InvalidArgumentError, match="without a query") as caught:
        Alertmanager("http://am:9093/?token=hunter2")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("urls", [None, 1, b"http://am", [], [None], [b"http://am"], {"http://am"}])
def test_what_is_no_url_is_refused_by_name(urls: object) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^urls must be"):
        Alertmanager(urls)  # type: ignore[arg-type]


def test_a_peer_named_twice_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="each peer once"):
        Alertmanager(["http://am:9093", "http://am:9093/api/v2/alerts"])


BAD_OPTIONS = [
    ({"name": ""}, "name must have 1 to 200"),
    ({"timeout": 0}, "timeout must be from 0.001 s"),
    ({"timeout": float("nan")}, "timeout must be a finite number"),
    ({"timeout": "hunter2"}, "timeout must be a finite number"),
    ({"horizon": 60}, "horizon must be from 240 s"),
    ({"password": "hunter2"}, "password needs a username"),
    ({"username": "a:b", "password": "hunter2"}, "username must be text without a colon"),
    ({"username": "user", "password": b"hunter2"}, "password must be text, got bytes"),
    ({"username": "user", "password": "hunter2\ud800"}, "lone surrogates"),
    ({"username": "user", "token": "hunter2"}, "token excludes username"),
    ({"token": "hunter2\r\nX: y"}, "token must be printable"),
    ({"token": " "}, "token must be printable"),
    ({"token": "hunter2", "headers": {"authorization": "hunter2"}}, "headers holds an Authorization"),
    ({"headers": {"X": "hunter2\nY: z"}}, "headers\\['X'\\] must be printable"),
    ({"headers": {"X": 1}}, "headers\\['X'\\] must be printable"),
    ({"headers": {"X Y": "hunter2"}}, "names that HTTP can carry"),
    ({"headers": {"Content-Length": "1"}}, "must not set Content-Length"),
    ({"headers": ["hunter2"]}, "headers must be a mapping"),
    ({"ca_file": 1}, "ca_file must be a path"),
    ({"ca_file": "x.pem", "verify": False}, "give one of them"),
    ({"client_cert": ("a", "b", "c")}, "client_cert must be a path, or a pair"),
    ({"verify": "yes"}, "verify must be True or False"),
]


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS)
def test_an_unusable_option_is_refused_by_name_and_shows_no_secret(options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message) as caught:
        Alertmanager("http://am:9093", **options)  # type: ignore[arg-type]
    if "timeout" not in options:
        assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_credentials_given_twice_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="give them in one place"):
        Alertmanager("http://user:hunter2@am:9093", token="t")
