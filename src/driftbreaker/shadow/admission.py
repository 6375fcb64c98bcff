"""Who is to serve a call, and whether it is compared: decided before anything runs."""

from __future__ import annotations

import copy
import random
import time
from collections.abc import Callable
from typing import Any

from ..errors import InvalidArgumentError
from ..hooks import Event, emit
from ..model import Basis
from .call import Call
from .comparison import ComparisonKind, Side, Why
from .contained import is_the_users, plain
from .forked import BeginsAgain
from .options import Options
from .reports import Gate, Gates
from .sampling import as_key, by_key
from .tally import Tally

EXPIRED = "shadow_expired"


class Admission(BeginsAgain):
    """Admits the calls of one shadow. What of the host's raises here costs the comparison, and nothing else."""

    def __init__(self, board: Gates, name: str, options: Options, tally: Tally) -> None:
        self._board = board
        self._name = name
        self._options = options
        self._tally = tally
        self._sampled: Callable[[str], bool] = by_key(name, options.sample)
        self._draws = options.sample < 1.0 or options.key is not None
        self._served: Side = "control" if options.serve == "control" else "candidate"
        self._why = Why.CLOSED if options.serve == "auto" else Why.SERVES
        self._gates: dict[str, tuple[str, Gate]] = {}
        self._gate = self._found(options.scope) if isinstance(options.scope, str) else None
        self._ends = options.ends
        super().__init__()

    def begin_again(self) -> None:
        """Draw chance anew, not as the parent does: from a source of our own, for Python's is the host's to seed."""
        self._chance = random.Random().random

    def admit(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
        """Return the call; None where the control serves it alone for no other reason than that it is not sampled."""
        compares, key = self._draw(args, kwargs) if self._draws else (True, None)
        if compares and self._ends is not None:
            compares = not self._has_ended()
        if not compares and self._served == "control":
            return None
        found = self._gate or self._gate_of(args, kwargs)
        scope, gate = found or ("", None)
        # The generation before `is_open`: a trip between the two makes the report a late one.
        generation = None if gate is None else gate.generation
        call = Call(args, kwargs, scope, generation, key, self._served, self._why, compares=compares)
        if gate is None:
            return call.stand_back(Why.NO_SCOPE, ComparisonKind.NO_SCOPE)
        if gate.is_open:
            return call.stand_back(Why.OPEN)
        if generation is None and compares and _is_guess(gate):
            # Nobody has read anything yet: how late a report of this call may be, nobody could ever tell.
            self._tally.add(ComparisonKind.SKIPPED)
            call.skip()
        return call

    def isolate(self, call: Call) -> bool:
        """Give the candidate arguments of its own, where that was asked for; return whether they could be had."""
        isolate = self._options.isolate
        if isolate is False:
            return True
        try:
            if isolate is True:
                # In one go: what two arguments share, their copies share.
                call.own_args, call.own_kwargs = copy.deepcopy((call.args, call.kwargs))
            else:
                args, kwargs = plain("isolate", isolate(call.args, call.kwargs))
                call.own_args, call.own_kwargs = tuple(args), dict(kwargs)
        except BaseException as error:
            if is_the_users(error):
                raise
            self._tally.warn_once("isolate", "the arguments could not be copied; the candidate was not called", error)
            return False
        return True

    def _draw(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[bool, str | None]:
        key: Any = self._options.key
        if key is not None:
            try:
                key = as_key(plain("key", key(*args, **kwargs)) if callable(key) else key)
            except BaseException as error:
                if is_the_users(error):
                    raise
                self._tally.hook_failed("key", error)
                return False, None
        if key is None:
            return self._chance() < self._options.sample, None
        return self._sampled(key), key

    def _gate_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, Gate] | None:
        try:
            scope: Any = plain("scope", self._options.scope(*args, **kwargs))  # type: ignore[operator]  # text has a gate
            return self._gates.get(scope) or self._found(scope)
        except BaseException as error:
            if is_the_users(error):
                raise
            self._tally.add(ComparisonKind.NO_SCOPE)
            self._tally.warn_once("scope", "a call has no usable scope; the control serves it alone", error)
            return None

    def _found(self, scope: str) -> tuple[str, Gate]:
        # The board keeps handles as long as it lives.
        if len(self._gates) >= self._options.max_scopes:
            raise InvalidArgumentError(f"there are more than max_scopes={self._options.max_scopes} scopes")
        found = self._gates[scope] = scope, self._board.handle(self._name, scope)
        return found

    def end(self) -> None:
        """Compare no call from now on."""
        self._ends = 0.0

    def _has_ended(self) -> bool:
        if self._ends is None or time.time() < self._ends:
            return False
        if self._ends and self._tally.warn_once("lifetime", "its lifetime is over, and nothing is compared any more"):
            self._tell_of_the_end()
        return True

    def _tell_of_the_end(self) -> None:
        try:
            emit([Event(kind=EXPIRED, name=self._name, scope="", facts={"serve": self._options.serve})])
        except BaseException as error:
            if is_the_users(error):
                raise
            self._tally.hook_failed("listener", error)


def _is_guess(gate: Gate) -> bool:
    """Return whether a handle answers what it does while nobody knows. Asked of boards that have not read it yet."""
    return getattr(gate, "basis", None) is Basis.OUTAGE  # other gates than handles have none
