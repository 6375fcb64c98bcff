"""What a database or a driver says is repeated without the password, and is readable still."""

from __future__ import annotations

import pytest
from sqlalchemy.engine import URL, make_url

from driftbreaker.store.passwords import hide_passwords


def url(password: str) -> URL:
    return URL.create("postgresql+psycopg", "svc", password, "db", database="shop")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("cannot parse postgresql://svc:p@db/shop", "cannot parse postgresql://svc:***@db/shop"),
        ("invalid option: password=p host=db", "invalid option: password=*** host=db"),
        ("invalid option: password = 'p' host=db", "invalid option: password = '***' host=db"),
        ('invalid option: PASSWORD="p" host=db', 'invalid option: PASSWORD="***" host=db'),
        ("password=pg is another one", "password=pg is another one"),
        ("a p stands in many sentences, and in svc:pp@db", "a p stands in many sentences, and in svc:pp@db"),
    ],
)
def test_a_password_that_may_be_a_word_is_hidden_where_passwords_are_written(said: str, expected: str) -> None:
    assert hide_passwords(said, url("p")) == expected


def test_one_that_cannot_be_a_word_is_hidden_wherever_it_stands() -> None:
    assert hide_passwords("who is s3cret?, asked xs3cretx", url("s3cret")) == "who is ***?, asked x***x"


@pytest.mark.parametrize("password", ["s3cre", "secret", "secrets", "123456", "1234567"])
def test_short_ones_and_mere_words_and_numbers_may_stand_in_a_sentence(password: str) -> None:
    said = f"{password} in words, :{password}@ in a URL"
    assert hide_passwords(said, url(password)) == f"{password} in words, :***@ in a URL"


def test_a_longer_one_is_hidden_wherever_it_stands() -> None:
    assert hide_passwords("correct horse 1", url("correct horse 1")) == "***"


def test_it_is_hidden_as_a_url_spells_it_too() -> None:
    said = "cannot read svc:p%40ss%2Fw@db; password=p@ss/w was given"
    assert hide_passwords(said, url("p@ss/w")) == "cannot read svc:***@db; password=*** was given"


def test_passwords_in_the_query_are_hidden_one_or_many_whatever_they_are_called() -> None:
    query = "sslPassword=k3y-file&password=f1rst-one&password=s3cond-one&host=db.example"
    many = make_url(f"postgresql+psycopg://svc:own-1-secret@db/shop?{query}")
    said = "own-1-secret k3y-file f1rst-one s3cond-one db.example"
    assert hide_passwords(said, many) == "*** *** *** *** db.example"


def test_without_a_password_nothing_is_hidden() -> None:
    assert hide_passwords("svc:@db, password= ", make_url("postgresql+psycopg://svc@db/shop")) == "svc:@db, password= "
