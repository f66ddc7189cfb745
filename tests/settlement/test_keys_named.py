"""Parameters, scopes, and the texts that are keys."""

from __future__ import annotations

import asyncio
import unicodedata
from typing import Any

import pytest

from tests.settlement.adversary import Lot
from tests.settlement.town import CHARGE, Town, all_of, everywhere, operations, said
from tests.virtual import virtually
from voucher_async.errors import IdempotencyMismatch, InvalidInput, InvalidInputType, Proof
from voucher_async.models import Charge

CHANGES: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "redeem": [
        ("amount", {"amount": "4.01"}),
        ("currency", {"currency": "USD"}),
        ("order_number", {"order_number": "A-2"}),
        ("target", {"code": "another-code"}),
    ],
    "refund": [
        ("amount", {"amount": "1.01"}),
        ("currency", {"currency": "USD"}),
        ("target", {"of": "another-charge"}),
    ],
    "recharge": [
        ("amount", {"amount": "2.01"}),
        ("currency", {"currency": "USD"}),
        ("order_number", {"order_number": "A-2"}),
        ("target", {"id": "another-voucher"}),
    ],
    "charge": [("order_number", {"order_number": "A-2"}), ("target", {"of": "another-reservation"})],
}


@pytest.mark.parametrize("moment", ["running", "done", "open"])
@pytest.mark.parametrize(
    ("operation", "what", "change"), [(each, *change) for each in CHANGES for change in CHANGES[each]]
)
@everywhere
@virtually
async def test_a_key_is_for_one_payment_alone(
    operation: str, what: str, change: dict[str, Any], moment: str, where: str
) -> None:
    town, first, second = await Town.with_two(where)
    lots = {"running": Lot(wait=2.0), "done": Lot(), "open": Lot("lost answer")}
    looks = [Lot("failed")] * 200 if moment == "open" else []
    town.script(lots[moment], rest=(*[Lot()] * (operation != "charge"), *looks))
    one = first.begin(operation, timeout=3.0)
    await asyncio.sleep(1.0 if moment == "running" else 4.0)
    second.wire.sent.clear()
    error = await said(second.ask(operation, **change))
    assert isinstance(error, IdempotencyMismatch)
    assert error.differences == (what,)
    assert error.proof is Proof.NOT_SENT
    assert not {CHARGE, "refundCharge", "rechargeVoucher", "createReservation"} & {*second.wire.sent}
    for value in change.values():
        assert str(value) not in str(error)
    await said(one)
    assert len(town.made(operation)) == 1


@virtually
async def test_one_key_names_one_operation() -> None:
    client = (await Town.build()).client()
    await client.redeem()
    for operation in ("refund", "recharge", "charge"):
        error = await said(client.ask(operation))
        assert isinstance(error, IdempotencyMismatch)
        assert "operation" in error.differences


@virtually
async def test_the_pin_and_the_time_do_not_count() -> None:
    client = (await Town.build()).client()
    charge = await client.redeem()
    again = await client.redeem(pin="1234", timeout=3.0)
    assert again.id == charge.id


NO_TEXTS = [(key, InvalidInputType) for key in (7, b"K-1", 1.5, True, ["K-1"])]
NO_KEYS = [(key, InvalidInput) for key in ("", "k" * 256, "a\nb", "a\x00", "\x7f", "\u200b", "\ud800")]


@operations
@pytest.mark.parametrize(("key", "error"), [*NO_KEYS, *NO_TEXTS])
@virtually
async def test_what_is_no_key_is_refused(operation: str, key: Any, error: type[Exception]) -> None:
    client = (await Town.build()).client()
    with pytest.raises(error):
        await client.ask(operation, key)
    assert client.wire.sent == []
    assert await client.records() == []


COMPOSED, SPLIT = (unicodedata.normalize(form, "Caf\u00e9") for form in ("NFC", "NFD"))


@pytest.mark.parametrize(
    ("one", "two"), [("k", "K"), (COMPOSED, SPLIT), ("k", "k "), ("k", "\uff4b"), ("1", "01")]
)
@virtually
async def test_keys_are_compared_byte_for_byte(one: str, two: str) -> None:
    client = (await Town.build()).client()
    first, second = await client.redeem(one), await client.redeem(two)
    assert first.id != second.id
    assert (await client.redeem(one)).id == first.id
    assert (await client.redeem(two)).id == second.id


@pytest.mark.parametrize("key", ["k" * 255, "0", "a b", "\u00e9\u4e2d\U0001f600"])
@virtually
async def test_other_texts_are_keys(key: str) -> None:
    client = (await Town.build()).client()
    assert len({(await client.redeem(key)).id for _ in range(2)}) == 1


@virtually
async def test_keys_belong_to_a_client_id_or_a_shared_scope() -> None:
    town = await Town.build()
    one, two = town.client(client_id="one"), town.client(client_id="two")
    assert (await one.redeem()).id != (await two.redeem()).id
    shared = [town.client(client_id=name, scope="a shop") for name in ("one", "two")]
    charges = await all_of(*(client.redeem() for client in shared))
    assert len({charge.id for charge in charges if isinstance(charge, Charge)}) == 1
    assert len(town.made("redeem")) == 3
