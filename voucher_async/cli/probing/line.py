"""The line to the server: one request, sent once, past the retries and the settlement of the SDK."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from voucher_async.auth.token import Token, TokenGrant
from voucher_async.cancelling import Limits
from voucher_async.clock import Deadline, clock_uptime, parse_date, parse_retry_after
from voucher_async.errors import CallTimeout, Fate, VoucherError
from voucher_async.masking import Members, SecretBytes, conceal
from voucher_async.masking.text import Masker
from voucher_async.operations import DELETE_VOUCHER
from voucher_async.sansio import build
from voucher_async.sansio.said import Envelope
from voucher_async.sansio.tokens import token_request
from voucher_async.statuses import CLIENT_ERRORS, DECLINED, SUCCESS
from voucher_async.transport.exchange import Exchange
from voucher_async.transport.session import Session
from voucher_async.wire import WireError, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voucher_async.clock import Clock
    from voucher_async.config import Settings
    from voucher_async.operations import Operation
    from voucher_async.sansio import Request, Response

__all__ = ["Line", "OutOfTime", "Reply", "TokenRefused", "Unfit"]

_ATTEMPTS: Final = 4
_LONGEST_PAUSE: Final = 60.0
_FIELDS: Final = 3  # codes of fields that are quoted


class Unfit(Exception):
    """An answer that a probe cannot go on from; its text is the reason."""


class OutOfTime(Unfit):
    """The time of the whole run is over; nothing was sent."""


class TokenRefused(Unfit):
    """The server gave no token."""


@attrs.frozen(eq=False)
class Reply:
    """One answer.

    Attributes:
        operation: the operation's id.
        status: the HTTP status.
        headers: the headers.
        content: the JSON that was answered, not shown: there may be a code in it.
        code: the code of the API's error envelope.
        fields: the codes of its field errors.
        enveloped: the answer has the API's error envelope.
        empty: the answer has no content at all.
        asked: the local date when the request was about to be sent; aware, in UTC.
        came: the local date when the answer was there.
        elapsed: seconds between the two.
    """

    operation: str
    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    content: Members = attrs.field(repr=False)
    code: str | None
    fields: tuple[str, ...]
    enveloped: bool
    empty: bool
    asked: dt.datetime
    came: dt.datetime
    elapsed: float

    @property
    def ok(self) -> bool:
        """True for a status of 2xx, with an object of JSON unless nothing is to be said, and nothing is."""
        is_success = self.status in SUCCESS
        return is_success and (self.content.are_some or (self.empty and self.operation == DELETE_VOUCHER.id))

    @property
    def refuses(self) -> bool:
        """True when the API refuses the request itself, and not its sender or the moment."""
        return self.status in CLIENT_ERRORS and self.enveloped and self.status not in DECLINED

    @property
    def decides(self) -> bool:
        """True for a success, and for a refusal of the request itself."""
        return self.ok or self.refuses

    @property
    def date(self) -> dt.datetime | None:
        """The moment in the header `Date`."""
        return parse_date(self.headers.get("Date"))

    @property
    def said(self) -> str:
        """The status, and the codes or the kind of the content."""
        if self.ok:
            return str(self.status)
        if self.code:
            return " ".join((str(self.status), self.code, *self.fields[:_FIELDS]))
        kind = self.headers.get("Content-Type", "no content type").partition(";")[0][:40]
        return f"{self.status} without the API's envelope ({kind})"

    def text(self, name: str) -> str | None:
        """A text in the content; None when there is none of that name."""
        value = self.content.get(name)
        return value if isinstance(value, str) else None

    def objects(self, name: str) -> list[dict[str, Any]]:
        """The objects of a list in the content.

        Raises:
            Unfit: there is no such list.
        """
        found: object = self.content.get(name)
        if not isinstance(found, list):
            raise Unfit(f"{self.operation} was answered {self.status} without a list")
        items = cast("list[object]", found)
        return [cast("dict[str, Any]", each) for each in items if isinstance(each, dict)]

    def members(self, name: str) -> dict[str, Any]:
        """The members of an object in the content; none when it is no object."""
        found: object = self.content.get(name)
        return cast("dict[str, Any]", found) if isinstance(found, dict) else {}

    def fit(self) -> Reply:
        """The reply itself when it is a success that can be read.

        Raises:
            Unfit: it is none.
        """
        if not self.ok:
            raise Unfit(f"{self.operation} was answered {self.said}")
        return self


class Line:
    """Sends requests one after the other, at a polite pace.

    Args:
        settings: where to, and the credentials.
        clock: measures time, and waits.
        seconds: after which nothing is sent any more.
        pace: seconds between two requests.

    Attributes:
        settings: those that were given.
        clock: the clock that was given.
        deadline: the end of the run.
        requests: how many were sent.
        secrets: values that no evidence may hold.
    """

    def __init__(self, settings: Settings, clock: Clock, seconds: float, pace: float) -> None:
        self.settings: Settings = settings
        self.clock: Clock = clock
        self.deadline: Deadline = Deadline(clock, seconds)
        self.requests: int = 0
        self.secrets: list[str] = [settings.client_secret]
        self._pace = pace
        self._session = Session(settings)
        self._limits = Limits()
        self._token: Token | None = None

    async def aclose(self) -> None:
        """Close the connections."""
        self._limits.end()
        await self._session.aclose()

    def extend(self, seconds: float) -> None:
        """Allow so many seconds from now on, for the cleaning up."""
        self.deadline = Deadline(self.clock, seconds)

    async def wait(self, seconds: float) -> None:
        """Let so many seconds pass, but no more than are left of the run."""
        await self.clock.sleep(min(seconds, max(self.deadline.left(), 0.0)))

    async def ask(
        self,
        operation: Operation[Any],
        body: Mapping[str, object] | None = None,
        *,
        ids: Mapping[str, str] | None = None,
        query: Sequence[tuple[str, str]] = (),
        token: str | None = None,
        cached: bool = False,
        raw: tuple[bytes, str] | None = None,
    ) -> Reply:
        """Send one request. Only a read is repeated, after a 429, and any request after a 401.

        Args:
            operation: which one.
            body: the JSON, sent as it is: no rule of the SDK is applied.
            ids: the values of the path's placeholders.
            query: the query's names and values.
            token: a token to send it with instead of the run's own.
            cached: allow a cache on the way to answer.
            raw: a body and its type, instead of JSON.

        Raises:
            OutOfTime: the run's time is over.
            TokenRefused: there is no token.
            Unfit: the answer was cut off.
            VoucherError: no complete answer.
        """
        left = _ATTEMPTS
        while True:
            used = await self._own_token() if token is None else _token(token, self.clock)
            reply = await self._once(_request(operation, body, ids, query, raw), used, cached=cached)
            left -= 1
            if not left or not await self._is_repeated(reply, operation, own=token is None):
                return reply

    async def _is_repeated(self, reply: Reply, operation: Operation[Any], *, own: bool) -> bool:
        if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
            await self.wait(_pause(reply))
            return operation.method == "GET"
        if reply.status == HTTPStatus.UNAUTHORIZED and own:
            self._token = None  # nobody acts on a token that is refused
            return True
        return False

    async def grant(
        self,
        scopes: Sequence[str] | None = None,
        *,
        client_id: str | None = None,
        secret: str | None = None,
    ) -> Reply:
        """Ask for a token.

        Args:
            scopes: the scopes to ask for; None: those of the settings.
            client_id: another id than that of the settings.
            secret: another secret than that of the settings.
        """
        settings = self.settings
        request = token_request(
            settings.client_id if client_id is None else client_id,
            settings.client_secret if secret is None else secret,
            scopes=settings.scopes if scopes is None else scopes,
        )
        reply = await self._once(request, None)
        if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
            await self.wait(_pause(reply))
            reply = await self._once(request, None)
        token = reply.text("access_token")
        if token:
            self.secrets.append(conceal(token))
        return reply

    async def token(self) -> str:
        """The value of the run's own token."""
        return (await self._own_token()).value

    async def _own_token(self) -> Token:
        if self._token is None:
            reply = await self.grant()
            value = conceal(reply.text("access_token"))
            if not reply.ok or not value:
                raise TokenRefused(f"no token was given: {reply.said}")
            self._token = _token(value, self.clock)
        return self._token

    async def _once(self, request: Request[Any], token: Token | None, *, cached: bool = False) -> Reply:
        await self.clock.sleep(self._pace)
        left = self.deadline.left()
        if left <= 0:
            raise OutOfTime("the time of the run was over before this was tried")
        exchange = Exchange(request, self.settings, token, clock_uptime(self.clock))
        if cached:
            exchange.headers.pop("Cache-Control", None)
        self.requests += 1
        asked, began = self.clock.now(), self.clock.monotonic()
        try:
            with self._limits.limit(min(left, self.settings.timeout.total)) as limit:
                response = await self._session.send(exchange, limit)
        except TimeoutError:
            raise CallTimeout(f"{request.operation.id} was not answered in time", fate=Fate.UNKNOWN) from None
        except VoucherError as error:
            error.args = (f"{request.operation.id}: {error.args[0]}",)
            raise
        elapsed = self.clock.monotonic() - began
        if not response.complete:
            raise Unfit(f"{request.operation.id} was answered {response.status}, and cut off")
        return self._read(request.operation.id, response, asked, elapsed)

    def _read(self, operation: str, response: Response, asked: dt.datetime, elapsed: float) -> Reply:
        envelope = Envelope()
        if response.status >= HTTPStatus.BAD_REQUEST:  # only a refusal is quoted
            masker = Masker((*self.secrets, *response.secrets))
            envelope = Envelope.read(masker, response.body, response.status)
        try:
            content: object = parse(response.body)
        except WireError:
            content = None
        return Reply(
            operation=operation,
            status=response.status,
            headers=response.headers,
            content=Members(content),
            code=envelope.code,
            fields=tuple(each.code for each in envelope.field_errors if each.code),
            enveloped=envelope.is_api,
            empty=not response.body,
            asked=asked,
            came=self.clock.now(),
            elapsed=elapsed,
        )


def _request(
    operation: Operation[Any],
    body: Mapping[str, object] | None,
    ids: Mapping[str, str] | None,
    query: Sequence[tuple[str, str]],
    raw: tuple[bytes, str] | None,
) -> Request[Any]:
    request: Request[Any] = build(operation, ids=ids, query=query)
    if body is not None:
        request.body = SecretBytes(json.dumps(body).encode())
    if raw is not None:
        request.body, request.content_type = raw
    return request


def _token(value: str, clock: Clock) -> Token:
    return Token.granted(TokenGrant(access_token=conceal(value)), clock, asked=clock.monotonic())


def _pause(reply: Reply) -> float:
    """Seconds that a 429 asks for."""
    pause = parse_retry_after(reply.headers)
    return min(1.0 if pause is None else pause, _LONGEST_PAUSE)
