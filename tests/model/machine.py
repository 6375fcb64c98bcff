"""The rules by which Hypothesis makes up sequences of steps. Rare situations have rules that lead to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from driftbreaker import AlertSettings, BreakerSettings
from tests.model.driver import HOUR, KEYS, OTHER, PART, SESSIONS, WHOLE, Driver
from tests.model.ledger import Key
from tests.model.oracle import Breaker
from tests.model.places import Place

TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)
SETTINGS = {
    "default": BreakerSettings(),
    "strict": BreakerSettings(failure_threshold=1, schema_error_threshold=2, ttl=HOUR),
    "endless": BreakerSettings(failure_threshold=2, ttl=None),
    "watching": BreakerSettings(failure_threshold=2, auto_disable=False),
    "by hand only": BreakerSettings(failure_threshold=2, auto_recover=False, ttl=2 * HOUR),
    "lenient": BreakerSettings(drift_threshold=0.6, ttl=3 * DAY),
    "renamed": BreakerSettings(
        failure_threshold=2,
        ttl=timedelta(milliseconds=90_001),
        alert=AlertSettings(alertname="Pricing", labels={"env": "prod"}),
    ),
}
MOSTLY = ["default", "strict", "renamed"]
BAD = 0.7

# Weights by repetition: what is listed more often is drawn more often. None stands for the one that acted last.
who = st.sampled_from([None, None, 0, 0, 1, 2])
keys = st.sampled_from([None, None, None, WHOLE, WHOLE, PART, OTHER])
score_lists = st.lists(st.sampled_from([0.5, 0.5, 0.9, 0.1, 0.2, 0.2 * (1 + 1e-12)]), min_size=1, max_size=4)
fences = st.sampled_from(["none", "none", "none", "present", "present", "earlier", "next"])
ends = st.sampled_from(["none", "ahead", "ahead", "later", "later", "earlier", "same", "past"])
spans = st.sampled_from([TICK, timedelta(seconds=1.000001), timedelta(minutes=7), timedelta(minutes=59), HOUR]) | (
    st.integers(1, 10 * 86_400).map(lambda seconds: timedelta(seconds=seconds))
)
past_an_end = st.sampled_from([-TICK, timedelta(0), timedelta(0), TICK, HOUR])
ahead = st.sampled_from([timedelta(minutes=7), HOUR, 3 * DAY])

Wanted = Callable[[Breaker], bool]


class Machine(RuleBasedStateMachine):
    def __init__(self, place: Place, reached: Counter[str]) -> None:
        super().__init__()
        self.driver = Driver(place, reached)
        self.reach = self.driver.reach

    def teardown(self) -> None:
        self.driver.close()

    @invariant()
    def as_the_model_says(self) -> None:
        self.driver.compare()
        session, key = self.driver.acted
        note(f"at {self.driver.now}, session {session} sees {key} {self.driver.seen(session, key).status}")

    def _choose(self, session: int | None, key: Key | None, wanted: Wanted = lambda _: True) -> tuple[int, Key]:
        """The session and the breaker to act on: those asked for, where the breaker is as wanted and nobody's."""
        last = self.driver.acted
        first = last[1] if key is None else key
        session = last[0] if session is None else session
        for each in (first, *KEYS):
            turn = self.driver.turn(session, each)
            if wanted(self.driver.seen(turn, each)):
                return turn, each
        return self.driver.turn(session, first), first

    def _any(self, wanted: Wanted) -> bool:
        return any(map(wanted, self.driver.ledger.view(self.driver.acted[0]).values()))

    def _open(self, breaker: Breaker) -> bool:
        return breaker.is_open(self.driver.now)

    def _expired(self, breaker: Breaker) -> bool:
        return breaker.expired(self.driver.now)

    def _trippable(self, breaker: Breaker) -> bool:
        return not self._open(breaker) and not breaker.forced(self.driver.now)

    def _counting(self, breaker: Breaker) -> bool:
        return not breaker.open and breaker.streak > 0

    # Reports.

    @rule(session=who, key=keys, scores=score_lists, fence=fences)
    def report(self, session: int | None, key: Key | None, scores: list[float], fence: str) -> None:
        self.driver.report(*self._choose(session, key), scores, fence)

    @rule(
        session=who,
        key=keys,
        fence=st.sampled_from(["none", "none", "present"]),
        then=st.sampled_from(
            ["", "", "", "hold", "hold and extend", "extend", "supersede", "enable", "reset", "force on", "commit"]
        ),
    )
    def trip(self, session: int | None, key: Key | None, fence: str, then: str) -> None:
        driver = self.driver
        session, key = self._choose(session, key, self._trippable)
        driver.report(session, key, [BAD] * driver.settings.failure_threshold, fence)
        driver.compare()
        if then in ("hold", "hold and extend"):
            driver.hold(session, key, driver.now + DAY, as_script=False)
            driver.compare()
        if then in ("extend", "hold and extend"):
            driver.disable(session, key, driver.seen(session, key).reason or "maintenance", None)
        elif then == "supersede":
            driver.disable(session, key, "even worse", driver.now + HOUR)
        elif then in ("enable", "reset"):
            driver.shut(session, key, then)
        elif then == "force on":
            driver.force_on(session, key, driver.now + HOUR)
        elif then == "commit":
            driver.commit(session)

    @rule(session=who, key=keys, count=st.sampled_from([0, 1, 1, 2, 3, 5, 5]), fence=fences)
    def report_schema_errors(self, session: int | None, key: Key | None, count: int, fence: str) -> None:
        self.driver.report_schema_errors(*self._choose(session, key, self._trippable), count, fence)

    @rule(session=who, key=keys, scores=score_lists, errors=st.sampled_from([0, 0, 1, 5]), fence=fences)
    def report_late(self, session: int | None, key: Key | None, scores: list[float], errors: int, fence: str) -> None:
        self.driver.report_late(*self._choose(session, key), scores, errors, fence)

    @rule(session=who, key=keys)
    def trip_late(self, session: int | None, key: Key | None) -> None:
        session, key = self._choose(session, key, self._trippable)
        self.driver.report_late(session, key, [BAD] * self.driver.settings.failure_threshold)
        self.driver.compare()
        self.driver.commit(session)

    # By hand.

    @rule(session=who, key=keys, end=ends, as_script=st.booleans())
    def disable(self, session: int | None, key: Key | None, end: str, as_script: bool) -> None:
        session, key = self._choose(session, key)
        until = self._end(end, self.driver.seen(session, key))
        self.driver.disable(session, key, "maintenance", until, as_script=as_script)

    @precondition(lambda self: self._any(self._open))
    @rule(session=who, key=keys, end=ends)
    def disable_for_the_same_reason(self, session: int | None, key: Key | None, end: str) -> None:
        session, key = self._choose(session, key, self._open)
        breaker = self.driver.seen(session, key)
        self.driver.disable(session, key, breaker.reason or "maintenance", self._end(end, breaker))

    @precondition(lambda self: self._any(self._open))
    @rule(session=who, key=keys, end=ends, as_script=st.booleans())
    def supersede(self, session: int | None, key: Key | None, end: str, as_script: bool) -> None:
        session, key = self._choose(session, key, self._open)
        breaker = self.driver.seen(session, key)
        reason = "better" if breaker.reason == "worse" else "worse"
        self.driver.disable(session, key, reason, self._end(end, breaker), as_script=as_script)

    def _end(self, kind: str, breaker: Breaker) -> datetime | None:
        if kind == "none":
            return None
        now = self.driver.now
        present = breaker.until or now + HOUR
        offered = {"ahead": now + HOUR, "later": present + HOUR, "earlier": present - timedelta(minutes=1)}
        return {**offered, "same": present, "past": now - HOUR}[kind]

    @precondition(lambda self: self._any(lambda breaker: breaker.open))
    @rule(session=who, key=keys, ahead=st.none() | ahead, as_script=st.booleans())
    def hold(self, session: int | None, key: Key | None, ahead: timedelta | None, as_script: bool) -> None:
        until = None if ahead is None else self.driver.now + ahead
        self.driver.hold(*self._choose(session, key, lambda breaker: breaker.open), until, as_script=as_script)

    @rule(session=who, key=keys, word=st.sampled_from(["enable", "reset"]), as_script=st.booleans())
    def close(self, session: int | None, key: Key | None, word: str, as_script: bool) -> None:
        self.driver.shut(*self._choose(session, key), word, as_script=as_script)

    @precondition(lambda self: self._any(self._counting))
    @rule(session=who, key=keys)
    def reset_the_counts(self, session: int | None, key: Key | None) -> None:
        self.driver.shut(*self._choose(session, key, self._counting), "reset")

    @precondition(lambda self: not self._any(lambda breaker: breaker.forced(self.driver.now)))
    @rule(session=who, key=keys, ahead=ahead)
    def force_on(self, session: int | None, key: Key | None, ahead: timedelta) -> None:
        self.driver.force_on(*self._choose(session, key), self.driver.now + ahead)

    @precondition(lambda self: self._any(lambda breaker: breaker.forced(self.driver.now)))
    @rule(session=who, key=keys)
    def report_against_a_force(self, session: int | None, key: Key | None) -> None:
        chosen = self._choose(session, key, lambda breaker: breaker.forced(self.driver.now))
        self.driver.report(*chosen, [BAD] * self.driver.settings.failure_threshold)

    @rule(name=st.sampled_from(MOSTLY * 2 + sorted(SETTINGS)))
    def change_settings(self, name: str) -> None:
        self.driver.settings = SETTINGS[name]

    # Time.

    @rule(span=spans)
    def pass_time(self, span: timedelta) -> None:
        self.driver.clock.advance(span)

    @precondition(lambda self: self._ends())
    @rule(data=st.data(), past=past_an_end)
    def jump_to_an_end(self, data: st.DataObject, past: timedelta) -> None:
        self._jump(data.draw(st.sampled_from(self._ends()), label="end"), past)

    @rule(
        session=who,
        key=keys,
        past=past_an_end,
        word=st.sampled_from(["check", "check", "trip", "disable", "enable", "look"]),
    )
    def expire(self, session: int | None, key: Key | None, past: timedelta, word: str) -> None:
        """Let an opening end, one made for it where there is none; then do something about it."""
        session, key = self._choose(session, key, lambda breaker: bool(self._end_of(breaker)))
        end = self._end_of(self.driver.seen(session, key))
        if end is None:
            end = self.driver.now + HOUR
            self.driver.disable(session, key, "for an hour", end)
            end = self._end_of(self.driver.seen(session, key))
        if end is not None:
            self._jump(end, past)
        self.driver.compare()
        if word == "check":
            self.driver.check(session, key)
        elif word == "trip":
            self.driver.report(session, key, [BAD] * self.driver.settings.failure_threshold)
        elif word == "disable":
            self.driver.disable(session, key, "for an hour", self.driver.now + HOUR)
        elif word == "enable":
            self.driver.shut(session, key, "enable")

    def _jump(self, end: datetime, past: timedelta) -> None:
        self.driver.clock.advance(max(end + past - self.driver.now, timedelta(0)))
        self.reach("expired", self._any(self._expired))
        self.reach("stood just before an end", past == -TICK)

    def _end_of(self, breaker: Breaker) -> datetime | None:
        """When an opening will end by itself."""
        return breaker.until if breaker.recovers and self._open(breaker) else None

    def _ends(self) -> list[datetime]:
        """Ends that lie ahead, as the session sees them that acted last."""
        view = self.driver.ledger.view(self.driver.acted[0]).values()
        found = {end for each in view for end in (self._end_of(each), each.forced_until)}
        return sorted(end for end in found if end is not None and end > self.driver.now)

    # Transactions.

    @rule(session=who)
    def commit(self, session: int | None) -> None:
        self.driver.commit(self.driver.acted[0] if session is None else session)

    @rule()
    def commit_all(self) -> None:
        for session in range(SESSIONS):
            self.driver.commit(session)

    @rule(session=who)
    def rollback(self, session: int | None) -> None:
        self.driver.rollback(self.driver.acted[0] if session is None else session)

    @rule(
        session=who,
        key=keys,
        late=st.booleans(),
        savepoints=st.sampled_from([0, 1, 1, 2]),
        then_commit=st.booleans(),
    )
    def undo_a_trip(self, session: int | None, key: Key | None, late: bool, savepoints: int, then_commit: bool) -> None:
        """By a rollback, or with a savepoint that another one was released into."""
        session, key = self._choose(session, key, self._trippable)
        driver = self.driver
        depth = len(driver.savepoints[session])
        savepoints = savepoints if driver.place.savepoints else 0
        for _ in range(savepoints):
            driver.begin_savepoint(session)
        if late:
            driver.report_late(session, key, [BAD])
        driver.report(session, key, [BAD] * driver.settings.failure_threshold)
        driver.compare()
        if savepoints > 1:
            driver.end_savepoint(session, depth + 1, undo=False)
        if savepoints > 0:
            driver.end_savepoint(session, depth, undo=True)
        else:
            driver.rollback(session)
        if then_commit:
            driver.commit(session)

    @precondition(lambda self: self.driver.place.savepoints)
    @rule(session=who)
    def begin_savepoint(self, session: int | None) -> None:
        session, _ = self._choose(session, None)
        if len(self.driver.savepoints[session]) < 3:
            self.driver.begin_savepoint(session)

    @precondition(lambda self: any(self.driver.savepoints))
    @rule(data=st.data(), undo=st.sampled_from([True, True, False]))
    def end_savepoint(self, data: st.DataObject, undo: bool) -> None:
        there = [(n, depth) for n, each in enumerate(self.driver.savepoints) for depth in range(len(each))]
        session, depth = data.draw(st.sampled_from(there), label="savepoint")
        self.driver.end_savepoint(session, depth, undo=undo)

    # Reading.

    @rule(session=who, key=keys)
    def check(self, session: int | None, key: Key | None) -> None:
        session = self.driver.acted[0] if session is None else session
        self.driver.check(session, self.driver.acted[1] if key is None else key)

    @precondition(lambda self: self._any(self._expired))
    @rule(session=who)
    def check_an_expired_one(self, session: int | None) -> None:
        self.driver.check(*self._choose(session, None, self._expired))

    @rule(session=who, key=keys)
    def check_while_another_holds_it(self, session: int | None, key: Key | None) -> None:
        """What is committed expires while one session holds the row: a check by another need not wait for it."""
        session, key = self._choose(session, key)
        driver = self.driver
        driver.disable(session, key, "for an hour", driver.now + HOUR)
        driver.commit(session)
        driver.disable(session, key, "and then for a day", driver.now + DAY)
        driver.compare()
        end = self._end_of(driver.ledger.committed[key])
        if end is not None:
            self._jump(end, timedelta(0))
            driver.check((session + 1) % SESSIONS, key)
