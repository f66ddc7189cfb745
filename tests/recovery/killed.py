"""Workers that are killed or stopped at one step each, and another process that goes on with their calls.

    python -m tests.recovery.killed kill|stop ACCESS JOURNAL CALLS...

ACCESS is how to reach the server, as JSON. Each worker is a fork of this process. It gets its signal before
or after one of its calls of the journal, or of its requests, or while one is under way. Its voucher, its
order and the scope of its records are its own. When their leases are over, this process goes on: it recovers
what killed ones left, and asks once more for each call. Where they were stopped it only asks, lets them all
go on to their end, and then recovers what they have left. It prints a line of JSON for each: `Report`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

import attrs

from tests.journals.around import Around
from voucher_async import Charge, Hook, Settings, VoucherClient, VoucherError
from voucher_async.journals import postgresql, sqlite  # noqa: F401 - once, and not in every fork
from voucher_async.journals.sql import SqlJournal
from voucher_async.journals.sqlite import SqliteStore
from voucher_async.payments.ownership import LEASE
from voucher_async.testing import EmulatorSettings

__all__ = ["CALLS", "Report", "code_of", "order_of"]

IN_FLIGHT: Final = 0.01  # seconds after a request has begun; the server takes longer
KEY: Final = "again and again"
MADE: Final[dict[int, Charge]] = {}
"""What a worker refunds, by its step."""


@attrs.frozen
class Report:
    """What became of a call whose worker was killed or stopped.

    Attributes:
        call: which call, by its name in `CALLS`.
        step: the step at which its worker got its signal.
        states: of its records once they were recovered, in the end.
        told: the ids of what the caller was told who asked once more; or the error.
        first: the same for the caller of a worker that was stopped.
    """

    call: str
    step: int
    states: list[str] = attrs.Factory(list[str])
    told: list[str] | str = ""
    first: list[str] | str = ""


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


async def charge_of(client: VoucherClient, call: str, step: int) -> Charge:
    charges = [each async for each in client.vouchers.list_charges(code_of(call, step))]
    return next(each for each in charges if each.type == "charge")


async def refund(client: VoucherClient, call: str, step: int) -> list[str]:
    charge = MADE.get(step) or await charge_of(client, call, step)
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
    """Kills or stops this process at one step.

    Args:
        at: the step, from 1; 0 for none.
        by: the signal.

    Attributes:
        between: holds back the journal's writes while the signal is given. A process that stands still in the
            middle of a write would lock all others out of a file.
    """

    def __init__(self, at: int = 0, by: signal.Signals = signal.SIGKILL) -> None:
        self._at = at
        self._by = by
        self._taken = 0
        self.between: contextlib.AbstractContextManager[Any] = contextlib.nullcontext()

    def take(self) -> None:
        if self._is_due():
            self._strike()

    def _strike(self) -> None:
        with self.between:
            signal.pthread_kill(threading.get_ident(), self._by)  # this thread does not go on meanwhile

    def _is_due(self) -> bool:
        self._taken += 1
        return self._taken == self._at

    def on_attempt_started(self, _: object) -> None:
        self.take()
        if self._is_due():
            # by the loop, which runs it before it reads the answer, however late both are
            asyncio.get_running_loop().call_later(IN_FLIGHT, self._strike)

    def on_attempt_ended(self, _: object) -> None:
        self.take()


class Stepping(Around):
    """A journal each of whose calls is two steps: about to be made, and made.

    Args:
        journal: answers.
        steps: of the worker.
    """

    def __init__(self, journal: Any, steps: Steps) -> None:
        super().__init__(journal)
        self._steps = steps

    async def begin(self) -> int:
        self._steps.take()
        return 0

    async def end(self, number: int) -> None:
        self._steps.take()


def client_of(access: EmulatorSettings, journal: Any, call: str, step: int, steps: Steps) -> VoucherClient:
    # a caller's deadline that passes while its worker stands still would hide what the worker does then
    made = Settings.make(**access, timeout=120.0)
    settings = attrs.evolve(made, settle_window=1.0, list_lag=0.2, recover_every=0.0)
    return VoucherClient(
        settings=settings, journal=journal, journal_scope=scope_of(call, step), hooks=[steps]
    )


async def asked(client: VoucherClient, call: str, step: int) -> list[str] | str:
    """What a caller is told."""
    try:
        return await CALLS[call](client, call, step)
    except VoucherError as error:
        return type(error).__name__ + (f", {error.proof.name}" if error.proof else "")


async def work(
    by: signal.Signals, access: EmulatorSettings, url: str, call: str, step: int
) -> list[str] | str:
    """Make a call, until it is killed or stopped."""
    steps = Steps(step, by)
    if call == "refund":
        async with VoucherClient(**access) as before:
            await redeem(before, call, step)
            MADE[step] = await charge_of(before, call, step)  # reading it is no step
    journal = SqlJournal(url)
    store: Any = vars(journal)["_store"]
    if by is signal.SIGSTOP and isinstance(store, SqliteStore):
        steps.between = vars(store.file)["_lock"]
    async with client_of(access, Stepping(journal, steps), call, step, steps) as client:
        told = await asked(client, call, step)
    await journal.aclose()
    return told


@attrs.frozen
class Worker:
    """A worker that got its signal."""

    call: str
    step: int
    process: int
    said: int

    def wake(self) -> None:
        """Let one that was stopped go on."""
        os.kill(self.process, signal.SIGCONT)

    def kill(self) -> None:
        """End it, if it has not ended; its caller is told nothing."""
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, self.process, os.WEXITED | os.WNOHANG | os.WNOWAIT)  # it is a child still
            os.kill(self.process, signal.SIGKILL)

    def end(self) -> list[str] | str:
        """Wait for its end; what its caller was told."""
        told = heard(self.said)
        os.waitpid(self.process, 0)
        return told


def heard(pipe: int) -> list[str] | str:
    """What a worker says at its end."""
    with os.fdopen(pipe, encoding="utf-8") as said:
        told: list[str] | str = json.loads(said.read())
    return told


def struck(by: signal.Signals, access: EmulatorSettings, url: str, call: str, step: int) -> Worker | None:
    """Fork a worker, and wait until it got its signal; None when it has ended before, and all was well."""
    said, says = os.pipe()
    child = os.fork()
    if not child:
        os.close(said)
        told = asyncio.run(work(by, access, url, call, step))
        os.write(says, json.dumps(told).encode())
        os._exit(0)
    os.close(says)
    _, status = os.waitpid(child, os.WUNTRACED)
    if os.WIFSIGNALED(status) or os.WIFSTOPPED(status):
        return Worker(call, step, child, said)
    assert status == 0, f"{call} failed at step {step}: {status}"
    told = heard(said)
    assert isinstance(told, list), f"{call} could not be made while others stood still: {told}"
    return None


def all_struck(
    by: signal.Signals, access: EmulatorSettings, url: str, calls: list[str], steps: str
) -> Iterator[Worker]:
    """Strike a worker at each step of each call, or at every second one, from the first or the second."""
    first, apart = map(int, steps.split("/"))
    for call in calls:
        for step in itertools.count(first, apart):
            worker = struck(by, access, url, call, step)
            if worker is None:
                break
            yield worker


async def recovered(client: VoucherClient) -> list[str]:
    """Recover what one worker left; the states of its records then."""
    await client.recover(timeout=25)
    return [str(record.state) async for record in client.history()]


async def recover(access: EmulatorSettings, journal: SqlJournal, worker: Worker) -> Report:
    """Recover the call of a worker."""
    call, step = worker.call, worker.step
    async with client_of(access, journal, call, step, Steps()) as client:
        return Report(call, step, await recovered(client))


async def recover_and_ask(access: EmulatorSettings, journal: SqlJournal, worker: Worker) -> Report:
    """Recover the call of a worker, and ask once more."""
    call, step = worker.call, worker.step
    async with client_of(access, journal, call, step, Steps()) as client:
        return Report(call, step, await recovered(client), await asked(client, call, step))


async def ask_again(access: EmulatorSettings, journal: SqlJournal, worker: Worker) -> Report:
    """Ask for the call of a worker."""
    call, step = worker.call, worker.step
    async with client_of(access, journal, call, step, Steps()) as client:
        return Report(call, step, told=await asked(client, call, step))


Act = Callable[[EmulatorSettings, SqlJournal, Worker], Awaitable[Report]]


def together(access: EmulatorSettings, url: str, left: list[Worker], act: Act) -> list[Report]:
    """Do the same about each worker, at once."""

    async def do() -> list[Report]:
        journal = SqlJournal(url)
        reports = await asyncio.gather(*(act(access, journal, each) for each in left))
        await journal.aclose()
        return reports

    return asyncio.run(do())


def of_stopped(access: EmulatorSettings, url: str, left: list[Worker]) -> list[Report]:
    """Ask again, then let them all go on, and recover what is left in the end."""
    asked_again = together(access, url, left, ask_again)
    for each in left:
        each.wake()
    firsts = [each.end() for each in left]
    time.sleep(LEASE)
    ended = together(access, url, left, recover)
    found = zip(ended, asked_again, firsts, strict=True)
    return [attrs.evolve(each, told=other.told, first=first) for each, other, first in found]


def main(arguments: list[str]) -> None:
    by = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}[arguments[0]]
    access, url = json.loads(arguments[1]), arguments[2]
    left: list[Worker] = []
    try:
        for worker in all_struck(by, access, url, arguments[4:], arguments[3]):
            left.append(worker)  # noqa: PERF402 - those of before a failure are ended, too
        time.sleep(LEASE)
        reports = (
            of_stopped(access, url, left)
            if by is signal.SIGSTOP
            else together(access, url, left, recover_and_ask)
        )
    except BaseException:
        for each in left:
            each.kill()  # one that stands still would hold the pipe open that this process writes to
        raise
    for report in reports:
        print(json.dumps(attrs.asdict(report)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
