"""A mesh in front of the emulator: it delivers a request as often as it likes, and answers what it likes."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, Self, TypeAlias

import aiohttp
import attrs
from aiohttp import web

from voucher_async.testing import VoucherEmulator

__all__ = ["Asked", "Mesh", "Reply", "Rule", "delivered", "rewritten", "said"]

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
    """A request that reached the mesh."""

    mesh: Mesh
    request: web.Request
    sent: bytes

    async def deliver(self, **headers: str) -> Reply:
        """Have it carried out, once."""
        return await self.mesh.forward(self.request, self.sent, headers)


Rule: TypeAlias = Callable[[Asked], Awaitable[Reply]]


class Mesh:
    """Forwards everything; an operation with a rule goes by the rule.

    Attributes:
        rules: by operation id.
        asked: the operation ids of what came by, and the raw path.
    """

    def __init__(self, emulator: VoucherEmulator) -> None:
        self._emulator = emulator
        self.rules: dict[str, Rule] = {}
        self.asked: list[tuple[str, str]] = []

    def once(self, operation: str, rule: Rule) -> None:
        """Let a rule hold for the next request of an operation alone."""

        async def first(asked: Asked) -> Reply:
            del self.rules[operation]
            return await rule(asked)

        self.rules[operation] = first

    def count(self, operation: str) -> int:
        """How many requests of an operation reached the mesh."""
        return sum(each == operation for each, _ in self.asked)

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
        operation = _operation(request)
        self.asked.append((operation, request.raw_path))
        asked = Asked(self, request, await request.read())
        rule = self.rules.get(operation)
        reply = await (rule(asked) if rule else asked.deliver())
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


def delivered(times: int = 2, answer: Reply | None = None) -> Rule:
    """Deliver it so often and give the last answer, or one that the mesh makes up."""

    async def rule(asked: Asked) -> Reply:
        for _ in range(times):
            last = await asked.deliver()
        return answer or last

    return rule


def said(status: int, body: Any = None, **headers: str) -> Reply:
    """An answer in the API's envelope, or another body."""
    envelope = {"status": status, "code": "MESH.SAYS", "message": "made up on the way"}
    if isinstance(body, bytes):
        return Reply(status, body, {"Content-Type": "text/html", **headers})
    content = json.dumps(envelope if body is None else body).encode()
    return Reply(status, content, {"Content-Type": "application/json", **headers})


def rewritten(change: Callable[[Any], Any]) -> Rule:
    """Deliver it, and change the body of a good answer."""

    async def rule(asked: Asked) -> Reply:
        reply = await asked.deliver()
        return reply.saying(change(reply.body)) if reply.status == 200 else reply

    return rule
