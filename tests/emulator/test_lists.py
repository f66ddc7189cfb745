"""Operations 2 and 8: filters and pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.emulator.conftest import broken
from voucher_async.testing import VoucherEmulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from voucher_async.testing import ManualClock


NO_MOMENTS = ["yesterday", "2026-01-01", "2026-01-01T12:00:00", "2026-01-01T12:00:00 00:00"]


def ids(answer: Any) -> list[str]:
    assert answer.status == 200, answer.body
    return [entry["id"] for entry in answer.body["data"]]


def fill(api: Any, count: int, clock: ManualClock) -> list[str]:
    made = []
    for _ in range(count):
        made.append(api.emulator.add_voucher(amount=25).id)
        clock.advance(60)
    return made


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 100, 5000])
def test_pages_hold_every_voucher_once_in_order(api: Any, clock: ManualClock, size: int) -> None:
    made = fill(api, 7, clock)
    last = api("GET", "/vouchers", per_page=str(size)).body["meta"]["last_page"]
    pages = [ids(api("GET", "/vouchers", page=str(n), per_page=str(size))) for n in range(1, last + 1)]
    assert [id for page in pages for id in page] == made
    assert last == -(-7 // size)


def test_the_envelope_is_laravels_and_its_links_point_elsewhere(api: Any, clock: ManualClock) -> None:
    fill(api, 5, clock)
    body = api("GET", "/vouchers", page="2", per_page="2").body
    assert body["meta"] == {
        "current_page": 2,
        "from": 3,
        "last_page": 3,
        "path": "http://domain/v1/vouchers",
        "per_page": 2,
        "to": 4,
        "total": 5,
    }
    assert body["links"] == {
        "first": "http://domain/v1/vouchers?page=1",
        "last": "http://domain/v1/vouchers?page=3",
        "prev": "http://domain/v1/vouchers?page=1",
        "next": "http://domain/v1/vouchers?page=3",
    }


def test_a_page_behind_the_last_is_empty(api: Any, clock: ManualClock) -> None:
    fill(api, 2, clock)
    body = api("GET", "/vouchers", page="999999999999").body
    assert body["data"] == []
    assert (body["meta"]["from"], body["meta"]["to"], body["meta"]["total"]) == (None, None, 2)
    assert body["links"]["next"] is None


def test_nothing_at_all_is_one_empty_page(api: Any) -> None:
    body = api("GET", "/vouchers").body
    assert body["meta"]["last_page"] == 1
    assert body["links"]["prev"] is None


def test_a_page_is_25_entries_long_unless_told_and_never_over_the_limit(
    api_of: Callable[[VoucherEmulator], Any], clock: ManualClock
) -> None:
    api = api_of(VoucherEmulator(clock=clock, max_per_page=30))
    fill(api, 31, clock)
    assert len(ids(api("GET", "/vouchers"))) == 25
    body = api("GET", "/vouchers", per_page="1000").body
    assert (len(body["data"]), body["meta"]["per_page"], body["meta"]["last_page"]) == (30, 30, 2)


def test_lists_can_start_with_the_newest(
    api_of: Callable[[VoucherEmulator], Any], clock: ManualClock
) -> None:
    api = api_of(VoucherEmulator(clock=clock, newest_first=True))
    made = fill(api, 3, clock)
    assert ids(api("GET", "/vouchers")) == made[::-1]


def test_a_list_entry_has_the_balance_and_no_secret(api: Any) -> None:
    api.emulator.add_voucher(amount=25)
    entry = api("GET", "/vouchers").body["data"][0]
    assert entry["remaining_amount"] == "25.00"
    assert entry["deletable"] is False
    assert not {"code", "pin"} & entry.keys()


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"filter[created_from]": "2026-01-01T12:01:00+00:00"}, [1, 2]),
        ({"filter[created_from]": "2026-01-01T13:01:01+01:00"}, [2]),
        ({"filter[created_to]": "2026-01-01T12:01:00Z"}, [0, 1]),
        ({"filter[created_to]": "2026-01-01t12:00:59.999z"}, [0]),
        (
            {
                "filter[created_from]": "2026-01-01T12:00:30Z",
                "filter[created_to]": "2026-01-01T12:01:30Z",
            },
            [1],
        ),
        ({"filter[order_number]": "B"}, [1]),
        ({"filter[order_number]": "nobody's"}, []),
    ],
)
def test_filters_narrow_both_lists_down(
    api: Any, clock: ManualClock, query: dict[str, str], shown: list[int]
) -> None:
    first = api.emulator.add_voucher(amount=25, order_number="A")
    vouchers, charges = [first.id], [api.charged(first, "1.00", "A")]
    for order_number in "BC":
        clock.advance(60)
        vouchers.append(api.emulator.add_voucher(amount=25, order_number=order_number).id)
        charges.append(api.charged(first, "1.00", order_number))
    assert ids(api("GET", "/vouchers", **query)) == [vouchers[n] for n in shown]
    assert ids(api("GET", f"/vouchers/{first.id}/charges", **query)) == [charges[n] for n in shown]


@broken(
    {
        "PAGE.MIN:1": {"page": ["0"]},
        "PAGE.INTEGER": {"page": ["-1", "", "\N{ARABIC-INDIC DIGIT ONE}", "9" * 5000]},
        "PER_PAGE.MIN:1": {"per_page": ["0"]},
        "PER_PAGE.INTEGER": {"per_page": ["ten"]},
        "ORDER_NUMBER.STRING": {"filter[order_number]": [""]},
        "CREATED_FROM.DATE": {"filter[created_from]": NO_MOMENTS},
        "CREATED_TO.DATE": {"filter[created_to]": ["2026-02-30T12:00:00Z"]},
    }
)
def test_a_lists_broken_rule_is_named(api: Any, changed: dict[str, str], code: str) -> None:
    voucher = api.emulator.add_voucher(amount=25)
    assert api("GET", "/vouchers", **changed).codes == {f"VOUCHER.LIST.{code}"}
    assert api("GET", f"/vouchers/{voucher.id}/charges", **changed).codes == {f"CHARGE.LIST.{code}"}


def test_charges_of_other_vouchers_are_not_listed(api: Any) -> None:
    voucher, other = api.emulator.add_voucher(amount=25, id="a b/c"), api.emulator.add_voucher(amount=25)
    charge = api.charged(voucher, "5.00")
    refund = api.refund(charge, "1.00").body["id"]
    api.charged(other, "5.00")
    answer = api("GET", "/vouchers/a%20b%2Fc/charges")
    assert ids(answer) == [charge, refund]
    assert answer.body["meta"]["path"] == "http://domain/v1/vouchers/a%20b%2Fc/charges"
