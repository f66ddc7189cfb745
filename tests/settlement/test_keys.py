"""Whoever asks again with an idempotency key, by the state of the call that has it."""

from __future__ import annotations

import asyncio
import unicodedata
from typing import Any

import pytest

from tests.settlement.adversary import Lot
from tests.settlement.town import CHARGE, LIST, OPERATIONS, WINDOW, Client, Town, all_of, said
from tests.virtual import virtually
from voucher_async.errors import (
    ApiError,
    ChargeRefunded,
    Conflict,
    IdempotencyMismatch,
    InvalidInput,
    InvalidInputType,
    OutcomeUnknown,
    Proof,
    StillRunning,
)
from voucher_async.models import Charge
from voucher_async.payments.call import CallState
from voucher_async.settlement.joined import is_joined

operations = pytest.mark.parametrize("operation", OPERATIONS)
elsewhere = pytest.mark.parametrize("elsewhere", [False, True])
SLOW = Lot(wait=2.0)


def refusals(operation: str, wait: float = 0.0) -> list[Lot]:
    """What makes a call not done: a `redeem` charges a second reservation after the first refusal."""
    return [Lot("refused 409", wait=wait)] * (2 if operation == "redeem" else 1)


def other(town: Town, client: Client, *, elsewhere: bool) -> Client:
    """Who asks again: the same client, or one of another process."""
    return town.client() if elsewhere else client


@operations
@elsewhere
@virtually
async def test_who_asks_while_it_runs_waits_for_the_same_charge(operation: str, elsewhere: bool) -> None:
    town = await Town.build()
    first = town.client()
    second = other(town, first, elsewhere=elsewhere)
    town.script(SLOW)
    one, *more = [first.begin(operation)]
    await asyncio.sleep(1.0)
    more = [second.begin(operation) for _ in range(3)]
    charges = await asyncio.gather(one, *more)
    assert len({charge.id for charge in charges}) == 1
    assert [charges[0].id] == town.made(operation)
    assert [is_joined(charge) for charge in charges] == [False, True, True, True]


@operations
@elsewhere
@virtually
async def test_who_has_less_time_is_told_so_in_time(operation: str, elsewhere: bool) -> None:
    town = await Town.build()
    first = town.client()
    second = other(town, first, elsewhere=elsewhere)
    town.script(SLOW)
    one = first.begin(operation)
    await asyncio.sleep(1.0)
    began = town.clock.monotonic()
    error = await said(second.ask(operation, timeout=1.0))
    assert isinstance(error, StillRunning)
    assert town.clock.monotonic() - began == pytest.approx(1.0, abs=0.01)
    assert error.proof is None
    charge = await one
    assert (await second.ask(operation)).id == charge.id
    assert len(town.made(operation)) == 1


@operations
@virtually
async def test_the_latest_deadline_rules(operation: str) -> None:
    """Its first caller has little time, another one much: the call goes on, looked for until it is clear."""
    town = await Town.build()
    client = town.client()
    town.script(Lot("lost answer", wait=0.2), rest=(*[Lot()] * (operation != "charge"), *[Lot("failed")] * 3))
    one = client.begin(operation, timeout=1.0)
    await asyncio.sleep(0)
    two = client.begin(operation, timeout=20.0)
    told, charge = await all_of(one, two)
    assert isinstance(told, StillRunning)
    assert isinstance(charge, Charge)
    assert town.made(operation) == [charge.id]


@operations
@virtually
async def test_a_first_caller_who_leaves_leaves_the_others_with_the_charge(operation: str) -> None:
    town = await Town.build()
    client = town.client()
    town.script(SLOW)
    one = client.begin(operation)
    await asyncio.sleep(0)
    two = client.begin(operation)
    await asyncio.sleep(0)
    one.cancel()
    charge = await two
    assert one.cancelled()
    assert town.made(operation) == [charge.id]


@operations
@virtually
async def test_when_all_have_left_before_anything_was_sent_nothing_is(operation: str) -> None:
    town = await Town.build()
    client = town.client()
    client.journal.slow = True
    both = [client.begin(operation) for _ in range(2)]
    for _ in range(5):
        await asyncio.sleep(0)
    for task in both:
        task.cancel()
    await asyncio.wait(both)
    await asyncio.sleep(100.0)
    assert town.made(operation) == []
    charge = await client.ask(operation, timeout=5.0)  # the key is free
    assert town.made(operation) == [charge.id]
    assert (await town.client().ask(operation)).id == charge.id


@operations
@pytest.mark.parametrize("turns", range(0, 40, 2))
@virtually
async def test_whenever_its_only_caller_leaves_the_key_is_worth_one_charge(
    operation: str, turns: int
) -> None:
    town = await Town.build()
    client = town.client()
    client.journal.slow = True
    one = client.begin(operation)
    for _ in range(turns):
        await asyncio.sleep(0)
    one.cancel()
    charge = await client.ask(operation, timeout=5.0)
    assert town.made(operation) == [charge.id]
    assert (await town.client().ask(operation, timeout=5.0)).id == charge.id


@operations
@elsewhere
@virtually
async def test_when_all_have_left_later_it_is_finished_and_handed_out(
    operation: str, elsewhere: bool
) -> None:
    town = await Town.build()
    client = town.client()
    town.script(SLOW)
    both = [client.begin(operation) for _ in range(2)]
    await asyncio.sleep(1.0)
    for task in both:
        task.cancel()
    await asyncio.sleep(10.0)
    (made,) = town.made(operation)
    (record,) = await client.records()
    assert (record.state, record.told) == (CallState.DONE, False)
    assert [(event.what, event.charge and event.charge.id) for event in client.told] == [("done", made)]
    charge = await other(town, client, elsewhere=elsewhere).ask(operation)
    assert charge.id == made
    (record,) = await client.records()
    assert record.told


@operations
@elsewhere
@virtually
async def test_what_is_done_is_handed_out_and_read_once_when_it_is_old(
    operation: str, elsewhere: bool
) -> None:
    town = await Town.build()
    first = town.client()
    charge = await first.ask(operation)
    second = other(town, first, elsewhere=elsewhere)
    for wait, reads in ((59.0, []), (2.0, [LIST]), (3600.0, [LIST])):
        await asyncio.sleep(wait)
        second.wire.sent.clear()
        again = await second.ask(operation)
        assert (again.id, is_joined(again)) == (charge.id, True)
        assert second.wire.sent == (reads if operation in {"redeem", "charge"} else [])
    assert town.made(operation) == [charge.id]


@pytest.mark.parametrize("operation", ["redeem", "charge"])
@elsewhere
@virtually
async def test_a_charge_that_was_taken_back_is_no_payment_any_more(operation: str, elsewhere: bool) -> None:
    town = await Town.build()
    first = town.client()
    charge = await first.ask(operation)
    second = other(town, first, elsewhere=elsewhere)
    refund = await second.refund(None, of=charge, amount=None)
    for client in (first, second, town.client()):
        client.wire.sent.clear()
        error = await said(client.ask(operation))
        assert isinstance(error, ChargeRefunded)
        assert (error.charge.id, [each.id for each in error.refunds]) == (charge.id, [refund.id])
        assert client.wire.sent == []
    assert len(town.made(operation)) == 1


@pytest.mark.parametrize("operation", ["redeem", "charge"])
@virtually
async def test_a_charge_that_was_taken_back_elsewhere_is_seen_in_the_list(operation: str) -> None:
    town = await Town.build()
    client = town.client()
    charge = await client.ask(operation)
    stranger = town.client(scope="an Admin UI")
    refund = await stranger.refund(None, of=charge, amount=None)
    assert (await client.ask(operation)).id == charge.id  # it is young, so nothing is read
    await asyncio.sleep(61.0)
    for _ in range(2):
        error = await said(client.ask(operation))
        assert isinstance(error, ChargeRefunded)
        assert [each.id for each in error.refunds] == [refund.id]
    assert len(town.made(operation)) == 1


@virtually
async def test_a_charge_taken_back_in_parts_is_taken_back_with_the_last() -> None:
    town = await Town.build()
    client = town.client()
    charge = await client.redeem()
    await client.refund(None, of=charge, amount="1.00")
    await asyncio.sleep(61.0)
    assert (await client.redeem()).id == charge.id
    await town.client(scope="elsewhere").refund(None, of=charge, amount="1.00")
    assert (await client.redeem()).id == charge.id
    await client.refund(None, of=charge, amount="2.00")
    await asyncio.sleep(61.0)
    error = await said(client.redeem())
    assert isinstance(error, ChargeRefunded)
    assert len(error.refunds) == 3


@virtually
async def test_refunds_that_cannot_be_told_apart_take_nothing_back() -> None:
    """Two charges share an order: a refund in the list may be of the other one."""
    town = await Town.build()
    client = town.client()
    one = await client.redeem("K-1")
    two = await client.redeem("K-2")
    assert one.id != two.id
    await town.client(scope="elsewhere").refund(None, of=two, amount=None)
    await asyncio.sleep(61.0)
    assert (await client.redeem("K-1")).id == one.id
    assert (await client.redeem("K-2")).id == two.id
    await town.client(scope="elsewhere").refund(None, of=one, amount=None)
    assert isinstance(await said(client.redeem("K-1")), ChargeRefunded)


@pytest.mark.parametrize("how", ["failed", "lost", "refused 403", "garbage"])
@virtually
async def test_a_read_that_fails_changes_nothing(how: str) -> None:
    town = await Town.build()
    client = town.client()
    charge = await client.redeem()
    await town.client(scope="elsewhere").refund(None, of=charge, amount=None)
    await asyncio.sleep(61.0)
    town.script(rest=(Lot(how),) * 9)
    assert (await client.redeem()).id == charge.id


def facts(error: ApiError) -> tuple[Any, ...]:
    return (*map(str, error.args), error.status, error.code, error.proof, error.looked, error.fate)


@operations
@elsewhere
@virtually
async def test_who_waited_for_a_refusal_gets_a_copy_of_it(operation: str, elsewhere: bool) -> None:
    town = await Town.build()
    first = town.client()
    second = other(town, first, elsewhere=elsewhere)
    town.script(*refusals(operation, wait=1.0))
    tasks = [first.begin(operation)]
    await asyncio.sleep(0.5)
    tasks += [second.begin(operation) for _ in range(2)]
    errors = await all_of(*tasks)
    assert {type(error) for error in errors} == {Conflict}
    assert len({id(error) for error in errors}) == 3
    assert len({facts(error) for error in errors if isinstance(error, ApiError)}) == 1
    assert town.made(operation) == []
    charge = await second.ask(operation)  # for later callers the key is free
    assert town.made(operation) == [charge.id]


@operations
@elsewhere
@virtually
async def test_after_a_refusal_the_key_may_be_used_for_something_else(
    operation: str, elsewhere: bool
) -> None:
    town = await Town.build()
    first = town.client()
    town.script(*refusals(operation))
    assert isinstance(await said(first.ask(operation)), Conflict)
    second = other(town, first, elsewhere=elsewhere)
    changes = {"of": town.charge, "amount": "0.50"} if operation == "refund" else {"order_number": "A-2"}
    await second.ask(operation, **changes)
    assert len(town.made(operation)) == 1
    assert isinstance(await said(first.ask(operation)), IdempotencyMismatch)


@operations
@virtually
async def test_what_ended_its_owner_alone_is_not_told_to_who_waits(operation: str) -> None:
    """Its client is closed, or its time is up, while it waits for its turn: another one goes on."""
    town = await Town.build()
    first, second = town.client(), town.client()
    town.script(rest=(Lot("never connected"),))
    if operation == "charge":  # it sends no more than the charge
        town.script(Lot("never connected"))
    one = first.begin(operation, timeout=2.0)
    await asyncio.sleep(1.0)
    charge = await second.ask(operation, timeout=20.0)
    assert not isinstance(await said(one), Charge)
    assert town.made(operation) == [charge.id]


@pytest.mark.parametrize("operation", ["redeem", "recharge", "charge"])
@elsewhere
@virtually
async def test_within_the_window_it_is_looked_for_once_more(operation: str, elsewhere: bool) -> None:
    """What is called not done within the window, by refusals, is looked for before money is asked for."""
    town = await Town.build()
    first = town.client()
    town.script(*refusals(operation))
    assert isinstance(await said(first.ask(operation)), Conflict)
    second = other(town, first, elsewhere=elsewhere)
    second.wire.sent.clear()
    await second.ask(operation)
    money = {"redeem": CHARGE, "charge": CHARGE, "recharge": "rechargeVoucher"}[operation]
    assert LIST in second.wire.sent[: second.wire.sent.index(money)]
    assert len(town.made(operation)) == 1


@elsewhere
@virtually
async def test_a_late_charge_is_found_by_the_look_within_the_window(elsewhere: bool) -> None:
    """A proxy refused, and delivered all the same: two looks saw nothing, the third one does."""
    town = await Town.build()
    first = town.client()
    town.script(*refusals("redeem"))
    assert isinstance(await said(first.redeem()), Conflict)
    # the copy arrives only now, and the reservation still lives
    (record,) = await first.records()
    assert record.pending is not None
    emulator = town.adversary.emulator
    made = await _charge_of(town, record.pending.reservation_id or "")
    second = other(town, first, elsewhere=elsewhere)
    charge = await second.redeem()
    assert charge.id == made
    assert [each.id for each in emulator.charges("A-1")] == [made]


async def _charge_of(town: Town, reservation_id: str) -> str:
    stranger = town.client(scope="a proxy")
    return (await stranger.charge(None, of=reservation_id)).id


@operations
@elsewhere
@virtually
async def test_what_is_open_is_settled_first_and_keeps_its_id(operation: str, elsewhere: bool) -> None:
    town = await Town.build()
    first = town.client()
    town.script(Lot("lost answer"), rest=(*[Lot()] * (operation != "charge"), *[Lot("failed")] * 200))
    error = await said(first.ask(operation, timeout=3.0))
    assert isinstance(error, OutcomeUnknown)
    assert not isinstance(error, StillRunning)
    second = other(town, first, elsewhere=elsewhere)
    ids = {error.pending.id}
    for _ in range(2):
        again = await said(second.ask(operation, timeout=2.0))
        assert isinstance(again, OutcomeUnknown)
        ids.add(again.pending.id)
    assert len(ids) == 1
    assert len(town.made(operation)) == 1
    town.script()
    charge = await second.ask(operation)
    assert [charge.id] == town.made(operation)
    (record,) = await first.records()
    assert (record.state, record.id) == (CallState.DONE, error.pending.id)


@operations
@elsewhere
@virtually
async def test_what_was_open_and_not_carried_out_is_asked_for_anew(operation: str, elsewhere: bool) -> None:
    town = await Town.build()
    first = town.client()
    rest = (*[Lot()] * (operation != "charge"), *[Lot("failed")] * 200)
    town.script(Lot("lost"), Lot("lost"), Lot("lost"), rest=rest)
    error = await said(first.ask(operation, timeout=3.0))
    assert isinstance(error, OutcomeUnknown)
    town.script()
    await asyncio.sleep(2 * WINDOW + 30.0)
    if operation == "charge":
        return  # a reservation whose charge got lost is not charged again
    charge = await other(town, first, elsewhere=elsewhere).ask(operation)
    assert town.made(operation) == [charge.id]
    states = [record.state for record in await first.records()]
    assert states == [CallState.NOT_DONE, CallState.DONE]


CHANGES: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "redeem": [
        ("amount", {"amount": "4.01"}),
        ("currency", {"currency": "USD"}),
        ("order_number", {"order_number": "A-2"}),
        ("target", {"code": "another-code"}),
    ],
    "refund": [("amount", {"amount": "1.01"}), ("currency", {"currency": "USD"}), ("target", {"of": "another-charge"})],
    "recharge": [
        ("amount", {"amount": "2.01"}),
        ("currency", {"currency": "USD"}),
        ("order_number", {"order_number": "A-2"}),
        ("target", {"id": "another-voucher"}),
    ],
    "charge": [("order_number", {"order_number": "A-2"}), ("target", {"of": "another-reservation"})],
}


@pytest.mark.parametrize("moment", ["running", "done", "open"])
@pytest.mark.parametrize(
    ("operation", "what", "change"), [(each, *change) for each in CHANGES for change in CHANGES[each]]
)
@elsewhere
@virtually
async def test_a_key_is_for_one_payment_alone(
    operation: str, what: str, change: dict[str, Any], moment: str, elsewhere: bool
) -> None:
    town = await Town.build()
    first = town.client()
    lots = {"running": Lot(wait=2.0), "done": Lot(), "open": Lot("lost answer")}
    looks = [Lot("failed")] * 200 if moment == "open" else []
    town.script(lots[moment], rest=(*[Lot()] * (operation != "charge"), *looks))
    one = first.begin(operation, timeout=3.0)
    await asyncio.sleep(1.0 if moment == "running" else 4.0)
    second = other(town, first, elsewhere=elsewhere)
    second.wire.sent.clear()
    error = await said(second.ask(operation, **change))
    assert isinstance(error, IdempotencyMismatch)
    assert error.differences == (what,)
    assert error.proof is Proof.NOT_SENT
    assert not {CHARGE, "refundCharge", "rechargeVoucher", "createReservation"} & {*second.wire.sent}
    for value in change.values():
        assert str(value) not in str(error)
    await said(one)
    assert len(town.made(operation)) == 1


@virtually
async def test_one_key_names_one_operation() -> None:
    town = await Town.build()
    client = town.client()
    await client.redeem()
    for operation in ("refund", "recharge", "charge"):
        error = await said(client.ask(operation))
        assert isinstance(error, IdempotencyMismatch)
        assert "operation" in error.differences


@virtually
async def test_the_pin_and_the_time_do_not_count() -> None:
    town = await Town.build()
    client = town.client()
    charge = await client.redeem()
    again = await client.redeem(pin="1234", timeout=3.0)
    assert again.id == charge.id


@operations
@pytest.mark.parametrize("key", ["", "k" * 256, "a\nb", "a\x00", "\x7f", "\u200b", "\ud800"])
@virtually
async def test_what_is_no_key_is_refused(operation: str, key: str) -> None:
    town = await Town.build()
    client = town.client()
    with pytest.raises(InvalidInput):
        await client.ask(operation, key)
    assert client.wire.sent == []
    assert await client.records() == []


@operations
@pytest.mark.parametrize("key", [7, b"K-1", 1.5, True, ["K-1"]])
@virtually
async def test_a_key_is_a_text(operation: str, key: Any) -> None:
    town = await Town.build()
    client = town.client()
    with pytest.raises(InvalidInputType):
        await client.ask(operation, key)
    assert client.wire.sent == []


COMPOSED, SPLIT = (unicodedata.normalize(form, "Caf\u00e9") for form in ("NFC", "NFD"))


@pytest.mark.parametrize(
    ("one", "two"), [("k", "K"), (COMPOSED, SPLIT), ("k", "k "), ("k", "\uff4b"), ("1", "01")]
)
@virtually
async def test_keys_are_compared_byte_for_byte(one: str, two: str) -> None:
    town = await Town.build()
    client = town.client()
    first, second = await client.redeem(one), await client.redeem(two)
    assert first.id != second.id
    assert (await client.redeem(one)).id == first.id
    assert (await client.redeem(two)).id == second.id


@pytest.mark.parametrize("key", ["k" * 255, "0", "a b", "\u00e9\u4e2d\U0001f600"])
@virtually
async def test_other_texts_are_keys(key: str) -> None:
    town = await Town.build()
    client = town.client()
    assert len({(await client.redeem(key)).id for _ in range(2)}) == 1


@virtually
async def test_keys_belong_to_a_client_id_or_a_shared_scope() -> None:
    town = await Town.build()
    one, two = town.client(client_id="one"), town.client(client_id="two")
    assert (await one.redeem()).id != (await two.redeem()).id
    shared = [town.client(client_id=name, scope="a shop") for name in ("one", "two")]
    charges = await all_of(*(client.redeem() for client in shared))
    assert len({charge.id for charge in charges if isinstance(charge, Charge)}) == 1
    assert len(town.made("redeem")) == 3
