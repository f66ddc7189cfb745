"""A server that says "too many": the batch waits as a whole, slows down, and loses no voucher."""

from __future__ import annotations

from typing import Any

import pytest

from tests.issuing.batch import check_issued, issue, specs
from voucher_async import ManualClock, VoucherClient
from voucher_async.testing import VoucherEmulator, faults

CREATE = "createVoucher"


async def test_while_the_server_asks_to_wait_no_voucher_begins(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    emulator.faults.script(CREATE, *[None] * 8, *[faults.TooMany(retry_after=20)] * 8)
    cards = await issue(client, specs(60), concurrency=8)
    check_issued(emulator, cards, 60)
    entries = emulator.requests.of(CREATE)
    refused = [number for number, entry in enumerate(entries) if "TooMany" in (entry.fault or "")]
    # those that were under way, each refused once, and nothing else until 20 seconds have passed
    assert len(refused) == 8
    assert len(entries) == 68


@pytest.mark.parametrize("retry_after", [0, 30])
async def test_a_storm_of_refusals_costs_a_few_requests_each_and_fails_no_voucher(
    client: VoucherClient, emulator: VoucherEmulator, retry_after: int
) -> None:
    storm = 60
    emulator.faults.script(CREATE, None, *[faults.TooMany(retry_after)] * storm)
    cards = await issue(client, specs(40), concurrency=20)
    failed = [card for card in cards if card.error]
    assert emulator.requests.count(CREATE) <= 40 + storm
    emulator.faults.clear()
    again = await issue(client, specs(40))
    check_issued(emulator, again, 40)
    assert len(failed) <= 20


async def test_after_a_refusal_fewer_are_under_way_and_more_again_later(emulator: VoucherEmulator) -> None:
    clock = ManualClock(skip_sleeps=True)
    under_way: list[int] = []
    now = 0

    class Counting:
        def on_attempt_started(self, event: Any) -> None:
            nonlocal now
            now += 1
            under_way.append(now)

        def on_attempt_ended(self, _: Any) -> None:
            nonlocal now
            now -= 1

    async with VoucherClient(**emulator.settings(), clock=clock, hooks=[Counting()]) as client:
        emulator.faults.script(CREATE, *[None] * 30, *[faults.TooMany(5)] * 8)
        cards = await issue(client, specs(150), concurrency=8)
    check_issued(emulator, cards, 150)
    (*_, last) = (
        number for number, entry in enumerate(emulator.requests) if "TooMany" in (entry.fault or "")
    )
    assert max(under_way[:last]) == 8
    assert max(under_way[last + 10 : last + 30]) <= 6
    assert max(under_way[last + 30 :]) == 8


async def test_hooks_of_the_client_are_told_as_before_and_the_batch_s_own_is_gone(
    client: VoucherClient, recorder: Any, emulator: VoucherEmulator
) -> None:
    await issue(client, specs(2))
    heard = len(recorder.heard)
    assert heard
    await client.vouchers.create(amount="1.00", currency="EUR")
    assert len(recorder.heard) == heard + 2
