"""The figures of a shop's storm, and its orders, all drawn from one seed."""

from __future__ import annotations

import collections
import random
from decimal import Decimal
from typing import Final, Literal

import attrs

CURRENCY: Final = "EUR"
RICH: Final = Decimal("5000.00")
WRONG: Final = "NO-SUCH-CODE"

Way = Literal["voucher", "checkout"]


@attrs.frozen(kw_only=True)
class ShopStorm:
    """One storm.

    Attributes:
        checkouts: orders; a third of their customers click "pay" twice at the same moment.
        seed: what orders, clicks and faults are drawn from.
        share: the share of the API's requests that meet a fault.
        lanes: how many customers are in the shop at once.
        workers: processes of the shop.
        grace: seconds that handlers have once the server stops, in whole ones.
        delay: seconds after which a request is carried out at the latest, its connection long gone.
        window: the clients' `settle_window`, in seconds.
        close_wait: seconds that a closing client waits for money calls.
    """

    checkouts: int = 300
    seed: int = 1
    share: float = 0.3
    lanes: int = 24
    workers: int = 2
    grace: int = 1
    delay: float = 1.0
    window: float = 15.0
    close_wait: float = 10.0

    @property
    def command(self) -> str:
        """The command that runs it again."""
        figures = attrs.asdict(self).items()
        given = " ".join(f"--{name.replace('_', '-')} {value:g}" for name, value in figures)
        return f"python -m tests.chaos.shop {given}"


@attrs.frozen(kw_only=True)
class Order:
    """An order, and what its customer does.

    Attributes:
        number: of the shop.
        way: one voucher for all of it, or a checkout: two vouchers, and a card for the rest.
        total: its price, in currency units.
        codes: the vouchers' codes.
        clicks: how often the customer clicks "pay" at the same moment.
        back: what the shop gives back of its first charge once it is paid, at most; None: nothing.
        returns: how often the clerk clicks "give back" at the same moment.
        ends: `paid` or `unpaid`, where no other order has a part in that; else None.
    """

    number: str
    way: Way
    total: Decimal
    codes: tuple[str, ...]
    clicks: int = 1
    back: Decimal | None = None
    returns: int = 1
    ends: Literal["paid", "unpaid"] | None = None


@attrs.frozen
class Plan:
    """The vouchers by code, with what they hold, and the orders."""

    vouchers: dict[str, Decimal]
    orders: tuple[Order, ...]


def plan_of(storm: ShopStorm) -> Plan:
    """What is bought, and with which vouchers."""
    rng = random.Random(f"{storm.seed}/shop")
    rich = [f"RICH-{number:03}" for number in range(max(storm.checkouts // 4, 2))]
    vouchers = dict.fromkeys(rich, RICH)
    orders = [_order(rng, number, rich, vouchers) for number in range(storm.checkouts)]
    twice = set(rng.sample(range(storm.checkouts), storm.checkouts // 3))
    clicked = (attrs.evolve(each, clicks=1 + (number in twice)) for number, each in enumerate(orders))
    uses = collections.Counter(code for order in orders for code in order.codes)
    return Plan(vouchers, tuple(_as_it_ends(each, uses) for each in clicked))


def _order(rng: random.Random, number: int, rich: list[str], vouchers: dict[str, Decimal]) -> Order:
    name, total = f"S-{number:04}", _amount(rng, 20, 60)
    back = _amount(rng, 1, 15) if rng.random() < 0.25 else None
    returns = rng.choice((1, 1, 2))
    if rng.random() < 0.5:
        if rng.random() < 0.1:
            return Order(number=name, way="voucher", total=total, codes=(f"{WRONG}-{number}",), ends="unpaid")
        return Order(
            number=name,
            way="voucher",
            total=total,
            codes=(rng.choice(rich),),
            back=back,
            returns=returns,
            ends="paid",
        )
    own = f"POOR-{number:04}"
    vouchers[own] = _amount(rng, 5, 19)
    poor = [code for code in vouchers if code.startswith("POOR") and code != own]
    other = rng.choice(poor if poor and rng.random() < 0.3 else rich)
    return Order(
        number=name, way="checkout", total=total, codes=(own, other), back=back, returns=returns, ends="paid"
    )


def _as_it_ends(order: Order, uses: collections.Counter[str]) -> Order:
    """An order of which nobody can tell how it ends where another one may have emptied its voucher."""
    is_told = all(uses[code] == 1 for code in order.codes if code.startswith("POOR"))
    return order if is_told else attrs.evolve(order, ends=None)


def _amount(rng: random.Random, low: int, high: int) -> Decimal:
    return Decimal(rng.randrange(low * 100, high * 100)) / 100
