"""A voucher's life, step by step, against an emulator in this process: what `make demo` runs.

Connect PIN -> credentials -> token -> create -> activate -> reserve -> charge -> refund -> recharge -> list.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from decimal import Decimal

from voucher_async import Charge, ChargeType, ConnectedClient, TokenRefresh, VoucherClient, connect
from voucher_async.testing import VoucherEmulator

ORDER = "A-1001"
CURRENCY = "EUR"
WIDTH = 83
SIGNS = {ChargeType.CHARGE: "-", ChargeType.REFUND: "+", ChargeType.RECHARGE: "+"}


class Board:
    """Prints steps as aligned lines, in colour on a terminal, in ASCII where nothing else can be shown."""

    def __init__(self) -> None:
        self._colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._tick, self._line, self._dot = ("✓", "─", "·") if _encodable("✓─·") else ("+", "-", "-")
        self._since = time.perf_counter()

    def title(self, text: str) -> None:
        """Print a heading."""
        print(f"\n  {self._paint('1', text)}\n  {self._line * WIDTH}")
        self._since = time.perf_counter()

    def step(self, name: str, result: str) -> None:
        """Print what was just done, and how long it took since the step before."""
        now = time.perf_counter()
        took = f"{(now - self._since) * 1000:6.1f} ms"
        tick = self._paint("32", self._tick)
        print(f"  {tick} {self._paint('1', f'{name:<10}')} {result:<60} {self._paint('2', took)}")
        self._since = now

    def entry(self, charge: Charge) -> None:
        """Print a line of the voucher's account."""
        amount = f"{SIGNS.get(charge.type, ' ')}{charge.amount}"
        order = charge.order_number or ""
        print(f"      {charge.created_at:%H:%M:%S}  {charge.type:<10} {order:<12} {amount:>9}")

    def total(self, name: str, balance: Decimal) -> None:
        """Print the last line."""
        print(f"  {self._line * WIDTH}")
        amount = self._paint("1;32", f"{balance:>9} {CURRENCY}")
        print(f"  {self._paint('1', f'{name:<36}')}  {amount}  {self._dot} what the list adds up to\n")

    def _paint(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._colour else text


def _encodable(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


class TokenWatch:
    """A hook: it is told when the client fetches a token, which nobody has to ask for."""

    def __init__(self) -> None:
        self.fetched = 0

    def on_token_refreshed(self, event: TokenRefresh) -> None:
        """Count the tokens."""
        self.fetched += event.succeeded


async def get_credentials(board: Board, emulator: VoucherEmulator) -> ConnectedClient:
    """Turn the PIN that a shop's owner reads in the Admin UI into credentials."""
    board.step("emulator", f"listens on {emulator.url}")
    credentials = await connect(emulator.new_connect_pin(), base_url=emulator.base_url)
    board.step("connect", f"connect PIN -> credentials of client {credentials.id[:18]}")
    return credentials


async def issue(board: Board, client: VoucherClient, tokens: TokenWatch) -> tuple[str, str]:
    """Sell a voucher: create and activate it. Returns its id and its code."""
    await client.vouchers.list().first_page()
    board.step("token", f"{tokens.fetched} fetched at the first call, shared by all that follow")
    voucher = await client.vouchers.create(amount="50.00", currency=CURRENCY, order_number="S-1")
    board.step("create", f"{voucher.amount} {voucher.currency}, {voucher.status}, code and pin kept secret")
    active = await client.vouchers.activate(voucher.id)
    board.step("activate", f"{active.status}, valid until {active.valid_until:%Y-%m-%d}")
    return voucher.id, voucher.code


async def redeem(board: Board, client: VoucherClient, code: str) -> Charge:
    """Pay with the voucher, step by step; `client.redeem` does both in one call."""
    reservation = await client.reservations.create(code=code, amount="30.00", currency=CURRENCY)
    board.step("reserve", f"{reservation.amount} {CURRENCY}, held until {reservation.valid_until:%H:%M} UTC")
    charge = await client.reservations.charge(reservation, order_number=ORDER)
    board.step("charge", f"{charge.amount} {CURRENCY} for order {charge.order_number}")
    return charge


async def give_back(board: Board, client: VoucherClient, voucher_id: str, charge: Charge) -> None:
    """Refund a part of the charge, then add credit to the voucher."""
    refund = await client.charges.refund(charge, "12.50", currency=CURRENCY)
    board.step("refund", f"{refund.amount} {CURRENCY} of order {refund.order_number}")
    recharge = await client.vouchers.recharge(
        id=voucher_id, amount="20.00", currency=CURRENCY, order_number="S-2"
    )
    board.step("recharge", f"{recharge.amount} {CURRENCY}, bought with order {recharge.order_number}")


async def show_account(board: Board, client: VoucherClient, voucher_id: str) -> None:
    """List what happened to the voucher, and what it holds now."""
    charges = [charge async for charge in client.vouchers.list_charges(voucher_id)]
    board.step("list", f"{len(charges)} charges, refunds and recharges:")
    for charge in charges:
        board.entry(charge)
    voucher = await client.vouchers.get(voucher_id)
    booked = sum(Decimal(f"{SIGNS[charge.type]}{charge.amount}") for charge in charges)
    if voucher.remaining_amount != voucher.amount + booked:
        raise SystemExit("the balance is not what the charges add up to")
    board.total("final balance", voucher.remaining_amount)


async def main() -> None:
    """Run all steps."""
    board, tokens = Board(), TokenWatch()
    board.title("voucher_async: a voucher's life, against an emulator of the API")
    async with VoucherEmulator() as emulator:
        credentials = await get_credentials(board, emulator)
        async with VoucherClient(
            credentials.id, credentials.secret, base_url=emulator.base_url, hooks=[tokens]
        ) as client:
            voucher_id, code = await issue(board, client, tokens)
            charge = await redeem(board, client, code)
            await give_back(board, client, voucher_id, charge)
            await show_account(board, client, voucher_id)


if __name__ == "__main__":
    asyncio.run(main())
