"""However many people decide at once: each decides by what the one before left, and by nothing older."""

from __future__ import annotations

from driftbreaker import store
from driftbreaker.model import Key
from driftbreaker.store.joined import Door
from tests.support.crowd import Crowd, Member, Place
from tests.support.promises import assert_promises_kept
from tests.support.worlds import SETTINGS, TABLES, World, sync

DOOR = Door(key=Key("pricing", ""), settings=SETTINGS, tables=TABLES, clock=None, owns_settings=False)
TURNS = 4


def decide(member: Member) -> list[int]:
    """Look, and turn it off for a reason of one's own; return the versions that were decided by."""
    seen = []
    for turn in range(TURNS):
        with member.world.session() as session:
            with DOOR.join(sync(session), "lock") as joined:
                found = store.lock_overview(joined, may_make=True)
            assert found is not None
            seen.append(found.state.version)
            member.world.breaker(session).disable(f"{member.number}, {turn}", actor=f"user {member.number}")
            session.commit()
    return seen


def test_what_8_people_decide_by_is_what_the_one_before_left(crowd: Crowd, place: Place, world: World) -> None:
    seen = [version for versions in crowd.race(8, place, decide) for version in versions]
    assert sorted(seen) == list(range(8 * TURNS)), "a version that two decided by"
    assert_promises_kept(world)
