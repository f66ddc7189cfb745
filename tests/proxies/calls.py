"""Money calls through a proxy, and a record of what their callers were told."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Sequence
from typing import Final

import attrs

from tests.proxies.judge import Kind, Record, Told
from tests.proxies.scenarios import MONEY
from voucher_async import (
    AttemptEnded,
    Charge,
    Fate,
    Hook,
    OutcomeUnknown,
    Settled,
    VoucherClient,
    VoucherError,
)
from voucher_async.testing import VoucherEmulator, VoucherRecord

AMOUNT: Final = "5.00"
CURRENCY: Final = "EUR"
LANES: Final = 10
_PAUSE: Final = 0.25  # seconds between the calls of a lane, so that they last until a proxy's first event
_RECORD: Final[contextvars.ContextVar[Record | None]] = contextvars.ContextVar("RECORD", default=None)
_WORDS: Final = {"done": Told.DONE, "recovered": Told.DONE, "not done": Told.NOT_DONE}


class Listener(Hook):
    """Counts the requests of each call, and hears what became of it later."""

    def __init__(self) -> None:
        self.open: dict[str, Record] = {}  # pending id -> record

    def on_attempt_ended(self, event: AttemptEnded) -> None:
        record = _RECORD.get()
        if record is not None and event.operation in MONEY and event.fate is not Fate.NOT_SENT:
            record.sends[event.operation] += 1
            record.doubted |= event.fate is Fate.UNKNOWN or event.error is not None

    def on_settled(self, event: Settled) -> None:
        record = self.open.get(event.pending.id) if event.pending else None
        record = record or _RECORD.get()
        if record is not None and event.what in _WORDS:
            record.later = _WORDS[event.what]
            if event.charge is not None:
                record.charges = (event.charge.id,)


@attrs.frozen
class Job:
    """A call to make: its record, its voucher, and for a refund the charge."""

    record: Record
    voucher: VoucherRecord
    charge: Charge | None = None


async def prepare(emulator: VoucherEmulator, client: VoucherClient, number: int) -> list[Job]:
    """Make vouchers, and the charges that are refunded.

    Args:
        emulator: the server.
        client: a client that does not go through the proxy.
        number: how many calls there are.
    """
    jobs: list[Job] = []
    for n in range(number):
        kind = tuple(Kind)[n % len(Kind)]
        voucher = emulator.add_voucher(id=f"V-{n}", amount="100.00")
        charge = None
        if kind is Kind.REFUND:
            charge = await client.redeem(
                code=voucher.code, amount="10.00", currency=CURRENCY, order_number=f"O-{n}"
            )
        target = charge.id if charge else voucher.id
        jobs.append(Job(Record(kind=kind, target=target, order=f"O-{n}"), voucher, charge))
    return jobs


async def make_all(client: VoucherClient, listener: Listener, jobs: Sequence[Job]) -> None:
    """Make the calls, several at once."""
    waiting = iter(jobs)

    async def lane(first: float) -> None:
        await asyncio.sleep(first)
        for job in waiting:
            await asyncio.create_task(_make(client, listener, job))
            await asyncio.sleep(_PAUSE)

    await asyncio.gather(*(lane(_PAUSE * n / LANES) for n in range(LANES)))


async def _make(client: VoucherClient, listener: Listener, job: Job) -> None:
    record = job.record
    _RECORD.set(record)
    try:
        charge = await _do(client, job)
    except OutcomeUnknown as error:
        record.told = Told.OPEN
        listener.open[error.pending.id] = record
    except VoucherError as error:
        record.told, record.error = Told.NOT_DONE, f"{type(error).__name__}: {error}"
    except Exception as error:  # noqa: BLE001 - any other exception is a finding
        record.told, record.error = Told.CRASHED, repr(error)
    else:
        record.told, record.charges = Told.DONE, (charge.id,)


async def _do(client: VoucherClient, job: Job) -> Charge:
    order = job.record.order
    if job.charge is not None:
        return await client.charges.refund(job.charge, AMOUNT, currency=CURRENCY)
    if job.record.kind is Kind.RECHARGE:
        return await client.vouchers.recharge(
            id=job.voucher.id, amount=AMOUNT, currency=CURRENCY, order_number=order
        )
    return await client.redeem(code=job.voucher.code, amount=AMOUNT, currency=CURRENCY, order_number=order)
