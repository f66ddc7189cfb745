"""One aiohttp session, our own or a handed-in one: opened, used for exchanges, and closed."""

from __future__ import annotations

import asyncio
import platform
import threading
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import aiohttp

from voucher_async._version import __version__
from voucher_async.errors import ConfigurationError, Fate, VoucherError
from voucher_async.forks import keep, renew_in_children
from voucher_async.loops import elsewhere
from voucher_async.masking import SecretBytes
from voucher_async.realtime import is_faked
from voucher_async.sansio import Response
from voucher_async.transport.connection import armed_socket
from voucher_async.transport.exchange import NO_ROUNDING, Patience
from voucher_async.transport.given import check_session, warn_of_anybody
from voucher_async.wire import to_utf8

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from voucher_async.cancelling import Limit
    from voucher_async.config import Settings
    from voucher_async.transport.exchange import Exchange

__all__ = ["ClientSession", "Session"]

ClientSession: TypeAlias = aiohttp.ClientSession

USER_AGENT: Final = (
    f"voucher-async/{__version__} aiohttp/{aiohttp.__version__} Python/{platform.python_version()}"
)

_HEADERS: Final = {"Accept": "application/json", "User-Agent": USER_AGENT}
_CLOSED: Final = "_closed"
_UNTIMED: Final = aiohttp.ClientTimeout(total=None)


class Session:
    """One aiohttp session, our own or a handed-in one.

    A session of our own is opened at first use, on the loop that is running then. When that loop was closed
    since, a new one is opened; while it still runs, using the session elsewhere is an error.

    Args:
        settings: limits and time-outs.
        session: a session to use instead; it is never closed and never changed.

    Attributes:
        closed: whether it was closed.
        is_plain: requests go out, and answers come in, as they are: no middleware, no cache in between.
    """

    def __init__(self, settings: Settings, session: aiohttp.ClientSession | None = None) -> None:
        self._settings = settings
        self._given = session
        self.is_plain: bool = session is None or _is_plain(session)
        self._own: aiohttp.ClientSession | None = None
        self._keeper: AsyncGenerator[None, None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._claiming = threading.Lock()
        self.closed: bool = False
        self._warned = self._armed = False
        self._patience = Patience.of(settings.timeout.connect, settings.timeout.read)
        self._most = settings.max_answer_bytes
        self._inherited = False
        renew_in_children(self)

    def after_fork(self) -> None:
        """Leave the sockets to the parent, which goes on using them, and open others in this process."""
        own = self._own
        if own is not None:
            # no public name marks it closed: it must never close the parent's sockets, not even at exit
            setattr(own.connector, _CLOSED, True)
        keep(own, self._keeper, self._loop)
        self._own = self._keeper = self._loop = None
        self._claiming = threading.Lock()
        self._inherited = self._given is not None

    @property
    def is_open(self) -> bool:
        """True when a session of our own is open."""
        return self._own is not None and not self._own.closed

    async def send(self, exchange: Exchange, limit: Limit) -> Response:
        """Make the request and read the whole answer.

        Args:
            exchange: the request.
            limit: of the call, entered.

        Raises:
            TransportError: no complete answer; `fate` says what is known.
            ConfigurationError: the session is closed, cannot make this request, or belongs to another loop
                that still runs.
        """
        body, loop, session = exchange.body, asyncio.get_running_loop(), self._own
        exchange.provable = self.is_plain
        answered = False
        try:
            if session is None or self._loop is not loop or session.closed:
                session = await self._opened()
            patience = exchange.patience or self._patience
            timeout = patience.timeout
            if body is not None:
                body.limit, body.armed = limit, self._armed
                if self.is_plain:
                    body.silence, timeout = patience.silence, patience.timeout_counted
            extra = _for_the_proxy_alone(session, exchange.headers) if session.trust_env else {}
            answer = await session.request(
                exchange.method,
                exchange.url,
                headers=exchange.headers if self._given is None else {**_HEADERS, **exchange.headers},
                data=body,
                allow_redirects=False,
                raise_for_status=False,
                # of a faked loop aiohttp's timers end at once, or never; the call's limit is a real one
                timeout=_UNTIMED if is_faked(loop) else timeout,
                **extra,
            )
            if body is not None and not body.begun and exchange.is_foreign:
                answer.close()
                body.over = True
                body.refuse(body.refused or "an answer came before it was begun")
            stream = answer.content
            is_whole = answer.closed and stream.is_eof() and not stream.exception()
            if is_whole and stream.total_bytes <= self._most:
                content: bytes = SecretBytes(stream.read_nowait())
                answered = True
            else:
                content, answered = await self._read(answer, limit, patience.silence)
            if not content.isascii() or content.find(0, 0, 4) >= 0:
                content = to_utf8(content, answer.charset)
            resent = body is not None and body.begun > 1
            return Response(answer.status, answer.headers, content, answered, resent, exchange.secrets)
        except BaseException as error:
            failure = self._failure(exchange, limit, error)
            if failure is None:
                raise
        finally:
            if body is not None:
                body.end(answered=answered)
        # raised out here, not from aiohttp's error, whose repr shows the request's headers
        raise failure

    def _failure(self, exchange: Exchange, limit: Limit, error: BaseException) -> VoucherError | None:
        """The error to raise in the place of another one; None when that is to go on as it is."""
        if isinstance(error, asyncio.CancelledError):
            if limit.fell_silent():
                return exchange.failed(TimeoutError())
            # closing a connector cancels the tasks that wait for a connection
            return None if limit.was_cancelled() else exchange.failed(error)
        if isinstance(error, VoucherError) or not isinstance(error, Exception):
            return None
        is_refusal = isinstance(error, (ValueError, TypeError)) and not isinstance(error, aiohttp.ClientError)
        if is_refusal and exchange.fate is Fate.NOT_SENT:
            return ConfigurationError(
                f"aiohttp refused to make the request ({type(error).__name__}): a handed-in session must "
                "not add an Authorization of its own"
            )
        return exchange.failed(error)  # whatever broke, what is known of the request is not lost

    async def _read(self, answer: aiohttp.ClientResponse, limit: Limit, silence: float) -> tuple[bytes, bool]:
        """The body of an answer, and whether that is all of it."""
        stream, most = answer.content, self._most
        chunks: list[bytes] = []
        size = 0
        try:
            while True:
                if not stream.is_eof():
                    limit.silence(silence)
                chunk = SecretBytes(await stream.readany())
                size += len(chunk)
                if size > most:
                    answer.close()
                    return SecretBytes(b"".join(chunks)), False
                chunks.append(chunk)
                if not chunk or stream.at_eof():
                    return (chunks[0] if len(chunks) == 1 else SecretBytes(b"".join(chunks))), True
        except (aiohttp.ClientError, OSError, asyncio.CancelledError) as error:
            if answer.status < HTTPStatus.BAD_REQUEST:
                raise
            if isinstance(error, asyncio.CancelledError) and not limit.fell_silent():
                raise
            return b"", False  # the status alone says that the request was refused
        finally:
            answer.release()

    async def _opened(self) -> aiohttp.ClientSession:
        if self.closed:
            raise ConfigurationError("the client is closed")
        if self._inherited:
            raise ConfigurationError(
                "the session that was handed in is that of the process this one was forked from: "
                "make a session and a client in each process"
            )
        if self._given is not None:
            check_session(self._given)
            if not self._warned:
                self._warned = True
                warn_of_anybody(self._given)
            return self._given
        with self._claiming:  # a loop of another thread must not claim it in between
            self.check_loop()
            self._loop = asyncio.get_running_loop()
            former, self._own = self._own, self._open()  # the next task of this loop has to find it
        own = self._own
        # asyncio closes asynchronous generators before it closes a loop, and so closes the session of a
        # client that was not closed; on the next loop the client opens another
        self._keeper = _keep(own)
        await anext(self._keeper)
        await _forget(former)
        return own

    def _open(self) -> aiohttp.ClientSession:
        settings = self._settings
        # other loops close sockets themselves: there each is armed for a request, and disarmed
        self._armed = isinstance(self._loop, asyncio.BaseEventLoop)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=settings.max_connections,
                keepalive_timeout=settings.keepalive,
                timeout_ceil_threshold=NO_ROUNDING,
                ssl=settings.ssl or True,
                socket_factory=armed_socket if self._armed else None,
            ),
            headers=_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=settings.trust_env,
            proxy=settings.proxy,
        )

    async def aclose(self) -> None:
        """Close the session if it is our own; further calls are refused."""
        self.closed = True
        keeper, self._keeper = self._keeper, None
        if keeper is not None and self._loop is asyncio.get_running_loop():
            await keeper.aclose()
        own, self._own = self._own, None
        await _forget(own)

    def check_loop(self, advice: str = "") -> None:
        """Refuse what belongs on the loop that the session is open on.

        Args:
            advice: what to do instead; see `elsewhere`.

        Raises:
            ConfigurationError: it is open on another event loop, which is not closed.
        """
        loop = self._loop
        if loop is not None and loop is not asyncio.get_running_loop() and not loop.is_closed():
            raise elsewhere("this client is in use", advice)


def _is_plain(session: aiohttp.ClientSession) -> bool:
    """True when a session sends the body it is given, and nothing in its place, as far as anybody can see."""
    # aiohttp gives neither a public name; a session of a version that renames them is not trusted
    return (
        type(session) is aiohttp.ClientSession
        and not getattr(session, "_middlewares", True)
        and getattr(session, "_request_class", None) is aiohttp.ClientRequest
    )


def _for_the_proxy_alone(session: aiohttp.ClientSession, headers: dict[str, str]) -> dict[str, Any]:
    """Options for a request of a session that trusts the environment: its proxy, no Authorization of its own.

    aiohttp takes one from a .netrc file, and refuses to make the request when it carries one already.

    Args:
        session: makes the request.
        headers: of the request; an Authorization in it is put in at the very end instead.
    """
    authorization = headers.pop("Authorization", None)

    async def authorize(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        request.headers.popall("Authorization", None)
        if authorization is not None:
            request.headers["Authorization"] = authorization
        return await handler(request)

    # a request's middlewares replace the session's
    return {"middlewares": (*getattr(session, "_middlewares", ()), authorize)}


async def _forget(session: aiohttp.ClientSession | None) -> None:
    """Let go of a session whose loop was closed without ending it."""
    if session is not None and not session.closed:
        connector = session.connector
        session.detach()
        if connector is not None:
            await connector.close()


async def _keep(session: aiohttp.ClientSession) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        await session.close()
