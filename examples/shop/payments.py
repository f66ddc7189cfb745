"""Paying an order with vouchers and a card, and giving the money back.

No transaction spans the vouchers, the card and the shop's database. So whoever pays an order, be it the
request, the same request sent twice, or the shop after it was killed, does the same: ask for the charges with
the order's key, which gives those that were made or makes the ones that were not, and then mark the order in
a transaction of the shop's own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from voucher_async import (
    Charge,
    Checkout,
    CheckoutFailed,
    IdempotencyMismatch,
    JournalFailed,
    OutcomeUnknown,
    VoucherClient,
    VoucherError,
)
from voucher_async.integrations.fastapi import problem_of

from . import card
from .goods import CURRENCY, in_cents, in_units
from .orders import MOST_REFUSALS, Order, Orders, same_code

__all__ = ["add_voucher", "ask_again", "begin", "hold_again", "refund"]

# an earlier run may have charged: these say nothing about it
_OPEN: Final = (OutcomeUnknown, CheckoutFailed, JournalFailed, IdempotencyMismatch)

_log: Final = logging.getLogger("shop")


class _NotPaid(Exception):
    """Nothing was charged, and that is proved; the argument names the notice."""


async def add_voucher(client: VoucherClient, orders: Orders, order: Order, code: str, pin: str | None) -> str:
    """Hold what a voucher covers of an order.

    Returns:
        The name of the notice for the customer.
    """
    same = same_code(code)
    if not same:
        return "no-code"
    if order.refusals >= MOST_REFUSALS:
        return "too-many"
    if any(same_code(each.code or "") == same for each in order.vouchers):
        return "twice"
    if order.rest == 0:
        return "covered"
    try:
        held = await _hold(client, orders, order, code=code, pin=pin, cents=order.rest)
    except VoucherError as error:
        return _said(error)
    return "added" if held else "covered"


async def hold_again(client: VoucherClient, orders: Orders, order: Order) -> str:
    """Hold an order's vouchers anew, each for what the others leave to pay.

    Returns:
        The name of the notice for the customer.
    """
    rest = order.cents
    for each in order.vouchers:
        held = 0
        if rest and each.code is not None:
            try:
                held = await _hold(client, orders, order, code=each.code, pin=each.pin, cents=rest)
            except VoucherError as error:
                if _said(error) != "refused":
                    return _said(error)
        if not held:
            await asyncio.to_thread(orders.drop, order.number, each.id)
        rest -= held
    return "renewed" if rest <= order.rest else "held-less"


async def _hold(
    client: VoucherClient, orders: Orders, order: Order, *, code: str, pin: str | None, cents: int
) -> int:
    """Reserve an amount, or as much as the voucher has, and leave it uncharged; what is held, in cents."""
    async with client.checkout(order_number=order.number, currency=CURRENCY) as checkout:
        held = await checkout.reserve(code=code, pin=pin, amount=in_units(cents), allow_partial=True)
    cents, until = in_cents(held.amount), orders.now() + held.remaining
    return await asyncio.to_thread(orders.hold, order.number, code=code, pin=pin, cents=cents, until=until)


def _said(error: VoucherError) -> str:
    """The notice for a voucher that is not held."""
    problem = problem_of(error)
    if problem.kind in {"voucher-refused", "invalid-input"}:
        return "refused"
    _log.error("a voucher is not held: %s", error)
    return "unavailable"


async def begin(orders: Orders, order: Order, rest: int, number_of_card: str) -> str | None:
    """Set the rest aside on the card, and begin the payment.

    Args:
        orders: the orders.
        order: the order.
        rest: the rest that the customer has seen, in cents.
        number_of_card: the card; is kept nowhere.

    Returns:
        The name of a notice if the payment has not begun; None if it has, by this request or another.
    """
    authorisation = None
    if rest > 0:
        asked = (orders.database, order.number, rest, number_of_card)
        try:
            authorisation = await asyncio.to_thread(card.authorise, *asked)
        except card.Declined:
            return "declined"
    if await asyncio.to_thread(orders.begin_paying, order.number, rest, authorisation):
        return None
    if await asyncio.to_thread(orders.state, order.number) != "open":
        return None  # another click was first
    await asyncio.to_thread(card.void, orders.database, authorisation)
    return "changed"


async def ask_again(client: VoucherClient, orders: Orders, number: str) -> None:
    """Finish a payment: charge, or be told of the charges that were made, and mark the order as paid.

    Asking again is free. What is not known yet leaves the order as it is, to be asked for again.
    """
    order = await asyncio.to_thread(orders.find, number)
    if order is None or order.state != "paying":
        return
    try:
        paid = await _charge(client, orders, number) if order.vouchers else (order, ())
    except _NotPaid:
        opened = await asyncio.to_thread(orders.find, number)
        if opened is not None and opened.state == "open":
            await hold_again(client, orders, opened)
    except VoucherError as error:
        _log.warning("order %s: not known yet: %s", number, error)
    else:
        if paid is not None:
            await _mark(orders, *paid)


async def _mark(orders: Orders, order: Order, charges: Sequence[Charge]) -> None:
    await asyncio.to_thread(card.capture, orders.database, order.card)
    written = [each.to_json() for each in charges]
    if not await asyncio.to_thread(orders.end_paying, order.number, written):
        _log.info("order %s was marked before", order.number)


async def _charge(
    client: VoucherClient, orders: Orders, number: str
) -> tuple[Order, tuple[Charge, ...]] | None:
    """Charge all vouchers of an order, or none; None where it is being paid no longer.

    Raises:
        _NotPaid: nothing was charged, and the order is open again.
    """
    async with client.checkout(order_number=number, currency=CURRENCY, idempotency_key=number) as checkout:
        # The key is ours in this block: here alone the order is read, and opened again. Whoever had the key
        # before may have paid it, and it may be refunded by now: then the key is free, and must not be used.
        order = await asyncio.to_thread(orders.find, number)
        if order is None or order.state != "paying":
            return None
        try:
            await _reserve(checkout, order)
            return order, await _charge_all(checkout)
        except _NotPaid as error:
            _log.warning("order %s is not paid: %s", number, error.__cause__)
            await asyncio.to_thread(orders.stop_paying, number, str(error))
            await asyncio.to_thread(card.void, orders.database, order.card)
            raise


async def _reserve(checkout: Checkout, order: Order) -> None:
    """Reserve exactly what the customer has seen, also where the time for it was over.

    Raises:
        _NotPaid: a voucher has less, or cannot be reserved; nothing was charged.
    """
    try:
        for each in order.vouchers:
            await checkout.reserve(code=each.code or "", pin=each.pin, amount=in_units(each.cents))
    except _OPEN:
        raise
    except VoucherError as error:
        kind = problem_of(error).kind
        raise _NotPaid("not-paid" if kind == "voucher-refused" else "try-again") from error


async def _charge_all(checkout: Checkout) -> tuple[Charge, ...]:
    """Charge what is reserved.

    Raises:
        _NotPaid: it is proved that nothing was charged, or all of it was refunded.
    """
    try:
        return await checkout.charge()
    except VoucherError as error:
        if problem_of(error).charged is not False:
            raise
        raise _NotPaid("not-paid") from error


async def refund(client: VoucherClient, orders: Orders, number: str) -> None:
    """Give all of an order's money back, to each voucher its own; asking again is free, as above."""
    order = await asyncio.to_thread(orders.find, number)
    if order is None or order.state != "refunding":
        return
    try:
        for each in order.vouchers:
            charge = Charge.from_json(each.charge or "")
            await client.charges.refund(charge, currency=CURRENCY, idempotency_key=f"refund/{charge.id}")
    except VoucherError as error:
        _log.warning("order %s: the refund has not ended: %s", number, error)
        return
    await asyncio.to_thread(card.give_back, orders.database, order.card)
    await asyncio.to_thread(orders.end_refund, number)
