"""A refused call whose copy is carried out later: its key is asked again, with an erased or another order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import attrs
import pytest
import pytest_asyncio

from tests.proxy import BARE, Asked, Proxy, Reply, said
from tests.settlement.conftest import Shop
from tests.settlement.truth import outcome_of
from voucher_async import CallState, CheckoutFailed, IdempotencyMismatch, Proof, VoucherClient
from voucher_async.clock import Clock
from voucher_async.payments.journal import Journal
from voucher_async.testing import VoucherRecord, faults

REQUESTS = {"redeem": "chargeReservation", "recharge": "rechargeVoucher"}
KINDS: dict[str, Any] = {"redeem": "charge", "recharge": "recharge"}
LATE = 40.0  # seconds
kinds = pytest.mark.parametrize("kind", REQUESTS)


@attrs.frozen
class Late:
    """A shop behind a mesh, with a journal that other clients of it share."""

    shop: Shop
    mesh: Proxy
    journal: Journal
    clients: list[VoucherClient] = attrs.Factory(list[VoucherClient])

    def another(self) -> VoucherClient:
        client = VoucherClient(
            settings=attrs.evolve(self.shop.client.settings, base_url=self.mesh.base_url),
            clock=self.shop.clock,
            journal=self.journal,
        )
        self.clients.append(client)
        return client

    def made(self, kind: str, number: str) -> list[str]:
        return [each.id for each in self.shop.emulator.charges(number, type=KINDS[kind])]

    async def ask(self, client: VoucherClient, kind: str, voucher: VoucherRecord, **changes: Any) -> Any:
        payment: dict[str, Any] = {"amount": "4.00", "currency": "EUR", "order_number": "A-1"}
        payment |= {"idempotency_key": "k", **changes}
        if kind == "redeem":
            call = client.redeem(code=voucher.code, **payment)
        else:
            call = client.vouchers.recharge(id=voucher.id, **payment)
        return await self.shop.during(outcome_of(call))

    async def refuse(self, kind: str, voucher: VoucherRecord) -> None:
        """Have a call refused on its way, and its copy carried out later."""
        copies: list[asyncio.Task[Reply]] = []

        async def later(asked: Asked) -> Reply:
            await self.shop.clock.sleep(LATE)
            return await asked.deliver()

        async def refuse(asked: Asked) -> Reply:
            copies.append(asyncio.create_task(later(asked)))
            return said(403)

        self.mesh.once(REQUESTS[kind], refuse)
        told = await self.ask(self.clients[0], kind, voucher)
        assert (told.word, told.error.proof) == ("not done", Proof.REFUSED)
        assert self.made(kind, "A-1") == []
        await self.shop.until(copies[0].done)
        await self.shop.passes(600.0)
        assert len(self.made(kind, "A-1")) == 1


@pytest_asyncio.fixture
async def late(shop: Shop, mesh: Proxy, journal_at: Callable[[Clock], Journal]) -> AsyncIterator[Late]:
    late = Late(shop, mesh, journal_at(shop.clock))
    client = late.another()
    voucher = shop.voucher()
    for kind in KINDS:  # an answer has shown that the server echoes order numbers
        told = await late.ask(client, kind, voucher, order_number="X-1", idempotency_key=kind)
        assert told.word == "done"
    yield late
    for each in late.clients:
        await each.aclose(wait=0)


@kinds
@pytest.mark.parametrize("is_erased", [False, True], ids=["kept", "erased"])
@pytest.mark.parametrize("elsewhere", [False, True], ids=["same client", "another client"])
async def test_the_key_of_an_erased_order_finds_the_late_copy(
    late: Late, kind: str, *, is_erased: bool, elsewhere: bool
) -> None:
    voucher = late.shop.voucher()
    await late.refuse(kind, voucher)
    if is_erased:
        assert await late.journal.erase("A-1") == 1
    told = await late.ask(late.another() if elsewhere else late.clients[0], kind, voucher)
    assert told.word == "done"
    assert [told.value.id] == late.made(kind, "A-1")


@kinds
@pytest.mark.parametrize("elsewhere", [False, True], ids=["same client", "another client"])
async def test_a_late_copy_of_other_parameters_is_no_answer_to_these(
    late: Late, kind: str, *, elsewhere: bool
) -> None:
    voucher, other = late.shop.voucher(), late.shop.voucher("50.00")
    await late.refuse(kind, voucher)
    client = late.another() if elsewhere else late.clients[0]
    (made,) = late.made(kind, "A-1")
    for _ in range(2):
        told = await late.ask(client, kind, other, amount="7.00", order_number="B-1")
        assert isinstance(told.error, IdempotencyMismatch)
        assert set(told.error.differences) == {"amount", "order_number", "target"}
    assert late.made(kind, "B-1") == []
    untold = [each async for each in client.history(told=False)]
    assert [(each.state, each.charge and each.charge.id) for each in untold] == [(CallState.DONE, made)]
    told = await late.ask(client, kind, voucher)
    assert told.value.id == made


@kinds
@pytest.mark.parametrize("elsewhere", [False, True], ids=["same client", "another client"])
async def test_a_late_charge_of_a_checkout_is_no_answer_to_another_call_with_its_key(
    late: Late, kind: str, *, elsewhere: bool
) -> None:
    voucher = late.shop.voucher()
    held: list[Asked] = []

    async def refuse(asked: Asked) -> Reply:
        held.append(asked)
        return said(403)

    async def check_out() -> None:
        async with late.clients[0].checkout(
            order_number="A-1", currency="EUR", idempotency_key="k"
        ) as checkout:
            await checkout.reserve(code=voucher.code, amount="4.00")
            await checkout.charge(timeout=100.0)

    late.mesh.once("chargeReservation", refuse)
    with pytest.raises(CheckoutFailed):
        await late.shop.during(check_out())
    await late.shop.passes(LATE)
    await held[0].deliver()
    (made,) = late.made("redeem", "A-1")
    client = late.another() if elsewhere else late.clients[0]
    told = await late.ask(client, kind, voucher)
    assert isinstance(told.error, IdempotencyMismatch)
    assert made in str(told.error)
    assert (late.made("redeem", "A-1"), late.made("recharge", "A-1")) == ([made], [])


@pytest.mark.parametrize("names", ["the charge", "its id"])
@pytest.mark.parametrize("is_erased", [False, True], ids=["kept", "erased"])
async def test_a_refund_of_an_erased_order_is_made_once(late: Late, names: str, *, is_erased: bool) -> None:
    client, voucher = late.clients[0], late.shop.voucher()
    charge = (await late.ask(client, "redeem", voucher)).value
    if is_erased:
        await late.journal.erase("A-1")
    late.shop.script("refundCharge", faults.BreakAfter())
    given = charge if names == "the charge" else charge.id
    refund = client.charges.refund(given, "1.00", currency="EUR", idempotency_key="r", timeout=150.0)
    told = await late.shop.during(outcome_of(refund))
    assert len(late.shop.refunded()) == 1
    # without an order number an entry is not certainly this call's
    assert told.word == ("open" if is_erased and names == "its id" else "done")


async def test_an_erased_order_is_refunded_and_told_by_its_own_number(late: Late) -> None:
    client, voucher = late.clients[0], late.shop.voucher()
    await late.ask(client, "redeem", voucher)
    for _ in range(2):
        await late.journal.erase("A-1")
        refund = await late.shop.during(
            client.refund_order("A-1", voucher_ids=[voucher.id], idempotency_key="r")
        )
        assert (refund.order_number, refund.amount) == ("A-1", Decimal("4.00"))
        assert [each.refund.order_number for each in refund.refunds] == ["A-1"]
    assert len(late.shop.refunded()) == 1


@pytest.mark.parametrize(
    ("other", "word"), [("AU-2024-1001-1", "open"), ("AU-2024-10010", "open"), ("AU-2024-1002", "not done")]
)
async def test_the_charge_of_another_part_of_an_order_is_not_handed_out(
    late: Late, other: str, word: str
) -> None:
    voucher, number = late.shop.voucher(), "AU-2024-1001"
    elsewhere = late.shop.client  # without this journal: it takes no turns with the others

    async def lost(_: Asked) -> Reply:
        await elsewhere.redeem(code=voucher.code, amount="4.00", currency="EUR", order_number=other)
        return said(502, BARE)

    late.mesh.once("chargeReservation", lost)
    told = await late.ask(late.clients[0], "redeem", voucher, order_number=number, timeout=100.0)
    assert (told.word, late.made("redeem", number)) == (word, [])
    assert len(late.made("redeem", other)) == 1
