"""A batch stops early, and says why, where every voucher would fail alike."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.issuing.batch import BATCH, issue, specs
from voucher_async import (
    AuthenticationError,
    ConfigurationError,
    ConnectFailed,
    IssuedVoucher,
    JournalFailed,
    MemoryJournal,
    MissingScope,
    RateLimited,
    ServerError,
    VoucherClient,
    VoucherError,
)
from voucher_async.testing import ALL_SCOPES, VoucherEmulator, _vouchers, faults
from voucher_async.testing._rules import Form


async def stopped(client: VoucherClient, **options: Any) -> tuple[list[IssuedVoucher], VoucherError]:
    """The results of a run that stops, and its error."""
    run = aiter(client.vouchers.issue_many(specs(500), batch=BATCH, activate=True, **options))
    cards: list[IssuedVoucher] = []
    while True:
        try:
            cards.append(await anext(run))
        except VoucherError as error:
            return cards, error


async def test_a_wrong_secret_costs_one_request(emulator: VoucherEmulator) -> None:
    settings: dict[str, Any] = {**emulator.settings(), "client_secret": "wrong"}
    async with VoucherClient(**settings) as client:
        cards, error = await stopped(client)
    assert isinstance(error, AuthenticationError)
    assert cards == []
    assert [entry.operation_id for entry in emulator.requests] == ["requestToken"]
    assert error.__notes__ == ["the batch was stopped at voucher 1: run it again to go on"]


@pytest.mark.parametrize(
    ("missing", "told"), [("manage", 0), ("use", 1)], ids=["none is made", "the one that was made is told"]
)
async def test_a_missing_scope_stops_at_the_first_voucher(
    emulator: VoucherEmulator, missing: str, told: int
) -> None:
    record = emulator.add_client(scopes=sorted({*ALL_SCOPES} - {missing}))
    async with VoucherClient(**emulator.settings(record)) as client:
        cards, error = await stopped(client)
    assert isinstance(error, MissingScope)
    assert error.scope == missing
    assert len(cards) == len(emulator.vouchers()) == told
    assert all(card.voucher and card.created and not card.activated for card in cards)


@pytest.mark.parametrize(
    ("place", "words"),
    [((_vouchers, "_new_id"), "keeps no ids"), ((Form, "money"), "of 250.00 EUR where 25.00")],
)
async def test_a_server_that_makes_something_else_stops_it_and_nothing_is_activated(
    client: VoucherClient,
    emulator: VoucherEmulator,
    monkeypatch: pytest.MonkeyPatch,
    place: tuple[object, str],
    words: str,
) -> None:
    read = getattr(*place)

    def otherwise(*args: Any, **options: Any) -> Any:
        right = read(*args, **options)
        return right * 10 if isinstance(right, Decimal) else f"{right}-{len(emulator.vouchers())}"

    monkeypatch.setattr(*place, otherwise)
    (card,), error = await stopped(client)
    assert words in str(error)
    assert error.__notes__ == ["the batch was stopped at voucher 1"]
    assert (card.error, card.created, card.activated) == (error, True, False)
    assert [(each.id, each.status) for each in emulator.vouchers()] == [
        (card.voucher and card.voucher.id, "inactive")
    ]


async def test_a_single_refusal_of_rights_is_that_voucher_s_own(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    record = emulator.add_client(scopes=sorted({*ALL_SCOPES} - {"use"}))
    async with VoucherClient(**emulator.settings(record)) as other:
        given = [{"amount": "1.00", "currency": "EUR", "activate": number in {4, 7}} for number in range(10)]
        cards = await issue(other, given, concurrency=1)
    assert [card.position for card in cards if card.error] == [5, 8]
    assert len(emulator.vouchers()) == 10


async def test_a_server_that_cannot_be_reached_stops_it_after_one_voucher(emulator: VoucherEmulator) -> None:
    settings: dict[str, Any] = {**emulator.settings(), "base_url": "http://127.0.0.1:1/v1"}
    async with VoucherClient(**settings, timeout=0.3) as client:
        cards, error = await stopped(client)
    assert (cards, error.proof is not None) == ([], True)
    assert isinstance(error, (ConnectFailed, TimeoutError))


async def test_a_client_that_is_closed_meanwhile_stops_it(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    run = aiter(client.vouchers.issue_many(specs(500), batch=BATCH))
    assert (await anext(run)).error is None
    await client.aclose()
    with pytest.raises(ConfigurationError):
        [card async for card in run]
    assert len(emulator.vouchers()) < 50


class Broken(MemoryJournal):
    """A journal that fails after some claims."""

    def __init__(self, works: int) -> None:
        super().__init__()
        self._works = works

    async def claim(self, record: Any, *, durable: bool = False) -> Any:
        self._works -= 1
        if self._works < 0:
            raise OSError("disk full")
        return await super().claim(record, durable=durable)


@pytest.mark.parametrize("works", [0, 8])
async def test_a_journal_that_fails_stops_it_and_nothing_more_is_sent(
    emulator: VoucherEmulator, works: int
) -> None:
    async with VoucherClient(**emulator.settings(), journal=Broken(works)) as client:
        cards, error = await stopped(client, concurrency=4)
    assert isinstance(error, JournalFailed)
    assert sum(card.error is None for card in cards) == works
    assert emulator.requests.count("createVoucher") == len(emulator.vouchers()) == works


async def test_a_server_that_fails_on_and_on_stops_it_after_ten_in_a_row(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    emulator.faults.script("createVoucher", *[None] * 5)
    emulator.faults.script("createVoucher", *[faults.ServerError()] * 2000)
    cards, error = await stopped(client, concurrency=4)
    assert isinstance(error.__cause__, ServerError)
    failed = [card for card in cards if card.error]
    assert len(cards) - len(failed) == 5
    assert 10 <= len(failed) <= 13
    assert emulator.requests.count("createVoucher") < 14 * 4 * 4


async def test_a_wait_of_an_hour_is_left_to_the_next_run(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    emulator.faults.script("createVoucher", *[None] * 3, *[faults.TooMany(3600)] * 50)
    cards, error = await stopped(client, concurrency=2)
    assert isinstance(error.__cause__ or error, RateLimited)
    assert sum(card.error is None for card in cards) == 3
