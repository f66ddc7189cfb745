"""A journal that fails at any of its calls: nothing is paid twice, and nobody is told what is not true."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

import pytest

from tests.settlement.adversary import Lot
from tests.settlement.town import WINDOW, Client, Town, operations, said, under_way
from tests.virtual import virtually
from voucher_async.errors import Fate, JournalFailed, Proof, VoucherError
from voucher_async.models import Charge
from voucher_async.outcomes import OutcomeUnknown
from voucher_async.payments.call import CallState

LEASE = 15.0

# fates of the money requests
WAYS: dict[str, tuple[Lot, ...]] = {
    "well": (),
    "lost answer": (Lot("lost answer"),),
    "lost": (Lot("lost"),),
    "refused": (Lot("refused 409"), Lot("refused 409")),
    "slow": (Lot(wait=1.0),),
}
TOTAL = 30.0  # seconds that a call has
SILENT = 6.0  # seconds after that, in which an end is written that may have been lost
HOWS = ["before", "after", "silent before", "silent after"]
KEYS = {"with a key": "K-1", "without": None}


def at(number: int, how: str) -> Callable[[int, str], str | None]:
    return lambda call, _name: how if call == number else None


def since(number: int, how: str) -> Callable[[int, str], str | None]:
    return lambda call, _name: how if call >= number else None


def well(_call: int, _name: str) -> str | None:
    return None


def check(town: Town, operation: str, told: Charge | VoucherError, before: int = 0) -> None:
    """Hold a word against the ledger."""
    made = town.made(operation)
    assert len(made) <= before + 1
    if isinstance(told, Charge):
        assert told.id in made
    elif isinstance(told, JournalFailed):
        assert told.fate is Fate.NOT_SENT
        assert told.proof in {Proof.NOT_SENT, None}  # an earlier call with the same key may have been sent
        assert len(made) == before
    elif not isinstance(told, OutcomeUnknown) and told.proof is not None:
        assert len(made) == before


async def calls_of(operation: str, way: str, key: str | None) -> int:
    """How often a call asks a journal that is well."""
    town, client = await Town.with_client()
    town.script(*WAYS[way])
    await said(client.ask(operation, key))
    return len(client.journal.calls)


async def fail(
    operation: str, way: str, key: str | None, fails: Callable[[int, str], str | None]
) -> tuple[Town, Client, Charge | VoucherError]:
    """Ask once, with a journal that fails."""
    town, client = await Town.with_client()
    client.journal.fails = fails
    town.script(*WAYS[way])
    began = town.clock.monotonic()
    told = await said(client.ask(operation, key))
    assert town.clock.monotonic() - began <= TOTAL + SILENT
    check(town, operation, told)
    await asyncio.sleep(2 * WINDOW)
    check(town, operation, told)
    client.journal.fails = well
    town.script()
    return town, client, told


@operations
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
@virtually
async def test_a_journal_that_fails_makes_no_false_word(
    operation: str, way: str, how: str, key: str | None, *, lasting: bool
) -> None:
    failed = 0
    for number in range(1, await calls_of(operation, way, key) + 1):
        fails = since(number, how) if lasting else at(number, how)
        town, client, told = await fail(operation, way, key, fails)
        failed += isinstance(told, JournalFailed)
        if key is None:
            continue
        again = [await said(client.ask(operation, key, timeout=25.0)) for _ in range(2)]
        for word in again:
            check(town, operation, word)
        if operation == "charge" and way in {"lost", "refused"}:
            continue  # a later call does not charge the reservation of a lost charge again
        assert isinstance(again[-1], Charge), (number, told, again)
        assert town.made(operation) == [again[-1].id]
        if isinstance(told, Charge):
            assert again[-1].id == told.id
    assert failed > 0


@operations
@pytest.mark.parametrize("way", ["well", "lost answer", "slow"])
@pytest.mark.parametrize("how", HOWS)
@virtually
async def test_what_a_failing_journal_left_is_taken_over_when_its_owner_is_dead(
    operation: str, way: str, how: str
) -> None:
    for number in range(1, await calls_of(operation, way, "K-1") + 1):
        town, client, told = await fail(operation, way, "K-1", since(number, how))
        await client.die()
        await asyncio.sleep(LEASE)
        second = town.client()
        again = await said(second.ask(operation, timeout=28.0))
        check(town, operation, again)
        assert isinstance(again, Charge), (number, told, again)
        assert town.made(operation) == [again.id]


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("way", ["well", "lost answer", "refused"])
@virtually
async def test_a_checkout_whose_journal_fails_from_then_on(how: str, way: str) -> None:
    """All is charged, or none, once the journal is well and the checkout is run again."""
    for number in itertools.count(1):
        town, client = await Town.with_client()
        client.journal.fails = since(number, how)
        town.script(*WAYS[way])
        began = town.clock.monotonic()
        told = await said(client.checkout())
        # entering, charging two vouchers, refunding one and leaving have a deadline each
        assert town.clock.monotonic() - began <= 4 * (TOTAL + SILENT)
        made = town.made("charge")
        if isinstance(told, tuple):
            assert [each.id for each in told] == made
        elif isinstance(told, JournalFailed) and told.proof is not None:
            assert made == []
        if len(client.journal.calls) < number:
            break
        client.journal.fails = well
        town.script()
        await asyncio.sleep(2 * WINDOW)
        again = [await said(client.checkout()) for _ in range(3)][-1]
        assert isinstance(again, tuple), (number, told, again)
        back = len(town.made("refund"))
        assert len(town.made("charge")) - back == len(again) == 2
    assert number >= 8


@operations
@virtually
async def test_the_second_of_two_clients_has_no_journal(operation: str) -> None:
    """Who cannot read the journal is told so, and sends nothing."""
    _, second, one = await under_way(operation, "elsewhere")
    second.journal.fails = since(1, "before")
    told = await said(second.ask(operation))
    assert isinstance(told, JournalFailed)
    assert second.wire.sent == []
    charge = await one
    assert second.town.made(operation) == [charge.id]


@pytest.mark.parametrize("operation", ["redeem"])
@pytest.mark.parametrize("how", ["before", "after"])
@virtually
async def test_what_nobody_was_told_is_handed_out_though_that_cannot_be_noted(
    operation: str, how: str
) -> None:
    town = await Town.build()
    first, second = town.client(), town.client()
    town.script(Lot(wait=1.0))
    one = first.begin(operation)
    await asyncio.sleep(0.5)
    one.cancel()
    await asyncio.sleep(5.0)
    second.journal.fails = lambda _, name: how if name == "acknowledge" else None
    charge = await second.ask(operation)
    assert [charge.id] == town.made(operation)
    assert "acknowledge" in second.journal.calls


@operations
@pytest.mark.parametrize("how", ["before", "after"])
@virtually
async def test_an_end_that_could_not_be_written_is_written_again(operation: str, how: str) -> None:
    town, client = await Town.with_client()
    failed: list[int] = []

    def fails(call: int, name: str) -> str | None:
        if name != "save" or not town.made(operation) or failed:
            return None
        failed.append(call)
        return how

    client.journal.fails = fails
    charge = await client.ask(operation)
    assert failed
    (record,) = await client.records()
    assert (record.state, record.charge and record.charge.id) == (CallState.DONE, charge.id)
