"""The split of an amount over the charges of an order, for whatever was charged and refunded before."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

import attrs
from hypothesis import given
from hypothesis import strategies as st

from voucher_async.models import Charge, ChargeType
from voucher_async.money import total
from voucher_async.refunding.standing import Taken, shares_of, standing_of

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
cents = st.integers(1, 99_999_999).map(lambda count: Decimal(count).scaleb(-2))


@attrs.frozen
class Sold:
    """A charge, and the refunds of it that were really made: known to the journal, or by hand."""

    charge: Charge
    known: Decimal
    by_hand: tuple[Decimal, ...]

    @property
    def left(self) -> Decimal:
        return self.charge.amount - self.known - sum(self.by_hand)


def entry(number: int, amount: Decimal, voucher: int, kind: ChargeType, second: int = 0) -> Charge:
    at = START + dt.timedelta(seconds=second)
    return Charge(
        id=f"{kind}-{number}", voucher_id=f"V-{voucher}", client_id="C", type=kind, amount=amount,
        order_number="A-1", created_at=at, updated_at=at,
    )  # fmt: skip


@st.composite
def orders(draw: st.DrawFn) -> list[Sold]:
    sold = list[Sold]()
    for number in range(draw(st.integers(0, 6))):
        amount = draw(cents)
        charge = entry(number, amount, draw(st.integers(1, 3)), ChargeType.CHARGE, draw(st.integers(0, 2)))
        known = amount * draw(st.integers(0, 100)) // 100
        rest = amount - known
        by_hand = [rest * draw(st.integers(0, 60)) // 100 for _ in range(draw(st.integers(0, 1)))]
        sold.append(Sold(charge, known, tuple(filter(None, by_hand))))
    return sold


def seen(sold: Sequence[Sold]) -> tuple[list[Taken], list[Charge]]:
    taken = [
        Taken(charge=each.charge, currency="EUR", position=number, refunded=each.known)
        for number, each in enumerate(sold)
    ]
    refunds = [
        entry(number, amount, int(each.charge.voucher_id[2:]), ChargeType.REFUND)
        for number, each in enumerate(sold)
        for amount in each.by_hand
    ]
    return taken, refunds


@given(orders())
def test_no_charge_is_refunded_by_more_than_it_has_left_whatever_refunds_by_hand_were_of(
    sold: list[Sold],
) -> None:
    standing = standing_of(*seen(sold))
    really = {each.charge.id: each.left for each in sold}
    assert standing.left == total(really.values())
    assert standing.certain <= standing.left
    for each in standing.refundable:
        assert 0 < each.amount <= really[each.charge.id]


@given(orders())
def test_where_each_charge_has_a_voucher_of_its_own_all_that_is_left_can_be_refunded(
    sold: list[Sold],
) -> None:
    alone = [
        attrs.evolve(each, charge=attrs.evolve(each.charge, voucher_id=f"V-{number}"))
        for number, each in enumerate(sold)
    ]
    standing = standing_of(*seen(alone))
    assert standing.certain == standing.left == total(each.left for each in alone)


@given(orders(), cents)
def test_the_shares_are_the_amount_and_only_the_last_one_is_a_part(sold: list[Sold], amount: Decimal) -> None:
    standing = standing_of(*seen(sold))
    shares = shares_of(standing.refundable, amount)
    assert total(each.amount for each in shares) == min(amount, standing.certain)
    whole = {each.charge.id: each.amount for each in standing.refundable}
    assert [each.amount for each in shares[:-1]] == [whole[each.charge.id] for each in shares[:-1]]
    assert [each.charge.id for each in shares] == [each.charge.id for each in standing.refundable][
        : len(shares)
    ]
    assert total(each.amount for each in shares_of(standing.refundable, None)) == standing.certain


@given(orders())
def test_the_latest_charge_comes_first(sold: list[Sold]) -> None:
    positions = {each.charge.id: (each.charge.created_at, number) for number, each in enumerate(sold)}
    order = [positions[each.charge.id] for each in standing_of(*seen(sold)).refundable]
    assert order == sorted(order, reverse=True)


def test_a_refund_with_the_mark_of_its_charge_is_of_that_one() -> None:
    one, two = (entry(number, Decimal(5), 1, ChargeType.CHARGE) for number in (1, 2))
    refund = attrs.evolve(entry(3, Decimal(3), 1, ChargeType.REFUND), order_number="A-1~B")
    taken = [
        Taken(charge=one, currency="EUR", mark="A-1~A"),
        Taken(charge=two, currency="EUR", position=1, mark="A-1~B"),
    ]
    standing = standing_of(taken, [refund])
    assert [(each.charge.id, each.amount) for each in standing.refundable] == [
        (two.id, Decimal(2)),
        (one.id, Decimal(5)),
    ]
