"""Carrying faults out: the one place where a request is not simply decided, committed and answered."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import struct
from typing import TYPE_CHECKING, Protocol

from aiohttp import web

from voucher_async.testing import faults as kinds
from voucher_async.testing._state import Outcome, Revoked, commit

if TYPE_CHECKING:
    from collections.abc import Callable

    from voucher_async.testing._engine import Call, Engine
    from voucher_async.testing._way import Way

__all__ = ["misbehave"]

_HTML = "<!doctype html><title>Error</title><h1>Something went wrong</h1>"
# faults of a server that a cache with a stale copy hides
_UNREACHABLE = (
    kinds.Refuse
    | kinds.BreakBefore
    | kinds.BreakAfter
    | kinds.CommitLate
    | kinds.CutOff
    | kinds.ServerError
    | kinds.BadGateway
    | kinds.Unavailable
)
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of 0 seconds: closing sends a reset


class Misbehaving(Protocol):
    """Parts of a server that faults need."""

    way: Way
    engine: Engine

    async def wait(self, seconds: float) -> bool:
        """Let so many seconds pass; False when the server stops before they are over."""
        ...

    def later(self, seconds: float, act: Callable[[], object]) -> None:
        """Do something so many seconds later, unless the server stops before."""

    async def refuse(self, seconds: float) -> None:
        """Refuse new connections for at least so many seconds from now."""

    def headers(self, outcome: Outcome) -> dict[str, str]:
        """The headers of an answer."""
        ...

    def respond(self, outcome: Outcome) -> web.Response:
        """An outcome as an answer."""
        ...


async def misbehave(
    server: Misbehaving, request: web.Request, call: Call, fault: kinds.Fault
) -> web.StreamResponse:
    """Answer a request, or do not, as a fault has it."""
    stale = server.way.stale(call) if isinstance(fault, _UNREACHABLE) else None
    if stale is not None:
        server.engine.note(call, fault)
        return server.respond(stale)
    match fault:
        case kinds.Refuse() | kinds.BreakBefore() | kinds.BreakAfter() | kinds.CommitLate():
            await _break(server, call, fault)
            return _reset(request)
        case kinds.Revoked():
            with server.engine.guard:
                commit(server.engine.state, (Revoked(None),))
                outcome = _act(server, call, fault)
            return server.respond(outcome)
        case kinds.CutOff():
            return await _cut_off(server, request, _act(server, call, fault))
        case kinds.SlowHeaders() | kinds.SlowBody():
            return await _answer_slowly(server, request, _act(server, call, fault), fault)
        case _:
            return _answer_wrongly(server, call, fault)


async def _break(server: Misbehaving, call: Call, fault: kinds.Fault) -> None:
    """Do what happens behind a connection that breaks."""
    if isinstance(fault, kinds.BreakAfter):
        _act(server, call, fault)
    elif isinstance(fault, kinds.CommitLate):
        server.later(fault.seconds, functools.partial(_act, server, call, fault))
    else:
        server.engine.note(call, fault)
    if isinstance(fault, kinds.Refuse):
        await server.refuse(fault.seconds)


def _act(server: Misbehaving, call: Call, fault: kinds.Fault) -> Outcome:
    return server.way.fetch(call, fault).outcome


def _reset(request: web.Request) -> web.Response:
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()
    return web.Response()  # never sent


def _answer_wrongly(server: Misbehaving, call: Call, fault: kinds.Fault) -> web.Response:
    acted = isinstance(fault, kinds.WrongContentType) or getattr(fault, "acted", False)
    if acted:
        _act(server, call, fault)
    else:
        server.engine.note(call, fault)
    match fault:
        case kinds.ServerError(status=status):
            return server.respond(_refusal(status, "SERVER_ERROR"))
        case kinds.Unavailable(retry_after=seconds):
            return server.respond(_refusal(503, "SERVICE_UNAVAILABLE", seconds))
        case kinds.TooMany(retry_after=seconds):
            return server.respond(_refusal(429, "TOO_MANY_REQUESTS", seconds))
        case _:
            status = 200 if isinstance(fault, kinds.WrongContentType) else 502
            headers = server.headers(Outcome(status=status))
            return web.Response(status=status, text=_HTML, content_type="text/html", headers=headers)


def _refusal(status: int, code: str, retry_after: int | None = None) -> Outcome:
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    body = {"status": status, "code": code, "message": "This is a fault that was asked for."}
    return Outcome(status=status, body=body, headers=headers)


async def _answer_slowly(
    server: Misbehaving, request: web.Request, outcome: Outcome, fault: kinds.SlowHeaders | kinds.SlowBody
) -> web.StreamResponse:
    if isinstance(fault, kinds.SlowHeaders) or outcome.content is None:
        in_time = await server.wait(fault.seconds)
        return server.respond(outcome) if in_time else _reset(request)
    response, rest = await _start(server, request, outcome)
    if not await server.wait(fault.seconds):
        return _reset(request)
    with contextlib.suppress(ConnectionError):  # a client that is gone does not miss the rest
        await response.write(rest)
    return response


async def _cut_off(server: Misbehaving, request: web.Request, outcome: Outcome) -> web.StreamResponse:
    response: web.StreamResponse = web.Response()  # never sent, but with content
    if outcome.content is not None:
        response, _ = await _start(server, request, outcome)
    if request.transport is not None:
        request.transport.close()
        await asyncio.sleep(0)
    return response


async def _start(
    server: Misbehaving, request: web.Request, outcome: Outcome
) -> tuple[web.StreamResponse, bytes]:
    """Send the headers and half of the body; returns the other half, too."""
    body = outcome.content or b""
    half = len(body) // 2
    response = web.StreamResponse(status=outcome.status, headers=server.headers(outcome))
    response.content_type = outcome.media_type
    response.content_length = len(body)
    with contextlib.suppress(ConnectionError):  # a client that is gone does not miss it
        await response.prepare(request)
        await response.write(body[:half])
    return response, body[half:]
