"""What is kept of a pair, and what is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from typing import Any

import pytest

from driftbreaker.scores import relative_delta
from driftbreaker.shadow import evidence

from .conftest import House

SECRET = "alice@example.com"


def control(_: str) -> float:
    return 10.0


def fails(customer: str) -> float:
    raise LookupError(f"no customer {customer}")


def drifts(_: str) -> float:
    return 20.0


def test_an_errors_kind_and_place_are_kept_and_its_message_is_not(house: House, way: Any, beside: str) -> None:
    shadow = house.shadow(score=relative_delta(), beside=beside, keep=3)
    way.call(shadow, control, fails, SECRET)
    details = house.report.details
    line = fails.__code__.co_firstlineno + 1
    assert details["candidate_error"] == "LookupError"
    assert details["candidate_raised_at"] == f"{__name__}.fails:{line}"
    assert (details["kind"], details["served"]) == ("failed", "control")
    assert SECRET not in json.dumps([report.details for report in house.reports]) + str(house.report.why)
    assert SECRET not in json.dumps(shadow.mismatches)


def test_no_answer_is_kept_without_a_function_that_says_which(house: House, way: Any, beside: str) -> None:
    shadow = house.shadow(score=relative_delta(), beside=beside, keep=3)
    way.call(shadow, control, drifts, SECRET)
    assert set(house.report.details) == {"kind", "served", "score", "control_seconds", "candidate_seconds"}
    assert shadow.mismatches == (house.report.details,)


def test_what_redact_returns_is_kept_as_a_copy_and_reported(house: House, way: Any, beside: str) -> None:
    shared = {"answers": [1]}
    shadow = house.shadow(score=relative_delta(), beside=beside, keep=3, redact=lambda pair: shared)
    way.call(shadow, control, drifts, SECRET)
    shared["answers"].append(2)
    assert house.report.details["kept"] == {"answers": [1]}
    assert shadow.mismatches[0]["kept"] == {"answers": [1]}


def test_only_the_last_mismatches_are_kept_and_good_pairs_are_none(house: House) -> None:
    asked: list[Any] = []
    shadow = house.shadow(
        score=relative_delta(), beside="inline", keep=2, redact=lambda pair: asked.append(1) or {"was": pair.answer}
    )
    for answer in (1.0, 2.0, 3.0):
        shadow(lambda answer=answer: answer, lambda: 10.0)
        shadow(lambda: 1.0, lambda: 1.0)
    assert [each["kept"] for each in shadow.mismatches] == [{"was": 2.0}, {"was": 3.0}]
    assert len(asked) == 3


def test_what_redact_returns_is_kept_within_bounds(house: House) -> None:
    endless: list[Any] = []
    endless.append(endless)
    shadow = house.shadow(
        score=relative_delta(), beside="inline", keep=1, redact=lambda _: {"long": "x" * 10**6, "endless": endless}
    )
    shadow(lambda: 1.0, lambda: 2.0)
    assert len(json.dumps(shadow.mismatches)) < 70_000


def test_errors_that_were_never_raised_or_are_odd_have_no_place() -> None:
    assert evidence.where_raised(ValueError()) is None
    assert evidence.kind_of(ValueError()) == "ValueError"
    assert evidence.kind_of(None) == "NoneType"


def test_nothing_of_a_call_is_held_when_it_is_over(house: House, way: Any, beside: str) -> None:
    import gc
    import weakref

    class Order:
        pass

    order = Order()
    gone = weakref.ref(order)
    shadow = house.shadow(score=relative_delta(), beside=beside, keep=5)
    for candidate in (drifts, fails):
        way.call(shadow, control, candidate, order)
    del order
    gc.collect()
    assert gone() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_counts_and_keeps_what_it_does_itself() -> None:
    program = (
        "import os\n"
        "from driftbreaker import Shadow\n"
        "from driftbreaker.testing import MemoryReporter, MemorySwitchboard\n"
        "def fails(*_): raise ValueError\n"
        "options = dict(beside='inline', keep=9, serve='candidate', publish=fails)\n"
        "shadow = Shadow(MemorySwitchboard(), MemoryReporter(), 'pricing', **options)\n"
        "shadow(int, fails); shadow(int, int)\n"
        "child = os.fork()\n"
        "if child == 0: shadow(int, fails)\n"
        "else: os.waitpid(child, 0)\n"
        "counts = shadow.counts\n"
        "print(dict(counts.kinds), counts.good, counts.bad, counts.fallbacks, counts.hook_failures, end=' ')\n"
        "print(len(shadow.mismatches), flush=True)\n"
        "if child == 0: os._exit(0)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    failed, compared = "<ComparisonKind.FAILED: 'failed'>", "<ComparisonKind.COMPARED: 'compared'>"
    assert run.stdout.splitlines() == [f"{{{failed}: 1}} 0 1 1 1 1", f"{{{failed}: 1, {compared}: 1}} 1 1 1 2 1"]


@pytest.mark.parametrize("beside", ["thread", "background"])
def test_counts_are_exact_however_many_threads_call(house: House, beside: str) -> None:
    shadow = house.shadow(score=relative_delta(), beside=beside)

    def calls() -> None:
        for _ in range(50):
            shadow(control, drifts, "")

    threads = [threading.Thread(target=calls) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert shadow.drain()
    assert shadow.counts["compared"] + shadow.counts["skipped"] == 200
    assert shadow.counts["compared"] == shadow.counts.bad == len(house.reports)
