"""Judging by a voucher's balance, and behind a fence."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import attrs
import pytest

from tests.unit.judged import CONFLICT, PENDING, VOUCHER, Server, case, not_found
from tests.unit.samples import NOON, charge
from voucher_async import ChargeType
from voucher_async.api_errors import MissingScope
from voucher_async.errors import Proof, VoucherError
from voucher_async.models import VoucherDetails
from voucher_async.payments.evidence import Move
from voucher_async.payments.looking import Looking


@pytest.mark.parametrize(
    ("voucher", "is_absent"),
    [
        (attrs.evolve(VOUCHER, remaining_amount=Decimal("24.00")), True),
        (VOUCHER, False),
        (MissingScope("HTTP 403", status=403), False),
    ],
)
async def test_an_entry_of_another_amount_is_ours_unless_the_balance_agrees(
    voucher: VoucherDetails | VoucherError, *, is_absent: bool
) -> None:
    server = Server([charge(amount=Decimal("1.00"))], voucher=voucher)
    each = case(server)
    verdict = await server.judge(each)
    assert (verdict.move is Move.NOT_DONE, verdict.is_absent) == (is_absent, is_absent)
    assert is_absent or "balance does not fit" in each.reason
    assert (await Server().judge(case(Server()))).is_absent


@pytest.mark.parametrize(("shown", "is_absent"), [("0.01", False), ("5.00", True)])
async def test_a_charge_that_is_shown_smaller_than_its_refund_makes_the_sum_worthless(
    shown: str, *, is_absent: bool
) -> None:
    refund = attrs.evolve(PENDING, operation="refundCharge", charge_id="c", known=("c",), known_whole=True)
    entries = [
        charge("c", amount=Decimal(shown)),
        charge("r", type=ChargeType.REFUND, amount=Decimal("0.01")),
        charge("d", amount=Decimal("0.01") if is_absent else Decimal("1.00"), order_number="B-2"),
        charge("e", type=ChargeType.RECHARGE, amount=Decimal("5.00") if is_absent else Decimal("1.00")),
    ]
    server = Server(entries, voucher=VOUCHER)
    assert (await server.judge(case(server, pending=refund))).is_absent is is_absent


async def test_a_list_without_what_was_there_before_is_an_older_one() -> None:
    refund = attrs.evolve(PENDING, operation="refundCharge", known=("before",), known_whole=True)
    server = Server()
    each = case(server, pending=refund)
    assert (await server.look(each))[0] is Move.WAIT
    assert "copy, or incomplete" in each.reason
    whole = Server([charge("before", type=ChargeType.REFUND)])
    assert (await whole.look(case(whole, pending=refund)))[0] is Move.NOT_DONE


@pytest.mark.parametrize("fenced", [True, False])
async def test_behind_a_fence_the_balance_is_read(*, fenced: bool) -> None:
    server = Server()
    each = case(server)
    each.call = each.call._replace(fenced_at=server.clock.monotonic() - 11.0 if fenced else None)
    verdict = await server.judge(each)
    assert (verdict.move, verdict.facts.is_balanced) == (Move.NOT_DONE, fenced)


async def test_a_balance_that_may_be_a_copy_agrees_with_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    server, asked = Server(), list[str]()
    monkeypatch.setattr(Looking, "is_new", lambda _, voucher_id, __: asked.append(voucher_id))
    each = case(server, repeats=1, repeat_refused=True, refusal=CONFLICT)
    assert (await server.look(each))[0] is Move.WAIT
    assert asked == ["V"]


@pytest.mark.parametrize(("operation", "since"), [("chargeReservation", NOON), ("refundCharge", None)])
async def test_the_list_is_read_from_its_newest_end_where_no_ids_are_known(
    monkeypatch: pytest.MonkeyPatch, operation: str, since: dt.datetime | None
) -> None:
    server, asked, read = Server(), list[Any](), Looking.read

    async def noted(self: Looking, *given: Any) -> Any:
        asked.append(given[-1])
        return await read(self, *given)

    monkeypatch.setattr(Looking, "read", noted)
    await server.look(case(server, pending=attrs.evolve(PENDING, operation=operation)))
    assert asked == [since]


@pytest.mark.parametrize("is_after", [True, False])
async def test_behind_a_fence_the_balance_has_to_be_newer_than_it(
    monkeypatch: pytest.MonkeyPatch, *, is_after: bool
) -> None:
    monkeypatch.setattr(Looking, "is_after", lambda *_: is_after)
    server = Server()
    each = case(server, quiet=11.0, repeats=1, repeat_refused=True, refusal=not_found())
    each.call = each.call._replace(fenced_at=server.clock.monotonic() - 11.0)
    expected = (Move.NOT_DONE, Proof.REPEAT_REFUSED) if is_after else (Move.WAIT, Proof.REFUSED)
    assert await server.look(each) == expected
    without = case(server, repeats=1, repeat_refused=True, refusal=not_found())
    assert await server.look(without) == (Move.NOT_DONE, Proof.REPEAT_REFUSED)
    assert (await server.look(case(server, 11.0, repeats=1, repeat_refused=True)))[0] is Move.WAIT
