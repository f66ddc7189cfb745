"""Metrics through an OpenTelemetry meter: the conventions' names, units, attributes and bounds."""

from __future__ import annotations

import importlib
import logging
import sys
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import Histogram, InMemoryMetricReader, Metric, Sum

from tests.integrations.metered import storm
from voucher_async._version import __version__
from voucher_async.events import CallEnd, CallEnded
from voucher_async.integrations import opentelemetry
from voucher_async.integrations.measures import INSTRUMENTS, Kind
from voucher_async.integrations.opentelemetry_metrics import OpenTelemetryMetrics

ENDED = CallEnded(call_id="c", name="redeem", how=CallEnd.DONE, elapsed=0.3)
# https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#metric-httpclientrequestduration
CONVENTION = {
    *("http.request.method", "server.address", "server.port", "url.template"),
    *("http.response.status_code", "error.type"),
}


def read(reader: InMemoryMetricReader) -> dict[str, Metric]:
    data = reader.get_metrics_data()
    assert data is not None
    (resource,) = data.resource_metrics
    (scope,) = resource.scope_metrics
    assert (scope.scope.name, scope.scope.version) == ("voucher_async", __version__)
    return {metric.name: metric for metric in scope.metrics}


@pytest.fixture(scope="module")
def metrics() -> dict[str, Metric]:
    reader = InMemoryMetricReader()
    storm(OpenTelemetryMetrics(MeterProvider([reader])))
    return read(reader)


def test_every_instrument_is_recorded_with_its_unit_and_labels(metrics: dict[str, Metric]) -> None:
    assert set(metrics) == {each.name for each in INSTRUMENTS}
    for each in INSTRUMENTS:
        metric = metrics[each.name]
        assert (metric.unit, metric.description) == (each.unit, each.description)
        for point in metric.data.data_points:
            assert set(point.attributes or {}) <= set(each.labels), each.name
        if isinstance(metric.data, Sum):
            assert metric.data.is_monotonic is (each.kind is Kind.COUNTER), each.name
        assert isinstance(metric.data, Histogram) is (each.kind is Kind.HISTOGRAM), each.name


def test_requests_have_the_attributes_of_the_convention(metrics: dict[str, Metric]) -> None:
    points = metrics["http.client.request.duration"].data.data_points
    attributes: list[dict[str, Any]] = [dict(point.attributes or {}) for point in points]
    assert {name for each in attributes for name in each} == {*CONVENTION, "voucher.operation"}
    for each in attributes:
        assert each["http.request.method"] in {"GET", "POST", "PATCH", "DELETE"}
        assert isinstance(each["server.port"], int)
        status = each.get("http.response.status_code")
        assert status is None or isinstance(status, int)
        failed = status is None or status >= 400
        assert ("error.type" in each) is failed
        assert each["url.template"].startswith("/")


def test_the_bounds_are_those_that_the_convention_advises(metrics: dict[str, Metric]) -> None:
    (bounds,) = {point.explicit_bounds for point in metrics["http.client.request.duration"].data.data_points}  # type: ignore[union-attr]
    assert list(bounds) == [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]


def test_hooks_of_one_provider_add_to_the_same_metrics(caplog: pytest.LogCaptureFixture) -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    with caplog.at_level(logging.WARNING):
        for tenant in "ab":
            OpenTelemetryMetrics(provider, attributes={"tenant": tenant}).on_call_ended(ENDED)
    points = read(reader)["voucher.call.duration"].data.data_points
    assert sorted(str((point.attributes or {})["tenant"]) for point in points) == ["a", "b"]
    assert caplog.records == []


def test_traces_and_metrics_are_found_in_one_place() -> None:
    assert opentelemetry.OpenTelemetryMetrics is OpenTelemetryMetrics


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.metrics", None)
    monkeypatch.delitem(sys.modules, "voucher_async.integrations.opentelemetry_metrics")
    with pytest.raises(ModuleNotFoundError, match=r'pip install "voucher-async\[otel\]"'):
        importlib.import_module("voucher_async.integrations.opentelemetry_metrics")


def test_the_global_provider_is_taken_when_none_is_given() -> None:
    OpenTelemetryMetrics().on_call_ended(ENDED)  # which records nothing where none is set up
