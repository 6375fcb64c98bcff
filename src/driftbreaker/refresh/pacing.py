"""When to read next: pure, on the seconds of a clock that is handed in."""

from __future__ import annotations

from ..waits import Chance, back_off

#: Two readings begin at least this far apart, and so many times as far as the first of them took, up to a limit: a
#: storm of wake-ups must not become one of readings, nor may one that the machine held up delay the next for long.
LEAST_GAP = 0.002
REST = 4.0
LONGEST_REST = 0.1
#: While a reading has not yet brought what is waited for, the next one comes this soon, and twice as late each time.
LONGEST_GAP = 0.25
RETRY_BASE = 0.1
RETRY_CAP = 5.0


class Pacing:
    """Decides when the next reading is due, `next_at`.

    After a reading that worked, the next begins at most `poll` seconds after *it* began, whatever wakes or fails to.
    """

    def __init__(self, poll: float, chance: Chance, now: float) -> None:
        self._poll = poll
        self._chance = chance
        self._began = now - poll
        self._failures = 0
        self._rests_until = now
        self._woken = False
        self._gap = LEAST_GAP
        self.next_at = now

    def wake(self, now: float) -> None:
        """Read soon: something has changed."""
        self._woken = True
        # What is down is not asked at every commit of the host's, though each is a sign that it is up again.
        soonest = now + RETRY_BASE if self._failures else max(now, self._rests_until)
        self.next_at = min(self.next_at, soonest)

    def begin(self, now: float) -> None:
        """A reading begins."""
        self._began = now
        self._woken = False
        self._rests_until = now + LEAST_GAP
        self.next_at = now + self._poll

    def succeeded(self, now: float, *, again: bool) -> None:
        """It worked; `again` where it did not bring all that is waited for."""
        self._failures = 0
        self._rests_until = self._began + max(LEAST_GAP, min(REST * (now - self._began), LONGEST_REST))
        self._gap = min(2 * self._gap, LONGEST_GAP) if again else LEAST_GAP
        soon = now + self._gap if again else self._began + self._poll
        if self._woken:  # by what it may have been too early to see
            soon = min(soon, self._rests_until)
        self.next_at = max(now, min(soon, self._began + self._poll))

    def failed(self, now: float) -> None:
        """It did not: try again, less and less often."""
        self._failures += 1
        self.next_at = now + back_off(self._failures, RETRY_BASE, RETRY_CAP, self._chance)
