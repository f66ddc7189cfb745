"""One order paid with two vouchers and a card: all of it, or nothing.

The first voucher holds less than the order costs, the second covers a part of what is left, the card pays
the rest. `python examples/checkout_split_payment.py`; add `--declined` to see what a declined card does.
"""

from __future__ import annotations

import asyncio
import sys
from decimal import Decimal

from voucher_async import Charge, HeldReservation, VoucherClient
from voucher_async.testing import VoucherEmulator


class CardDeclined(Exception):
    """The card payment did not work."""


async def pay_by_card(amount: Decimal, *, declined: bool) -> None:
    """Stands for the shop's payment provider."""
    if declined:
        raise CardDeclined
    print(f"card:     {amount:>7} EUR")


def show(held: HeldReservation) -> None:
    """Print what a voucher contributes."""
    print(
        f"voucher:  {held.amount:>7} EUR held for {held.remaining / 60:.0f} minutes, {held.missing} missing"
    )


async def pay(
    client: VoucherClient, order_number: str, total: Decimal, codes: list[str], *, declined: bool
) -> tuple[Charge, ...]:
    """Pay an order with as much of the vouchers as it takes, and the rest by card."""
    async with client.checkout(order_number=order_number, currency="EUR") as checkout:
        for code in codes:
            rest = total - checkout.reserved
            if rest:
                show(await checkout.reserve(code=code, amount=rest, allow_partial=True))
        if rest := total - checkout.reserved:
            await pay_by_card(rest, declined=declined)
        return await checkout.charge()


async def main(*, declined: bool) -> None:
    """Pay 80.00 EUR with vouchers of 25.00 and 40.00 EUR."""
    async with VoucherEmulator() as emulator, VoucherClient(**emulator.settings()) as client:
        vouchers = [emulator.add_voucher(amount=amount) for amount in ("25.00", "40.00")]
        codes = [voucher.code for voucher in vouchers]
        try:
            charges = await pay(client, "A-2001", Decimal("80.00"), codes, declined=declined)
        except CardDeclined:
            print("the card was declined: nothing was charged, the reservations lapse")
        else:
            print(f"charged:  {sum(charge.amount for charge in charges):>7} EUR from {len(charges)} vouchers")
        balances = ", ".join(str(emulator.balance(voucher.id)) for voucher in vouchers)
        print(f"left:     {balances} EUR")


if __name__ == "__main__":
    asyncio.run(main(declined="--declined" in sys.argv[1:]))
