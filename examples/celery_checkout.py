"""Celery: a voucher is held while the customer pays the rest by card, then charged.

`celery -A examples.celery_checkout worker`, and one `celery -A examples.celery_checkout beat`. No task waits
for the card: its state is in the shop's row, and what a row asks for is asked again every 15 minutes.
"""

import os
import sqlite3
from contextlib import closing

from examples.celery_worker import app
from examples.queue_payment import AskAgain, pay
from voucher_async import VoucherClient, VoucherError
from voucher_async.integrations.problems import problem_of

OPEN = "charge_id IS NULL AND code IS NOT NULL"  # who ends a payment deletes the code
app.conf.beat_schedule = {"look": {"task": "look", "schedule": 900.0}}  # a reservation lives for 1800 s


def execute(statement: str, *values: object) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(os.environ["SHOP_DATABASE"], isolation_level=None)) as shop:
        return shop.execute(statement, values).fetchall()


async def reserve(client: VoucherClient, number: str) -> bool:
    """Reserve an order's amount, or reserve it anew: the newer reservation ends the older one."""
    orders = execute(f"SELECT code, amount FROM orders WHERE number = ? AND {OPEN}", number)  # noqa: S608
    for code, amount in orders:
        try:
            await client.reservations.create(code=code, amount=amount, currency="EUR")
        except VoucherError as error:
            if problem_of(error).retry_after is None:
                raise
            raise AskAgain(str(error)) from error
    return bool(orders)


@app.task(name="hold", autoretry_for=(AskAgain,), retry_backoff=1, max_retries=3)
def hold(number: str) -> bool:
    """Hold an order's amount; False where its payment has ended."""
    return app.portal.call(reserve, app.client, number)


@app.task(name="charge", autoretry_for=(AskAgain,), retry_backoff=5, retry_backoff_max=20, max_retries=20)
def charge(number: str) -> str:
    """Charge an order whose card was authorized; run again, it returns the same charge."""
    try:
        return app.portal.call(pay, app.client, number)
    except VoucherError:  # a refusal, which is never asked for again: give the card its money back
        execute("UPDATE orders SET code = NULL WHERE number = ?", number)
        raise


@app.task(name="card_authorized")
def card_authorized(number: str) -> None:
    """Hear of the card, as the shop's webhook does, and charge."""
    execute(f"UPDATE orders SET card = 'authorized' WHERE number = ? AND {OPEN}", number)  # noqa: S608
    charge.delay(number)


@app.task(name="card_declined")
def card_declined(number: str) -> None:
    """Let go: the reservation ends by itself."""
    execute("UPDATE orders SET code = NULL WHERE number = ? AND charge_id IS NULL", number)


@app.task(name="look", ignore_result=True)
def look() -> None:
    """Ask again for what the open orders need, whatever became of earlier messages."""
    for number, card in execute(f"SELECT number, card FROM orders WHERE {OPEN}"):  # noqa: S608
        (charge if card == "authorized" else hold).delay(number)
