"""One exchange, and what is known when it fails.

What became of a request is proved, not guessed. The body of every call that changes something is handed to
aiohttp as a payload that counts how often its writing began: never means that the server cannot have acted
on it; more than once means that aiohttp sent it again by itself. The payload also refuses to be begun: once
its call is over, once the time is up, once its record is too old, and on a connection that is closing. A
handed-in session that can put another body in its place, by a middleware or a request class of its own,
proves nothing: there a request that was not answered is always in doubt.
"""

from __future__ import annotations

import asyncio
import functools
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import attrs
from aiohttp.http import HttpProcessingError
from aiohttp.payload import BytesPayload
from yarl import URL

from voucher_async.errors import CallTimeout, ConnectFailed, ConnectionBroken, Fate, TransportError
from voucher_async.operations import REQUEST_TOKEN
from voucher_async.proxy import secrets_of
from voucher_async.transport.reasons import describe
from voucher_async.transport.retry import is_repeatable
from voucher_async.transport.watched import Watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.abc import AbstractStreamWriter

    from voucher_async.auth import Token
    from voucher_async.clock import Deadline
    from voucher_async.config import Settings
    from voucher_async.sansio import Request

__all__ = ["NO_ROUNDING", "Exchange", "Patience"]

NO_ROUNDING: Final = 86_400.0  # aiohttp rounds time-outs above this threshold up to whole seconds

_REQUEST_ID = "X-Request-Id"
_CONNECT_ERRORS = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ConnectionTimeoutError,
)


@attrs.frozen
class Patience:
    """Limits of connecting and of silence, as aiohttp takes them.

    Attributes:
        silence: seconds without a byte of the answer.
        timeout: aiohttp watches the silence, too.
        timeout_counted: for a counted body one limit of the call is enough; aiohttp would set a timer for
            every read.
    """

    silence: float
    timeout: aiohttp.ClientTimeout
    timeout_counted: aiohttp.ClientTimeout

    @classmethod
    @functools.lru_cache(maxsize=64)
    def of(cls, connect: float, read: float) -> Patience:
        """The limits, in seconds; the deadline of the whole call covers DNS and a free connection."""
        limits = (
            aiohttp.ClientTimeout(
                total=None, sock_connect=connect, sock_read=silence, ceil_threshold=NO_ROUNDING
            )
            for silence in (read, None)
        )
        return cls(read, *limits)


class _CountedBody(Watched, BytesPayload):
    """A body that is watched while it is written."""

    def __init__(self, request: Request[Any], uptime: Callable[[], float]) -> None:
        super().__init__(request.body or b"", content_type=request.content_type)
        self.uptime: Callable[[], float] | None = uptime
        self.begin_by: float | None = request.begin_by
        self.careful: bool = not is_repeatable(request.operation.retry, known_by_id=request.repeatable)

    @property
    def size(self) -> int | None:
        self.taken = True
        return self._size

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self.begin(writer)
        await writer.write(self._value)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        await self.begin(writer)
        whole = content_length is None or content_length == self._size
        await writer.write(self._value if whole else self._value[:content_length])  # the write without a copy

    def __deepcopy__(self, _memo: dict[int, Any]) -> BytesPayload:
        # tools that record requests, as aioresponses does, copy the body: its limit, bound to a loop, is left
        # out
        return BytesPayload(self._value, content_type=self.content_type)


@functools.lru_cache(maxsize=256)
def _fixed_url(url: str) -> URL:
    return URL(url, encoded=True)


class Exchange:
    """One request on the wire, and what is known about it at any moment.

    Args:
        request: what to send.
        settings: where to, and secrets that an answer may name.
        token: the token to send it with.
        uptime: measures until when it may be begun.
        deadline: of the call, for limits of its own.

    Attributes:
        patience: limits of the call; None: the client's.
        provable: whether nobody can have put another body in the place of ours.
        lasting: whether it failed for a reason that a moment's wait does not mend.
    """

    __slots__ = ("body", "headers", "lasting", "method", "patience", "provable", "secrets", "url")

    def __init__(
        self,
        request: Request[Any],
        settings: Settings,
        token: Token | None,
        uptime: Callable[[], float],
        deadline: Deadline | None = None,
    ) -> None:
        operation = request.operation
        self.method: str = operation.method
        if operation is REQUEST_TOKEN:
            self.url: URL = _fixed_url(settings.token_url)
        elif request.query:
            self.url = URL(f"{settings.base_url}{request.path}?{request.query}", encoded=True)
        elif request.path is operation.path:
            self.url = _fixed_url(f"{settings.base_url}{request.path}")
        else:  # the host is not read once more for each id
            base = _fixed_url(settings.base_url)
            self.url = base.with_path(f"{base.raw_path.rstrip('/')}{request.path}", encoded=True)
        self.headers: dict[str, str] = {"Cache-Control": "no-cache"} if self.method == "GET" else {}
        if request.call_id is not None:
            self.headers[_REQUEST_ID] = request.call_id
        # who has both, a gateway say, may name either
        self.secrets: tuple[str, ...] = (*request.secrets, settings.client_secret)
        if settings.proxy is not None:
            self.secrets += secrets_of(settings.proxy)
        if token is not None:
            self.headers["Authorization"] = token.authorization
            self.secrets = (token.value, *self.secrets)
        self.body: _CountedBody | None = None
        if request.body is not None:
            self.headers["Content-Type"] = request.content_type  # a session may have another default
            self.body = _CountedBody(request, uptime)
        self.provable: bool = True
        self.lasting: bool = False
        self.patience: Patience | None = None
        if deadline is not None and deadline.connect is not None and deadline.read is not None:
            self.patience = Patience.of(deadline.connect, deadline.read)

    @property
    def fate(self) -> Fate:
        """Fate of the request as long as no answer came and no error says more."""
        return Fate.NOT_SENT if self.body is not None and self._unwritten else Fate.UNKNOWN

    @property
    def _unwritten(self) -> bool:
        return self.provable and (self.body is None or not self.body.begun)

    @property
    def is_foreign(self) -> bool:
        """True when the answer that came is none to this request, of which nothing was written."""
        body = self.body
        return body is not None and body.taken and not body.begun and self.provable

    def failed(self, error: BaseException) -> TransportError:
        """The error of this package for one of aiohttp's, a middleware's, or one that nobody foresaw."""
        ours = isinstance(error, (aiohttp.ClientError, HttpProcessingError))
        reason = describe(error, self.secrets, quote=ours)
        if self._unwritten:
            if self.body is not None and self.body.refused:
                return _refused(self.body)
            if isinstance(error, _CONNECT_ERRORS):
                self.lasting = _is_lasting(error)
                return ConnectFailed(f"no connection: {reason}", fate=Fate.NOT_SENT)
        if isinstance(error, asyncio.CancelledError):
            return ConnectionBroken("the connection was closed under the request", fate=self.fate)
        # a connection was there: without an answer the fate is unknown, whatever the count of begun bodies
        if isinstance(error, TimeoutError):
            return CallTimeout(f"no answer in time: {reason}", fate=Fate.UNKNOWN)
        return ConnectionBroken(f"{_what_broke(error)} {reason}", fate=Fate.UNKNOWN)


def _is_lasting(error: BaseException) -> bool:
    """True for a certificate that does not fit, and for a proxy that does not want to."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return HTTPStatus.BAD_REQUEST <= error.status < HTTPStatus.INTERNAL_SERVER_ERROR
    return isinstance(error, aiohttp.ClientConnectorCertificateError)


def _refused(body: Watched) -> TransportError:
    kind = CallTimeout if body.late or body.overdue else ConnectFailed
    error = kind(f"the request was not sent: {body.refused}", fate=Fate.NOT_SENT)
    error.is_overdue = body.overdue
    return error


def _what_broke(error: BaseException) -> str:
    if isinstance(error, (aiohttp.ClientResponseError, aiohttp.ClientPayloadError, HttpProcessingError)):
        return "the answer cannot be read:"
    if isinstance(error, (aiohttp.ClientError, OSError)):
        return "the connection was lost:"
    return "the request failed with an unforeseen"
