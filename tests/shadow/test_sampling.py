"""Which calls are compared: a share of them, and by a key the same ones everywhere."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftbreaker.shadow.sampling import by_key

from .conftest import House

shares = st.floats(min_value=1e-9, max_value=1.0)


@given(name=st.text(min_size=1), key=st.text(), one=shares, other=shares)
def test_what_is_sampled_at_one_share_is_sampled_at_every_larger_one(
    name: str, key: str, one: float, other: float
) -> None:
    name = name.encode("utf-8", "replace").decode()
    less, more = sorted((one, other))
    assert by_key(name, less)(key) <= by_key(name, more)(key)


@given(key=st.text())
def test_everything_is_sampled_at_one(key: str) -> None:
    assert by_key("pricing", 1.0)(key)


def test_the_share_of_keys_that_is_sampled_is_the_share() -> None:
    sampled = by_key("pricing", 0.1)
    assert 900 <= sum(sampled(f"customer-{number}") for number in range(10_000)) <= 1_100


def test_names_draw_apart() -> None:
    keys = [f"customer-{number}" for number in range(10_000)]
    both = [key for key in keys if by_key("pricing", 0.1)(key) and by_key("checkout", 0.1)(key)]
    assert 50 <= len(both) <= 160


def test_every_process_samples_the_same_keys() -> None:
    """Written down: a release that changed them would compare other customers."""
    sampled = [number for number in range(100) if by_key("pricing", 0.1)(f"customer-{number}")]
    program = (
        "from driftbreaker.shadow.sampling import by_key\n"
        "print([number for number in range(100) if by_key('pricing', 0.1)(f'customer-{number}')])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(sampled)
    assert sampled == SAMPLED


SAMPLED = [1, 10, 12, 32, 33, 41, 75, 79, 97]


def test_chance_samples_its_share_of_calls(house: House) -> None:
    shadow = house.shadow(sample=0.25, beside="inline")
    for _ in range(2_000):
        shadow(int, int)
    assert 380 <= len(house.reports) <= 620


def test_chance_is_no_part_of_the_hosts(house: House, way: Any) -> None:
    """V1 may draw from `random`, seeded: it draws what it would have drawn without us, and we do not draw the same."""
    shadow = house.shadow(sample=0.5)
    alone = random.Random(42)
    drawn = [alone.random(), alone.random()]
    for _ in range(60):
        random.seed(42)
        assert [way.call(shadow, random.random, lambda: 1), random.random()] == drawn
    assert 10 <= len(house.reports) <= 50


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_processes_do_not_all_sample_the_same_calls() -> None:
    program = (
        "import os\n"
        "from driftbreaker import Shadow\n"
        "from driftbreaker.testing import MemoryReporter, MemorySwitchboard\n"
        "called = []\n"
        "shadow = Shadow(MemorySwitchboard(), MemoryReporter(), 'pricing', sample=0.5, beside='inline')\n"
        "for _ in range(2):\n"
        "    if os.fork() == 0:\n"
        "        for number in range(64):\n"
        "            shadow(int, lambda: called.append(number))\n"
        "        print(called, flush=True)\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    one, other = run.stdout.splitlines()
    assert one != other


@pytest.mark.parametrize("key", [lambda customer, **_: customer, lambda customer, *, also: customer])
def test_a_key_is_read_off_the_calls_arguments(house: House, way: Any, key: Any) -> None:
    shadow = house.shadow(sample=0.1, key=key, publish=house.published.append)
    for number in range(30):
        way.call(shadow, lambda *_, **__: 1, lambda *_, **__: 1, f"customer-{number}", also=1)
    assert [pair.key for pair in house.published] == [f"customer-{number}" for number in SAMPLED if number < 30]


@pytest.mark.parametrize("key", ["text", b"bytes", 7, uuid.UUID(int=7), "\ud800"], ids=repr)
def test_keys_are_text_numbers_or_uuids(house: House, key: Any) -> None:
    shadow = house.shadow(key=lambda: key, beside="inline")
    shadow(int, int)
    assert len(house.reports) == 1


def test_without_a_key_chance_decides(house: House) -> None:
    shadow = house.shadow(sample=0.5, key=lambda: None, beside="inline")
    for _ in range(100):
        shadow(int, int)
    assert 20 <= len(house.reports) <= 80


def test_a_key_that_is_not_the_same_everywhere_is_none(house: House) -> None:
    shadow = house.shadow(key=lambda: object(), beside="inline")
    assert shadow(int, int) == 0
    assert (shadow.counts.hook_failures, house.reports) == (1, [])


def test_a_call_that_is_not_sampled_looks_like_the_control_alone(house: House, way: Any) -> None:
    called: list[Any] = []
    shadow = house.shadow(sample=1e-9, scope=called.append)
    pair = way.compare(shadow, lambda: 1, called.append)
    assert (pair.served, pair.kind, pair.verdict, pair.answer, called) == ("control", None, None, 1, [])
