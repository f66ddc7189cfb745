"""A caller who asks again right after the only one has left, while that one's call is still ending."""

from __future__ import annotations

import asyncio

import pytest

from tests.settlement.town import Town
from tests.virtual import virtually

LEFT = {"recharge": range(10, 18), "redeem": range(15, 23)}  # turns around the end of the claim


@pytest.mark.parametrize("later", [1, 4])
@pytest.mark.parametrize(
    ("operation", "turns"), [(name, turns) for name, each in LEFT.items() for turns in each]
)
@virtually
async def test_a_call_that_is_being_cut_short_is_not_joined(operation: str, turns: int, later: int) -> None:
    town, client = await Town.with_client()
    client.journal.slow = True
    one = client.begin(operation)
    for _ in range(turns):
        await asyncio.sleep(0)
    one.cancel()
    for _ in range(later):
        await asyncio.sleep(0)
    charge = await client.ask(operation, timeout=5.0)  # it was told that the client was closed
    assert town.made(operation) == [charge.id]
