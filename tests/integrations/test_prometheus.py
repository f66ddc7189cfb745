"""The Prometheus hook: names, registries, labels, several processes."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, Counter, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.parser import text_string_to_metric_families

from tests.integrations.metered import scraped
from tests.processes import plain_environment
from tests.recorder import Recorder
from tests.settlement.conftest import Shop, redeem, settings
from voucher_async import ConfigurationError, ManualClock, OutcomeUnknown, PendingOutcome, VoucherClient
from voucher_async.events import CallEnd, CallEnded, Happened, Settled
from voucher_async.integrations.measures import INSTRUMENTS, Kind
from voucher_async.integrations.prometheus import PrometheusHook, name_of
from voucher_async.testing import VoucherEmulator, faults

PENDING = PendingOutcome(operation="refundCharge")
DOUBT = Settled(what=Happened.IN_DOUBT, operation="refundCharge", pending=PENDING)
ENDED = CallEnded(call_id="c", name="redeem", how=CallEnd.DONE, elapsed=0.3)
TYPES = {
    Kind.COUNTER: "counter",
    Kind.UP_DOWN: "gauge",
    Kind.GAUGE: "gauge",
    Kind.HISTOGRAM: "histogram",
}


def test_the_exposition_can_be_parsed_and_has_every_metric() -> None:
    text = generate_latest(scraped()).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    for instrument in INSTRUMENTS:
        family = families[name_of(instrument).removesuffix("_total")]
        assert (family.type, family.documentation) == (TYPES[instrument.kind], instrument.description)
        assert family.samples, instrument.name


def test_names_follow_the_conventions_of_prometheus() -> None:
    for instrument in INSTRUMENTS:
        name = name_of(instrument)
        assert name.endswith("_total") is (instrument.kind is Kind.COUNTER), name
        assert name.removesuffix("_total").endswith("_seconds") is (instrument.unit == "s"), name
    assert [name_of(each) for each in INSTRUMENTS[:3]] == [
        "http_client_request_duration_seconds",
        "voucher_call_duration_seconds",
        "voucher_turn_duration_seconds",
    ]


def test_the_namespace_is_the_first_word() -> None:
    registry = CollectorRegistry()
    PrometheusHook(registry, "shop").on_call_ended(ENDED)
    names = {metric.name for metric in registry.collect()}
    assert "shop_call_duration_seconds" in names
    assert not [name for name in names if name.startswith("voucher")]


def test_hooks_of_one_registry_add_to_the_same_metrics() -> None:
    registry = CollectorRegistry()
    for _ in range(3):
        PrometheusHook(registry).on_call_ended(ENDED)
    labels = {"voucher_call": "redeem", "voucher_outcome": "done", "error_type": ""}
    assert registry.get_sample_value("voucher_call_duration_seconds_count", labels) == 3


def test_labels_tell_clients_apart() -> None:
    registry = CollectorRegistry()
    for tenant, count in (("a", 1), ("b", 2)):
        hook = PrometheusHook(registry, labels={"tenant": tenant})
        for _ in range(count):
            hook.on_settled(DOUBT)
    for tenant, count in (("a", 1), ("b", 2)):
        labels = {"tenant": tenant, "voucher_operation": "refundCharge"}
        assert registry.get_sample_value("voucher_doubts_total", labels) == count


def test_hooks_of_one_registry_need_the_same_labels() -> None:
    registry = CollectorRegistry()
    PrometheusHook(registry)
    with pytest.raises(ConfigurationError, match="tenant"):
        PrometheusHook(registry, labels={"tenant": "a"})


def test_a_metric_of_another_library_is_not_taken_over() -> None:
    registry = CollectorRegistry()
    Counter("voucher_untold", "Another's.", registry=registry)
    with pytest.raises(ConfigurationError, match="voucher_untold"):
        PrometheusHook(registry)


def test_the_default_registry_is_that_of_prometheus_client() -> None:
    PrometheusHook(namespace="default_here")
    assert REGISTRY.get_sample_value("default_here_doubts_open", {"voucher_operation": "refundCharge"}) == 0


def test_what_was_never_observed_shows_no_value() -> None:
    registry = CollectorRegistry()
    PrometheusHook(registry)
    assert registry.get_sample_value("voucher_journal_untold") is None
    assert registry.get_sample_value("voucher_untold_total", {"voucher_operation": "refundCharge"}) == 0


async def test_one_hook_serves_two_clients() -> None:
    registry = CollectorRegistry()
    hook = PrometheusHook(registry)
    for _ in range(2):
        async with (
            VoucherEmulator() as emulator,
            VoucherClient(**emulator.settings(), hooks=[hook]) as client,
        ):
            await client.vouchers.list().first_page()
    labels = {"voucher_call": "vouchers.list", "voucher_outcome": "done", "error_type": ""}
    assert registry.get_sample_value("voucher_call_duration_seconds_count", labels) == 2


def doubts_open(registry: CollectorRegistry) -> float | None:
    return registry.get_sample_value("voucher_doubts_open", {"voucher_operation": "chargeReservation"})


async def test_what_a_closed_client_left_is_counted_until_another_settles_it() -> None:
    registry, clock = CollectorRegistry(), ManualClock()
    hooks = [PrometheusHook(registry)]
    async with VoucherEmulator(clock=clock) as emulator:
        shops = [
            Shop(
                VoucherClient(settings=settings(emulator), clock=clock, hooks=hooks),
                emulator,
                clock,
                Recorder(),
            )
            for _ in range(2)
        ]
        kinds = [faults.BadGateway()]
        emulator.faults.chance(1.0, seed=1, operations=["chargeReservation", "listCharges"], kinds=kinds)
        with pytest.raises(OutcomeUnknown) as unknown:
            await redeem(shops[0], shops[0].voucher(), timeout=5.0)
        assert doubts_open(registry) == 1
        await shops[0].client.aclose(wait=0)
        assert doubts_open(registry) == 0
        labels = {"voucher_operation": "chargeReservation"}
        assert registry.get_sample_value("voucher_doubts_left_total", labels) == 1
        emulator.faults.clear()
        await shops[1].during(shops[1].client.settle(unknown.value.pending, timeout=90.0))
        ended = {**labels, "voucher_outcome": "not_done", "voucher_proof": "absent"}
        assert registry.get_sample_value("voucher_doubts_ended_total", ended) == 1
        assert doubts_open(registry) == 0
        await shops[1].client.aclose(wait=0)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "voucher_async.integrations.prometheus")
    with pytest.raises(ModuleNotFoundError, match=r'pip install "voucher-async\[prometheus\]"'):
        importlib.import_module("voucher_async.integrations.prometheus")


WORKER = """
import asyncio, sys
from prometheus_client import CollectorRegistry
from voucher_async import PendingOutcome, VoucherClient
from voucher_async.events import Happened, Settled
from voucher_async.integrations.prometheus import PrometheusHook

async def main():
    hook = PrometheusHook(CollectorRegistry())
    async with VoucherClient.from_env(hooks=[hook]) as client:
        await client.vouchers.list().first_page()
        await hook.observe(client)
        pending = PendingOutcome(operation="refundCharge")
        hook.on_settled(Settled(what=Happened.IN_DOUBT, operation="refundCharge", pending=pending))
    print("worked", flush=True)
    sys.stdin.readline()

asyncio.run(main())
"""


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Two processes that have made a call each, and live."""
    with VoucherEmulator() as emulator:
        variables = {**plain_environment(), **emulator.environ(), "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
        command = [sys.executable, "-c", WORKER]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        workers = [subprocess.Popen(command, env=variables, text=True, **pipes) for _ in range(2)]
        try:
            for worker in workers:
                assert worker.stdout is not None
                assert worker.stdout.readline() == "worked\n"
            yield workers
        finally:
            for worker in workers:
                worker.kill()
                worker.communicate()


def test_processes_are_counted_together(workers: list[subprocess.Popen[str]], tmp_path: Path) -> None:
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(tmp_path))  # type: ignore[no-untyped-call]
    ended = {"voucher_call": "vouchers.list", "voucher_outcome": "done", "error_type": ""}
    doubt = {"voucher_operation": "refundCharge"}
    assert registry.get_sample_value("voucher_call_duration_seconds_count", ended) == 2
    assert registry.get_sample_value("voucher_doubts_total", doubt) == 2
    assert registry.get_sample_value("voucher_doubts_open", doubt) == 2
    assert registry.get_sample_value("voucher_journal_untold") == 0
    workers[0].communicate("end\n", timeout=60)
    mark_process_dead(workers[0].pid, str(tmp_path))  # type: ignore[no-untyped-call]
    assert registry.get_sample_value("voucher_doubts_total", doubt) == 2
    assert registry.get_sample_value("voucher_doubts_open", doubt) == 1  # of the living
