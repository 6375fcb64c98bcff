"""What somebody's word for an alert means, or one sentence that helps to find a better one."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from driftbreaker.cli.exits import CannotTell, NotFound
from driftbreaker.outbox import match

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from driftbreaker.outbox import Ledger

MOST_SHOWN = 5


def found_by(session: Session, ledger: Ledger, word: str) -> tuple[str, ...]:
    """Return the identities of the alerts that are meant. Raises NotFound or, for several, CannotTell."""
    found = match(session, ledger, word)
    if found.ambiguous:
        shown = ", ".join(identity[:16] for identity in found.identities[:MOST_SHOWN])
        raise CannotTell(f"{len(found.identities)} identities begin with {word}: {shown}")
    if found.identities:
        return found.identities
    if found.known:
        raise NotFound(f"the breaker {word!r} has no alert on record: it has not been open of late")
    near = get_close_matches(word, found.names, n=1)
    meant = f"did you mean {near[0]!r}?" if near else "driftbreaker outbox list --all shows what there is"
    raise NotFound(f"no breaker or alert is called {word!r}: {meant}")
