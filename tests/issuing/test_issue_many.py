"""A batch is issued: each voucher once, and one that fails does not stop the others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.issuing.batch import BATCH, activations, check_issued, issue, specs
from voucher_async import (
    ConfigurationError,
    InvalidInput,
    InvalidInputType,
    ValidationFailed,
    VoucherBatch,
    VoucherClient,
    VoucherSpec,
)
from voucher_async.testing import VoucherEmulator

GOOD: dict[str, Any] = {"amount": "25.00", "currency": "EUR"}


async def test_each_voucher_is_created_and_activated_once(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    cards = await issue(client, specs(40))
    check_issued(emulator, cards, 40)
    assert all(card.created and card.activated for card in cards)
    assert emulator.requests.count("createVoucher") == 40
    assert set(activations(emulator).values()) == {1}


async def test_without_activation_they_stay_inactive(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    given = [VoucherSpec(**GOOD), VoucherSpec(**GOOD, activate=True)]
    first, second = await issue(client, given, activate=False)
    assert first.voucher
    assert second.voucher
    assert [first.voucher.status, second.voucher.status] == ["inactive", "active"]
    assert [first.activated, second.activated] == [False, True]
    assert emulator.requests.count("setVoucherStatus") == 1


async def test_a_description_says_otherwise_than_the_batch(client: VoucherClient) -> None:
    given = [{**GOOD, "activate": False, "batch": "OTHER", "id": "mine", "code": "CODE-1", "pin": "4711"}]
    (card,) = await issue(client, given)
    assert card.voucher
    assert card.spec
    voucher = card.voucher
    assert (voucher.id, voucher.code, voucher.pin, voucher.batch) == ("mine", "CODE-1", "4711", "OTHER")
    assert (card.id, voucher.status, card.spec.amount) == ("mine", "inactive", Decimal("25.00"))
    assert "CODE-1" not in repr(card)
    assert "4711" not in repr(card)


async def test_the_id_tells_nothing_and_comes_from_the_batch_and_the_position_alone(
    client: VoucherClient,
) -> None:
    cards = await issue(client, specs(2), activate=False)
    # a change of these would issue every batch a second time
    assert [card.id for card in cards] == [
        "e29d2c48-7747-5ded-a487-63af09e6752c",
        str(cards[1].voucher and cards[1].voucher.id),
    ]
    (other,) = await issue(client, specs(1), batch="XMAS-2027", activate=False)
    assert len({*(card.id for card in cards), other.id}) == 3


@pytest.mark.parametrize(
    ("bad", "field"),
    list[tuple[Any, str]](
        [
            ({"amount": "25.001", "currency": "EUR"}, "amount"),
            ({"amount": 25.0, "currency": "EUR"}, "amount"),
            ({"currency": "EUR"}, "amount"),
            ({"amount": "25.00"}, "currency"),
            ({**GOOD, "colour": "red"}, "colour"),
            ({**GOOD, "code": ""}, "code"),
            ({**GOOD, "id": ".."}, "id"),
            ({**GOOD, "activate": "yes"}, "activate"),
            ({5: "x"}, "5"),
            ("25.00", "specs"),
            (None, "specs"),
        ]
    ),
)
async def test_a_bad_description_is_reported_with_its_field_and_nothing_is_sent_for_it(
    client: VoucherClient, emulator: VoucherEmulator, bad: Any, field: str
) -> None:
    cards = await issue(client, [*specs(6), bad, *specs(2)])
    error = cards[6].error
    assert isinstance(error, InvalidInput)
    assert error.field == field
    assert (cards[6].position, cards[6].voucher, cards[6].spec, cards[6].id) == (7, None, None, None)
    assert [card.position for card in cards if card.error is None] == [1, 2, 3, 4, 5, 6, 8, 9]
    assert emulator.requests.count("createVoucher") == 8


async def test_a_card_that_the_server_refuses_does_not_stop_the_others(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    emulator.add_voucher(code="TAKEN", amount="1.00")
    cards = await issue(client, [*specs(3), {**GOOD, "code": "TAKEN"}, *specs(3)])
    (refused,) = [card for card in cards if card.error]
    assert isinstance(refused.error, ValidationFailed)
    assert refused.error.has("code", "unique")
    assert (refused.position, refused.voucher, refused.created) == (4, None, False)
    assert len(emulator.vouchers()) == 7


async def test_an_id_that_is_given_twice_is_one_voucher_and_reported(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    first, second = await issue(client, [{**GOOD, "id": "a"}, {**GOOD, "id": "a"}])
    assert (first.error, isinstance(second.error, InvalidInput), second.voucher) == (None, True, None)
    assert len(emulator.vouchers()) == 1


async def test_descriptions_come_from_an_async_iterable_and_a_slow_one_holds_back_no_result(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    more = asyncio.Event()

    async def slowly() -> AsyncIterator[dict[str, Any]]:
        yield GOOD
        yield GOOD
        await more.wait()
        yield GOOD

    seen = []
    async for card in client.vouchers.issue_many(slowly(), batch=BATCH, activate=True):
        seen.append(card)
        if len(seen) == 2:
            more.set()
    check_issued(emulator, sorted(seen, key=lambda card: card.position), 3)


async def test_a_million_descriptions_are_not_read_ahead(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    read = 0

    def endless() -> Iterator[dict[str, Any]]:
        nonlocal read
        while True:
            read += 1
            yield GOOD

    taken = 0
    async for _ in client.vouchers.issue_many(endless(), batch=BATCH, concurrency=5):
        taken += 1
        assert read <= taken + 5
        await asyncio.sleep(0)
        if taken == 30:
            break
    assert emulator.requests.count("createVoucher") <= 35


@pytest.mark.parametrize("later", [False, True])
async def test_an_error_of_the_descriptions_is_raised_when_those_under_way_have_ended(
    client: VoucherClient, emulator: VoucherEmulator, *, later: bool
) -> None:
    def broken() -> Iterator[dict[str, Any]]:
        yield GOOD
        yield GOOD
        raise ValueError("line 3")

    async def broken_later() -> AsyncIterator[dict[str, Any]]:
        for each in broken():
            yield each

    run = aiter(client.vouchers.issue_many(broken_later() if later else broken(), batch=BATCH))
    cards = [await anext(run), await anext(run)]
    with pytest.raises(ValueError, match="line 3"):
        await anext(run)
    assert [card.error for card in cards] == [None, None]
    assert len(emulator.vouchers()) == 2


async def test_no_more_are_under_way_than_asked_for_or_than_there_are_connections(
    emulator: VoucherEmulator,
) -> None:
    for concurrency, connections in ((3, 100), (50, 3)):
        under_way = most = 0

        class Counting:
            def on_attempt_started(self, _: object) -> None:
                nonlocal under_way, most
                under_way += 1
                most = max(most, under_way)

            def on_attempt_ended(self, _: object) -> None:
                nonlocal under_way
                under_way -= 1

        options: Any = {"hooks": [Counting()], "max_connections": connections}
        async with VoucherClient(**emulator.settings(), **options) as client:
            await issue(client, specs(12), batch=f"B{concurrency}", concurrency=concurrency)
        assert most == 3


async def test_nothing_to_issue_sends_nothing(client: VoucherClient, emulator: VoucherEmulator) -> None:
    assert await issue(client, []) == []
    assert emulator.requests.count() == 0


async def test_each_loop_is_a_run_of_its_own(client: VoucherClient, emulator: VoucherEmulator) -> None:
    batch = client.vouchers.issue_many([GOOD] * 3, batch=BATCH, activate=True)
    assert isinstance(batch, VoucherBatch)
    assert emulator.requests.count() == 0
    first, second = await batch.to_list(), await batch.to_list(limit=2)
    assert [card.created for card in first] == [True] * 3
    assert [card.created for card in second] == [False] * 2
    assert len(emulator.vouchers()) == 3


async def test_a_plain_loop_and_await_say_what_to_write(client: VoucherClient) -> None:
    batch: Any = client.vouchers.issue_many([GOOD], batch=BATCH)
    with pytest.raises(TypeError, match=r'write "async for card in client.vouchers.issue_many'):
        list(batch)
    with pytest.raises(TypeError, match="cannot be awaited"):
        await batch


@pytest.mark.parametrize("bad", [5, "25.00", GOOD, VoucherSpec(**GOOD), None])
async def test_what_is_no_iterable_of_descriptions_is_refused(client: VoucherClient, bad: Any) -> None:
    with pytest.raises(InvalidInputType, match="specs"):
        client.vouchers.issue_many(bad, batch=BATCH)


async def test_a_time_out_that_cannot_work_is_refused(client: VoucherClient) -> None:
    with pytest.raises(ConfigurationError, match="timeout"):
        client.vouchers.issue_many([GOOD], batch=BATCH, timeout=0)


async def test_a_result_is_written_as_json_with_its_secrets(client: VoucherClient) -> None:
    good, bad = await issue(client, [GOOD, {"amount": "x", "currency": "EUR", "code": "SECRET-1"}])
    assert good.voucher
    written = json.loads(good.to_json())
    assert written["voucher"]["code"] == good.voucher.code
    assert (written["voucher"]["amount"], written["error"], written["position"]) == ("25.00", None, 1)
    told = json.loads(bad.to_json())
    assert told["error"].startswith("InvalidInput: amount:")
    assert "SECRET-1" not in bad.to_json()
