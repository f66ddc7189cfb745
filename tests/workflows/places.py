"""A shop with an order to pay, its workers, and the database of their workflows."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import re
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs
from dbos import DBOSClient

from tests.examples.workers import Worker, until
from tests.processes import plain_environment
from tests.seeds import drawing
from voucher_async.testing import VoucherEmulator

__all__ = ["ALL", "LEASE", "PIN", "Place", "databases", "read_back"]

PIN: Final = "7351902"
_PICKLES: Final = re.compile(rb"gA[A-Za-z0-9+/]{4,}")
ROOT: Final = Path(__file__).resolve().parent.parent.parent
ALL: Final = "WORKFLOWS" in os.environ
"""True for `make workflows`; the gate has one of each."""
LEASE: Final = 2.0
"""Seconds after which a killed worker is dead."""


def databases() -> list[str]:
    """The databases that are tried: in the gate one, by the seed, since each costs processes."""
    both = ["postgresql", "sqlite"]
    return both if ALL else [drawing("workflows").choice(both[::-1])]


@attrs.frozen(eq=False)
class Place:
    """An order, a voucher of 25.00, and whatever a worker needs.

    Attributes:
        folder: has the shop's database, the logs, and further code.
        emulator: the server.
        workflows: the URL of the workflows' database.
        journal: that of the journal.
        order: the order's number.
        code: the voucher's.
    """

    folder: Path
    emulator: VoucherEmulator
    workflows: str
    journal: str
    order: str = "A-1"
    code: str = attrs.field(init=False)

    @code.default
    def _add_voucher(self) -> str:
        return self.emulator.add_voucher(amount="25.00", pin=PIN).code

    def __attrs_post_init__(self) -> None:
        self.ask(
            "CREATE TABLE orders (number TEXT PRIMARY KEY, amount TEXT, code TEXT, state TEXT, card TEXT)"
        )
        self.ask("INSERT INTO orders VALUES (?, '10.00', ?, 'pending', NULL)", self.order, self.code)

    def ask(self, statement: str, *values: str) -> list[Any]:
        with contextlib.closing(sqlite3.connect(self.folder / "shop.db", timeout=30)) as db, db:
            return db.execute(statement, values).fetchall()

    @property
    def state(self) -> str:
        ((state,),) = self.ask("SELECT state FROM orders WHERE number = ?", self.order)
        return str(state)

    def environ(self, slot: str) -> dict[str, str]:
        return {
            **plain_environment(),
            **self.emulator.environ(),
            "VOUCHER_JOURNAL": self.journal,
            "VOUCHER_WORKFLOWS": self.workflows,
            "VOUCHER_SETTLE_WINDOW": "1",
            "VOUCHER_LIST_LAG": "0.2",
            "SHOP_DATABASE": str(self.folder / "shop.db"),
            "EXECUTOR_ID": slot,
            "LEASE": str(LEASE),
            "PYTHONPATH": os.pathsep.join([str(self.folder), str(ROOT)]),
            "PYTHONUNBUFFERED": "1",
        }

    async def start(self, slot: str, *command: str, also: Mapping[str, str] | None = None) -> Worker:
        """Start a module of Python as a process of its own."""
        log = self.folder / f"{slot}-{len(list(self.folder.glob('*.log')))}.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", *command),
                cwd=self.folder,
                env=self.environ(slot) | dict(also or {}),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return Worker(process, log)

    @contextlib.asynccontextmanager
    async def process(
        self, slot: str, *command: str, also: Mapping[str, str] | None = None
    ) -> AsyncIterator[Worker]:
        """A process, which is killed at the end if it still runs."""
        worker = await self.start(slot, *command, also=also)
        try:
            yield worker
        finally:
            with contextlib.suppress(ProcessLookupError):
                await worker.kill()

    def command(
        self, slot: str, app: str = "examples.workflow_checkout:vouchers", *options: str
    ) -> list[str]:
        """The command that starts a worker."""
        own = ("--executor-id", slot, "--database", self.workflows, "--lease", str(LEASE))
        return ["voucher_async", "worker", app, *own, *options]

    @contextlib.asynccontextmanager
    async def worker(
        self,
        slot: str,
        *options: str,
        app: str = "examples.workflow_checkout:vouchers",
        also: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Worker]:
        """A worker that runs workflows."""
        async with self.process(slot, *self.command(slot, app, *options), also=also) as worker:
            await worker.prints("Running workflows")
            yield worker

    async def killed(self, slot: str, point: int) -> bool:
        """Run the checkout in a worker that is killed at a point; False when it has ended before."""
        async with self.process(slot, "tests.workflows.killed", str(point), self.order, "10.00") as worker:
            status = await worker.process.wait()
        assert status in {0, -signal.SIGKILL}, worker.printed
        return status != 0

    async def ended_without_a_kill(self, slot: str) -> str:
        """The last line of a worker that runs the checkout to its end, at whose points nobody is killed."""
        async with self.process(slot, "tests.workflows.killed", "0", self.order, "10.00") as worker:
            status = await worker.process.wait()
        assert status == 0, worker.printed
        return worker.printed.splitlines()[-1]

    async def pay_by_card(self, state: str = "paid") -> None:
        """Tell the workflow what the webhook of the card payment tells."""
        with self.client() as client:
            await asyncio.to_thread(client.send, self.order, state, "card", "event-1")

    @contextlib.contextmanager
    def client(self) -> Any:
        """A client of the workflows' database, which runs none."""
        client = DBOSClient(system_database_url=self.workflows)
        try:
            yield client
        finally:
            client.destroy()

    async def has_ended(self) -> None:
        """Wait until the workflow has ended, which marks the order."""
        with self.client() as client:
            workflow = client.retrieve_workflow(self.order)
            ended = {"SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"}
            await until(lambda: workflow.get_status().status in ended, "the end of the workflow")

    def check(self) -> None:
        """There is one charge, the order was marked with it, and the workflow has ended so."""
        self.emulator.ledger.check()
        (charge,) = self.emulator.charges(self.order)
        assert self.state == f"paid, {charge.id}"
        with self.client() as client:
            (workflow,) = client.list_workflows(workflow_ids=[self.order])
        assert (workflow.status, workflow.output) == ("SUCCESS", self.state)
        self.check_secrets()

    def check_secrets(self, *stored: bytes) -> None:
        """Nobody has printed or stored the code, but the shop."""
        kept = [path.read_bytes() for path in self.folder.glob("*") if path.is_file() and path.stem != "shop"]
        for each in [*kept, *stored]:
            for text in (each, read_back(each)):
                assert self.code.encode() not in text
                assert PIN.encode() not in text


def read_back(stored: bytes) -> bytes:
    """What DBOS's serializer has written somewhere in these bytes, which is base64."""
    return b"\n".join(base64.b64decode(each + b"=" * (-len(each) % 4)) for each in _PICKLES.findall(stored))
