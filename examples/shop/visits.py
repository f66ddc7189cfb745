"""Sessions, forms and headers: what every request and every answer of the shop goes through."""

from __future__ import annotations

import re
import secrets
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import parse_qsl, urlsplit

from fastapi import Depends, HTTPException, Request
from starlette.datastructures import Headers, MutableHeaders

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Form", "Session", "Visits"]

_COOKIE: Final = "shop-session"
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_LARGEST: Final = 16_384  # bytes of a form
_POLICY: Final = ("default-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'")
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "; ".join(_POLICY),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class Visits:
    """Middleware: a session for each visitor, in a cookie that no other site can use, and safe headers.

    Args:
        app: the application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        known = _session_in(Headers(scope=scope).get("cookie", ""))
        session = known or secrets.token_urlsafe(32)
        scope.setdefault("state", {})["session"] = session
        is_safe = "; Secure" if scope["scheme"] == "https" else ""

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if scope["path"].startswith("/static/"):
                    headers["Cache-Control"] = "no-cache"
                if known is None:
                    cookie = f"{_COOKIE}={session}; Path=/; HttpOnly; SameSite=Lax{is_safe}"
                    headers.append("Set-Cookie", cookie)
            await send(message)

        await self._app(scope, receive, answer)


def _session_in(cookies: str) -> str | None:
    try:
        morsel = SimpleCookie(cookies).get(_COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel is not None and _TOKEN.fullmatch(morsel.value) else None


def _session(request: Request) -> str:
    return str(request.state.session)


def _check_origin(request: Request) -> None:
    """Refuse a form of another site: the cookie is SameSite, and this holds where a browser ignores that.

    Raises:
        HTTPException: it came from elsewhere.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    is_ours = site in {"same-origin", "none"}
    if site is None:
        is_ours = origin is None or urlsplit(origin).netloc == request.headers.get("host")
    if not is_ours:
        raise HTTPException(403, "This form was sent by another site.")


async def _form(request: Request) -> dict[str, str]:
    _check_origin(request)
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST:
            raise HTTPException(413, "This form is too long.")
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


Session = Annotated[str, Depends(_session)]
"""The visitor's session, as the type of a handler's parameter."""

Form = Annotated[dict[str, str], Depends(_form)]
"""The fields of a form of this site, as the type of a handler's parameter."""
