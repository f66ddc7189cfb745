"""The steps that a shop may take."""

from __future__ import annotations

import attrs

from tests.settlement.adversary import Lot

__all__ = [
    "Checkout",
    "Close",
    "Intrude",
    "Kill",
    "Pay",
    "Recharge",
    "Redeem",
    "Refund",
    "Settle",
    "Step",
    "Wait",
]


@attrs.frozen(kw_only=True)
class Step:
    """One thing the shop does.

    Attributes:
        money: what becomes of the requests that follow and move money; those beyond are answered.
        rest: what becomes of the others.
        timeout: seconds for the call.
        cancel: seconds and turns of the event loop after which the caller is cancelled; None lets it be.
        alone: None waits until the call is over; a number goes on with the next step after so many seconds.
    """

    money: tuple[Lot, ...] = ()
    rest: tuple[Lot, ...] = ()
    timeout: float = 30.0
    cancel: tuple[float, int] | None = None
    alone: float | None = None

    def __repr__(self) -> str:
        given = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in attrs.fields(type(self))
            if getattr(self, field.name) != field.default
        ]
        return f"{type(self).__name__}({', '.join(given)})"


@attrs.frozen(kw_only=True, repr=False)
class _Payment(Step):
    voucher: int = 0
    amount: str = "1.00"
    order: str = "A"


@attrs.frozen(kw_only=True, repr=False)
class Redeem(_Payment):
    """Reserve and charge in one call."""


@attrs.frozen(kw_only=True, repr=False)
class Pay(_Payment):
    """Reserve, then charge; `foreign`: what another process reserved; `by_id`: with the id alone."""

    foreign: bool = False
    by_id: bool = False


@attrs.frozen(kw_only=True, repr=False)
class Refund(Step):
    """Refund the so-manieth charge that somebody was told of."""

    which: int = 0
    amount: str | None = None
    by_id: bool = False


@attrs.frozen(kw_only=True, repr=False)
class Recharge(_Payment):
    by_code: bool = False


@attrs.frozen(kw_only=True, repr=False)
class Checkout(Step):
    vouchers: tuple[int, ...] = (0, 1)
    amount: str = "1.00"
    order: str = "A"
    again: bool = False


@attrs.frozen(kw_only=True, repr=False)
class Settle(Step):
    """Settle the so-manieth open outcome that somebody was told of; `fresh`: in a process of its own."""

    which: int = 0
    fresh: bool = False


@attrs.frozen(kw_only=True, repr=False)
class Wait(Step):
    seconds: float = 1.0


@attrs.frozen(kw_only=True, repr=False)
class Close(Step):
    """Close the client, and go on with a new one."""

    wait: float = 0.0


@attrs.frozen(kw_only=True, repr=False)
class Kill(Step):
    """Kill the process, and go on with a new one, which knows what was saved before each request."""


@attrs.frozen(kw_only=True, repr=False)
class Intrude(Step):
    """Somebody else reserves a voucher."""

    voucher: int = 0
