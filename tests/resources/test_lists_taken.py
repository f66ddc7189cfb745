"""Lists as lists: `to_list` asks for no page that it does not need, and a slip says what to write."""

from __future__ import annotations

from typing import Any

import pytest

from tests.proxy import Proxy
from voucher_async import Charge, InvalidInput, InvalidInputType, NotFound, VoucherClient
from voucher_async.testing import VoucherEmulator


def stock(emulator: VoucherEmulator, size: int) -> list[str]:
    return [emulator.add_voucher(amount="1.00", active=False).id for _ in range(size)]


@pytest.mark.parametrize(
    ("limit", "found", "requests"),
    [(None, 5, 3), (1, 1, 1), (2, 2, 1), (3, 3, 2), (4, 4, 2), (5, 5, 3), (9, 5, 3)],
)
async def test_no_page_is_asked_for_beyond_the_limit(
    client: VoucherClient, emulator: VoucherEmulator, limit: int | None, found: int, requests: int
) -> None:
    ids = stock(emulator, 5)
    vouchers = await client.vouchers.list(per_page=2).to_list(limit)
    assert [voucher.id for voucher in vouchers] == ids[:found]
    assert emulator.requests.count("listVouchers") == requests


async def test_every_listing_can_be_taken(client: VoucherClient, charge: Charge) -> None:
    assert await client.vouchers.list_charges(charge.voucher_id).to_list(limit=1) == [charge]
    assert [each.charge for each in await client.history().to_list()] == [charge]
    assert await client.history(order_number="another").to_list() == []


async def test_an_empty_list_takes_one_request(client: VoucherClient, emulator: VoucherEmulator) -> None:
    assert await client.vouchers.list().to_list() == []
    assert emulator.requests.count("listVouchers") == 1


@pytest.mark.parametrize(
    ("limit", "error"),
    [(0, InvalidInput), (-1, InvalidInput), (True, InvalidInputType), ("2", InvalidInputType)],
)
async def test_a_limit_that_cannot_be_is_refused_unsent(
    client: VoucherClient, emulator: VoucherEmulator, limit: Any, error: type[InvalidInput]
) -> None:
    for listing in (client.vouchers.list(), client.vouchers.list_charges("V-1"), client.history()):
        with pytest.raises(error, match=r"^limit: must be"):
            await listing.to_list(limit)
    assert len(emulator.requests) == 0


async def test_a_page_that_fails_is_raised(
    client: VoucherClient, proxied: VoucherClient, proxy: Proxy
) -> None:
    with pytest.raises(NotFound):
        await client.vouchers.list_charges("V-0").to_list()
    proxy.refuse("GET", "/vouchers", 404)
    with pytest.raises(NotFound):
        await proxied.vouchers.list().to_list()


@pytest.mark.parametrize("name", ["Listing", "History"])
async def test_awaiting_or_looping_without_async_says_what_to_write(client: VoucherClient, name: str) -> None:
    listing: Any = client.history() if name == "History" else client.vouchers.list()
    advice = r'write "async for item in listing", or "items = await listing.to_list\(\)"$'
    with pytest.raises(TypeError, match=f"^a {name} cannot be awaited; {advice}"):
        await listing
    with pytest.raises(TypeError, match=f'^a {name} needs "async for": it cannot be iterated; {advice}'):
        for _ in listing:
            pass
    with pytest.raises(TypeError, match=advice):
        list(listing)


async def test_a_history_goes_on_where_it_was_left(client: VoucherClient, charge: Charge) -> None:
    history = client.history()
    assert (await anext(history)).charge == charge
    assert [record async for record in history] == []
