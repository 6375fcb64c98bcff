"""The doctor at a replica: what cannot work there is a warning, for checking does."""

from __future__ import annotations

from sqlalchemy import create_engine

import driftbreaker
from driftbreaker.health import Verdict, examine
from tests.support.servers import Replica, RestartableServer


def test_a_replica_is_known_and_nothing_fails() -> None:
    with RestartableServer() as primary, Replica(of=primary) as replica:
        name = primary.create_database()
        engine = create_engine(primary.url(name))
        driftbreaker.metadata.create_all(engine)
        engine.dispose()
        replica.catch_up()
        engine = create_engine(replica.url(name))
        found = {finding.name: finding for finding in examine(engine)}
        engine.dispose()
    assert "a standby" in found["transactions"].told
    assert found["notifications"].verdict is Verdict.WARNING
    assert "during recovery" in found["notifications"].told
    assert not [each for each in found.values() if each.verdict is Verdict.FAILED]
