"""OpenTelemetry traces: what the spans of a call are, and what they never hold."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from tests.idle import passing
from tests.integrations.spans import Spans
from tests.settlement.conftest import Shop, allow_double_charge, clock, max_per_page, pay, settings, shop
from voucher_async import (
    MemoryTokenStore,
    NotFound,
    OutcomeUnknown,
    Proof,
    SettlementState,
    StoredToken,
    VoucherClient,
)
from voucher_async.integrations.opentelemetry import OpenTelemetryHook
from voucher_async.testing import faults

__all__ = ["allow_double_charge", "clock", "max_per_page", "shop"]

CHARGE = "chargeReservation"


class Tokens(MemoryTokenStore):
    """Keeps every token for the test."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[str] = []

    async def save(self, key: str, token: StoredToken) -> None:
        self.kept.append(token.access_token)
        await super().save(key, token)


@pytest.fixture
def spans() -> Spans:
    return Spans()


@pytest_asyncio.fixture
async def client(shop: Shop, spans: Spans) -> AsyncIterator[VoucherClient]:
    client = shop.another(hooks=[OpenTelemetryHook(spans.provider), shop.told])
    yield client
    await client.aclose(wait=0)


async def test_a_redeem_with_one_lost_answer_shows_call_attempts_and_settlement_and_no_secret(
    shop: Shop, spans: Spans
) -> None:
    voucher, tokens = shop.voucher(), Tokens()
    client = VoucherClient(
        settings=settings(shop.emulator),
        clock=shop.clock,
        hooks=[OpenTelemetryHook(spans.provider)],
        token_store=tokens,
    )
    shop.script(CHARGE, faults.BreakAfter())
    with spans.provider.get_tracer("shop").start_as_current_span("checkout page") as page:
        charge = await shop.during(
            pay(client, voucher, pin=voucher.pin, idempotency_key="key-of-the-payment")
        )
    assert [charge.id] == shop.charged()
    assert spans.tree(spans.one("checkout page")) == [
        "checkout page",
        "  voucher.redeem",
        "    POST /oauth/token",
        "    POST /reservations",
        "    POST /reservations/{id}/charge",
        "    voucher.settlement",
        "      GET /vouchers/{id}/charges",
    ]
    assert len({span.context.trace_id for span in spans.all}) == 1
    (record,) = await client.history(order_number="A-1").to_list()
    redeem, settlement = spans.one("voucher.redeem"), spans.one("voucher.settlement")
    assert redeem.kind is SpanKind.INTERNAL
    assert dict(redeem.attributes or {}) == {
        "voucher.call_id": record.id,
        "voucher.order_number": "A-1",
        "voucher.key_digest": (redeem.attributes or {})["voucher.key_digest"],
        "voucher.amount": "4.00",
        "voucher.currency": "EUR",
        "voucher.outcome": "done",
    }
    assert redeem.status.status_code is StatusCode.UNSET
    assert dict(settlement.attributes or {}) == {"voucher.call_id": record.id, "voucher.outcome": "done"}
    lost, token = spans.one("POST /reservations/{id}/charge"), spans.one("POST /oauth/token")
    assert lost.kind is SpanKind.CLIENT
    address, _, port = client.settings.base_url.removeprefix("http://").removesuffix("/v1").partition(":")
    assert dict(lost.attributes or {}) == {
        "http.request.method": "POST",
        "server.address": address,
        "server.port": int(port),
        "url.template": "/reservations/{id}/charge",
        "voucher.operation": CHARGE,
        "voucher.call_id": record.id,
        "error.type": "ConnectionBroken",
        "voucher.fate": "unknown",
    }
    assert lost.status.status_code is StatusCode.ERROR
    assert (token.attributes or {})["http.response.status_code"] == 200
    assert token.status.status_code is StatusCode.UNSET
    assert page.is_recording() is False
    secrets = {
        voucher.code,
        voucher.pin,
        client.settings.client_secret,
        "key-of-the-payment",
        *tokens.kept,
    }
    await client.aclose()
    assert tokens.kept
    for text in spans.texts():
        assert not [secret for secret in secrets if secret and secret in text]


async def test_a_repeated_request_says_which_it_is(shop: Shop, client: VoucherClient, spans: Spans) -> None:
    voucher = shop.voucher()
    shop.script("getVoucher", faults.ServerError(), faults.ServerError())
    await shop.during(client.vouchers.get(voucher.id))
    attempts = [span.attributes or {} for span in spans.of("GET /vouchers/{id}")]
    assert [each.get("http.request.resend_count") for each in attempts] == [None, 1, 2]
    assert [each.get("error.type") for each in attempts] == ["500", "500", None]
    shop.script(CHARGE, faults.BreakBefore())
    await shop.during(pay(client, voucher))
    attempts = [span.attributes or {} for span in spans.of("POST /reservations/{id}/charge")]
    assert [each.get("http.request.resend_count") for each in attempts] == [None, 1]


async def test_a_refusal_is_an_error_of_the_request_alone(client: VoucherClient, spans: Spans) -> None:
    with pytest.raises(NotFound):
        await client.vouchers.get("v-none")
    attempt, call = spans.one("GET /vouchers/{id}"), spans.one("voucher.vouchers.get")
    assert attempt.status.status_code is StatusCode.ERROR
    assert (attempt.attributes or {})["error.type"] == "404"
    assert call.status.status_code is StatusCode.UNSET
    assert ((call.attributes or {})["voucher.outcome"], (call.attributes or {})["error.type"]) == (
        "refused",
        "NotFound",
    )
    assert "v-none" not in "".join(spans.texts())


async def test_what_goes_on_behind_a_caller_is_linked_to_its_call(
    shop: Shop, client: VoucherClient, spans: Spans
) -> None:
    shop.script(CHARGE, faults.BreakAfter())
    shop.script("listCharges", faults.SlowHeaders(3.0), faults.ServerError(), faults.ServerError())
    task = asyncio.create_task(pay(client, shop.voucher()))
    await passing(shop.clock, lambda: shop.count("listCharges"))
    task.cancel()
    await asyncio.wait({task})
    redeem = spans.one("voucher.redeem")
    assert (redeem.attributes or {})["voucher.outcome"] == "cancelled"
    assert spans.one("voucher.settlement").parent == redeem.context
    await shop.until(lambda: len(spans.of("voucher.settlement")) > 1)
    behind = spans.of("voucher.settlement")[1]
    assert behind.parent is None
    assert [link.context for link in behind.links] == [redeem.context]
    assert set(spans.below(behind)) == {"GET /vouchers/{id}/charges"}
    assert (behind.attributes or {})["voucher.outcome"] == "done"


async def test_an_open_outcome_ends_as_an_error_and_closing_leaves_no_span_open(
    shop: Shop, client: VoucherClient, spans: Spans
) -> None:
    shop.script("rechargeVoucher", faults.BreakBefore())
    with pytest.raises(OutcomeUnknown) as raised:
        await shop.during(
            client.vouchers.recharge(
                id=shop.voucher().id, amount="1.00", currency="EUR", order_number="A-1", timeout=0.5
            )
        )
    call = spans.one("voucher.vouchers.recharge")
    assert (call.status.status_code, call.status.description) == (StatusCode.ERROR, "open")
    await passing(shop.clock, lambda: shop.count("listCharges") > 2)
    await client.aclose(wait=0)
    assert sorted(spans.begun) == sorted(spans.names)
    assert "voucher.settlement" in spans.begun[-3:]
    pending = raised.value.pending
    again = Spans()
    async with shop.another(hooks=[OpenTelemetryHook(again.provider)]) as other:
        settlement = await shop.during(other.settle(pending, timeout=120))
    assert (settlement.state, settlement.proof) == (SettlementState.NOT_DONE, Proof.ABSENT)
    settle = again.one("voucher.settle").attributes or {}
    assert settle["voucher.record_id"] == (call.attributes or {})["voucher.call_id"] == pending.id
    assert (settle["voucher.settled"], settle["voucher.proof"]) == ("not_done", "absent")


async def test_checkouts_at_once_keep_their_spans_apart(
    shop: Shop, client: VoucherClient, spans: Spans
) -> None:
    async def check_out(number: int) -> None:
        tracer = spans.provider.get_tracer("shop")
        with tracer.start_as_current_span(f"order {number}") as order:
            async with client.checkout(order_number=f"A-{number}", currency="EUR") as checkout:
                await checkout.reserve(code=shop.voucher().code, amount="1.00")
                assert trace.get_current_span() is order
                await checkout.charge()
            assert trace.get_current_span() is order

    await client.vouchers.get(shop.voucher().id)  # fetches the token
    await asyncio.gather(*(check_out(number) for number in range(3)))
    for number in range(3):
        assert spans.tree(spans.one(f"order {number}")) == [
            f"order {number}",
            "  voucher.checkout",
            "    voucher.checkout.reserve",
            "      POST /reservations",
            "    voucher.checkout.charge",
            "      voucher.reservations.charge",
            "        POST /reservations/{id}/charge",
        ]


async def test_a_list_and_a_batch_leave_the_current_span_alone(
    shop: Shop, client: VoucherClient, spans: Spans
) -> None:
    specs = [{"amount": "5.00", "currency": "EUR"}] * 3
    with spans.provider.get_tracer("shop").start_as_current_span("shop") as current:
        async for _ in client.vouchers.issue_many(specs, batch="b-1"):
            assert trace.get_current_span() is current
            break
        async for _ in client.vouchers.list(per_page=2):
            assert trace.get_current_span() is current
    first, *others = spans.below(spans.one("shop"))
    assert (first, set(others)) == ("voucher.vouchers.issue_many", {"voucher.vouchers.list"})


def test_without_opentelemetry_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, OpenTelemetryHook.__module__)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "voucher-async\[otel\]"'):
        importlib.import_module(OpenTelemetryHook.__module__)
