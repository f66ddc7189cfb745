"""A batch that is run again: what is there is found, on the same machine and on another one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.issuing.batch import BATCH, activations, check_issued, issue, specs
from voucher_async import (
    IdempotencyMismatch,
    ManualClock,
    MemoryJournal,
    NotFound,
    Proof,
    VoucherClient,
)
from voucher_async.testing import VoucherEmulator, faults

KINDS: tuple[faults.Fault, ...] = (
    faults.BreakBefore(),
    faults.BreakAfter(),
    faults.CutOff(),
    faults.ServerError(),
    faults.ServerError(acted=True),
    faults.BadGateway(acted=True),
    faults.TooMany(),
    faults.WrongContentType(),
    faults.Revoked(),
)


@pytest_asyncio.fixture(params=["its journal", "another client"])
async def second(
    request: pytest.FixtureRequest, emulator: VoucherEmulator, clock: ManualClock, journal: MemoryJournal
) -> AsyncIterator[VoucherClient]:
    """The client of the second run."""
    settings: dict[str, Any] = dict(emulator.settings())
    if request.param == "another client":
        connected = emulator.add_client(name="the other machine")
        settings |= {"client_id": connected.id, "client_secret": connected.secret}
    kept = journal if request.param == "its journal" else None
    async with VoucherClient(**settings, journal=kept, clock=clock) as client:
        yield client


@pytest.fixture
def journal(clock: ManualClock) -> MemoryJournal:
    return MemoryJournal(clock)


@pytest_asyncio.fixture
async def first(
    emulator: VoucherEmulator, clock: ManualClock, journal: MemoryJournal
) -> AsyncIterator[VoucherClient]:
    async with VoucherClient(**emulator.settings(), clock=clock, journal=journal) as client:
        yield client


async def test_the_second_run_finds_what_the_first_one_made(
    first: VoucherClient, second: VoucherClient, emulator: VoucherEmulator
) -> None:
    before = await issue(first, specs(12))
    emulator.advance(3600)
    again = await issue(second, specs(12))
    check_issued(emulator, again, 12)
    assert not any(card.created or card.activated for card in again)
    assert [card.voucher for card in again] == [card.voucher for card in before]
    assert set(activations(emulator).values()) == {1}


async def test_a_longer_batch_goes_on_where_the_first_one_ended(
    first: VoucherClient, second: VoucherClient, emulator: VoucherEmulator
) -> None:
    await issue(first, specs(5))
    again = await issue(second, specs(9))
    check_issued(emulator, again, 9)
    assert [card.created for card in again] == [False] * 5 + [True] * 4


async def test_one_that_was_not_activated_yet_is_activated(
    first: VoucherClient, second: VoucherClient, emulator: VoucherEmulator
) -> None:
    await issue(first, specs(3), activate=False)
    emulator.advance(3600)
    again = await issue(second, specs(3))
    check_issued(emulator, again, 3)
    assert [(card.created, card.activated) for card in again] == [(False, True)] * 3


async def test_one_that_somebody_has_deactivated_stays_so(
    first: VoucherClient, second: VoucherClient, emulator: VoucherEmulator
) -> None:
    cards = await issue(first, specs(3))
    stolen = cards[1].id or ""
    emulator.advance(3600)
    await first.vouchers.deactivate(stolen, comment="stolen")
    again = await issue(second, specs(3))
    assert [card.activated for card in again] == [False] * 3
    assert [type(card.error).__name__ for card in again] == ["NoneType", "VoucherError", "NoneType"]
    assert "somebody may have deactivated it" in str(again[1].error)
    assert again[1].voucher
    assert (again[1].voucher.id, again[1].voucher.status) == (stolen, "inactive")
    assert emulator.voucher(stolen).status == "inactive"


async def test_another_amount_is_reported_for_that_card_alone(
    first: VoucherClient, second: VoucherClient, emulator: VoucherEmulator
) -> None:
    await issue(first, specs(4))
    again = await issue(second, [*specs(2), *specs(1, "25.01"), *specs(1)])
    error = again[2].error
    assert isinstance(error, IdempotencyMismatch)
    assert error.proof in {Proof.OTHER_VOUCHER, Proof.NOT_SENT}
    assert error.differences
    assert again[2].voucher is None
    assert [card.position for card in again if card.error is None] == [1, 2, 4]
    assert {record.amount for record in emulator.vouchers()} == {25}


@pytest.mark.parametrize(
    "change",
    [
        {"sku": "other"},
        {"code": "OTHER"},
        {"pin": "0815"},
        {"currency": "CHF"},
        {"type": "print"},
        {"order_number": "A-2"},
        {"validity_value": 5, "validity_interval": "days"},
        {"taxable": True, "tax_rate": "7"},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_a_voucher_that_differs_in_anything_is_not_handed_out(
    first: VoucherClient, second: VoucherClient, change: dict[str, Any]
) -> None:
    told = {"sku": "s", "code": "CODE-1", "pin": "4711", "order_number": "A-1", "taxable": True}
    given = {"amount": "1.00", "currency": "EUR", "tax_rate": "19", "type": "digital", **told}
    (made,) = await issue(first, [given])
    (same,) = await issue(second, [{**given, "tax_rate": "19.0"}])
    assert (made.error, same.error) == (None, None)
    (other,) = await issue(second, [{**given, **change}])
    assert isinstance(other.error, IdempotencyMismatch)
    assert other.voucher is None
    assert not {"CODE-1", "OTHER", "4711", "0815"} & set(str(other.error).split())


async def test_a_voucher_that_was_deleted_is_not_made_again_where_the_journal_knows(
    first: VoucherClient, emulator: VoucherEmulator
) -> None:
    cards = await issue(first, specs(3), activate=False)
    await first.vouchers.delete(cards[1].id or "", comment="misprint")
    again = await issue(first, specs(3), activate=False)
    assert isinstance(again[1].error, NotFound)
    assert [card.error is None for card in again] == [True, False, True]
    assert len(emulator.vouchers()) == 2


async def test_own_ids_are_known_by_themselves_in_whatever_order(
    first: VoucherClient, second: VoucherClient, emulator: VoucherEmulator
) -> None:
    given = [
        {"id": name, "amount": f"{number}.00", "currency": "EUR"} for number, name in enumerate("abc", 1)
    ]
    await issue(first, given)
    again = await issue(second, [given[2], given[0], {"amount": "9.00", "currency": "EUR"}])
    assert [(card.id, card.error, card.created) for card in again[:2]] == [
        ("c", None, False),
        ("a", None, False),
    ]
    assert again[2].created
    assert len(emulator.vouchers()) == 4


async def test_faults_of_every_kind_leave_each_voucher_once(
    first: VoucherClient, second: VoucherClient, emulator: VoucherEmulator
) -> None:
    emulator.faults.chance(0.15, seed=16, kinds=KINDS, operations=["createVoucher", "setVoucherStatus"])
    cards = await issue(first, specs(40))
    assert [card.position for card in cards] == list(range(1, 41))
    assert len(emulator.faults.injected) > 10
    emulator.faults.clear()
    check_issued(emulator, await issue(second, specs(40)), 40)


async def test_a_creation_whose_end_is_open_is_made_in_the_same_run() -> None:
    async with VoucherEmulator() as emulator, VoucherClient(**emulator.settings(), timeout=5.0) as client:
        emulator.faults.script("createVoucher", None, *[faults.BreakBefore()] * 4)
        cards = await issue(client, specs(3), concurrency=1)
        check_issued(
            emulator, cards, 3
        )  # a call with the key alone would wait for the settle window, a minute
        assert emulator.requests.count("createVoucher") == 7


async def test_two_runs_at_once_issue_each_voucher_once(
    first: VoucherClient, second: VoucherClient, emulator: VoucherEmulator
) -> None:
    runs = [
        aiter(client.vouchers.issue_many(specs(30), batch=BATCH, activate=True)) for client in (first, second)
    ]
    cards: list[list[Any]] = [[], []]
    for _ in range(30):
        for run, taken in zip(runs, cards, strict=True):
            taken.append(await anext(run))
    for taken in cards:
        check_issued(emulator, sorted(taken, key=lambda card: card.position), 30)
    assert sum(card.created for taken in cards for card in taken) == 30


async def test_a_database_keeps_the_batch(emulator: VoucherEmulator, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'journal.db'}"
    for created in (True, False):
        async with VoucherClient(**emulator.settings(), journal=url) as client:
            cards = await issue(client, specs(5))
            check_issued(emulator, cards, 5)
            assert {card.created for card in cards} == {created}
