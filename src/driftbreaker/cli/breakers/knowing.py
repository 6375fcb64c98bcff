"""Whether a breaker is on record, looked up before anybody is asked about it."""

from __future__ import annotations

from collections.abc import Callable

from driftbreaker.cli.database import open_database


def known(url: str | None, name: str, scope: str) -> Callable[[], None]:
    """Return a look that raises NotFound, with a name that may have been meant, for what is not on record."""

    def look() -> None:
        with open_database(url) as database:
            from driftbreaker.cli.breakers.finding import found

            with database.session() as session:
                found(session, database, name, scope)

    return look
