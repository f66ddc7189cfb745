"""A server in front of the emulator that keeps what was sent and can lose or replace answers."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Self

import aiohttp
import attrs
from aiohttp import web

from voucher_async.testing import VoucherEmulator


@attrs.frozen(kw_only=True)
class Seen:
    """One request as it came over the wire."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@attrs.define(kw_only=True)
class Fault:
    """What happens to the next requests of one method whose path ends in `path`."""

    method: str
    path: str
    times: int = 1
    forward: bool = True
    status: int | None = None
    body: bytes = b""
    fields: dict[str, Any] = attrs.Factory(dict)

    def matches(self, request: web.Request) -> bool:
        return self.times > 0 and request.method == self.method and request.path.endswith(self.path)


class Proxy:
    """Forwards every request to the emulator, except where a fault says otherwise."""

    def __init__(self, emulator: VoucherEmulator) -> None:
        self._emulator = emulator
        self._faults: list[Fault] = []
        self.seen: list[Seen] = []

    def lose(self, method: str, path: str, *, times: int = 1) -> None:
        """Carry the request out and break the connection instead of answering."""
        self._faults.append(Fault(method=method, path=path, times=times))

    def replace(self, method: str, path: str, status: int, body: bytes = b"{}", *, times: int = 1) -> None:
        """Carry the request out and answer something else."""
        self._faults.append(Fault(method=method, path=path, times=times, status=status, body=body))

    def refuse(self, method: str, path: str, status: int, body: bytes = b"{}", *, times: int = 1) -> None:
        """Answer without carrying the request out."""
        fault = Fault(method=method, path=path, times=times, forward=False, status=status, body=body)
        self._faults.append(fault)

    def edit(self, method: str, path: str, **fields: Any) -> None:
        """Carry the request out and answer with other values in these fields."""
        self._faults.append(Fault(method=method, path=path, fields=fields))

    def drop(self, method: str, path: str, *, times: int = 1) -> None:
        """Read the request and break the connection without carrying it out."""
        self._faults.append(Fault(method=method, path=path, times=times, forward=False))

    def of(self, method: str, path: str = "") -> list[Seen]:
        """The requests of one method whose path ends in `path`; tokens left out."""
        return [seen for seen in self.seen if seen.method == method and seen.path.endswith(path)]

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self.session = aiohttp.ClientSession(auto_decompress=False)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if not request.path.startswith("/oauth"):
            self.seen.append(
                Seen(
                    method=request.method,
                    path=request.rel_url.raw_path,
                    query=dict(request.query),
                    headers=dict(request.headers),
                    body=body,
                )
            )
        fault = next((fault for fault in self._faults if fault.matches(request)), None)
        if fault is None:
            return await self._forward(request, body)
        fault.times -= 1
        if fault.fields:
            return await self._edited(request, body, fault.fields)
        if fault.forward:
            await self._forward(request, body)
        if fault.status is None:
            assert request.transport is not None
            request.transport.abort()
            await asyncio.sleep(0)
        return web.Response(status=fault.status or 500, body=fault.body, content_type="application/json")

    async def _edited(self, request: web.Request, body: bytes, fields: dict[str, Any]) -> web.Response:
        answer = await self._forward(request, body)
        assert isinstance(answer.body, bytes)
        answer.text = json.dumps({**json.loads(answer.body), **fields})
        return answer

    async def _forward(self, request: web.Request, body: bytes) -> web.Response:
        url = f"{self._emulator.url}{request.raw_path}"
        headers = {k: v for k, v in request.headers.items() if k not in {"Host", "Content-Length"}}
        async with self.session.request(request.method, url, headers=headers, data=body) as answer:
            kept = {k: answer.headers[k] for k in ("Content-Type", "Date") if k in answer.headers}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)
