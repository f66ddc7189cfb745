"""Metrics for OpenTelemetry (`pip install "voucher-async[otel]"`).

    from voucher_async.integrations.opentelemetry import OpenTelemetryMetrics

    client = VoucherClient.from_env(hooks=[OpenTelemetryMetrics()])

`docs/observability.md` has what each of them tells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

try:
    from opentelemetry.metrics import Meter, MeterProvider, get_meter
    from opentelemetry.util.types import AttributeValue
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        "voucher_async.integrations.opentelemetry_metrics needs OpenTelemetry: "
        'pip install "voucher-async[otel]"',
        name="opentelemetry",
    ) from None

from voucher_async._version import __version__
from voucher_async.integrations.measures import Instrument, Kind, Label, Measures, Record

__all__ = ["OpenTelemetryMetrics"]


class OpenTelemetryMetrics(Measures):
    """A hook that records the calls of any number of clients.

    Args:
        meter_provider: the provider of the meter; None: the global one.
        attributes: attributes of every measurement, to tell clients apart, such as `{"tenant": "a"}`.
    """

    def __init__(
        self,
        meter_provider: MeterProvider | None = None,
        *,
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> None:
        self._meter: Meter = get_meter("voucher_async", __version__, meter_provider)
        self._attributes = dict(attributes or {})
        super().__init__(self._make)

    def _make(self, instrument: Instrument) -> Record:
        add, constant = self._adder(instrument), self._attributes
        known: dict[tuple[Label, ...], dict[str, AttributeValue]] = {}

        def record(amount: float, *labels: Label) -> None:
            attributes = known.get(labels)
            if attributes is None:
                given = zip(instrument.labels, labels, strict=True)
                said = {name: value for name, value in given if value is not None}
                attributes = known[labels] = {**constant, **said}
            add(amount, attributes)

        return record

    def _adder(self, instrument: Instrument) -> Callable[[float, dict[str, AttributeValue]], None]:
        about = {"unit": instrument.unit, "description": instrument.description}
        if instrument.kind is Kind.COUNTER:
            return self._meter.create_counter(instrument.name, **about).add
        if instrument.kind is Kind.UP_DOWN:
            return self._meter.create_up_down_counter(instrument.name, **about).add
        if instrument.kind is Kind.GAUGE:
            return self._meter.create_gauge(instrument.name, **about).set
        buckets = instrument.buckets
        return self._meter.create_histogram(
            instrument.name, **about, explicit_bucket_boundaries_advisory=buckets
        ).record
