"""What the reporter's tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.simulated import traced


@pytest.fixture
def every_report_traced() -> Iterator[None]:
    with traced():
        yield
