"""Roles of PostgreSQL that may little, gone afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from uuid import uuid4

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url


@contextmanager
def role(url: str, grants: Iterable[str], name: str | None = None, password: str | None = None) -> Iterator[str]:
    """Make a role with these grants ("SELECT ON x") and no others; yield the URL of the database as that role."""
    name = name or f"role_{uuid4().hex}"
    admin = create_engine(url)
    with admin.begin() as connection:
        connection.execute(text(f"CREATE ROLE {name} LOGIN" + (f" PASSWORD '{password}'" if password else "")))
        for grant in grants:
            connection.execute(text(f"GRANT {grant} TO {name}"))
    try:
        yield make_url(url).set(username=name, password=password).render_as_string(hide_password=False)
    finally:
        with admin.begin() as connection:
            connection.execute(text(f"DROP OWNED BY {name}"))
            connection.execute(text(f"DROP ROLE {name}"))
        admin.dispose()
