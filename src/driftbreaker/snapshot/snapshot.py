"""The process's copy of what is open. One lock for those who write it; those who read handles take none."""

from __future__ import annotations

import heapq
import math
import threading
import time
from collections.abc import Callable, Iterable
from itertools import islice

from ..model import Basis, Key
from ..store import ABSENT, Reading, Sighting
from .forced import ForcedOff
from .handle import Handle
from .outage import Outage
from .overrides import overrides

# One opening's end is found again with each reading, a little later or sooner: within this, the soonest holds.
STEADY = 1.0
NEVER = math.inf
#: How many handles a reading asks for by their keys: those that are new, and those in turn.
FIRST_READ = 1_000
READ_AGAIN = 16


class Snapshot:
    """What was read, what handles show of it, and when that ends or becomes too old to be believed.

    Every time is one of ``time.monotonic()``. Nothing here waits or touches a database: whoever reads the database
    brings readings, whoever keeps time calls `tick` at the time that `deadline` says.
    """

    def __init__(self, stale_after: float, forced: ForcedOff, on_fresh: Callable[[bool], None]) -> None:
        self._stale_after = stale_after
        self._forced = forced
        self._on_fresh = on_fresh
        self._lock = threading.RLock()
        self._read_at: float | None = None
        self._states: dict[Key, Sighting] = {}
        self._open: set[Key] = set()
        self._ends: list[tuple[float, Key]] = []
        self._doubted: dict[Key, float] = {}
        self._handles: dict[Key, tuple[Handle, ...]] = {}
        self._scopes: dict[str, list[Handle]] = {}
        self._unread: dict[Key, None] = {}
        self._turn = 0
        self._keys: list[Key] = []
        # Handles by how long they believe a reading; those who do not believe the last one any more.
        self._believers: dict[float, list[Handle]] = {stale_after: []}
        self._disbelieving: set[float] = {stale_after}
        overrides.tell(self)

    # What handles ask.

    def age(self, now: float) -> float:
        """Return how many seconds ago what is here was true."""
        return NEVER if self._read_at is None else max(0.0, now - self._read_at)

    def unknown(self, handle: Handle, now: float) -> bool:
        """Return whether a handle must answer by its outage policy."""
        if handle.basis in (Basis.FORCED, Basis.OVERRIDE):
            return False
        return self.age(now) >= handle.outage.trusts_for(self._stale_after)

    def why_unknown(self) -> str:
        """Say why nobody knows."""
        return "nothing was read yet" if self._read_at is None else "what was read last is too old"

    # What a switchboard asks.

    def handle(self, key: Key, outage: Outage, now: float) -> Handle:
        """Return the handle of a breaker under an outage policy, made at its first use."""
        with self._lock:
            for handle in self._handles.get(key, ()):
                if handle.outage == outage:
                    return handle
            return self._new_handle(key, outage, now)

    def has_handle(self, key: Key) -> bool:
        """Return whether anybody holds a handle of a breaker."""
        return key in self._handles

    def unread(self) -> set[Key]:
        """Return some of the breakers that have a handle and were never read."""
        with self._lock:
            return set(islice(self._unread, FIRST_READ))

    def in_turn(self) -> set[Key]:
        """Return the next few of the breakers that have a handle, to be read again.

        That a breaker opened and closed between two readings shows in its generation alone.
        """
        with self._lock:
            asked = set()
            for _ in range(min(READ_AGAIN, len(self._keys))):
                self._turn = (self._turn + 1) % len(self._keys)
                asked.add(self._keys[self._turn])
            return asked

    def open_keys(self) -> frozenset[Key]:
        """Return what was open when it was last read."""
        with self._lock:
            return frozenset(self._open)

    def version(self, key: Key, now: float) -> int:
        """Return the version of a breaker's row that this snapshot knows; 0 where it knows of none."""
        with self._lock:
            state = self._states.get(key)
            return 0 if state is None else state.version + self._expired(state, now)

    def deadline(self) -> float:
        """Return when the next end comes, or the next distrust."""
        with self._lock:
            ends = self._ends[0][0] if self._ends else NEVER
            if self._read_at is None:
                return ends
            believing = self._believers.keys() - self._disbelieving
            return min(ends, min(believing, default=NEVER) + self._read_at)

    # What happens to it.

    def apply(self, reading: Reading, now: float) -> None:
        """Take over a reading, unless it began before the last one did."""
        with self._lock:
            if self._read_at is not None and reading.began < self._read_at:
                return
            was_fresh = self._fresh
            changed = {
                key
                for sightings in (reading.open, reading.asked)
                for key, seen in sightings.items()
                if self._learn(key, seen, reading, now)
            }
            for key in reading.asked:
                self._unread.pop(key, None)
            believing = [trust for trust in self._disbelieving if now - reading.began < trust]
            self._disbelieving.difference_update(believing)
            for trust in believing:
                self._show_all(self._believers[trust], now)
            for key in changed:
                self._show_key(key, now)
            self._read_at = reading.began  # when all is shown: nobody is told that it is known before
            is_fresh = self._fresh
        if is_fresh != was_fresh:
            self._on_fresh(is_fresh)

    def tick(self, now: float) -> None:
        """Let end what ends by now, and distrust what is too old."""
        with self._lock:
            was_fresh = self._fresh
            for key in self._ended(now):
                self._show_key(key, now)
            for trust in self._believers.keys() - self._disbelieving:
                if self.age(now) >= trust:
                    self._disbelieving.add(trust)
                    self._show_all(self._believers[trust], now)
            is_fresh = self._fresh
        if is_fresh != was_fresh:
            self._on_fresh(is_fresh)

    def overridden(self, name: str) -> None:
        """Show a breaker anew, whose override changed."""
        with self._lock:
            self._show_key(Key(name, ""), time.monotonic())

    def forget(self, now: float) -> None:
        """Believe nothing any more: nobody keeps this up to date from now on."""
        with self._lock:
            self._read_at = None
            self._disbelieving.update(self._believers)
            self._show_all((handle for handles in self._handles.values() for handle in handles), now)

    def hold_still(self) -> bool:
        """Let nobody change it until `go_on`, across a fork; return whether that could be had."""
        return self._lock.acquire(timeout=1.0)

    def go_on(self) -> None:
        """Let it change again."""
        self._lock.release()

    def after_fork(self) -> None:
        """Give it a lock that no thread of another process holds."""
        self._lock = threading.RLock()

    @property
    def _fresh(self) -> bool:
        return self._stale_after not in self._disbelieving

    def _new_handle(self, key: Key, outage: Outage, now: float) -> Handle:
        handle = Handle(self, key, outage)
        trust = outage.trusts_for(self._stale_after)
        if trust not in self._believers and self.age(now) >= trust:
            self._disbelieving.add(trust)
        self._believers.setdefault(trust, []).append(handle)
        if key.scope:
            self._scopes.setdefault(key.name, []).append(handle)
        if key not in self._handles:
            self._keys.append(key)
            self._unread[key] = None
        self._handles[key] = (*self._handles.get(key, ()), handle)
        self._show(handle, now)
        return handle

    def _learn(self, key: Key, seen: Sighting, reading: Reading, now: float) -> bool:
        """Take over one sighting; return whether it says anything new."""
        known = self._states.get(key)
        if known is not None:
            if reading.lags and seen.version < known.version and self._doubts(key, now):
                return False
        elif seen == ABSENT:
            seen = ABSENT  # one for all: most breakers were never written
        if self._doubted:
            self._doubted.pop(key, None)
        if known is not None and _says_the_same(seen, known):
            return False
        if seen.is_open or key in self._handles:
            self._states[key] = seen
        else:
            self._states.pop(key, None)
        self._note_end(key, seen)
        return True

    def _note_end(self, key: Key, seen: Sighting) -> None:
        if not seen.is_open:
            self._open.discard(key)
            return
        self._open.add(key)
        if seen.ends is not None:
            heapq.heappush(self._ends, (seen.ends, key))

    def _doubts(self, key: Key, now: float) -> bool:
        """Return whether a replica's older news is to be passed over: for a while, for it may be that it is no older.

        A database that was restored from a backup starts again with lower versions.
        """
        return now - self._doubted.setdefault(key, now) <= self._stale_after

    def _ended(self, now: float) -> list[Key]:
        ended = []
        while self._ends and self._ends[0][0] <= now:
            end, key = heapq.heappop(self._ends)
            state = self._states.get(key)
            if state is not None and state.ends == end:
                ended.append(key)
        return ended

    def _show_key(self, key: Key, now: float) -> None:
        self._show_all(self._handles.get(key, ()), now)
        if key.scope == "":
            self._show_all(self._scopes.get(key.name, ()), now)

    def _show_all(self, handles: Iterable[Handle], now: float) -> None:
        for handle in handles:
            self._show(handle, now)

    def _show(self, handle: Handle, now: float) -> None:
        """Bring a handle's attributes up to date."""
        key = handle.key
        is_open, basis = self._answer(key, handle.outage, now)
        own = self._states.get(key)
        if basis is not Basis.DATABASE:  # which never stands beside an answer that is not the database's
            handle.basis = basis
        if is_open:
            handle.is_open = True  # before the generation: see Handle on who reads which first
        if own is not None:
            expired = self._expired(own, now)
            handle.generation = own.generation + expired
            handle.version = own.version + expired
        handle.is_open = is_open
        handle.basis = basis

    def _answer(self, key: Key, outage: Outage, now: float) -> tuple[bool, Basis]:
        overridden = overrides.answer(key)
        if overridden is not None:
            return overridden, Basis.OVERRIDE
        if key.name in self._forced:
            return True, Basis.FORCED
        if outage.trusts_for(self._stale_after) in self._disbelieving:
            return outage.is_open, Basis.OUTAGE
        either = (self._states.get(each) for each in {key, Key(key.name, "")})
        is_open = any(state.is_open and not self._expired(state, now) for state in either if state is not None)
        return is_open, Basis.DATABASE

    def _expired(self, state: Sighting, now: float) -> bool:
        return state.is_open and state.ends is not None and state.ends <= now


def _says_the_same(seen: Sighting, known: Sighting) -> bool:
    """Return whether a sighting is no news; ends of one opening differ by what the readings took."""
    if seen.version != known.version or seen.is_open != known.is_open or seen.generation != known.generation:
        return False
    if seen.ends is None or known.ends is None:
        return seen.ends == known.ends
    return 0 <= seen.ends - known.ends < STEADY or seen.ends == known.ends
