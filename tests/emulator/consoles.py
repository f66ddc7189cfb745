"""A console's page, as a program that is no browser sees it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import attrs

from voucher_async.testing import VoucherEmulator

__all__ = ["Page", "Stream", "page_of"]


@attrs.define(eq=False)
class Stream:
    """A page that listens.

    Attributes:
        response: the stream.
        last: the id of the latest event.
    """

    response: aiohttp.ClientResponse
    last: str = ""

    async def event(self) -> dict[str, Any]:
        """The next event."""
        data = ""
        async with asyncio.timeout(20):
            while line := (await self.response.content.readline()).decode():
                name, _, value = line.rstrip("\n").partition(": ")
                if name == "id":
                    self.last = value
                elif name == "data":
                    data = value
                elif not line.strip() and data:
                    return dict(json.loads(data))
        raise ConnectionError("the stream has ended")

    async def rows(self, name: str) -> list[dict[str, Any]]:
        """The rows of the next event that has some of a kind."""
        while not (rows := (await self.event()).get(name)):
            pass
        return list(rows)

    async def ends(self) -> None:
        async with asyncio.timeout(20):
            while await self.response.content.readline():
                pass


@attrs.define(eq=False)
class Page:
    emulator: VoucherEmulator
    session: aiohttp.ClientSession

    async def post(self, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """Ask for a change, as the page does."""
        sent = {"Origin": self.emulator.url, "Content-Type": "application/json", **headers}
        url = f"{self.emulator.console_url}/{path}"
        data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        async with self.session.post(url, data=data, headers=sent) as answer:
            return answer.status, await answer.json()

    async def done(self, path: str, **body: object) -> Any:
        status, said = await self.post(path, body)
        assert status == 200, said
        return said

    async def get(self, path: str = "", **headers: str) -> tuple[int, str]:
        async with self.session.get(f"{self.emulator.console_url}{path}", headers=headers) as answer:
            return answer.status, await answer.text()

    @contextlib.asynccontextmanager
    async def listening(self, **headers: str) -> AsyncIterator[Stream]:
        async with self.session.get(f"{self.emulator.console_url}/events", headers=headers) as response:
            assert response.status == 200
            yield Stream(response)

    async def state(self) -> dict[str, Any]:
        """Everything that a page which opens is told."""
        async with self.listening() as stream:
            return await stream.event()


@contextlib.asynccontextmanager
async def page_of(emulator: VoucherEmulator) -> AsyncIterator[Page]:
    async with emulator, aiohttp.ClientSession() as session:
        yield Page(emulator, session)
