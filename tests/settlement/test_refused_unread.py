"""A refusal that the client may not look into leaves an open outcome, so the payment is not sent again."""

from __future__ import annotations

import pytest

from tests.proxy import Asked, Proxy, Reply, said
from tests.settlement.conftest import Shop, pay
from voucher_async import Conflict, OutcomeUnknown

CHARGE = "chargeReservation"


async def test_an_equal_payment_is_not_sent_after_a_refusal_that_may_not_be_looked_into(
    meshed: Shop, mesh: Proxy
) -> None:
    async def refused(_: Asked) -> Reply:
        return said(409)

    shop, poor = meshed, meshed.emulator.add_client(scopes=["use"])
    told = [shop.told]
    client = shop.another(told, base_url=mesh.base_url, client_id=poor.id, client_secret=poor.secret)
    voucher = shop.voucher()
    mesh.once(CHARGE, refused)
    with pytest.raises(Conflict) as caught:
        await shop.during(pay(client, voucher))
    refusal = caught.value
    assert (refusal.looked, refusal.proof) == (False, None)
    assert client.pending == (refusal.pending,)
    with pytest.raises(OutcomeUnknown) as again:
        await shop.during(pay(client, voucher))
    assert again.value.pending == refusal.pending
    assert mesh.count(CHARGE) == 1
    assert refusal.pending is not None
    client.forget(refusal.pending)  # an operator has read the voucher in the Admin UI
    charge = await shop.during(pay(client, voucher))
    assert shop.charged() == [charge.id]
    await client.aclose()
