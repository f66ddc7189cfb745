"""Many payments, each asked for three times while everything goes wrong: one charge each, or none."""

from __future__ import annotations

import asyncio
import os
import random
from collections import deque
from typing import Any, Final

import attrs
import pytest

from tests.seeds import drawing
from tests.settlement.adversary import HOW, Lot
from tests.settlement.town import OPERATIONS, Client, Town, said
from tests.virtual import virtually
from voucher_async.api_errors import ApiError
from voucher_async.errors import VoucherError
from voucher_async.models import Charge
from voucher_async.outcomes import OutcomeUnknown
from voucher_async.testing import VoucherRecord
from voucher_async.testing.habits import KINDS

PAYMENTS: Final = int(os.environ.get("KEYS_PAYMENTS", "300"))
SPAN: Final = 200.0  # seconds over which the payments are spread
TURN: Final = 15.0  # seconds that one habit of the server lasts
# without copies of a proxy, which no client can prevent: the big storm counts them apart
HABITS: Final = [name for name in KINDS if "delivered" not in name]


class Weather(deque[Lot]):
    """What becomes of each request, drawn at random."""

    def __init__(self, rng: random.Random, share: float) -> None:
        super().__init__([Lot()])
        self._rng = rng
        self.share = share

    def popleft(self) -> Lot:
        rng = self._rng
        if rng.random() >= self.share:
            return Lot(wait=rng.choice((0.0, 0.01, 0.3)))
        late, lag = rng.choice((0.1, 1.0, 5.0)), rng.choice((0.0, 1.0, 3.9))
        return Lot(rng.choice(list(HOW)), rng.choice((0.0, 0.1, 2.0)), late, lag)


@attrs.frozen
class Word:
    """What one caller was told, and when."""

    at: float
    told: Charge | BaseException

    @property
    def is_denial(self) -> bool:
        """Whether it says that the payment was not made."""
        if not isinstance(self.told, VoucherError) or isinstance(self.told, OutcomeUnknown):
            return False
        return not (isinstance(self.told, ApiError) and self.told.pending is not None)


@attrs.define
class Payment:
    """A payment, and what those who asked for it were told."""

    number: int
    operation: str
    key: str | None
    asked: dict[str, Any]
    moments: list[float]
    leaves: list[float | None]
    words: list[Word] = attrs.Factory(list)

    @property
    def order(self) -> str:
        return f"{self.number:05}-order"


async def plan(town: Town, rng: random.Random, number: int, shop: Client) -> Payment:
    """A payment, and what it needs, made in good weather."""
    voucher: VoucherRecord = town.adversary.emulator.add_voucher(amount="50.00")
    operation = rng.choice(OPERATIONS)
    is_keyless = operation == "redeem" and rng.random() < 0.3
    first = rng.uniform(0.0, SPAN)
    later = [first] * 2 if is_keyless else [first + rng.choice((0.0, rng.uniform(0, 90))) for _ in range(2)]
    payment = Payment(
        number=number,
        operation=operation,
        key=None if is_keyless else f"K-{number}",
        asked={},
        moments=[first, *later],
        leaves=[rng.choice((None, None, None, rng.uniform(0.0, 3.0))) for _ in range(3)],
    )
    asked: dict[str, Any] = {"order_number": payment.order}
    if operation == "redeem":
        asked |= {"code": voucher.code}
    elif operation == "recharge":
        asked |= {"id": voucher.id}
    elif operation == "charge":
        asked |= {"of": await shop.core.reservations.create(code=voucher.code, amount="4.00", currency="EUR")}
    else:
        asked = {"of": await shop.redeem(None, code=voucher.code, order_number=payment.order)}
    payment.asked = asked
    return payment


async def ask(client: Client, payment: Payment, turn: int) -> None:
    """Ask once, perhaps leave early, and note what was told."""
    await asyncio.sleep(payment.moments[turn])
    clock = client.town.clock
    task = client.begin(payment.operation, payment.key, **payment.asked)
    await asyncio.wait({task}, timeout=payment.leaves[turn])
    if not task.done():
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return
    (told,) = await asyncio.gather(task, return_exceptions=True)
    payment.words.append(Word(clock.monotonic(), told))


async def habits(town: Town, rng: random.Random) -> None:
    while True:
        town.adversary.emulator.habits.clear()
        await asyncio.sleep(TURN / 3)
        town.adversary.emulator.habits.set(**KINDS[rng.choice(HABITS)])
        await asyncio.sleep(TURN)


def check(town: Town, payment: Payment) -> None:
    """One charge or none, told to all alike; nobody was denied what was made by then."""
    kind = {"refund": "refund", "recharge": "recharge"}.get(payment.operation, "charge")
    entries = [each.id for each in town.adversary.emulator.charges(payment.order) if each.type == kind]
    words = [word.told for word in payment.words]
    assert len(entries) <= 1, (payment, entries)
    for word in payment.words:
        if isinstance(word.told, Charge):
            assert [word.told.id] == entries, payment
        else:
            assert isinstance(word.told, VoucherError), payment
        if word.is_denial and entries:
            assert town.adversary.made[entries[0]] >= word.at, payment
    if words and all(word.is_denial for word in payment.words) and len(words) == len(payment.moments):
        assert entries == [], payment


@pytest.mark.parametrize("clients", [1, 2])
@virtually
async def test_every_payment_is_charged_once_or_not_at_all(clients: int) -> None:
    """`KEYS_PAYMENTS=... pytest --seed=...` runs it longer, and with other weather."""
    rng = drawing(f"storm of keys, {clients}")
    town = await Town.build()
    shops = [town.client() for _ in range(clients)]
    payments = [await plan(town, rng, number, shops[0]) for number in range(PAYMENTS)]
    town.adversary.money, town.adversary.rest = Weather(rng, 0.5), Weather(rng, 0.15)
    storm = asyncio.create_task(habits(town, rng))
    # without a key, only calls of one client are one payment
    asks = [
        ask(shops[turn % clients if payment.key else 0], payment, turn)
        for payment in payments
        for turn in range(3)
    ]
    await asyncio.gather(*asks)
    storm.cancel()
    town.adversary.emulator.habits.clear()
    town.adversary.money, town.adversary.rest = deque(), deque()
    await asyncio.sleep(120.0)
    for payment in payments:
        check(town, payment)
    charged = 0
    for payment in payments:
        if payment.key is not None:
            told = await said(rng.choice(shops).ask(payment.operation, payment.key, **payment.asked))
            payment.words.append(Word(town.clock.monotonic(), told))
            charged += isinstance(told, Charge)
        check(town, payment)
    # enough payments, and of every outcome, to be a storm
    words = [word.told for payment in payments for word in payment.words]
    assert charged > PAYMENTS * 0.5, charged
    assert sum(isinstance(word, OutcomeUnknown) for word in words) > 5
    assert sum(word.is_denial for payment in payments for word in payment.words) > 5
    for shop in shops:
        await shop.close()
