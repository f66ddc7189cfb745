"""The counts of a money call and the flags of its machine never contradict each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.settlement.adversary import HOW, Lot
from tests.settlement.town import Town, said
from tests.virtual import virtually
from voucher_async.payments.call import ENDED
from voucher_async.payments.money_call import MoneyCall

if TYPE_CHECKING:
    from voucher_async.payments.facts import Event, Facts
    from voucher_async.payments.machine import Machine

WAYS: Final = sorted({*HOW} - {"twice"})


@pytest.mark.parametrize("operation", ["redeem", "recharge"])
@pytest.mark.parametrize("first", WAYS)
@virtually
async def test_a_flag_is_raised_for_what_was_counted(
    first: str, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong: list[tuple[Event, MoneyCall]] = []
    calls: dict[int, MoneyCall] = {}
    advance = MoneyCall.advance

    def listen(self: MoneyCall, machine: Machine, event: Event, facts: Facts) -> None:
        calls[id(self)] = self
        if not is_consistent(self):
            wrong.append((event, self))
        advance(self, machine, event, facts)

    monkeypatch.setattr(MoneyCall, "advance", listen)
    for second in WAYS:
        town = await Town.build()
        client = town.client()
        town.script(Lot(first), Lot(second), Lot("refused 409"))
        await said(client.ask(operation, timeout=30.0))
        await client.close()
    assert [event.name for event, _ in wrong] == []
    assert all(map(is_consistent, calls.values()))


def is_consistent(money_call: MoneyCall) -> bool:
    """Whether no flag is without its count, and no refusal is counted that the machine has cleared."""
    call = money_call.call
    if call.state in ENDED:
        return True  # their values decide nothing any more
    is_refused = bool(money_call.refusals) is call.refused
    return is_refused and (money_call.doubts > 0 or not (call.doubts or call.answered))
