"""The snapshot against a small model of it: what handles show after any readings, in any order of time."""

from __future__ import annotations

import tracemalloc
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from driftbreaker import Outage
from driftbreaker.model import Key
from driftbreaker.snapshot import Basis, ForcedOff, Handle, Snapshot
from driftbreaker.store import ABSENT, Reading, Sighting

STALE_AFTER = 10.0
NAMES, SCOPES = ("a", "b"), ("", "x", "y")
KEYS = [Key(name, scope) for name in NAMES for scope in SCOPES]

POLICIES = (Outage.OPEN, Outage.CLOSED, Outage.RAISE, Outage.last_known(timedelta(seconds=25)))
seconds = st.floats(0, 12).map(lambda value: round(value, 3))


def new_snapshot(told: list[bool] | None = None, forced: str = "") -> Snapshot:
    patterns = ForcedOff.from_environment({"DRIFTBREAKER_FORCE_OFF": forced})
    return Snapshot(STALE_AFTER, patterns, (told if told is not None else []).append)


def reading_of(
    database: dict[Key, Sighting], now: float, *, lags: bool = False, asked: Any = None, took: float = 0.0
) -> Reading:
    found = {key: seen for key, seen in database.items() if seen.is_open}
    rest = {key: database.get(key, ABSENT) for key in (KEYS if asked is None else asked)}
    return Reading(began=now - took, ended=now, lags=lags, open=found, asked=rest)


class Snapshots(RuleBasedStateMachine):
    """A database changes, readings bring it, time passes; every handle must say what the model says."""

    @initialize()
    def begin(self) -> None:
        self.now = 1000.0
        self.told: list[bool] = []
        self.snapshot = new_snapshot(self.told)
        self.database: dict[Key, Sighting] = {}
        self.known: dict[Key, Sighting] = {}
        self.read_at: float | None = None
        self.handles: list[Handle] = []

    @rule(key=st.sampled_from(KEYS), policy=st.sampled_from(POLICIES))
    def hold(self, key: Key, policy: Outage) -> None:
        self.handles.append(self.snapshot.handle(key, policy, self.now))

    @rule(key=st.sampled_from(KEYS), ends=st.none() | seconds)
    def open(self, key: Key, ends: float | None) -> None:
        old = self.database.get(key, ABSENT)
        end = None if ends is None else self.now + ends
        self.database[key] = Sighting(True, end, old.generation + (not old.is_open), old.version + 1)

    @rule(key=st.sampled_from(KEYS))
    def close(self, key: Key) -> None:
        old = self.database.get(key)
        if old is not None and old.is_open:
            self.database[key] = Sighting(False, None, old.generation + 1, old.version + 1)

    @rule(took=st.floats(0, 3))
    def read(self, took: float) -> None:
        self.snapshot.apply(reading_of(self.database, self.now, took=took), self.now)
        if self.read_at is not None and self.now - took < self.read_at:
            return  # it began before the last one did, and may be older
        self.known = dict(self.database)
        self.read_at = self.now - took

    @rule(by=seconds)
    def pass_time(self, by: float) -> None:
        self.now += by

    @rule()
    def end_watch(self) -> None:
        self.snapshot.forget(self.now)
        self.read_at = None
        self.told.clear()  # whoever closes a board knows

    def fresh(self, seconds: float) -> bool:
        return self.read_at is not None and self.now - self.read_at < seconds

    def is_open(self, key: Key) -> bool:
        seen = self.known.get(key, ABSENT)
        return seen.is_open and (seen.ends is None or seen.ends > self.now)

    @invariant()
    def every_handle_says_what_the_model_says(self) -> None:
        self.snapshot.tick(self.now)
        for handle in self.handles:
            if self.fresh(handle.outage.max_age or STALE_AFTER):
                either = self.is_open(handle.key) or self.is_open(Key(handle.name, ""))
                assert (handle.is_open, handle.basis) == (either, Basis.DATABASE)
                own = self.known.get(handle.key, ABSENT)
                if handle.version is not None:
                    expired = own.is_open and not self.is_open(handle.key)
                    assert (handle.generation, handle.version) == (own.generation + expired, own.version + expired)
            else:
                assert (handle.is_open, handle.basis) == (handle.outage.is_open, Basis.OUTAGE)

    @invariant()
    def nothing_happens_before_the_deadline(self) -> None:
        assert self.snapshot.deadline() > self.now or self.snapshot.deadline() == float("-inf")
        before = [(handle.is_open, handle.basis) for handle in self.handles]
        until = min(self.snapshot.deadline(), self.now + 1000) - 0.0005
        if until > self.now:
            self.snapshot.tick(until)
            assert [(handle.is_open, handle.basis) for handle in self.handles] == before

    @invariant()
    def freshness_is_told_once_each_time_it_changes(self) -> None:
        assert all(one is not other for one, other in zip(self.told, self.told[1:], strict=False))
        assert (self.told or [False])[-1] is self.fresh(STALE_AFTER)


TestSnapshots = Snapshots.TestCase
TestSnapshots.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


versions = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=20)


@given(versions)
def test_a_lagging_replica_never_takes_back_what_was_known(news: list[tuple[int, bool]]) -> None:
    """Versions come in any order; what is shown is the newest so far."""
    snapshot, key = new_snapshot(), Key("a", "")
    handle = snapshot.handle(key, Outage.OPEN, 0.0)
    newest = -1
    for number, (version, _) in enumerate(news):
        now = number * 0.1
        seen = Sighting(version % 2 == 1, None, version, version) if version else ABSENT
        snapshot.apply(reading_of({key: seen} if version else {}, now, lags=True), now)
        newest = max(newest, version)
        assert (handle.version, handle.is_open) == (newest, newest % 2 == 1)


def test_a_replica_that_stays_behind_is_believed_in_the_end() -> None:
    """It was restored from a backup, say, and versions began again lower."""
    snapshot, key = new_snapshot(), Key("a", "")
    handle = snapshot.handle(key, Outage.OPEN, 0.0)
    snapshot.apply(reading_of({key: Sighting(True, None, 9, 9)}, 0.0, lags=True), 0.0)
    for now in range(1, 14):
        snapshot.apply(reading_of({key: Sighting(False, None, 2, 2)}, float(now), lags=True), float(now))
        doubted_for = now - 1
        assert handle.is_open is (doubted_for <= STALE_AFTER)
        assert handle.version == (9 if doubted_for <= STALE_AFTER else 2)


def test_the_primary_is_always_believed() -> None:
    snapshot, key = new_snapshot(), Key("a", "")
    handle = snapshot.handle(key, Outage.OPEN, 0.0)
    snapshot.apply(reading_of({key: Sighting(True, None, 9, 9)}, 0.0), 0.0)
    snapshot.apply(reading_of({}, 0.1), 0.1)
    assert (handle.is_open, handle.version) == (False, 0)


def test_a_reading_that_began_before_the_last_one_is_older() -> None:
    snapshot, key = new_snapshot(), Key("a", "")
    handle = snapshot.handle(key, Outage.OPEN, 0.0)
    snapshot.apply(reading_of({key: Sighting(True, None, 1, 1)}, 2.0), 2.0)
    snapshot.apply(reading_of({}, 3.0, took=2.5), 3.0)
    assert handle.is_open


@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=30))
def test_the_end_of_an_opening_does_not_wander_with_what_readings_take(delays: list[float]) -> None:
    """Each reading finds the end a little later than it is; the soonest holds."""
    snapshot, key = new_snapshot(), Key("a", "")
    handle = snapshot.handle(key, Outage.OPEN, 0.0)
    for number, delay in enumerate(delays):
        now = number * 0.1
        snapshot.apply(reading_of({key: Sighting(True, 500.0 + delay, 1, 1)}, now), now)
    end = 500.0 + min(delays)
    snapshot.apply(reading_of({key: Sighting(True, end + 0.4, 1, 1)}, end - 1), end - 1)
    snapshot.tick(end - 0.001)
    assert handle.is_open
    snapshot.tick(end)
    assert not handle.is_open


def test_an_end_that_the_database_moved_back_a_long_way_is_believed() -> None:
    snapshot, key = new_snapshot(), Key("a", "")
    handle = snapshot.handle(key, Outage.OPEN, 0.0)
    snapshot.apply(reading_of({key: Sighting(True, 5.0, 1, 1)}, 0.0), 0.0)
    snapshot.apply(reading_of({key: Sighting(True, 60.0, 1, 1)}, 1.0), 1.0)
    snapshot.tick(6.0)
    assert handle.is_open


def test_what_is_forced_off_is_open_whatever_anybody_says() -> None:
    snapshot = new_snapshot(forced=" payments/* , search ")
    forced = [snapshot.handle(Key(name, "x"), Outage.CLOSED, 0.0) for name in ("payments/eu", "search")]
    others = [snapshot.handle(Key(name, ""), Outage.CLOSED, 0.0) for name in ("payments", "searching", "Search")]
    for now in (0.0, 1.0, 100.0):
        snapshot.tick(now)
        assert {(handle.is_open, handle.basis, handle.check()) for handle in forced} == {(True, Basis.FORCED, True)}
        assert not any(handle.is_open for handle in others)
        if now < 2:
            snapshot.apply(reading_of({}, now), now)


def test_many_handles_take_little_room() -> None:
    names = [f"breaker-{number}" for number in range(20_000)]
    snapshot = new_snapshot()
    tracemalloc.start()
    for name in names:
        snapshot.handle(Key(name, ""), Outage.OPEN, 0.0)
    snapshot.apply(reading_of({}, 0.0, asked=[Key(name, "") for name in names]), 0.0)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken / len(names) < 600
