"""Clients that give back what orders took, on one virtual clock."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from tests.settlement.town import Client, Town
from voucher_async.models import Charge
from voucher_async.order_refunds import OrderRefund

__all__ = ["amounts", "left", "pay", "refund_order", "refunds"]


async def pay(client: Client, *amounts: str, order_number: str = "A-1", **changes: Any) -> list[Charge]:
    """Pay an order with one voucher after the other."""
    return [
        await client.redeem(
            f"{order_number}/{number}",
            code=client.town.vouchers[number].code,
            amount=amount,
            order_number=order_number,
            **changes,
        )
        for number, amount in enumerate(amounts)
    ]


async def refund_order(
    client: Client, amount: Any = None, key: str | None = None, order_number: str = "A-1", **changes: Any
) -> OrderRefund:
    """As `VoucherClient.refund_order`."""
    return await client.core.order_refunds.refund(order_number, amount, idempotency_key=key, **changes)


def refunds(town: Town, order_number: str = "A-1") -> list[Decimal]:
    """The amounts that the server has refunded, in order."""
    return [each.amount for each in town.adversary.emulator.charges(order_number, type="refund")]


def left(town: Town, order_number: str = "A-1") -> Sequence[Decimal]:
    """What each charge of the order has left, by the server's ledger."""
    charges = town.adversary.emulator.charges(order_number, type="charge")
    return [each.amount - each.refunded for each in charges]


def amounts(*texts: str) -> list[Decimal]:
    return list(map(Decimal, texts))
