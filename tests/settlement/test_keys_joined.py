"""Equal calls under way at the same moment without a key: which are one payment, and which are several."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from tests.settlement.adversary import Lot
from tests.settlement.town import CREATE, LIST, Town, all_of, said
from tests.virtual import virtually
from voucher_async.api_errors import ApiError, Conflict
from voucher_async.errors import Proof, ReservationAlreadyCharged
from voucher_async.models import Charge
from voucher_async.outcomes import ChargeRefunded, SettlementState, StillRunning
from voucher_async.payments.call import CallState
from voucher_async.payments.joined import is_joined


def ids(told: list[Any]) -> list[str]:
    """The ids of charges that all callers were told."""
    assert all(isinstance(each, Charge) for each in told), told
    return [each.id for each in told]


@virtually
async def test_equal_redeems_under_way_are_one(caplog: pytest.LogCaptureFixture) -> None:
    town, client = await Town.with_client()
    caplog.set_level(logging.INFO, logger="voucher_async")
    caplog.clear()
    told = await all_of(*(client.redeem(None) for _ in range(3)))
    assert set(ids(told)) == {*town.made("redeem")}
    assert len(town.made("redeem")) == 1
    assert [is_joined(charge) for charge in told] == [False, True, True]
    lines = [record for record in caplog.records if "joined" in record.getMessage()]
    assert [record.levelname for record in lines] == ["INFO"] * 2
    (record,) = await client.records()
    assert (record.state, record.key, record.told) == (CallState.DONE, None, True)


@pytest.mark.parametrize("spelling", ["upper", "lower", " spaced ", "dashed"])
@virtually
async def test_another_spelling_of_the_code_is_the_same_voucher(spelling: str) -> None:
    town, client = await Town.with_client()
    code = town.vouchers[0].code
    other = {
        "upper": code.upper(),
        "lower": code.lower(),
        " spaced ": f" {' '.join(code)} ",
        "dashed": "-".join(code.replace("-", "")),
    }[spelling]
    told = await all_of(client.redeem(None), client.redeem(None, code=other))
    assert len(set(ids(told))) == 1
    keyed = [await client.redeem("K-1"), await client.redeem("K-1", code=other)]
    assert len(set(ids([*keyed]))) == 1
    assert len(town.made("redeem")) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"pin": "1234"},
        {"amount": "4.01"},
        {"order_number": "A-2"},
        {"code": "another"},
        {"join": False},
        {"idempotency_key": "K-1"},
    ],
    ids=lambda change: next(iter(change)),
)
@virtually
async def test_what_differs_is_another_payment(change: dict[str, Any]) -> None:
    town, client = await Town.with_client()
    if "code" in change:
        change = {"code": town.vouchers[1].code}
    told = await all_of(client.redeem(None), client.redeem(None, **change), client.redeem(None))
    assert len(set(ids(told))) == 2
    assert len(town.made("redeem")) == 2
    assert not is_joined(told[1])


@virtually
async def test_a_till_may_turn_joining_off() -> None:
    client = (await Town.build()).client()
    told = await all_of(*(client.redeem(None, join=False) for _ in range(3)))
    assert len(set(ids(told))) == 3
    assert not any(map(is_joined, told))


@virtually
async def test_what_comes_later_is_another_payment() -> None:
    client = (await Town.build()).client()
    assert (await client.redeem(None)).id != (await client.redeem(None)).id


@pytest.mark.parametrize("keys", [(None, None), ("K-1", "K-2"), (None, "K-1")])
@virtually
async def test_a_charge_of_another_process_is_nobody_elses(keys: tuple[str | None, ...]) -> None:
    """Each replaces the other's reservation, and a look shows the other's charge: its owner is known."""
    town = await Town.build()
    told = await all_of(*(town.client().redeem(key, timeout=60.0) for key in keys))
    assert len(set(ids(told))) == len(town.made("redeem")) == 2


@pytest.mark.parametrize("operation", ["redeem", "recharge", "refund"])
@virtually
async def test_what_another_process_may_have_made_is_waited_for(operation: str) -> None:
    """Two equal payments of two processes: one is lost, the other one was made, and its answer takes long."""
    town = await Town.build()
    first, second = town.client(), town.client()
    if operation == "redeem":
        town.script(Lot("hung answer"))
    else:
        town.script(Lot(wait=5.0), Lot("lost"))
    one = first.begin(operation, "K-1", timeout=40.0)
    await asyncio.sleep(1.0)
    if operation == "redeem":
        town.script(Lot("lost"), Lot("lost"), Lot("lost"))
    two = second.begin(operation, "K-2", timeout=70.0)
    told = await all_of(one, two)
    made = [charge.id for charge in told if isinstance(charge, Charge)]
    assert len(made) == len(set(made))
    asks = ((first, "K-1"), (second, "K-2"))
    again = await all_of(*(client.ask(operation, key, timeout=60.0) for client, key in asks))
    if operation == "redeem":  # both are open, one entry was made, and no fact tells whose it is
        assert len(town.made(operation)) == 1
        assert not any(isinstance(charge, Charge) for charge in again)
        return
    assert sorted(ids(again)) == sorted(town.made(operation))
    assert len(set(ids(again))) == 2


@pytest.mark.parametrize("operation", ["refund", "recharge"])
@virtually
async def test_equal_refunds_and_recharges_are_several_and_with_a_key_one(operation: str) -> None:
    town, client = await Town.with_client()
    told = await all_of(*(client.ask(operation, None, amount="0.50") for _ in range(2)))
    assert len(set(ids(told))) == 2
    told = await all_of(*(client.ask(operation, "K-1", amount="0.50") for _ in range(2)))
    assert len(set(ids(told))) == 1
    assert len(town.made(operation)) == 3
    told = await all_of(client.ask(operation, "K-2"), client.ask(operation, "K-3"))
    assert len(set(ids(told))) == 2


@virtually
async def test_charges_of_one_reservation_join() -> None:
    town, client = await Town.with_client()
    told = await all_of(client.charge(None), client.charge(None), client.charge(None, of=town.reservation.id))
    assert len(set(ids(told))) == len(town.made("charge")) == 1
    assert [is_joined(charge) for charge in told] == [False, True, True]
    assert isinstance(await said(client.charge(None)), ReservationAlreadyCharged)


@virtually
async def test_a_reservation_is_charged_for_one_order() -> None:
    client = (await Town.build()).client()
    told = await all_of(client.charge(None), client.charge(None, order_number="A-2"))
    assert [type(each) for each in told] == [Charge, ReservationAlreadyCharged]


@virtually
async def test_who_joins_is_told_at_their_own_deadline() -> None:
    town, client = await Town.with_client()
    town.script(Lot(wait=2.0))
    tasks = [client.begin("redeem", None, timeout=seconds) for seconds in (9.0, 1.0, 30.0)]
    told = await all_of(*tasks)
    assert [type(each) for each in told] == [Charge, StillRunning, Charge]
    assert len(town.made("redeem")) == 1


@virtually
async def test_who_was_told_that_it_goes_on_can_ask_how_it_ended_although_nothing_was_sent() -> None:
    town, client = await Town.with_client()
    town.script(rest=(Lot("refused 409", wait=2.0),))
    tasks = [client.begin("redeem", None, timeout=seconds) for seconds in (9.0, 1.0)]
    refused, early = await all_of(*tasks)
    assert isinstance(refused, Conflict)
    assert isinstance(early, StillRunning)
    settlement = await client.core.supervisor.settle(early.pending, client.wire.deadline(5.0))
    assert (settlement.state, settlement.proof) == (SettlementState.NOT_DONE, Proof.NOT_SENT)
    assert client.core.supervisor.pending == ()


@pytest.mark.parametrize("leaves", [0, 1, 2])
@virtually
async def test_who_leaves_leaves_alone(leaves: int) -> None:
    town, client = await Town.with_client()
    town.script(Lot(wait=2.0))
    tasks = [client.begin("redeem", None) for _ in range(3)]
    await asyncio.sleep(1.0)
    tasks[leaves].cancel()
    rest = [task for task in tasks if task is not tasks[leaves]]
    assert len(set(ids(await all_of(*rest)))) == len(town.made("redeem")) == 1
    assert tasks[leaves].cancelled()


@virtually
async def test_who_joined_a_call_that_had_no_time_goes_on_with_it() -> None:
    """The first one's deadline passed before anything was sent: that is about nobody else."""
    town, client = await Town.with_client()
    town.script(rest=(Lot("never connected"),))
    one = client.begin("redeem", None, timeout=1.0)
    await asyncio.sleep(0.5)
    two = client.begin("redeem", None, timeout=20.0)
    told = await all_of(one, two)
    assert not isinstance(told[0], Charge)
    assert ids([told[1]]) == town.made("redeem")


@virtually
async def test_a_refusal_is_told_to_each_in_a_copy() -> None:
    town, client = await Town.with_client()
    town.script(*[Lot("refused 409")] * 2)
    errors = await all_of(*(client.redeem(None) for _ in range(3)))
    assert {type(error) for error in errors} == {Conflict}
    assert len({id(error) for error in errors}) == 3
    assert len({(str(e), e.status, e.code, e.proof) for e in errors if isinstance(e, ApiError)}) == 1
    assert town.made("redeem") == []


async def _left_behind(town: Town) -> tuple[Any, str]:
    """A client whose caller left, and the charge that nobody was told."""
    client = town.client()
    town.script(Lot(wait=1.0))
    task = client.begin("redeem", None)
    await asyncio.sleep(0.5)
    task.cancel()
    await asyncio.sleep(5.0)
    (made,) = town.made("redeem")
    return client, made


@virtually
async def test_a_charge_that_nobody_was_told_is_told_to_one_payment_alone() -> None:
    """Three tills, one order number: one of them gets what was charged, the others pay."""
    town = await Town.build()
    client, made = await _left_behind(town)
    told = await all_of(*(client.redeem(None) for _ in range(3)))
    assert set(ids(told)) == {made}  # a double click
    told = await all_of(*(client.redeem(f"till {number}") for number in range(3)))
    assert len({*ids(told), made}) == len(town.made("redeem")) == 4
    told = await all_of(*(client.redeem(None, join=False) for _ in range(3)))
    assert len({*ids(told), made}) == 4
    assert len(town.made("redeem")) == 7


@virtually
async def test_a_charge_that_was_refunded_elsewhere_is_not_handed_out() -> None:
    town = await Town.build()
    client, made = await _left_behind(town)
    (event,) = client.told
    assert event.charge is not None
    await town.client(scope="another shop's").refund(None, of=event.charge, amount=None)
    await asyncio.sleep(7200.0)
    client.wire.sent.clear()
    charge = await client.redeem(None)
    assert charge.id != made
    assert client.wire.sent[:2] == [LIST, CREATE]
    assert len(town.made("redeem")) == 2


@virtually
async def test_a_charge_that_was_refunded_elsewhere_keeps_its_key() -> None:
    town, client = await Town.with_client()
    town.script(Lot(wait=1.0))
    task = client.begin("redeem")
    await asyncio.sleep(0.5)
    task.cancel()
    await asyncio.sleep(5.0)
    (event,) = client.told
    await town.client(scope="another shop's").refund(None, of=event.charge, amount=None)
    await asyncio.sleep(7200.0)
    told = await said(client.redeem())
    assert isinstance(told, ChargeRefunded)
    assert len(town.made("redeem")) == 1
