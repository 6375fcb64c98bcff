"""Replays what workers say they did, in the order in which it committed, and finds what no order explains.

Every committed transaction writes an order of its own per breaker, with a rising number, last of all. Who changed a
breaker holds its row from then on, so among those who did the numbers rise in the order of their commits: whatever
they were answered must follow from that order. Who changed nothing may have looked a little earlier: at least one of
the states between what was committed when it began and its own number must explain its answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from tests.support.worlds import World

TRIP = "trip"


@dataclass(frozen=True)
class State:
    """What decides: the streak, and why the breaker is open, if it is."""

    failures: int = 0
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Deed:
    """One call: what it answered, what was committed before it, and whether its transaction then held the row."""

    name: str
    verb: str
    answer: Any = None
    incident: str | None = None
    since: int = 0
    held: bool = False


@dataclass(frozen=True, kw_only=True)
class Transaction:
    """What one worker did in one transaction; `orders` are its numbers by breaker, none if it was rolled back."""

    worker: int
    deeds: list[Deed]
    late: list[Deed]
    orders: dict[str, int] = field(default_factory=dict)

    def on(self, name: str, deeds: list[Deed]) -> list[Deed]:
        return [deed for deed in deeds if deed.name == name]


def after(state: State, verb: str, threshold: int) -> tuple[State, Any, str | None]:
    """Return the state after a deed, its answer, and the change that history shows."""
    word, _, reason = verb.partition(": ")
    if word == "bad":
        return _after_bad(state, threshold)
    if word == "disable":
        return _after_disable(state, reason)
    opened = state.reason is not None
    if word == "check":
        return state, opened, None
    if word == "good":
        return (state if opened else State()), None, None
    if opened:
        return State(), True, word
    cleared = word == "reset" and state.failures > 0
    return (State(), False, word) if cleared else (state, False, None)


def _after_bad(state: State, threshold: int) -> tuple[State, Any, str | None]:
    if state.reason is not None:
        return state, False, None
    failures = state.failures + 1
    if failures < threshold:
        return State(failures), False, None
    return State(failures, TRIP), True, TRIP


def _after_disable(state: State, reason: str) -> tuple[State, Any, str | None]:
    if state.reason == reason:
        return state, (False, False), None
    return replace(state, reason=reason), (True, True), "disable" if state.reason is None else "supersede"


class Replay:
    """One breaker's committed deeds in order, and all that they do not explain."""

    def __init__(self, name: str, threshold: int) -> None:
        self.name = name
        self.state = State()
        self.changes: list[str] = []
        self.found: list[str] = []
        self._threshold = threshold
        self._states = [(0, State())]

    def take(self, transaction: Transaction) -> None:
        number = transaction.orders[self.name]
        for deed in transaction.on(self.name, transaction.deeds):
            self._take([deed], number, transaction.worker)
        if late := transaction.on(self.name, transaction.late):
            self._take(late, number, transaction.worker)
        self._states.append((number, self.state))

    def _take(self, deeds: list[Deed], number: int, worker: int) -> None:
        """Take one deed, or the late ones of a transaction, which are made as one."""
        if deeds[-1].held:
            explained, self.state, changes = self._explain(self.state, deeds)
            self.changes += changes
            candidates = [self.state]
        else:
            since = min(deed.since for deed in deeds)
            begun = max(index for index, (at, _) in enumerate(self._states) if at <= since)
            candidates = [state for _, state in self._states[begun:]]
            explained = any(self._explain(state, deeds) == (True, state, []) for state in candidates)
        if not explained:
            self.found.append(f"{self.name}: {deeds} of {worker} at {number} does not follow from {candidates}")

    def _explain(self, state: State, deeds: list[Deed]) -> tuple[bool, State, list[str]]:
        explained, changes = True, []
        for deed in deeds:
            state, answer, change = after(state, deed.verb, self._threshold)
            explained = explained and deed.answer in (answer, None)
            changes += [change] if change else []
        return explained, state, changes


def unexplained(world: World, transactions: list[Transaction], names: Iterable[str], threshold: int) -> Iterator[str]:
    """Yield a sentence for everything in the logs and in the tables that does not fit together."""
    committed = [transaction for transaction in transactions if transaction.orders]
    everything = world.everything()
    for name in names:
        replay = Replay(name, threshold)
        on_it = [transaction for transaction in committed if name in transaction.orders]
        for transaction in sorted(on_it, key=lambda each: each.orders[name]):
            replay.take(transaction)
        yield from replay.found
        row = next((row for row in everything["breakers"] if row["name"] == name), None)
        left = (0, False) if row is None else (row["failures"], row["status"] == "open")
        if left != (replay.state.failures, replay.state.reason is not None):
            yield f"{name}: the row says {left}, the logs leave {replay.state}"
        changes = [entry["change"] for entry in everything["history"] if entry["name"] == name]
        if changes != replay.changes:
            yield f"{name}: history says {changes}, the logs {replay.changes}"
    yield from _owners(transactions, {incident["id"] for incident in everything["incidents"]}, everything["history"])


def _owners(transactions: list[Transaction], exist: set[str], history: list[dict[str, Any]]) -> Iterator[str]:
    """Every incident belongs to the one who was told of it; only trips of late reports are told to nobody."""
    told = [deed.incident for each in transactions if each.orders for deed in each.deeds if deed.incident]
    undone = [deed.incident for each in transactions if not each.orders for deed in each.deeds if deed.incident]
    trips = {entry["incident_id"] for entry in history if entry["change"] == TRIP}
    if len(told) != len(set(told)):
        yield f"an incident has two owners: {sorted(told)}"
    if missing := set(told) - exist:
        yield f"acknowledged, and lost: {missing}"
    if risen := set(undone) & exist:
        yield f"rolled back, and there: {risen}"
    if foreign := exist - set(told) - trips:
        yield f"nobody was told of {foreign}"
