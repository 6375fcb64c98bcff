"""A reporter without a database takes and judges what the real one does."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from driftbreaker import BreakerSettings, InvalidArgumentError
from driftbreaker.shadow import Reports
from driftbreaker.testing import MemoryReport, MemoryReporter


@pytest.fixture
def reporter() -> MemoryReporter:
    return MemoryReporter({"strict": BreakerSettings(drift_threshold=0.0)})


@pytest.mark.parametrize(
    ("name", "score", "verdict"),
    [("pricing", 0.2, "good"), ("pricing", 0.3, "bad"), ("strict", 0.0, "good"), ("strict", 0.001, "bad")],
)
def test_a_score_is_judged_by_the_settings_of_its_name(
    reporter: MemoryReporter, name: str, score: float, verdict: str
) -> None:
    reporter.report(name, score)
    assert reporter.reports == [MemoryReport(name=name, score=score, verdict=verdict)]  # type: ignore[arg-type]


def test_everything_that_is_reported_is_kept(reporter: MemoryReporter) -> None:
    details = {"model": "gpt-4"}
    given: dict[str, Any] = {"scope": "eu", "generation": 3, "details": details, "samples": 2, "why": "It broke"}
    reporter.report("pricing", None, verdict="bad", **given)
    details.clear()
    assert reporter.reports == [
        MemoryReport(name="pricing", verdict="bad", **{**given, "details": {"model": "gpt-4"}})  # type: ignore[arg-type]
    ]


def test_schema_errors_are_reports_without_a_verdict(reporter: MemoryReporter) -> None:
    reporter.report_schema_error("pricing", 2, scope="eu", generation=1, details={"a": 1})
    reporter.report_schema_error("pricing", 0)
    assert reporter.reports == [
        MemoryReport(name="pricing", scope="eu", schema_errors=2, generation=1, details={"a": 1})
    ]


@pytest.mark.parametrize(
    "report",
    [
        lambda reporter: reporter.report("", 0.1),
        lambda reporter: reporter.report("pricing", 0.1, scope=["eu"]),
        lambda reporter: reporter.report("pricing", None),
        lambda reporter: reporter.report("pricing", float("nan")),
        lambda reporter: reporter.report("pricing", 0.1, verdict="awful"),
        lambda reporter: reporter.report("pricing", 0.1, generation=-1),
        lambda reporter: reporter.report("pricing", 0.1, samples=0),
        lambda reporter: reporter.report_schema_error("pricing", -1),
        lambda reporter: reporter.use("pricing", None),
        lambda reporter: reporter.use("strict", BreakerSettings()),
        lambda reporter: MemoryReporter({"pricing": {}}),
    ],
)
def test_what_cannot_be_is_refused_and_not_kept(reporter: MemoryReporter, report: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        report(reporter)
    assert reporter.reports == []


def test_the_same_settings_twice_are_fine(reporter: MemoryReporter) -> None:
    reporter.use("strict", BreakerSettings(drift_threshold=0.0))
    assert reporter.settings_of("strict").drift_threshold == 0.0
    assert reporter.settings_of("other") == BreakerSettings()


def test_it_can_be_handed_to_whoever_starts_and_closes_it(reporter: MemoryReporter) -> None:
    with reporter as same:
        same.start()
        assert same.flush() is True
    assert same is reporter


@pytest.mark.parametrize("method", ["report", "report_schema_error", "use"])
def test_it_takes_what_a_shadow_reports(method: str) -> None:
    assert str(inspect.signature(getattr(MemoryReporter, method))) == str(inspect.signature(getattr(Reports, method)))
