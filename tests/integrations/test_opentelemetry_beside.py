"""OpenTelemetry traces beside other instrumentations, on threads, and with what never ends well."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor

from tests.integrations.spans import Spans
from voucher_async import Hook, VoucherClient
from voucher_async.integrations import opentelemetry
from voucher_async.integrations.blocking import BlockingVouchers
from voucher_async.integrations.opentelemetry import OpenTelemetryHook
from voucher_async.testing import VoucherEmulator


@pytest.fixture
def spans() -> Spans:
    return Spans()


@pytest.fixture
def instrumented(spans: Spans) -> Iterator[None]:
    """Sessions that are made from now on make spans of their own."""
    instrumentor = AioHttpClientInstrumentor()
    instrumentor.instrument(tracer_provider=spans.provider)
    yield
    instrumentor.uninstrument()


def noting(sent: list[tuple[str, bool]]) -> aiohttp.TraceConfig:
    """Notes each request's path, and whether it carries a trace id."""

    async def note(
        session: aiohttp.ClientSession,
        context: SimpleNamespace,
        params: aiohttp.TraceRequestHeadersSentParams,
    ) -> None:
        sent.append((params.url.path, "traceparent" in params.headers))

    config = aiohttp.TraceConfig()
    config.on_request_headers_sent.append(note)
    return config


@pytest.mark.usefixtures("instrumented")
@pytest.mark.parametrize("is_own", [True, False])
async def test_the_instrumentation_of_aiohttp_sees_the_shops_requests_alone(
    voucher_emulator: VoucherEmulator, spans: Spans, *, is_own: bool
) -> None:
    vouchers = [voucher_emulator.add_voucher(amount="25.00") for _ in range(5)]
    sent = list[tuple[str, bool]]()
    hook, tracer = OpenTelemetryHook(spans.provider), spans.provider.get_tracer("shop")
    async with (
        aiohttp.ClientSession(trace_configs=[noting(sent)]) as session,
        VoucherClient(
            **voucher_emulator.settings(), hooks=[hook], session=None if is_own else session
        ) as client,
    ):

        async def of_the_shop() -> None:
            async with session.get(voucher_emulator.base_url) as response:
                await response.read()

        async def pay(number: int) -> None:
            code = vouchers[number].code
            await client.redeem(code=code, amount="1.00", currency="EUR", order_number=f"A-{number}")
            await of_the_shop()

        with tracer.start_as_current_span("page"):
            await asyncio.gather(*(pay(number) for number in range(5)), *(of_the_shop() for _ in range(5)))
    page = spans.one("page")
    assert sorted(spans.below(page)) == ["GET"] * 10 + ["voucher.redeem"] * 5
    assert len(spans.of("GET")) == 10
    assert len(spans.of("POST /reservations")) == 5
    assert [each.name for each in spans.all if each.name == "POST"] == []
    traced = {path for path, has_trace_id in sent if has_trace_id}
    untraced = {path for path, has_trace_id in sent if not has_trace_id}
    assert traced == {"/v1"}
    assert not untraced & traced
    assert bool(untraced) is not is_own


def test_the_span_of_a_thread_is_the_parent_of_its_blocking_calls(
    voucher_emulator: VoucherEmulator, spans: Spans
) -> None:
    voucher = voucher_emulator.add_voucher(amount="25.00")
    tracer = spans.provider.get_tracer("shop")
    settings = voucher_emulator.settings()
    make = functools.partial(VoucherClient, **settings, hooks=[OpenTelemetryHook(spans.provider)])
    with BlockingVouchers(make) as vouchers:

        def work(number: int) -> None:
            with tracer.start_as_current_span(f"thread {number}"):
                vouchers.redeem(code=voucher.code, amount="1.00", currency="EUR", order_number=f"A-{number}")

        threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for number in range(3):
        assert spans.below(spans.one(f"thread {number}")) == ["voucher.redeem"]


async def test_another_hook_sees_the_span_of_the_request(
    voucher_emulator: VoucherEmulator, spans: Spans
) -> None:
    """So its log lines belong to it."""
    seen = list[str]()

    class Logging(Hook):
        def on_attempt_started(self, event: object) -> None:
            seen.append(getattr(trace.get_current_span(), "name", ""))

    hooks = [OpenTelemetryHook(spans.provider), Logging()]
    async with VoucherClient(**voucher_emulator.settings(), hooks=hooks) as client:
        await client.vouchers.list().first_page()
    assert seen == ["POST /oauth/token", "GET /vouchers"]


async def test_the_example_of_the_module_runs(
    voucher_emulator: VoucherEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    voucher = voucher_emulator.add_voucher(amount="25.00")
    for name, value in voucher_emulator.environ().items():
        monkeypatch.setenv(name, value)
    text = (opentelemetry.__doc__ or "").split("    voucher.redeem ")[0]
    lines = [line for line in text.splitlines() if line.startswith("    ")]
    names: dict[str, Any] = {"code": voucher.code}
    exec("\n".join(["async def example():", *lines]), names)
    await names["example"]()
    assert len(voucher_emulator.charges("A-1")) == 1
