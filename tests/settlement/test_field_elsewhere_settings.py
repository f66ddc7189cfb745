"""An outcome knows where it belongs: other settings are an error of configuration, never "not done"."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.settlement.conftest import Shop, pay
from voucher_async import ConfigurationError, OutcomeUnknown, PendingOutcome
from voucher_async.testing import faults

CHARGE, CREATE, LIST = "chargeReservation", "createVoucher", "listCharges"


async def lost(shop: Shop, kind: str) -> PendingOutcome:
    """An outcome that its client could not find out."""
    voucher = shop.voucher()
    given: dict[str, Any] = {"id": voucher.id, "amount": "5.00", "currency": "EUR"}
    if kind == "charge":
        shop.script(CHARGE, faults.BreakAfter())
        shop.script(LIST, *[faults.ServerError()] * 99)
        work: Any = pay(shop.client, voucher, timeout=5)
    elif kind == "recharge":
        shop.script(LIST, None, *[faults.ServerError()] * 99)
        shop.script("rechargeVoucher", faults.BreakAfter())
        work = shop.client.vouchers.recharge(**given, order_number="R-1", timeout=5)
    else:
        shop.script(CREATE, *[faults.BreakAfter()] * 9)
        work = shop.client.vouchers.create(amount="5.00", currency="EUR", timeout=5)
    with pytest.raises(OutcomeUnknown) as caught:
        await shop.during(work)
    await shop.during(shop.client.aclose(wait=0))  # without time for a look in the background
    shop.emulator.faults.clear()
    return PendingOutcome.from_json(caught.value.pending.to_json())


KINDS = ["charge", "recharge", "create"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("changes", ["another client", "another server", "another path"])
async def test_other_settings_are_refused_before_anything_is_sent(
    shop: Shop, kind: str, changes: str
) -> None:
    pending = await lost(shop, kind)
    record = shop.emulator.add_client()
    base = str(shop.client._supervisor.settler.settings.base_url)
    places: dict[str, dict[str, Any]] = {
        "another client": {"client_id": record.id, "client_secret": record.secret},
        "another server": {"base_url": "http://127.0.0.1:1/v1"},
        "another path": {"base_url": base.replace("/v1", "/v2")},
    }
    sent = len(shop.emulator.requests)
    async with shop.another(**places[changes]) as other:
        with pytest.raises(ConfigurationError, match="settings"):
            await shop.during(other.settle(pending))
    assert len(shop.emulator.requests) == sent


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", [1, 2])
async def test_the_stored_form_settles_in_another_process(shop: Shop, kind: str, version: int) -> None:
    pending = await lost(shop, kind)
    said = json.loads(pending.to_json())
    if version == 1:
        new = {"known_whole", "reserved_by", "answered", "base_url", "client_id"}
        said = {name: value for name, value in said.items() if name not in new} | {"version": 1}
    pending = PendingOutcome.from_json(json.dumps(said))
    async with shop.another() as other:
        try:
            settlement = await shop.during(other.settle(pending, timeout=60))
        except OutcomeUnknown:
            assert (kind, version) == ("recharge", 1)  # it did not say whether all ids are known
        else:
            assert str(settlement.state) == "done"


async def test_the_place_is_no_secret_and_survives_the_way_through_json(shop: Shop) -> None:
    pending = await lost(shop, "charge")
    settings = shop.client._supervisor.settler.settings
    assert (pending.base_url, pending.client_id) == (settings.base_url, settings.client_id)
    assert settings.client_secret not in pending.to_json()
