"""`make shop` serves the shop with an emulator behind it, and breaks what it is asked to break."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.processes import plain_environment
from tests.shop.shopping import ON_ONE_LOOP, free_port, served_at

pytestmark = pytest.mark.asyncio(loop_scope=ON_ONE_LOOP)


class Started:
    """The shop as `make shop` starts it.

    Args:
        process: its process.
        http: somebody at the shop.
    """

    def __init__(self, process: Process, http: httpx.AsyncClient) -> None:
        self.process = process
        self.http = http

    async def read(self) -> str:
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        assert line, "it has ended"
        return line.decode().rstrip()

    async def type(self, word: str) -> str:
        """Type a word; the answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n".encode())
        return await self.read()

    async def order(self, code: str) -> str:
        """Order a bowl, with a voucher; its page."""
        await self.http.post("/cart", data={"sku": "bowl"})
        page = str((await self.http.post("/orders")).url).removesuffix("/checkout")
        await self.http.post(f"{page}/vouchers", data={"code": code})
        return page


@pytest_asyncio.fixture(loop_scope="session")
async def started(root: Path) -> AsyncIterator[Started]:
    port = free_port()
    command = [sys.executable, "-m", "examples.shop", "--port", str(port)]
    environ = plain_environment()
    process = await asyncio.create_subprocess_exec(*command, cwd=root, env=environ, stdin=PIPE, stdout=PIPE)
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=url, follow_redirects=True, timeout=30.0) as http:
        try:
            await served_at(url, process)
            yield Started(process, http)
        finally:
            process.send_signal(signal.SIGTERM)
            _, status = await process.communicate(), process.returncode
        assert status == 0


async def test_it_says_what_to_try_and_what_to_break(started: Started) -> None:
    said = [await started.read() for _ in range(15)]
    (code,) = {found[1] for line in said if (found := re.match(r"  (\S+)\s+20\.00 EUR", line))}
    assert said[0] == f"The shop is open: {str(started.http.base_url).rstrip('/')}"
    assert said[-1].startswith("  ledger ")
    assert await started.type("nonsense") == "The words are: lost, dark, light, slow, kill, later, ledger"
    assert await started.type("ledger") == "No money has moved."

    await started.type("lost")
    page = await started.order(code)
    answer = await started.http.post(f"{page}/pay", data={"rest": "400", "card": "4242 4242 4242 4242"})
    assert "Thank you" in answer.text
    assert await started.type("ledger") == f"charge     20.00 {page.rpartition('/')[2]}  {code}"

    await started.type("kill")
    page = await started.order("AUTUMN-5005")
    with pytest.raises(httpx.TransportError):
        await started.http.post(f"{page}/pay", data={"rest": "0"})
    assert (await started.read()).startswith("killed; it starts again")
    await served_at(str(started.http.base_url), started.process)
    assert "Do not pay again." in (await started.http.get(page)).text
