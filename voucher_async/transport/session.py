"""The only file of the SDK proper that knows aiohttp: one exchange, and what is known when it fails.

What became of a request is proved, not guessed. The body of every call that changes something is handed to
aiohttp as a payload that counts how often its writing began: never means that the server cannot have acted
on it; more than once means that aiohttp sent it again by itself. A handed-in session that can put another
body in its place, by a middleware or a request class of its own, proves nothing: there a request that was
not answered is always in doubt.
"""

from __future__ import annotations

import asyncio
import functools
import platform
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from aiohttp.payload import BytesPayload
from yarl import URL

from voucher_async._version import __version__
from voucher_async.errors import (
    CallTimeout,
    ConfigurationError,
    ConnectFailed,
    ConnectionBroken,
    Fate,
    TransportError,
    VoucherError,
)
from voucher_async.forks import keep, renew_in_children
from voucher_async.masking import SecretBytes
from voucher_async.realtime import is_faked
from voucher_async.sansio import Response

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from aiohttp.abc import AbstractStreamWriter

    from voucher_async.auth import Token
    from voucher_async.cancelling import Limit
    from voucher_async.config import Settings
    from voucher_async.sansio import Request

__all__ = ["Exchange", "Session"]

USER_AGENT: Final = (
    f"voucher-async/{__version__} aiohttp/{aiohttp.__version__} Python/{platform.python_version()}"
)

_HEADERS: Final = {"Accept": "application/json", "User-Agent": USER_AGENT}
_BAD_REQUEST = 400
_CLOSED: Final = "_closed"
_UNTIMED: Final = aiohttp.ClientTimeout(total=None)
_NO_ROUNDING = 86_400.0  # aiohttp rounds longer time-outs up to whole seconds
_CONNECT_ERRORS = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ConnectionTimeoutError,
)


class _CountedBody(BytesPayload):
    """A body that counts how often it was begun to be written, and limits the silence from then on."""

    begun: int = 0
    limit: Limit | None = None
    silence: float = 0.0

    async def write(self, writer: AbstractStreamWriter) -> None:
        self._begin()
        await super().write(writer)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        self._begin()
        await super().write_with_length(writer, content_length)

    def __deepcopy__(self, _memo: dict[int, Any]) -> BytesPayload:
        # who records requests, as aioresponses does, copies them: the limit and its loop stay here
        return BytesPayload(self._value, content_type=self.content_type)

    def _begin(self) -> None:
        self.begun += 1
        if self.limit is not None:
            self.limit.silence(self.silence)


@functools.lru_cache(maxsize=256)
def _fixed_url(url: str) -> URL:
    return URL(url, encoded=True)


class Exchange:
    """One request on the wire, and what is known about it at any moment.

    Args:
        request: what to send.
        url: the absolute URL, encoded.
        token: the token to send it with.
    """

    __slots__ = ("body", "headers", "method", "provable", "secrets", "url")

    def __init__(self, request: Request[Any], url: str, token: Token | None) -> None:
        self.method: str = request.operation.method
        is_fixed = request.path is request.operation.path and not request.query
        self.url: URL = _fixed_url(url) if is_fixed else URL(url, encoded=True)
        self.headers: dict[str, str] = {}
        self.secrets: tuple[str, ...] = ()
        if token is not None:
            self.headers["Authorization"] = token.authorization
            self.secrets = (token.value,)
        self.body: _CountedBody | None = (
            None if request.body is None else _CountedBody(request.body, content_type=request.content_type)
        )
        self.provable: bool = True

    @property
    def resent(self) -> bool:
        """Whether aiohttp sent the request again by itself."""
        return self.body is not None and self.body.begun > 1

    @property
    def fate(self) -> Fate:
        """What is known as long as no answer came and no error says more."""
        return Fate.NOT_SENT if self.body is not None and self._unwritten else Fate.UNKNOWN

    @property
    def _unwritten(self) -> bool:
        return self.provable and (self.body is None or not self.body.begun)

    def failed(self, error: BaseException) -> TransportError:
        """The error of this package for one of aiohttp's, a middleware's, or one that nobody foresaw."""
        reason = _describe(error)
        if isinstance(error, _CONNECT_ERRORS) and self._unwritten:
            return ConnectFailed(f"no connection: {reason}", fate=Fate.NOT_SENT)
        if isinstance(error, asyncio.CancelledError):
            return ConnectionBroken("the connection was closed under the request", fate=self.fate)
        # from here on there was a connection: without an answer nobody knows, whatever the count says
        if isinstance(error, TimeoutError):
            return CallTimeout(f"no answer in time: {reason}", fate=Fate.UNKNOWN)
        if isinstance(error, (aiohttp.ClientError, OSError)):
            return ConnectionBroken(f"the connection was lost: {reason}", fate=Fate.UNKNOWN)
        return ConnectionBroken(f"the request failed with an unforeseen {reason}", fate=Fate.UNKNOWN)


def _describe(error: BaseException) -> str:
    # aiohttp's texts can quote what the server sent; only its own class and the system's reason are shown
    reason = error.strerror if isinstance(error, OSError) and error.strerror else ""
    name = type(error).__name__
    return f"{name} ({reason})" if reason else name


class Session:
    """One aiohttp session, our own or a handed-in one.

    A session of our own is opened at first use, on the loop that is running then. When that loop was closed
    since, a new one is opened; while it still runs, using the session elsewhere is an error.

    Args:
        settings: limits and time-outs.
        session: a session to use instead; it is never closed and never changed.

    Attributes:
        closed: whether it was closed.
    """

    def __init__(self, settings: Settings, session: aiohttp.ClientSession | None = None) -> None:
        self._settings = settings
        self._given = session
        self._provable = session is None or _is_plain(session)
        self._own: aiohttp.ClientSession | None = None
        self._keeper: AsyncGenerator[None, None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.closed: bool = False
        self._silence = settings.timeout.read
        # waiting for a free connection and for DNS is limited by the deadline of the whole call
        self._timeout = _timeout(settings, settings.timeout.read)
        # aiohttp would set a timer for each piece that it reads; a counted body tells when to begin ours
        self._timeout_counted = _timeout(settings, None)
        self._inherited = False
        renew_in_children(self)

    def after_fork(self) -> None:
        """Leave the sockets to the parent, which goes on using them, and open others in this process."""
        own = self._own
        if own is not None:
            # no public name says it: nobody is to close them, not even when the interpreter ends
            setattr(own.connector, _CLOSED, True)
        keep(own, self._keeper, self._loop)
        self._own = self._keeper = self._loop = None
        self._inherited = self._given is not None

    @property
    def is_plain(self) -> bool:
        """Whether requests go out, and answers come in, as they are: no middleware, no cache in between."""
        return self._provable

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
        exchange.provable = self._provable
        failure: VoucherError
        try:
            return await self._exchange(self._at_hand() or await self._opened(), exchange, limit)
        except VoucherError:
            raise
        except asyncio.CancelledError as error:
            if limit.fell_silent():
                failure = exchange.failed(TimeoutError())
            elif limit.was_cancelled():
                raise
            else:
                # aiohttp cancels whoever waits for a connection when its connector is closed
                failure = exchange.failed(error)
        except (aiohttp.ClientError, OSError) as error:
            failure = exchange.failed(error)
        except (ValueError, TypeError) as error:
            if exchange.fate is Fate.NOT_SENT:
                failure = ConfigurationError(
                    f"aiohttp refused to make the request ({_describe(error)}): a handed-in session must not "
                    "add an Authorization of its own"
                )
            else:
                failure = exchange.failed(error)
        except Exception as error:  # noqa: BLE001 - whatever broke, what is known of the request is not lost
            failure = exchange.failed(error)
        finally:
            if exchange.body is not None:
                exchange.body.limit = None  # it may yet be written, by a task of aiohttp's
            limit.heard()
        # raised out here so that aiohttp's error does not hang on it: its repr shows the request's headers
        raise failure

    async def _exchange(self, session: aiohttp.ClientSession, exchange: Exchange, limit: Limit) -> Response:
        body, timeout = exchange.body, self._timeout
        if body is not None and self._provable:
            body.limit, body.silence, timeout = limit, self._silence, self._timeout_counted
        if is_faked(asyncio.get_running_loop()):
            timeout = _UNTIMED  # aiohttp's timers would end at once, or never; the call's limit is a real one
        answer = await session.request(
            exchange.method,
            exchange.url,
            headers=exchange.headers if self._given is None else {**_HEADERS, **exchange.headers},
            data=body,
            allow_redirects=False,
            raise_for_status=False,
            timeout=timeout,
        )
        try:
            content, complete = await self._read(answer, limit)
        except (aiohttp.ClientError, OSError, asyncio.CancelledError) as error:
            if answer.status < _BAD_REQUEST:
                raise
            if isinstance(error, asyncio.CancelledError) and not limit.fell_silent():
                raise
            content, complete = b"", False  # the status alone says that it was refused
        finally:
            answer.release()
        return Response(
            status=answer.status,
            headers=answer.headers,
            body=content,
            complete=complete,
            resent=exchange.resent,
            # who has both, a gateway say, may name either
            secrets=exchange.secrets and (*exchange.secrets, self._settings.client_secret),
        )

    async def _read(self, answer: aiohttp.ClientResponse, limit: Limit) -> tuple[bytes, bool]:
        most = self._settings.max_answer_bytes
        stream = answer.content
        chunks: list[bytes] = []
        size = 0
        while True:
            limit.silence(self._silence)
            chunk = SecretBytes(await stream.readany())
            size += len(chunk)
            if size > most:
                answer.close()
                return SecretBytes(b"".join(chunks)), False
            chunks.append(chunk)
            if not chunk or stream.at_eof():
                return (chunks[0] if len(chunks) == 1 else SecretBytes(b"".join(chunks))), True

    def _at_hand(self) -> aiohttp.ClientSession | None:
        """The session of our own, when it is open on this loop."""
        own = self._own
        if own is None or own.closed or self._loop is not asyncio.get_running_loop():
            return None
        return own

    async def _opened(self) -> aiohttp.ClientSession:
        if self.closed:
            raise ConfigurationError("the client is closed")
        if self._inherited:
            raise ConfigurationError(
                "the session that was handed in is that of the process this one was forked from: "
                "make a session and a client in each process"
            )
        if self._given is not None:
            if self._given.closed:
                raise ConfigurationError("the session that was handed in is closed")
            return self._given
        self.check_loop("make one for each loop")
        await self._forget()
        self._loop = asyncio.get_running_loop()
        self._own = own = self._open()
        # asyncio closes asynchronous generators before it closes a loop: a client that nobody closed
        # leaves no socket behind, and can be used on the next loop
        self._keeper = _keep(own)
        await anext(self._keeper)
        return own

    def _open(self) -> aiohttp.ClientSession:
        settings = self._settings
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=settings.max_connections,
                keepalive_timeout=settings.keepalive,
                timeout_ceil_threshold=_NO_ROUNDING,
            ),
            headers=_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=settings.trust_env,
        )

    async def _forget(self) -> None:
        """Let go of a session whose loop was closed without ending it."""
        own, self._own, self._keeper = self._own, None, None
        if own is not None and not own.closed:
            connector = own.connector
            own.detach()
            if connector is not None:
                await connector.close()

    async def aclose(self) -> None:
        """Close the session if it is our own; further calls are refused."""
        self.closed = True
        keeper, self._keeper = self._keeper, None
        if keeper is not None and self._loop is asyncio.get_running_loop():
            await keeper.aclose()
        await self._forget()

    def check_loop(self, advice: str) -> None:
        """Refuse what belongs on the loop that the session is open on.

        Args:
            advice: what to do instead.

        Raises:
            ConfigurationError: it is open on another event loop, which is not closed.
        """
        loop = self._loop
        if loop is not None and loop is not asyncio.get_running_loop() and not loop.is_closed():
            raise ConfigurationError(f"this client is in use on another event loop; {advice}")


def _timeout(settings: Settings, read: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(
        total=None, sock_connect=settings.timeout.connect, sock_read=read, ceil_threshold=_NO_ROUNDING
    )


def _is_plain(session: aiohttp.ClientSession) -> bool:
    """Whether a session sends the body it is given, and nothing in its place, as far as anybody can see."""
    # neither has a public name; a session of an aiohttp that renames them is not trusted
    return (
        type(session) is aiohttp.ClientSession
        and not getattr(session, "_middlewares", True)
        and getattr(session, "_request_class", None) is aiohttp.ClientRequest
    )


async def _keep(session: aiohttp.ClientSession) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        await session.close()
