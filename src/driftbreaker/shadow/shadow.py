"""The door: one object per pair of code paths."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from time import perf_counter
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast, overload

from ..checks import check_key, check_seconds, looks
from ..errors import InvalidArgumentError
from .admission import Admission
from .call import Call, Function
from .comparison import Answer, Comparison, Counts
from .core import Core
from .forms import check_pair, is_awaited
from .functions import Functions
from .options import checked_options
from .pool import Pool
from .reports import Gates, Reports
from .tally import Tally

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .coroutines import Coroutines
    from .options import GuardOptions, ShadowOptions

P = ParamSpec("P")
T = TypeVar("T")


class Shadow:
    """Runs a candidate beside its control, and reports how far their answers lie apart.

        shadow = Shadow(board, reporter, "pricing", score=relative_delta())
        price = shadow(old_price, new_price, order)  # the control's answer

    - `board`: a switchboard; while the breaker `name` is open, the candidate is not called at all.
    - `reporter`: is told of every comparison, and judges its score by the settings of the name.
    - `score`: a score function of both answers; without one, a candidate that answers is good.
    - `settings`: of the breaker, handed to the reporter, which may have no others for the name.
    - `serve`: who serves. ``"control"``. ``"candidate"``: it while the breaker is closed, and the control where it
      raises, takes too long or has the wrong shape. ``"auto"``: the candidate while the breaker is closed, whatever
      becomes of it; the control while it is open.
    - `sample`: the share of calls that are compared, above 0 and up to 1. `key`: text, or a function of the call's
      arguments: the same key is sampled alike in every process, and stays sampled when the share grows. None is chance.
    - `scope`: the breaker's, text or a function of the call's arguments; at most `max_scopes` different ones.
    - `beside`: where the one runs that does not serve: ``"background"``, after the caller has its answer; ``"thread"``,
      at the same time, and the caller waits; ``"inline"``, one after the other in the caller's thread.
    - `budget`: the candidate's time in seconds. Enforced, but inline and for a candidate that ``"auto"`` serves, where
      it is only measured. Coroutines are cancelled; threads cannot be, and are left to themselves.
    - `isolate`: True hands the candidate deep copies of the arguments; a function of (args, kwargs) returns others.
    - `schema`: called with the candidate's answer; what it raises is a schema error.
    - `unusable`: ``"bad"`` counts answers that have no score against the candidate.
    - `lifetime`: a timedelta from now, or a datetime: when to warn, once, and compare no more.
    - `redact`: a function of a mismatch (`Comparison`) that returns what may be kept of it; without it no answer is.
      `keep`: how many are kept in `mismatches`; reports carry it as well.
    - `publish`: called with every `Comparison`, where it was made.
    - `workers`: how many threads at most, made when they are needed.

    Making one starts nothing. Raises InvalidArgumentError for what cannot be.
    """

    def __init__(self, board: Gates, reporter: Reports, name: str, **options: Unpack[ShadowOptions]) -> None:
        _check_methods(board, "board", "handle")
        _check_methods(reporter, "reporter", "report", "report_schema_error", "use")
        self._name = check_key(name, "").name
        checked = checked_options(**options)
        self._tally = Tally(self._name)
        self._admission = Admission(board, self._name, checked, self._tally)
        self._core = Core(self._name, reporter, checked, self._tally)
        self._pool = Pool(self._name, checked.workers, checked.budget, self._tally.broke)
        self._functions = Functions(self._core, self._pool)
        self._coroutines: Coroutines | None = None
        self._is_auto = checked.serve == "auto"
        self._isolates = checked.isolate is not False

    @property
    def name(self) -> str:
        """The breaker's."""
        return self._name

    @property
    def counts(self) -> Counts:
        """What became of the calls in this process."""
        return self._tally.counts()

    @property
    def mismatches(self) -> tuple[Any, ...]:
        """What was kept of the last mismatches, oldest first."""
        return tuple(self._core.mismatches)

    # Three ways to call.

    @overload
    def __call__(
        self,
        control: Callable[P, Coroutine[Any, Any, T]],
        candidate: Callable[P, object],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Coroutine[Any, Any, T]: ...

    @overload
    def __call__(
        self, control: Callable[P, T], candidate: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs
    ) -> T: ...

    def __call__(self, control: Function, candidate: Function, /, *args: Any, **kwargs: Any) -> Any:
        """Call the two with these arguments; return what the one that serves answers, or raise what it raises.

        A coroutine where the control is a coroutine function; a plain candidate then runs in a thread. Raises
        InvalidArgumentError for a control that is not callable, or a generator function: never for a candidate.
        """
        if is_awaited(control):
            return self._await(control, candidate, args, kwargs)
        return self._call(control, candidate, args, kwargs)

    @overload
    def compare(  # type: ignore[overload-overlap]  # a coroutine is an object as well, and the first is asked first
        self,
        control: Callable[P, Coroutine[Any, Any, Any]],
        candidate: Callable[P, object],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Coroutine[Any, Any, Comparison]: ...

    @overload
    def compare(
        self, control: Callable[P, object], candidate: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs
    ) -> Comparison: ...

    def compare(self, control: Function, candidate: Function, /, *args: Any, **kwargs: Any) -> Any:
        """Call the two as `__call__` does, and return the `Comparison`, whose `answer` is what it would return.

        In the background mode the part that is still to come is missing: the whole one goes to `publish`.
        """
        if is_awaited(control):
            return self._compare_awaited(control, candidate, args, kwargs)
        return self._compare(control, candidate, args, kwargs)

    def against(self, candidate: Callable[P, object]) -> Callable[[Callable[P, T]], Callable[P, T]]:
        """Return a decorator of the control: each of its calls is one of the two.

            @shadow.against(new_price)
            def price(order): ...

        Name, signature and types stay the control's. Raises InvalidArgumentError for two that do not go together.
        """

        def decorate(control: Callable[P, T]) -> Callable[P, T]:
            function: Function = control
            check_pair(function, candidate)
            if is_awaited(function):

                @wraps(function)
                async def shadowed(*args: Any, **kwargs: Any) -> Any:
                    return await self._await(function, candidate, args, kwargs)
            else:

                @wraps(function)
                def shadowed(*args: Any, **kwargs: Any) -> Any:
                    return self._call(function, candidate, args, kwargs)

            return cast("Callable[P, T]", shadowed)

        return decorate

    # What each of them does. Whatever breaks in here, an answer that is there is returned.

    def _enter(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
        try:
            call = self._admission.admit(args, kwargs)
            if self._isolates and call is not None and not call.alone and not self._admission.isolate(call):
                self._core.not_isolated(call)
        except Exception:  # noqa: BLE001  whatever breaks in here; what is no Exception is the host's
            self._tally.broken += 1
            return None
        return call

    def _call(self, control: Function, candidate: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        call = self._enter(args, kwargs)
        if call is None or call.alone:
            return control(*args, **kwargs)
        if self._is_auto and not call.compares:  # a flow would find no more to do
            return candidate(*call.own_args, **call.own_kwargs)
        try:
            self._functions.run(call, control, candidate)
        except BaseException as error:
            if not self._survives(call, error):
                raise
        return call.value if call.done else control(*args, **kwargs)

    async def _await(
        self, control: Function, candidate: Function, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        call = self._enter(args, kwargs)
        if call is None or call.alone:
            return await control(*args, **kwargs)
        home = self._coroutines or self._load()
        try:
            await home.run(call, control, candidate)
        except BaseException as error:
            if not self._survives(call, error):
                raise
        return call.value if call.done else await control(*args, **kwargs)

    def _compare(
        self, control: Function, candidate: Function, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Comparison:
        call = self._enter(args, kwargs)
        if call is not None and not call.alone:
            try:
                return self._functions.run(call, control, candidate)
            except BaseException as error:
                if not self._survives(call, error):
                    raise
            if call.done:
                return self._core.unjudged(call, Answer(call.value, None, 0.0))
        started = perf_counter()
        value = control(*args, **kwargs)
        return self._core.alone(call, Answer(value, None, perf_counter() - started))

    async def _compare_awaited(
        self, control: Function, candidate: Function, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Comparison:
        call = self._enter(args, kwargs)
        if call is not None and not call.alone:
            home = self._coroutines or self._load()
            try:
                return await home.run(call, control, candidate)
            except BaseException as error:
                if not self._survives(call, error):
                    raise
            if call.done:
                return self._core.unjudged(call, Answer(call.value, None, 0.0))
        started = perf_counter()
        value = await control(*args, **kwargs)
        return self._core.alone(call, Answer(value, None, perf_counter() - started))

    def _survives(self, call: Call, error: BaseException) -> bool:
        """Return whether an error is ours, and so not the caller's; here nothing is left to be relied on."""
        if call.is_interrupted(error) or (call.began and not call.done):
            return False
        self._tally.broken += 1
        return True

    def _load(self) -> Coroutines:
        from .coroutines import Coroutines

        self._coroutines = Coroutines(self._core, self._pool)
        return self._coroutines

    # Endings.

    def drain(self, timeout: float = 10.0) -> bool:
        """Wait until no comparison is under way in threads; return whether it came to that within `timeout` seconds.

        What hangs is not waited for. Comparisons of coroutines are waited for by `adrain`.
        """
        return self._pool.drain(check_seconds(timeout, "timeout", 0.0))

    def close(self, timeout: float = 10.0) -> None:
        """Compare no more, finish what is under way within `timeout` seconds, and end the threads.

        Calls go on, uncompared; a candidate that would serve in a thread leaves that to the control.
        """
        check_seconds(timeout, "timeout", 0.0)
        self._admission.end()
        if self._coroutines is not None:
            self._coroutines.give_up()
        self._pool.close(timeout)

    async def adrain(self, timeout: float = 10.0) -> bool:  # noqa: ASYNC109  the same argument as the other door's
        """Wait for the comparisons of this event loop and those in threads; see `drain`."""
        return await (self._coroutines or self._load()).drain(check_seconds(timeout, "timeout", 0.0))

    async def aclose(self, timeout: float = 10.0) -> None:  # noqa: ASYNC109
        """Do what `close` does from a coroutine: what this event loop still runs after `timeout` is cancelled."""
        check_seconds(timeout, "timeout", 0.0)
        self._admission.end()
        await (self._coroutines or self._load()).close(timeout)

    def __enter__(self) -> Shadow:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Shadow:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def guard(board: Gates, reporter: Reports, name: str, **options: Unpack[GuardOptions]) -> Shadow:
    """Make a `Shadow` that serves the candidate, and falls back on the control where it fails or the breaker is open.

        guarded = guard(board, reporter, "pricing", budget=0.5)
        price = guarded(old_price, new_price, order)

    The options are those of `Shadow`, but for `serve`.
    """
    return Shadow(board, reporter, name, serve="candidate", **options)


def _check_methods(value: object, what: str, *methods: str) -> None:
    for method in methods:
        if not looks(lambda method=method: callable(getattr(value, method, None))):  # type: ignore[misc]
            raise InvalidArgumentError(f"{what} must have a method {method}(), got {type(value).__name__}")
