"""The payment that the workers beside this file run: a message names an order, whose code stays here."""

import os
import sqlite3
from contextlib import closing

from voucher_async import VoucherClient, VoucherError
from voucher_async.integrations.problems import problem_of


class AskAgain(Exception):
    """The payment has not ended: deliver the message again, later."""


async def pay(client: VoucherClient, number: str) -> str:
    """Pay an order of the shop and mark it as paid; delivered again, the answer is the same charge."""
    with closing(sqlite3.connect(os.environ["SHOP_DATABASE"], isolation_level=None)) as db:
        code, amount = db.execute("SELECT code, amount FROM orders WHERE number = ?", [number]).fetchone()
        payment = {"code": code, "amount": amount, "currency": "EUR", "order_number": number}
        try:
            charge = await client.redeem(**payment, idempotency_key=number)
            db.execute("UPDATE orders SET charge_id = ? WHERE number = ?", [charge.id, number])
        except VoucherError as error:
            if problem_of(error).retry_after is None:
                raise  # a refusal: asked again, the answer would be the same
            raise AskAgain(str(error)) from error
        except sqlite3.Error as error:
            raise AskAgain(f"charged, but not marked as paid: {error}") from error
    return charge.id
