"""The only file of the SDK proper that knows aiohttp: one exchange, and what is known when it fails.

What became of a request is proved, not guessed. The body of every call that changes something is handed to
aiohttp as a payload that counts how often its writing began: never means that the server cannot have acted
on it; more than once means that aiohttp sent it again by itself. The payload also refuses to be begun: once
its call is over, once the time is up, and on a connection that is closing. A handed-in session that can put
another body in its place, by a middleware or a request class of its own, proves nothing: there a request that
was not answered is always in doubt.
"""

from __future__ import annotations

import asyncio
import functools
import platform
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from aiohttp.http import HttpProcessingError
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
from voucher_async.transport.given import check_session, for_the_proxy_alone, warn_of_anybody
from voucher_async.transport.reasons import describe
from voucher_async.transport.retry import is_repeatable
from voucher_async.transport.watched import NotBegunError, Watched
from voucher_async.wire import to_utf8

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


class _CountedBody(Watched, BytesPayload):
    """A body that is watched while it is written."""

    def __init__(self, request: Request[Any]) -> None:
        super().__init__(request.body or b"", content_type=request.content_type)
        self.careful: bool = not is_repeatable(request.operation.retry, known_by_id=request.repeatable)

    @property
    def size(self) -> int | None:
        self.taken = True
        return self._size

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self.begin(writer)
        await super().write(writer)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        await self.begin(writer)
        await super().write_with_length(writer, content_length)

    def __deepcopy__(self, _memo: dict[int, Any]) -> BytesPayload:
        # who records requests, as aioresponses does, copies them: the limit and its loop stay here
        return BytesPayload(self._value, content_type=self.content_type)


@functools.lru_cache(maxsize=256)
def _fixed_url(url: str) -> URL:
    return URL(url, encoded=True)


class Exchange:
    """One request on the wire, and what is known about it at any moment.

    Args:
        request: what to send.
        url: the absolute URL, encoded.
        token: the token to send it with.

    Attributes:
        provable: whether nobody can have put another body in the place of ours.
        lasting: whether it failed for a reason that a moment's wait does not mend.
    """

    __slots__ = ("body", "headers", "lasting", "method", "provable", "secrets", "url")

    def __init__(self, request: Request[Any], url: str, token: Token | None) -> None:
        self.method: str = request.operation.method
        is_fixed = request.path is request.operation.path and not request.query
        self.url: URL = _fixed_url(url) if is_fixed else URL(url, encoded=True)
        self.headers: dict[str, str] = {"Cache-Control": "no-cache"} if self.method == "GET" else {}
        self.secrets: tuple[str, ...] = ()
        if token is not None:
            self.headers["Authorization"] = token.authorization
            self.secrets = (token.value,)
        self.body: _CountedBody | None = None
        if request.body is not None:
            self.headers["Content-Type"] = request.content_type  # a session may have a default of its own
            self.body = _CountedBody(request)
            self.secrets += request.secrets
        self.provable: bool = True
        self.lasting: bool = False

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

    @property
    def is_foreign(self) -> bool:
        """Whether the answer that came is none to this request, of which nothing was written."""
        return self.body is not None and self.body.taken and self._unwritten

    def failed(self, error: BaseException) -> TransportError:
        """The error of this package for one of aiohttp's, a middleware's, or one that nobody foresaw."""
        ours = isinstance(error, (aiohttp.ClientError, HttpProcessingError))
        reason = describe(error, self.secrets, quote=ours)
        if self._unwritten:
            if self.body is not None and self.body.refused:
                kind = CallTimeout if self.body.late else ConnectFailed
                return kind(f"the request was not sent: {self.body.refused}", fate=Fate.NOT_SENT)
            if isinstance(error, _CONNECT_ERRORS):
                self.lasting = isinstance(error, aiohttp.ClientConnectorCertificateError)
                return ConnectFailed(f"no connection: {reason}", fate=Fate.NOT_SENT)
        if isinstance(error, asyncio.CancelledError):
            return ConnectionBroken("the connection was closed under the request", fate=self.fate)
        # from here on there was a connection: without an answer nobody knows, whatever the count says
        if isinstance(error, TimeoutError):
            return CallTimeout(f"no answer in time: {reason}", fate=Fate.UNKNOWN)
        return ConnectionBroken(f"{_what_broke(error)} {reason}", fate=Fate.UNKNOWN)


def _what_broke(error: BaseException) -> str:
    if isinstance(error, (aiohttp.ClientResponseError, aiohttp.ClientPayloadError, HttpProcessingError)):
        return "the answer cannot be read:"
    if isinstance(error, (aiohttp.ClientError, OSError)):
        return "the connection was lost:"
    return "the request failed with an unforeseen"


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
        self._warned = False
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
        answered = False
        try:
            response = await self._exchange(self._at_hand() or await self._opened(), exchange, limit)
            answered = response.complete
            return response  # noqa: TRY300 - the clauses below are for the exchange alone
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
                    f"aiohttp refused to make the request ({type(error).__name__}): a handed-in session must "
                    "not add an Authorization of its own"
                )
            else:
                failure = exchange.failed(error)
        except Exception as error:  # noqa: BLE001 - whatever broke, what is known of the request is not lost
            failure = exchange.failed(error)
        finally:
            if exchange.body is not None:
                exchange.body.end(answered=answered)
            limit.heard()
        # raised out here so that aiohttp's error does not hang on it: its repr shows the request's headers
        raise failure

    async def _exchange(self, session: aiohttp.ClientSession, exchange: Exchange, limit: Limit) -> Response:
        body, timeout = exchange.body, self._timeout
        if body is not None:
            body.limit = limit
            if self._provable:
                body.silence, timeout = self._silence, self._timeout_counted
        if is_faked(asyncio.get_running_loop()):
            timeout = _UNTIMED  # aiohttp's timers would end at once, or never; the call's limit is a real one
        extra = for_the_proxy_alone(session, exchange.headers) if session.trust_env else {}
        answer = await session.request(
            exchange.method,
            exchange.url,
            headers=exchange.headers if self._given is None else {**_HEADERS, **exchange.headers},
            data=body,
            allow_redirects=False,
            raise_for_status=False,
            timeout=timeout,
            **extra,
        )
        if exchange.is_foreign and body is not None:
            body.over = True
            body.refused = body.refused or "an answer came before it was begun"
            answer.close()
            raise NotBegunError(body.refused)
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
            body=to_utf8(content, answer.charset),
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
            check_session(self._given)
            if not self._warned:
                self._warned = True
                warn_of_anybody(self._given)
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
