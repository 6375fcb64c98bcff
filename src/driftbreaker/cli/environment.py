"""Settings from the environment. Secrets come from there, or from a file that it names, and never from an option."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from driftbreaker.cli.exits import Usage

MAX_SECRET = 64 * 1024


class Kind(StrEnum):
    """What a setting is, and so how much of it may be shown."""

    PLAIN = "plain"
    SECRET = "secret"  # noqa: S105  a word, and no secret
    DATABASE = "database"
    URLS = "urls"
    SECRET_URL = "secret url"  # noqa: S105
    SECRET_URLS = "secret urls"  # noqa: S105


class Variable(NamedTuple):
    """One variable. `by_file`: the variable of its name with _FILE may name a file that holds it."""

    kind: Kind
    by_file: bool
    about: str


#: Every variable that the command line reads: what is not here cannot be read by `setting`, `secret` and `seconds`.
VARIABLES: Mapping[str, Variable] = {
    "DRIFTBREAKER_DATABASE_URL": Variable(Kind.DATABASE, True, "the database, where no --db names it"),
    "DRIFTBREAKER_BY": Variable(Kind.PLAIN, False, "who acts, where no --by says so"),
    "DRIFTBREAKER_TABLE_PREFIX": Variable(Kind.PLAIN, False, "how the tables begin, where no --table-prefix says so"),
    "DRIFTBREAKER_SCHEMA": Variable(Kind.PLAIN, False, "the schema that they are in, where no --schema says so"),
    "ALERTMANAGER_URL": Variable(Kind.URLS, False, "Alertmanagers, comma separated"),
    "ALERTMANAGER_USERNAME": Variable(Kind.PLAIN, False, "who we are to them"),
    "ALERTMANAGER_PASSWORD": Variable(Kind.SECRET, True, "the password to it"),
    "ALERTMANAGER_TOKEN": Variable(Kind.SECRET, True, "a bearer token in their stead"),
    "ALERTMANAGER_TIMEOUT": Variable(Kind.PLAIN, False, "seconds for one request"),
    "DRIFTBREAKER_WEBHOOK_URL": Variable(Kind.SECRET_URL, True, "a webhook"),
    "DRIFTBREAKER_WEBHOOK_SECRET": Variable(Kind.SECRET, True, "what its messages are signed with"),
    "DRIFTBREAKER_INCIDENT_DIR": Variable(Kind.PLAIN, False, "a directory that gets a file per incident"),
    "COSTSIM_INCIDENT_DIR": Variable(Kind.PLAIN, False, "CostSim's, which the doctor looks at as well"),
    "DRIFTBREAKER_APPRISE_URLS": Variable(Kind.SECRET_URLS, True, "Apprise URLs, separated by blanks"),
    "PGCONNECT_TIMEOUT": Variable(Kind.PLAIN, False, "seconds for connecting to PostgreSQL"),
    "NO_COLOR": Variable(Kind.PLAIN, False, "no colour"),
    "HTTP_PROXY": Variable(Kind.URLS, False, "the proxy to http:// receivers"),
    "HTTPS_PROXY": Variable(Kind.URLS, False, "the proxy to https:// receivers"),
    "ALL_PROXY": Variable(Kind.URLS, False, "the proxy to both"),
    "NO_PROXY": Variable(Kind.PLAIN, False, "the hosts that are reached without one"),
}


def setting(name: str) -> str | None:
    """Return what the environment says, None for nothing: an empty variable is an unset one."""
    assert name in VARIABLES, f"{name} is not in VARIABLES, which `config show` shows"  # noqa: S101
    return _given(name)


def secret(name: str) -> str | None:
    """Return a secret: the variable `name`, or the content of the file that the variable `name`_FILE names."""
    return found(name)[0]


def found(name: str) -> tuple[str | None, str | None]:
    """Return what a variable says, and the file that it was read from, if it was one."""
    given = setting(name)
    path = _given(f"{name}_FILE") if VARIABLES[name].by_file else None
    if path is None:
        return given, None
    if given is not None:
        raise Usage(f"{name} and {name}_FILE are both set: unset one of them")
    try:
        with Path(path).open(encoding="utf-8") as file:
            content = file.read(MAX_SECRET).strip()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "it is no text in UTF-8"
        raise Usage(f"{name}_FILE names {path}, which cannot be read: {why}") from None
    if not content:
        raise Usage(f"{name}_FILE names {path}, which is empty")
    return content, path


def seconds(name: str) -> float | None:
    """Return a number of seconds, None when the variable is unset."""
    given = setting(name)
    if given is None:
        return None
    try:
        return float(given)
    except ValueError:
        raise Usage(f"{name} must be a number of seconds, got {given[:60]!r}") from None


def _given(name: str) -> str | None:
    return os.environ.get(name, "").strip() or None
