"""A refund that names less than the API asks for: the journal's record of the charge knows the rest."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.settlement.adversary import Lot
from tests.settlement.town import Client, JournalAt, Town, said
from tests.virtual import virtually
from voucher_async.errors import InvalidInput, JournalFailed
from voucher_async.models import Charge
from voucher_async.outcomes import ChargeRefunded


async def first_of(client: Client) -> Charge:
    return (await client.checkout())[0]


async def reserve_and_charge(client: Client) -> Charge:
    code = client.town.vouchers[0].code
    reservation = await client.core.reservations.create(code=code, amount="4.00", currency="EUR")
    return await client.core.reservations.charge(reservation, order_number="A-1")


LEARNT: dict[str, Callable[[Client], Any]] = {
    "redeem": lambda client: client.redeem(),
    "redeem without a key": lambda client: client.redeem(None),
    "checkout": first_of,
    "reserve, then charge": reserve_and_charge,
}


def refund(client: Client, charge: Charge | str, amount: Any = None, **changes: Any) -> Any:
    return client.core.charges.refund(charge, amount, **changes)


def bodies(town: Town) -> int:
    return len(town.made("refund"))


@pytest.mark.parametrize("how", LEARNT)
@virtually
async def test_the_currency_is_that_of_the_call_that_made_the_charge(how: str, journal_at: JournalAt) -> None:
    town = await Town.build(journal_at)
    client = town.client()
    charge = await LEARNT[how](client)
    for other in (client, town.client()):  # another process with the same journal
        made = await refund(other, charge, "1.00")
        assert (made.amount, made.type) == (Decimal("1.00"), "refund")
        assert (await refund(other, charge.id, "0.50")).amount == Decimal("0.50")  # the id will do
    with pytest.raises(InvalidInput, match=r"currency: must be that of the charge, EUR \(got 'USD'\)"):
        await refund(client, charge, "1.00", currency="USD")
    assert bodies(town) == 4


@pytest.mark.parametrize("names", ["the charge", "its id"])
@virtually
async def test_without_a_record_the_currency_is_asked_for_before_anything_is_sent(names: str) -> None:
    town, client = await Town.with_client()
    charge: Charge | str = town.charge if names == "the charge" else town.charge.id  # of another journal
    client.wire.sent.clear()
    with pytest.raises(InvalidInput, match=r'currency: must be given, such as currency="EUR"') as raised:
        await refund(client, charge, "1.00")
    assert (raised.value.field, client.wire.sent) == ("currency", [])
    assert (await refund(client, charge, "1.00", currency="EUR")).amount == Decimal("1.00")


@virtually
async def test_without_an_amount_what_is_left_is_refunded() -> None:
    _, client = await Town.with_client()
    charge = await client.redeem()
    await refund(client, charge, "1.25")
    assert (await refund(client, charge.id)).amount == Decimal("2.75")
    client.wire.sent.clear()
    error = await said(refund(client, charge))
    assert isinstance(error, ChargeRefunded)
    assert (error.charge.id, len(error.refunds), client.wire.sent) == (charge.id, 2, [])


@virtually
async def test_without_an_amount_a_repeated_key_is_the_same_refund() -> None:
    town, client = await Town.with_client()
    charge = await client.redeem()
    await refund(client, charge, "1.25")
    made = await refund(client, charge, idempotency_key="return-1")
    for other in (client, town.client()):
        assert (await refund(other, charge, idempotency_key="return-1")).id == made.id
    assert bodies(town) == 2


@pytest.mark.parametrize("given", [{}, {"currency": "EUR"}])
@virtually
async def test_a_bare_id_that_nobody_knows_needs_an_amount(given: dict[str, str]) -> None:
    _, client = await Town.with_client()
    client.wire.sent.clear()
    with pytest.raises(InvalidInput, match=r"(currency|amount): must be given"):
        await refund(client, "C-1", **given)
    assert client.wire.sent == []


@virtually
async def test_what_the_record_says_of_a_bare_id_is_checked() -> None:
    _, client = await Town.with_client()
    charge = await client.redeem()
    with pytest.raises(InvalidInput, match=r"at most the charge's amount, 4\.00"):
        await refund(client, charge.id, "4.01")
    made = await refund(client, charge.id, "1.00")
    with pytest.raises(InvalidInput, match="a refund cannot be refunded"):
        await refund(client, made.id, "1.00")


@pytest.mark.parametrize("lot", [Lot("lost"), Lot("lost", late=1e6)], ids=["made", "not made"])
@virtually
async def test_a_refund_by_a_known_id_whose_answer_is_lost_is_found_or_made(lot: Lot) -> None:
    town, client = await Town.with_client()
    charge = await client.redeem()
    town.script(lot)
    made = await refund(client, charge.id, "1.00", idempotency_key="return-1")
    assert town.made("refund") == [made.id]


@virtually
async def test_a_journal_that_cannot_be_read_lets_nothing_be_sent() -> None:
    _, client = await Town.with_client()
    charge = await client.redeem()
    client.wire.sent.clear()
    client.journal.fails = lambda _number, _name: "before"
    assert isinstance(await said(refund(client, charge)), JournalFailed)
    assert client.wire.sent == []
