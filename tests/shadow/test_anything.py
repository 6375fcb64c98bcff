"""Whatever candidate, score and hooks do, the caller gets what the control answers or raises."""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from driftbreaker import Shadow
from driftbreaker.testing import MemoryReporter, MemorySwitchboard

from .conftest import awaited
from .test_control_is_safe import Custom, Lonely

values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.lists(st.integers(), max_size=3),
    st.builds(Lonely),
    st.builds(object),
)
errors = st.sampled_from([ValueError, SystemExit, RecursionError, MemoryError, Custom, StopIteration, GeneratorExit])


def does(outcome: Any, *, is_error: bool) -> Any:
    def function(*args: Any, **kwargs: Any) -> Any:
        if is_error:
            raise outcome
        return outcome

    return function


functions = st.one_of(
    values.map(lambda value: does(value, is_error=False)),
    errors.map(lambda error: does(error("fuzzed"), is_error=True)),
)


class Moody(MemoryReporter):
    """A reporter that does anything as well."""

    def __init__(self, mood: Any) -> None:
        super().__init__()
        if mood is not None:
            self.report = self.report_schema_error = mood


options = st.fixed_dictionaries(
    {"serve": st.just("control"), "beside": st.sampled_from(["inline", "thread", "background"])},
    optional={
        "score": functions,
        "schema": functions,
        "redact": functions,
        "publish": functions,
        "key": functions,
        "scope": functions,
        "isolate": st.one_of(st.booleans(), functions),
        "keep": st.integers(min_value=0, max_value=3),
        "sample": st.floats(min_value=0.5, max_value=1.0),
        "unusable": st.sampled_from(["bad", "inconclusive"]),
    },
)


def outcome_of(call: Any) -> tuple[str, Any]:
    try:
        return "answered", call()
    except BaseException as error:
        return "raised", error


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    control=functions,
    candidate=functions,
    options=options,
    mood=st.one_of(st.none(), functions),
    arguments=st.lists(values, max_size=2),
    is_awaited=st.booleans(),
)
def test_the_caller_gets_what_the_control_gives(
    control: Any, candidate: Any, options: Any, mood: Any, arguments: Any, is_awaited: bool
) -> None:
    expected = outcome_of(lambda: control(*arguments))
    with Shadow(MemorySwitchboard(), Moody(mood), "pricing", **options) as shadow, warnings.catch_warnings():
        warnings.simplefilter("error")
        if is_awaited and not isinstance(expected[1], (StopIteration, SystemExit)):

            async def main() -> Any:
                try:
                    return await shadow(awaited(control), awaited(candidate), *arguments)
                finally:
                    await shadow.adrain()

            got = outcome_of(lambda: asyncio.run(main()))
        else:
            got = outcome_of(lambda: shadow(control, candidate, *arguments))
        assert shadow.drain()
    assert got[0] == expected[0]
    assert got[1] is expected[1]
    assert shadow.counts.broken == 0
