"""However many people act on an incident at once: one takes it, and all that was done is on record."""

from __future__ import annotations

from collections import Counter

from tests.contract.steps import trip
from tests.support.crowd import Crowd, Member, Place
from tests.support.promises import assert_promises_kept
from tests.support.worlds import World


def take(member: Member) -> tuple[bool, str]:
    with member.world.committed() as breaker:
        changed, incident = breaker.acknowledge("on it", actor=f"user {member.number}")
    return changed, incident.acknowledged_by


def test_of_16_who_take_an_incident_one_does_and_the_others_hear_who(crowd: Crowd, place: Place, world: World) -> None:
    with world.committed() as breaker:
        trip(breaker)
    answers = crowd.race(16, place, take)
    assert sorted(changed for changed, _ in answers) == [False] * 15 + [True]
    (winner,) = {by for _, by in answers}
    entries = [row for row in world.rows("history") if row["change"] == "acknowledge"]
    assert [entry["actor"] for entry in entries] == [winner]
    assert_promises_kept(world)


def act_at_random(member: Member) -> list[str]:
    done = []
    for turn in range(6):
        with member.world.committed() as breaker:
            what = (member.number + turn) % 6
            if what == 0:
                done += ["acknowledge"] * breaker.acknowledge("on it", actor=f"user {member.number}")[0]
            elif what == 1:
                done += ["assign"] * breaker.assign(f"user {member.number}", "his", actor="lead")[0]
            elif what == 2:
                done += ["note"] * (breaker.add_note(f"turn {turn}", actor=f"user {member.number}") is not None)
            elif what == 3:
                done += ["enable"] * breaker.enable("mended", actor=f"user {member.number}")
            else:
                done += ["disable"] * breaker.disable("broken", actor=f"user {member.number}")[0]
    return done


def test_what_8_processes_do_to_one_incident_after_the_other_is_on_record_once(
    crowd: Crowd, place: Place, world: World
) -> None:
    with world.committed() as breaker:
        trip(breaker)
    done = Counter(each for answers in crowd.race(8, place, act_at_random) for each in answers)
    written = Counter(row["change"] for row in world.rows("history"))
    written.subtract({"trip": 1})
    supersedes = written.pop("supersede", 0)
    written["disable"] += supersedes
    assert +written == +done
    assert world.count("notes") == done["note"]
    assert_promises_kept(world)
