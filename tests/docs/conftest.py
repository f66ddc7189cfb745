"""What the examples take for granted: a client of a running emulator, and vouchers to pay with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sybil import Example

from tests.docs.blocks import RUNNER
from voucher_async import VoucherClient
from voucher_async.testing import VoucherEmulator

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[VoucherEmulator]:
    with VoucherEmulator() as emulator:
        for name, value in emulator.environ().items():
            monkeypatch.setenv(name, value)
        yield emulator


@pytest.fixture
def run(emulator: VoucherEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs an example and returns the names of its page; `client` and `code` are there when a page begins.

    Further arguments are names for the page. Its event loop is the page's own: run it in a thread where
    another one is running.
    """
    monkeypatch.chdir(tmp_path)  # an example may make a file
    emulator.add_voucher(amount="5.00", id="V-1")
    clients: dict[str, VoucherClient] = {}
    with asyncio.Runner() as runner:

        def begin(page: str) -> dict[str, Any]:
            clients[page] = VoucherClient.from_env()
            return {
                RUNNER: runner,
                "client": clients[page],
                "code": emulator.add_voucher(amount="100.00").code,
                "second_code": emulator.add_voucher(amount="100.00").code,
                "Decimal": Decimal,
                "VoucherClient": VoucherClient,
                "VoucherEmulator": VoucherEmulator,
            }

        def run(example: Example, **names: Any) -> dict[str, Any]:
            if example.path not in clients:
                example.namespace.clear()
                example.namespace.update(begin(example.path))
            example.namespace.update(names)
            example.evaluate()
            return example.namespace

        yield run
        for client in clients.values():
            runner.run(client.aclose())
