"""Orders that are given back while everything goes wrong, by workers that share a journal."""

from __future__ import annotations

import asyncio
import os
import random
from decimal import Decimal
from typing import Any, Final

import attrs
import pytest

from tests.seeds import drawing
from tests.settlement.adversary import Lot
from tests.settlement.returns import left, pay, refund_order, refunds
from tests.settlement.test_keys_storm import Weather
from tests.settlement.town import Client, Town, said
from tests.virtual import virtually
from voucher_async.checkout import LocalVoucherLock
from voucher_async.order_refunds import OrderRefund, OrderRefundFailed

ROUNDS: Final = int(os.environ.get("RETURNS_ROUNDS", "12"))


class Storm(Weather):
    """The weather without answers of 2xx to what was not carried out: that stays open for good (S9)."""

    def popleft(self) -> Lot:
        while (lot := super().popleft()).how == "garbage":
            pass
        return lot


async def ask(client: Client, rng: random.Random, amount: str | None, key: str) -> OrderRefund | None:
    """Ask, perhaps leave early; what was told, if that was the end."""
    await asyncio.sleep(rng.choice((0.0, 0.0, rng.uniform(0.0, 20.0))))
    call = asyncio.create_task(refund_order(client, amount, key, timeout=rng.choice((3.0, 30.0, 90.0))))
    await asyncio.wait({call}, timeout=rng.choice((None, None, rng.uniform(0.0, 3.0))))
    if not call.done():
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        return None
    told = await said(call)
    return told if isinstance(told, OrderRefund) else None


def in_turn(clients: list[Client]) -> list[Client]:
    """Let clients take turns, as those do whose journal is a database."""
    lock = LocalVoucherLock()
    for client in clients:
        refunds: Any = client.core.order_refunds
        refunds._kit = attrs.evolve(refunds._kit, lock=lock)
    return clients


@pytest.mark.parametrize("turns", ["turns", "no turns"])
@pytest.mark.parametrize("number", range(ROUNDS))
@virtually
async def test_no_return_is_given_back_twice_in_a_storm(number: int, turns: str) -> None:
    rng = drawing(f"returns/{number}")
    town = await Town.build()
    await pay(town.client(), "5.00", "7.00", "3.00")
    clients = [town.client() for _ in range(4)]
    if turns == "turns":
        in_turn(clients)
    weather = town.adversary.money, town.adversary.rest
    town.adversary.money = town.adversary.rest = Storm(rng, 0.3)
    returns = {"return-1": "6.50", "return-2": "4.00", "return-3": rng.choice(("1.00", "4.50"))}
    calls = [ask(rng.choice(clients[1:]), rng, amount, key) for key, amount in returns.items() for _ in "123"]
    told = [each for each in await asyncio.gather(*calls) if each is not None]
    await asyncio.sleep(100.0)  # what is under way yet
    town.adversary.money, town.adversary.rest = weather
    ends = [
        await said(refund_order(clients[0], amount, key, timeout=200.0)) for key, amount in returns.items()
    ]
    if turns == "no turns" and any(isinstance(each, OrderRefundFailed) for each in ends):
        assert sum(refunds(town)) <= sum(
            map(Decimal, returns.values())
        )  # equal refunds at once may stay open
        assert min(left(town)) >= 0
        return
    given = [each for each in ends if isinstance(each, OrderRefund)]
    assert [str(each.amount) for each in given] == [*returns.values()], ends
    assert sum(refunds(town)) == sum(each.amount for each in given)
    ids = [part.refund.id for each in given for part in each.refunds]
    assert len(ids) == len({*ids}) == len(refunds(town))
    assert all(each in given for each in told)
    await refund_order(clients[0])
    assert set(left(town)) == {0}
