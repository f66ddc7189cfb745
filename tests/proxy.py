"""A proxy in front of the emulator: it loses, repeats and makes up whatever a test wants."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Self, TypeAlias

import aiohttp
import attrs
from aiohttp import web

from voucher_async.testing import VoucherEmulator

__all__ = ["BARE", "Asked", "Proxy", "Reply", "Rule", "delivered", "rewritten", "said"]

_PATHS: Final = {
    ("POST", r"/reservations/[^/]+/charge"): "chargeReservation",
    ("POST", r"/reservations"): "createReservation",
    ("POST", r"/charges/[^/]+/refund"): "refundCharge",
    ("POST", r"/vouchers/recharge"): "rechargeVoucher",
    ("POST", r"/vouchers"): "createVoucher",
    ("GET", r"/vouchers/[^/]+/charges"): "listCharges",
    ("GET", r"/vouchers/[^/]+/complete"): "getCompleteVoucher",
    ("GET", r"/vouchers/[^/]+"): "getVoucher",
}
_CACHES: Final = ("Cache-Status", "X-Cache", "X-Cache-Status", "CF-Cache-Status")
BARE: Final = b"{}"  # a refusal without the API's envelope, as a proxy makes it up
JSON: Final = {"Content-Type": "application/json"}
_KEPT: Final = ("Content-Type", "Date", "Retry-After", "Age", *_CACHES)


@attrs.frozen
class Reply:
    """An answer on its way back."""

    status: int
    content: bytes
    headers: dict[str, str]

    @property
    def body(self) -> Any:
        return json.loads(self.content)

    def saying(self, body: Any, status: int | None = None, **headers: str) -> Reply:
        """The same answer with another body."""
        return Reply(status or self.status, json.dumps(body).encode(), {**self.headers, **headers})


@attrs.frozen
class Asked:
    """A request that reached the proxy; `path` is as it came over the wire."""

    proxy: Proxy
    request: web.Request
    sent: bytes
    operation: str
    method: str
    path: str

    @property
    def json(self) -> Any:
        return json.loads(self.sent)

    @property
    def query(self) -> dict[str, str]:
        return dict(self.request.query)

    @property
    def headers(self) -> Mapping[str, str]:
        return self.request.headers

    async def deliver(self, **headers: str) -> Reply:
        """Have it carried out, once."""
        return await self.proxy.forward(self.request, self.sent, headers)

    async def break_off(self) -> Reply:
        """Break the connection; the reply is never seen."""
        assert self.request.transport is not None
        self.request.transport.abort()
        await asyncio.sleep(0)
        return said(500)


Rule: TypeAlias = Callable[[Asked], Awaitable[Reply]]


@attrs.define
class _Few:
    """A rule for so many requests of one method whose path ends in `path`, once others of them went well."""

    method: str
    path: str
    rule: Rule
    times: int
    after: int

    def takes(self, asked: Asked) -> bool:
        if not self.times or asked.method != self.method or not asked.path.endswith(self.path):
            return False
        if self.after:
            self.after -= 1
            return False
        self.times -= 1
        return True


class Proxy:
    """Forwards everything, except where a rule says otherwise.

    Attributes:
        rules: by operation id; they hold until they are taken away.
        seen: what came by; tokens left out.
    """

    def __init__(self, emulator: VoucherEmulator) -> None:
        self._emulator = emulator
        self._few: list[_Few] = []
        self.rules: dict[str, Rule] = {}
        self.seen: list[Asked] = []

    def once(self, operation: str, rule: Rule) -> None:
        """Let a rule hold for the next request of an operation alone."""

        async def first(asked: Asked) -> Reply:
            del self.rules[operation]
            return await rule(asked)

        self.rules[operation] = first

    def lose(self, method: str, path: str, *, times: int = 1, after: int = 0) -> None:
        """Carry the request out and break the connection instead of answering."""
        self._few.append(_Few(method, path, _lost, times, after))

    def replace(self, method: str, path: str, status: int, body: bytes = BARE, *, times: int = 1) -> None:
        """Carry the request out and answer something else."""
        self._few.append(_Few(method, path, delivered(1, Reply(status, body, JSON)), times, 0))

    def refuse(
        self, method: str, path: str, status: int, body: bytes | None = None, *, times: int = 1
    ) -> None:
        """Answer without carrying the request out, in the API's envelope unless a body is given."""
        answer = said(status) if body is None else Reply(status, body, JSON)
        self._few.append(_Few(method, path, delivered(0, answer), times, 0))

    def edit(self, method: str, path: str, **fields: Any) -> None:
        """Carry the request out and answer with other values in these fields."""
        self._few.append(_Few(method, path, rewritten(lambda body: {**body, **fields}), 1, 0))

    def drop(self, method: str, path: str, *, times: int = 1) -> None:
        """Read the request and break the connection without carrying it out."""
        self._few.append(_Few(method, path, Asked.break_off, times, 0))

    def of(self, method: str, path: str = "") -> list[Asked]:
        """The requests of one method whose path ends in `path`."""
        return [asked for asked in self.seen if asked.method == method and asked.path.endswith(path)]

    def count(self, operation: str) -> int:
        """How many requests of an operation reached the proxy."""
        return sum(asked.operation == operation for asked in self.seen)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._session = aiohttp.ClientSession(auto_decompress=False)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        path = request.rel_url.raw_path
        asked = Asked(self, request, await request.read(), _operation(request), request.method, path)
        if not request.path.startswith("/oauth"):
            self.seen.append(asked)
        few = (each.rule for each in self._few if each.takes(asked))
        rule = next(few, None) or self.rules.get(asked.operation, Asked.deliver)
        reply = await rule(asked)
        headers: dict[str, str] = {name: reply.headers[name] for name in _KEPT if name in reply.headers}
        return web.Response(status=reply.status, body=reply.content, headers=headers)

    async def forward(self, request: web.Request, sent: bytes, changed: dict[str, str]) -> Reply:
        """Deliver a request to the emulator."""
        url = f"{self._emulator.url}{request.raw_path}"
        headers = {k: v for k, v in request.headers.items() if k not in {"Host", "Content-Length"}}
        sending = self._session.request(request.method, url, headers={**headers, **changed}, data=sent)
        async with sending as answer:
            return Reply(answer.status, await answer.read(), dict(answer.headers))


def _operation(request: web.Request) -> str:
    for (method, path), operation in _PATHS.items():
        if request.method == method and re.fullmatch("/v1" + path, request.path):
            return operation
    return "other"


async def _lost(asked: Asked) -> Reply:
    await asked.deliver()
    return await asked.break_off()


def delivered(times: int = 2, answer: Reply | None = None) -> Rule:
    """Deliver it so often and give the last answer, or one that the proxy makes up."""

    async def rule(asked: Asked) -> Reply:
        replies = [await asked.deliver() for _ in range(times)]
        return answer or replies[-1]

    return rule


def said(status: int, body: Any = None, **headers: str) -> Reply:
    """An answer in the API's envelope, or another body."""
    envelope = {"status": status, "code": "PROXY.SAYS", "message": "made up on the way"}
    if isinstance(body, bytes):
        return Reply(status, body, {"Content-Type": "text/html", **headers})
    return Reply(status, json.dumps(envelope if body is None else body).encode(), {**JSON, **headers})


def rewritten(change: Callable[[Any], Any]) -> Rule:
    """Deliver it, and change the body of a good answer."""

    async def rule(asked: Asked) -> Reply:
        reply = await asked.deliver()
        return reply.saying(change(reply.body)) if reply.status == 200 else reply

    return rule
