"""A proxy in front of the emulator that loses answers and makes refusals up."""

from __future__ import annotations

from typing import Self

import aiohttp
from aiohttp import web

from voucher_async.testing import VoucherEmulator


class Proxy:
    """Forwards everything; what `lose` and `refuse` name goes wrong, once for each time it was named."""

    def __init__(self, emulator: VoucherEmulator) -> None:
        self._emulator = emulator
        self._lose: list[str] = []
        self._refuse: list[tuple[str, int]] = []
        self._skip = 0

    def lose(self, path: str, *, after: int = 0) -> None:
        """Carry the next request out whose path holds this, and lose the answer."""
        self._skip = after
        self._lose.append(path)

    def refuse(self, path: str, status: int = 409, *, times: int = 1) -> None:
        """Answer the next request whose path ends in this, without carrying it out."""
        self._refuse.extend([(path, status)] * times)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._session = aiohttp.ClientSession(auto_decompress=False)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.base_url = f"http://127.0.0.1:{port}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        for entry in self._refuse:
            if path.endswith(entry[0]):
                self._refuse.remove(entry)
                return web.json_response({"status": entry[1], "code": "MADE.UP"}, status=entry[1])
        url = f"{self._emulator.url}{request.raw_path}"
        headers = {k: v for k, v in request.headers.items() if k not in {"Host", "Content-Length"}}
        body = await request.read()
        async with self._session.request(request.method, url, headers=headers, data=body) as answer:
            content = await answer.read()
            if path_in(self._lose, path) and self._countdown():
                assert request.transport is not None
                request.transport.abort()
            kept = {k: answer.headers[k] for k in ("Content-Type", "Date") if k in answer.headers}
            return web.Response(status=answer.status, body=content, headers=kept)

    def _countdown(self) -> bool:
        if self._skip:
            self._skip -= 1
            return False
        self._lose.pop(0)
        return True


def path_in(parts: list[str], path: str) -> bool:
    return bool(parts) and parts[0] in path
