"""Habits of answers, over a socket: filters, pages, and words that contradict what was done."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from voucher_async.testing import VoucherRecord, habits


@pytest.fixture
async def filled(wire: Any) -> VoucherRecord:
    """A voucher with recharges under some order numbers."""
    voucher: VoucherRecord = wire.emulator.add_voucher(amount=25)
    for order_number in ("a", "b", "a,b", "A", "true", "1", "ab"):
        await wire.recharge(order_number, id=voucher.id)
    return voucher


@pytest.mark.parametrize(
    ("habit", "asked", "found"),
    [
        (None, "a,b", ["a,b"]),
        (habits.Filters(split_commas=True), "a,b", ["a", "b"]),
        (None, "true", ["true"]),
        (habits.Filters(read_words=True), "true", ["1"]),
        (habits.Filters(read_words=True), "null", []),
        (habits.Filters(split_commas=True, read_words=True), "b,true", ["b", "1"]),
        (habits.Filters(fold=True), "a", ["a", "A"]),
        (habits.Filters(partial=True), "b", ["b", "a,b", "ab"]),
        (habits.Filters(ignored="order_number"), "b", ["a", "b", "a,b", "A", "true", "1", "ab"]),
    ],
)
async def test_a_filter_is_read_in_its_own_way(
    wire: Any, filled: VoucherRecord, habit: habits.Filters | None, asked: str, found: list[str]
) -> None:
    wire.emulator.habits.filters = habit
    assert await wire.orders(filled, asked) == found


async def test_null_finds_order_numbers_that_are_null(wire: Any) -> None:
    voucher = wire.emulator.add_voucher(amount=25)
    wire.emulator.habits.set(
        order_numbers=habits.OrderNumbers(null=True), filters=habits.Filters(read_words=True)
    )
    await wire.charge(voucher)
    assert await wire.orders(voucher, "null") == [None]


@pytest.mark.parametrize(("like_stored", "found"), [(False, []), (True, ["a-1"])])
async def test_a_filter_compares_with_what_is_stored_as_it_is_or_rewritten(
    wire: Any, found: list[str], *, like_stored: bool
) -> None:
    voucher = wire.emulator.add_voucher(amount=25)
    wire.emulator.habits.set(
        order_numbers=habits.OrderNumbers(fold="lower"), filters=habits.Filters(like_stored=like_stored)
    )
    await wire.charge(voucher, "A-1")
    assert await wire.orders(voucher, "A-1") == found
    assert await wire.orders(voucher, "a-1") == ["a-1"]


async def test_an_ignored_filter_is_not_even_checked(wire: Any, filled: VoucherRecord) -> None:
    wire.emulator.habits.filters = habits.Filters(ignored=("created_from", "created_to"))
    query = {"filter[created_from]": "2999-01-01T00:00:00Z", "filter[created_to]": "yesterday"}
    assert len(await wire.listed(filled, **query)) == 7


@pytest.mark.parametrize(
    ("habit", "sizes"),
    [
        (habits.Pages(largest=3), [3, 3, 1]),
        (habits.Pages(largest=5000), [6, 1]),
        (habits.Pages(size=2), [2, 2, 2, 1]),
        (habits.Pages(size=15), [7]),
    ],
)
async def test_pages_have_another_size_than_was_asked_for(
    wire: Any, filled: VoucherRecord, habit: habits.Pages, sizes: list[int]
) -> None:
    wire.emulator.habits.pages = habit
    pages = [
        await wire("GET", f"/vouchers/{filled.id}/charges", params={"page": str(n), "per_page": "6"})
        for n in range(1, len(sizes) + 1)
    ]
    assert [len(page.body["data"]) for page in pages] == sizes
    assert {page.body["meta"]["last_page"] for page in pages} == {len(sizes)}
    assert pages[0].body["meta"]["per_page"] in {*sizes, 15}


async def test_lists_come_in_the_order_of_the_server(wire: Any, filled: VoucherRecord) -> None:
    made = [charge.id for charge in wire.emulator.charges()]
    orders = {}
    for order in ("oldest", "newest", "id"):
        wire.emulator.habits.pages = habits.Pages(order=order)
        orders[order] = [entry["id"] for entry in await wire.listed(filled)]
    assert orders == {"oldest": made, "newest": made[::-1], "id": sorted(made)}


async def test_totals_are_wrong_or_missing(wire: Any, filled: VoucherRecord) -> None:
    async def meta() -> dict[str, Any]:
        answer = await wire("GET", f"/vouchers/{filled.id}/charges", params={"per_page": "3"})
        return dict(answer.body["meta"])

    told = {}
    for off in (-10, -1, 0, 1):
        wire.emulator.habits.pages = habits.Pages(total_off=off)
        told[off] = (await meta())["total"]
    assert told == {-10: 0, -1: 6, 0: 7, 1: 8}
    whole = await meta()
    wire.emulator.habits.pages = habits.Pages(missing=("total", "last_page"))
    assert whole.keys() - (await meta()).keys() == {"total", "last_page"}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("type", "credit"),
        ("amount", "9.99"),
        ("amount", 1),
        ("voucher_id", str.upper),
        ("order_number", None),
        ("client_id", "somebody"),
    ],
)
@pytest.mark.parametrize("in_lists", [False, True])
async def test_a_success_says_something_else_than_was_done(
    wire: Any, name: str, shown: Any, *, in_lists: bool
) -> None:
    voucher = wire.emulator.add_voucher(amount=25, id="v-1")
    wire.emulator.habits.contradiction = habits.Contradiction({name: shown}, in_lists=in_lists)
    charge = await wire.charge(voucher)
    answers = [
        charge.body,
        (await wire.refund(charge.body["id"])).body,
        (await wire.recharge(id="v-1")).body,
    ]
    said = "V-1" if callable(shown) else shown
    assert [answer[name] for answer in answers] == [said] * 3
    listed = await wire.listed(voucher)
    assert [entry[name] == said for entry in listed] == [in_lists] * 3
    read = await wire("GET", f"/vouchers/v-1/charges/{charge.body['id']}")
    assert (read.body[name] == said) is in_lists
    true = [(entry.type, entry.amount, entry.voucher_id) for entry in wire.emulator.charges()]
    assert true == [(kind, Decimal("1.00"), "v-1") for kind in ("charge", "refund", "recharge")]


async def test_only_some_answers_contradict(wire: Any) -> None:
    voucher = wire.emulator.add_voucher(amount=25)
    wire.emulator.habits.contradiction = habits.Contradiction(
        {"type": "credit"}, kinds="recharge", share=0.5, seed=2
    )
    assert (await wire.charge(voucher)).body["type"] == "charge"
    told = [(await wire.recharge(id=voucher.id)).body["type"] for _ in range(20)]
    assert set(told) == {"credit", "recharge"}


async def test_a_value_that_is_not_there_is_not_made_into_another(wire: Any) -> None:
    voucher = wire.emulator.add_voucher(amount=25)
    wire.emulator.habits.set(
        order_numbers=habits.OrderNumbers(null=True),
        contradiction=habits.Contradiction({"order_number": str.upper}),
    )
    assert (await wire.charge(voucher)).body["order_number"] is None


@pytest.mark.parametrize("which", ["missing", "null", "another"])
async def test_charges_belong_to_nobody_or_to_another_client(wire: Any, which: Any) -> None:
    voucher = wire.emulator.add_voucher(amount=25)
    wire.emulator.habits.charge_client_id = which
    charge = (await wire.charge(voucher)).body
    read = (await wire("GET", f"/vouchers/{voucher.id}/charges/{charge['id']}")).body
    for shown in (charge, read, *await wire.listed(voucher)):
        assert ("client_id" in shown) is (which != "missing")
        assert (shown.get("client_id") is None) is (which != "another")
        assert shown.get("client_id") != wire.emulator.client_id
    assert wire.emulator.charges()[0].client_id == wire.emulator.client_id
    assert (await wire.reserve(voucher.code)).body["client_id"] == wire.emulator.client_id


@pytest.mark.parametrize("which", ["missing", "null"])
async def test_lists_have_no_order_numbers_and_everything_else_has(wire: Any, which: Any) -> None:
    voucher = wire.emulator.add_voucher(amount=25)
    wire.emulator.habits.list_order_numbers = which
    charge = (await wire.charge(voucher)).body
    assert charge["order_number"] == "A-1"
    entry = (await wire.listed(voucher))[0]
    assert entry.get("order_number") is None
    assert ("order_number" in entry) is (which == "null")
    read = await wire("GET", f"/vouchers/{voucher.id}/charges/{charge['id']}")
    assert read.body["order_number"] == "A-1"
