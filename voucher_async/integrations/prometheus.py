"""Metrics for Prometheus, by prometheus_client (`pip install "voucher-async[prometheus]"`).

    from voucher_async.integrations.prometheus import PrometheusHook

    client = VoucherClient.from_env(hooks=[PrometheusHook()])

The metrics appear wherever the registry is exposed. `docs/observability.md` has what each of them tells.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        "voucher_async.integrations.prometheus needs prometheus_client: "
        'pip install "voucher-async[prometheus]"',
        name="prometheus_client",
    ) from None

from voucher_async.errors import ConfigurationError
from voucher_async.integrations.measures import Instrument, Kind, Label, Measures, Record

__all__ = ["PrometheusHook", "label_of", "name_of"]

_Metric: TypeAlias = Counter | Gauge | Histogram

_OWN: Final = "voucher"
_METHODS: Final = {Kind.COUNTER: "inc", Kind.UP_DOWN: "inc", Kind.GAUGE: "set", Kind.HISTOGRAM: "observe"}

_made: Final = weakref.WeakKeyDictionary[CollectorRegistry, dict[str, tuple[_Metric, tuple[str, ...]]]]()
_making: Final = threading.Lock()


class PrometheusHook(Measures):
    """A hook that counts the calls of any number of clients, in multiprocess mode, too.

    Names and labels are those that Prometheus shows of OpenTelemetry's instruments. Several hooks may share a
    registry: they add to the same metrics.

    Args:
        registry: the registry; None: prometheus_client's own.
        namespace: the first word of the names of the SDK's own metrics. The duration of requests has the name
            of OpenTelemetry's conventions, `http_client_request_duration_seconds`.
        labels: labels of every metric, to tell clients apart, such as `{"tenant": "a"}`; all hooks of a
            registry need the same names.

    Raises:
        ConfigurationError: the registry has such a metric with other labels, or of another library.
    """

    def __init__(
        self,
        registry: CollectorRegistry | None = None,
        namespace: str = _OWN,
        *,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        self._registry = REGISTRY if registry is None else registry
        self._namespace = namespace
        self._labels = dict(labels or {})
        super().__init__(self._make)

    def _make(self, instrument: Instrument) -> Record:
        if instrument.kind is not Kind.GAUGE:  # one that nobody has set shows no value, rather than 0
            self._metric(instrument)
        constant, method = tuple(self._labels.values()), _METHODS[instrument.kind]
        adders: dict[tuple[Label, ...], Callable[[float], None]] = {}

        def record(amount: float, *labels: Label) -> None:
            add = adders.get(labels)
            if add is None:
                values = (*constant, *("" if label is None else label for label in labels))
                metric = self._metric(instrument)
                add = adders[labels] = getattr(metric.labels(*values) if values else metric, method)
            add(amount)

        return record

    def _metric(self, instrument: Instrument) -> _Metric:
        """The metric of the registry, which another hook may have made."""
        name = name_of(instrument, self._namespace)
        names = (*self._labels, *map(label_of, instrument.labels))
        with _making:
            made = _made.setdefault(self._registry, {})
            if name not in made:
                try:
                    made[name] = _new(instrument, name, names, self._registry), names
                except ValueError as error:
                    raise ConfigurationError(f"prometheus: {error}; try a registry of its own") from error
            metric, others = made[name]
        if names != others:
            raise ConfigurationError(f"prometheus: {name} has the labels {others} there, not {names}")
        return metric


def name_of(instrument: Instrument, namespace: str = _OWN) -> str:
    """The name of an instrument in Prometheus.

    Args:
        instrument: the instrument.
        namespace: the first word of the SDK's own metrics.
    """
    first, _, rest = instrument.name.partition(".")
    words = [namespace if first == _OWN else first, rest.replace(".", "_")]
    if instrument.unit == "s":
        words.append("seconds")
    if instrument.kind is Kind.COUNTER:
        words.append("total")
    return "_".join(word for word in words if word)


def label_of(label: str) -> str:
    """The name of a label in Prometheus."""
    return label.replace(".", "_")


def _new(instrument: Instrument, name: str, names: tuple[str, ...], registry: CollectorRegistry) -> _Metric:
    words = instrument.description
    if instrument.kind is Kind.COUNTER:
        return Counter(name, words, names, registry=registry)
    if instrument.kind is Kind.HISTOGRAM:
        return Histogram(name, words, names, registry=registry, buckets=instrument.buckets)
    if instrument.kind is Kind.UP_DOWN:  # what a dead process had open is in the journal
        return Gauge(name, words, names, registry=registry, multiprocess_mode="livesum")
    return Gauge(name, words, names, registry=registry, multiprocess_mode="mostrecent")
