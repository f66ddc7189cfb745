"""Workers that stand still beyond their lease, just before they write: `python -m tests.machines.late`.

    python -m tests.machines.late ACCESS JOURNAL FOLDER

One is stopped before the journal is told that money is about to be asked for, one when it has been told and
the request is not yet sent. Somebody else asks for the same payments meanwhile. Then both go on. What all of
them are told is printed as JSON by the moment of the stop: `Late`. Each is a fork of this process.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, Final

import attrs

from tests.chaos.records import Journal, Refused, read
from tests.machines.refusals import Noting
from voucher_async import AttemptStarted, Hook, Settings, VoucherClient, VoucherError
from voucher_async.journals import postgresql  # noqa: F401 - once, and not in every fork
from voucher_async.journals.sql import SqlJournal
from voucher_async.payments.call import CallRecord
from voucher_async.payments.ownership import LEASE
from voucher_async.testing import EmulatorSettings

__all__ = ["MOMENTS", "Late"]

MOMENTS: Final = ("before the journal is told", "before the request is sent")


@attrs.frozen
class Late:
    """What became of a payment whose worker stood still.

    Attributes:
        other: what the worker was told that asked meanwhile: the charge's id, or the error.
        own: what the worker was told that stood still.
        refused: what the journal has refused it then: the states that it was late to write.
    """

    other: str
    own: str
    refused: list[str]


class _Still(Hook):
    """Stops this process once, at its moment."""

    def __init__(self, moment: str) -> None:
        self._moment = moment

    def reach(self, moment: str) -> None:
        if self._moment == moment:
            self._moment = ""
            os.kill(os.getpid(), signal.SIGSTOP)

    def on_attempt_started(self, event: AttemptStarted) -> None:
        if event.operation == "chargeReservation":
            self.reach(MOMENTS[1])


class _Standing(Noting):
    def __init__(self, journal: SqlJournal, records: Journal, still: _Still) -> None:
        super().__init__(journal, records)
        self._still = still

    async def save(self, record: CallRecord, *, durable: bool = False) -> bool:
        self._still.reach(MOMENTS[0])
        return await super().save(record, durable=durable)


async def _pay(access: EmulatorSettings, journal: Any, moment: str, still: _Still) -> str:
    number = MOMENTS.index(moment)
    settings = attrs.evolve(
        Settings.make(**access, timeout=600.0), settle_window=1.0, list_lag=0.2, recover_every=0.0
    )
    async with VoucherClient(settings=settings, journal=journal, hooks=[still]) as client:
        payment: dict[str, Any] = {"amount": "10.00", "currency": "EUR", "order_number": f"A-{number}"}
        try:
            charge = await client.redeem(code=f"Card-{number}", idempotency_key=f"A-{number}", **payment)
        except VoucherError as error:
            return type(error).__name__
        return charge.id


def _stand_still(access: EmulatorSettings, url: str, folder: Path, moment: str) -> str:
    async def work() -> str:
        still, journal = _Still(moment), SqlJournal(url)
        with Journal(folder / f"{moment}.jsonl") as records:
            told = await _pay(access, _Standing(journal, records, still), moment, still)
        await journal.aclose()
        return told

    return asyncio.run(work())


def _fork(access: EmulatorSettings, url: str, folder: Path, moment: str) -> tuple[int, int]:
    """Start a worker, and wait until it stands still; its process, and what it will say."""
    said, says = os.pipe()
    child = os.fork()
    if not child:
        os.write(says, _stand_still(access, url, folder, moment).encode())
        os._exit(0)
    os.close(says)
    _, status = os.waitpid(child, os.WUNTRACED)
    assert os.WIFSTOPPED(status), f"it did not come to the moment {moment}: {status}"
    return child, said


async def _pay_meanwhile(access: EmulatorSettings, url: str) -> list[str]:
    journal = SqlJournal(url)
    told = await asyncio.gather(*(_pay(access, journal, moment, _Still("")) for moment in MOMENTS))
    await journal.aclose()
    return told


def main(arguments: list[str]) -> None:
    access, url, folder = json.loads(arguments[0]), arguments[1], Path(arguments[2])
    workers = [_fork(access, url, folder, moment) for moment in MOMENTS]
    time.sleep(LEASE)
    others = asyncio.run(_pay_meanwhile(access, url))
    for child, _ in workers:
        os.kill(child, signal.SIGCONT)
    for moment, other, (child, said) in zip(MOMENTS, others, workers, strict=True):
        with os.fdopen(said, encoding="utf-8") as pipe:
            own = pipe.read()
        os.waitpid(child, 0)
        records = read(folder / f"{moment}.jsonl")
        refused = [record.what for record in records if isinstance(record, Refused)]
        print(json.dumps([moment, attrs.asdict(Late(other, own, refused))]))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
