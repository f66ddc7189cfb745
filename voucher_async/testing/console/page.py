"""Paths of the console: the page, what its forms offer, the stream, and what it asks to be changed."""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib.resources
import re
from typing import TYPE_CHECKING, Final

from aiohttp import web

from voucher_async.testing.console.actions import ACTIONS, Request
from voucher_async.testing.console.books import Books
from voucher_async.testing.console.feed import Feed
from voucher_async.testing.console.forms import described
from voucher_async.testing.console.guard import Refused, check_host, check_origin, check_site

if TYPE_CHECKING:
    from voucher_async.testing._engine import Engine
    from voucher_async.testing.console.emulated import Emulated

__all__ = ["PATH", "Console"]

PATH: Final = "/console"
_BLOCK: Final = re.compile(r"<(?P<name>style|script)>(?P<text>.*?)</(?P=name)>", re.DOTALL)
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Console:
    """A page beside the API, served by the emulator's own server.

    Args:
        emulator: what it shows and changes.
        engine: the emulator's memory.
        listens_on: the host that the emulator was told to listen on.
    """

    def __init__(self, emulator: Emulated, engine: Engine, listens_on: str) -> None:
        self._emulator = emulator
        self._engine = engine
        self._listens_on = listens_on
        self.feed: Feed = Feed(Books(emulator, engine))
        self.path: str = PATH

    def has(self, path: str) -> bool:
        """True for a path of the console."""
        return path == PATH or path.startswith(f"{PATH}/")

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Answer a request for one of its paths."""
        try:
            return await self._answer(request)
        except Refused as refused:
            return _json({"message": refused.message}, refused.status)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        check_host(request, self._listens_on)
        name = request.path.removeprefix(PATH).strip("/")
        if name in ACTIONS:
            return await self._change(request, name)
        if name not in {"", "forms", "events"}:
            raise Refused(404, "The console has nothing at this path.")
        if request.method != "GET":
            raise Refused(405, "This can only be read.")
        if name == "":
            text, policy = _page()
            headers = {**_HEADERS, "Content-Security-Policy": policy}
            return web.Response(text=text, content_type="text/html", charset="utf-8", headers=headers)
        check_site(request)
        return _json(described()) if name == "forms" else await self.feed.stream(request)

    async def _change(self, request: web.Request, name: str) -> web.Response:
        if request.method != "POST":
            raise Refused(405, "This is changed by POST.")
        check_site(request)
        check_origin(request)
        try:
            content = await request.read()
        except web.HTTPRequestEntityTooLarge:
            raise Refused(413, "The body is too large.") from None
        try:
            done = ACTIONS[name](Request.of(self._emulator, self._engine.state, content))
        except (TypeError, ValueError) as error:
            raise Refused(422, str(error)) from None
        self.feed.refresh()
        return _json(dict(done))


def _json(content: object, status: int = 200) -> web.Response:
    return web.json_response(content, status=status, headers=_HEADERS)


@functools.cache
def _page() -> tuple[str, str]:
    """The page, and the policy that allows its own script and style and nothing else."""
    text = importlib.resources.files(__package__ or "").joinpath("page.html").read_text("utf-8")
    hashes = {found["name"]: _hash(found["text"]) for found in _BLOCK.finditer(text)}
    policy = {
        "default-src": "'none'",
        "script-src": hashes["script"],
        "style-src": hashes["style"],
        "img-src": "data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
    }
    return text, "; ".join(f"{name} {value}" for name, value in policy.items())


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
