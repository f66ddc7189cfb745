"""Workers that are killed at one step each, and another process that recovers what they left.

    python -m tests.recovery.killed ACCESS JOURNAL

ACCESS is how to reach the server, as JSON. Each worker is a fork of this process. It is killed with SIGKILL
before or after one of its calls of the journal, or of its requests, or while one is under way. Its voucher,
its order and the scope of its records are its own. When the leases of the dead are over, this process
recovers all of them, and asks once more for each call. It prints a line of JSON for each: `Report`.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import attrs

from voucher_async import Hook, Settings, VoucherClient, VoucherError
from voucher_async.journals import postgresql, sqlite  # noqa: F401 - once, and not in every fork
from voucher_async.journals.sql import SqlJournal
from voucher_async.payments.ownership import LEASE
from voucher_async.testing import EmulatorSettings

__all__ = ["CALLS", "Report", "code_of", "order_of"]

IN_FLIGHT: Final = 0.01  # seconds after a request has begun; the server takes longer
KEY: Final = "again and again"


@attrs.frozen
class Report:
    """What became of a call whose worker was killed.

    Attributes:
        call: which call, by its name in `CALLS`.
        step: the step at which its worker was killed.
        states: of its records once they were recovered.
        told: the ids of what the caller was told who asked once more; or the error.
    """

    call: str
    step: int
    states: list[str]
    told: list[str] | str


def scope_of(call: str, step: int) -> str:
    return f"{call}-{step}"


def order_of(call: str, step: int) -> str:
    """The order number of a worker."""
    return f"Order-{call}-{step}"


def code_of(call: str, step: int, number: int = 0) -> str:
    """The code, and the id, of a voucher of a worker."""
    return f"Card-{call}-{step}-{number}"


async def redeem(client: VoucherClient, call: str, step: int) -> list[str]:
    payment: dict[str, Any] = {"amount": "10.00", "currency": "EUR", "order_number": order_of(call, step)}
    charge = await client.redeem(code=code_of(call, step), idempotency_key=KEY, **payment)
    return [charge.id]


async def refund(client: VoucherClient, call: str, step: int) -> list[str]:
    charges = [each async for each in client.vouchers.list_charges(code_of(call, step))]
    charge = next(each for each in charges if each.type == "charge")
    return [(await client.charges.refund(charge, "4.00", currency="EUR", idempotency_key=KEY)).id]


async def recharge(client: VoucherClient, call: str, step: int) -> list[str]:
    payment: dict[str, Any] = {"amount": "10.00", "currency": "EUR", "order_number": order_of(call, step)}
    charge = await client.vouchers.recharge(id=code_of(call, step), idempotency_key=KEY, **payment)
    return [charge.id]


async def check_out(client: VoucherClient, call: str, step: int) -> list[str]:
    order = order_of(call, step)
    async with client.checkout(order_number=order, currency="EUR", idempotency_key=KEY) as checkout:
        for number in range(2):
            await checkout.reserve(code=code_of(call, step, number), amount="10.00")
        return [charge.id for charge in await checkout.charge()]


Call = Callable[[VoucherClient, str, int], Awaitable[list[str]]]

CALLS: Final[dict[str, Call]] = {
    "redeem": redeem,
    "refund": refund,
    "recharge": recharge,
    "checkout": check_out,
}


class Steps(Hook):
    """Kills this process at one step.

    Args:
        at: the step, from 1; 0 for none.
    """

    def __init__(self, at: int) -> None:
        self._at = at
        self._taken = 0

    def take(self) -> None:
        if self._is_due():
            os.kill(os.getpid(), signal.SIGKILL)

    def _is_due(self) -> bool:
        self._taken += 1
        return self._taken == self._at

    def on_attempt_started(self, _: object) -> None:
        self.take()
        if self._is_due():
            threading.Timer(IN_FLIGHT, os.kill, (os.getpid(), signal.SIGKILL)).start()

    def on_attempt_ended(self, _: object) -> None:
        self.take()


class Stepping:
    """A journal each of whose calls is two steps: about to be made, and made.

    Args:
        journal: answers.
        steps: of the worker.
    """

    def __init__(self, journal: Any, steps: Steps) -> None:
        self._journal = journal
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        answer = getattr(self._journal, name)
        if not inspect.iscoroutinefunction(answer):
            return answer

        async def ask(*args: Any, **kwargs: Any) -> Any:
            self._steps.take()
            answered = await answer(*args, **kwargs)
            self._steps.take()
            return answered

        return ask


def client_of(access: EmulatorSettings, journal: Any, call: str, step: int, steps: Steps) -> VoucherClient:
    settings = attrs.evolve(Settings.make(**access), settle_window=1.0, list_lag=0.2, recover_every=0.0)
    return VoucherClient(
        settings=settings, journal=journal, journal_scope=scope_of(call, step), hooks=[steps]
    )


async def work(access: EmulatorSettings, url: str, call: str, step: int) -> None:
    """Make a call, until it is killed."""
    if call == "refund":
        async with VoucherClient(**access) as before:
            await redeem(before, call, step)
    steps = Steps(step)
    journal = SqlJournal(url)
    async with client_of(access, Stepping(journal, steps), call, step, steps) as client:
        await CALLS[call](client, call, step)
    await journal.aclose()


def killed(access: EmulatorSettings, url: str, call: str, step: int) -> bool:
    """Fork a worker, and wait for its end; whether it was killed."""
    child = os.fork()
    if not child:
        asyncio.run(work(access, url, call, step))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert status == 0, f"{call} failed at step {step}: {status}"
    return False


async def recover(access: EmulatorSettings, journal: SqlJournal, call: str, step: int) -> Report:
    """Recover what one worker left, and ask once more."""
    async with client_of(access, journal, call, step, Steps(0)) as client:
        await client.recover(timeout=25)
        states = [str(record.state) async for record in client.history()]
        try:
            told: list[str] | str = await CALLS[call](client, call, step)
        except VoucherError as error:
            told = repr(error)
        return Report(call, step, states, told)


async def recover_all(access: EmulatorSettings, url: str, dead: list[tuple[str, int]]) -> None:
    journal = SqlJournal(url)
    for report in await asyncio.gather(*(recover(access, journal, *each) for each in dead)):
        print(json.dumps(attrs.asdict(report)), flush=True)  # noqa: T201
    await journal.aclose()


def main(arguments: list[str]) -> None:
    access, url = json.loads(arguments[0]), arguments[1]
    dead: list[tuple[str, int]] = []
    for call in CALLS:
        step = 1
        while killed(access, url, call, step):
            dead.append((call, step))
            step += 1
    time.sleep(LEASE)
    asyncio.run(recover_all(access, url, dead))


if __name__ == "__main__":
    main(sys.argv[1:])
