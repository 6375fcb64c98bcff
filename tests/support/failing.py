"""Tests that fail on purpose: what they opened must end with them all the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def failing_test() -> Iterator[None]:
    """Takes a test's failure, a ZeroDivisionError, after all that was opened inside is closed."""
    with pytest.raises(ZeroDivisionError):
        yield
