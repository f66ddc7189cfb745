"""Lookups under the names that users of the vendor's paths try."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.proxy import Proxy
from voucher_async import Charge, InvalidInput, NotFound, VoucherClient
from voucher_async.testing import VoucherEmulator


async def test_a_charge_is_read_by_itself_or_by_both_ids(client: VoucherClient, charge: Charge) -> None:
    assert await client.charges.get(charge) == charge
    assert await client.charges.get(charge.id, voucher_id=charge.voucher_id) == charge
    assert await client.vouchers.get_charge(charge.voucher_id, charge.id) == charge


async def test_a_charge_is_not_read_by_its_id_alone(
    client: VoucherClient, emulator: VoucherEmulator, charge: Charge
) -> None:
    get: Any = client.charges.get
    before = len(emulator.requests)
    with pytest.raises(InvalidInput, match=r"^voucher_id: must be given: the API reads a charge by both ids"):
        await get(charge.id)
    with pytest.raises(InvalidInput, match=r"^voucher_id: must be that of the charge"):
        await get(charge, voucher_id="V-2")
    assert len(emulator.requests) == before
    with pytest.raises(NotFound):
        await client.charges.get("C-0", voucher_id=charge.voucher_id)


async def test_charges_are_listed_by_three_names(
    proxied: VoucherClient, proxy: Proxy, charge: Charge
) -> None:
    asked: dict[str, Any] = {"order_number": "A-1", "per_page": 5}
    for lists in (proxied.charges.list, proxied.vouchers.charges, proxied.vouchers.list_charges):
        assert await lists(charge.voucher_id, **asked).to_list() == [charge]
    assert proxy.count("listCharges") == 3
    assert len({(seen.path, tuple(seen.query.items())) for seen in proxy.seen}) == 1
    with pytest.raises(InvalidInput, match=r"^voucher_id: "):
        proxied.charges.list("")


ABSENT = {
    "reservations.get": "the API reads and lists no reservations",
    "reservations.list": "the API reads and lists no reservations",
    "reservations.release": "the API releases no reservation: it ends by itself after 30 minutes",
    "reservations.cancel": "the API releases no reservation",
    "vouchers.get_by_code": "the API finds no voucher by its code",
    "vouchers.reservations": "the API reads and lists no reservations",
    "vouchers.charge": "a charge is made by `redeem`",
    "vouchers.reserve": r"by `reservations\.create`",
    "charges.create": "a charge is made by `redeem`",
    "charges.cancel": r"undone by `charges\.refund`",
    "clients.get": "the API reads no clients",
}


@pytest.mark.parametrize("path", ABSENT)
async def test_what_the_api_does_not_have_leads_to_what_there_is(client: VoucherClient, path: str) -> None:
    resource, name = path.split(".")
    with pytest.raises(AttributeError, match=f"^{resource} has no '{name}': .*{ABSENT[path]}"):
        getattr(getattr(client, resource), name)


@pytest.mark.parametrize("resource", ["vouchers", "reservations", "charges", "clients"])
async def test_any_other_attribute_is_missing_as_python_says(client: VoucherClient, resource: str) -> None:
    each = getattr(client, resource)
    with pytest.raises(AttributeError, match=f"^'{type(each).__name__}' object has no attribute 'colour'$"):
        _ = each.colour
    assert not hasattr(each, "get_all")
    assert type(copy.copy(each)) is type(each)
