"""The way of a call: one deadline, one attempt loop, and an error that says what is known when it fails."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import random
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

import attrs

from voucher_async.clock import Deadline
from voucher_async.config import check_seconds
from voucher_async.errors import (
    ApiError,
    AuthenticationError,
    BadAnswer,
    CallTimeout,
    Fate,
    TransportError,
    VoucherError,
)
from voucher_async.hooks import AttemptEnded, AttemptStarted, Repeating
from voucher_async.operations import REQUEST_TOKEN, Retry
from voucher_async.sansio import Answer, Response, decode
from voucher_async.transport.retry import Attempt, Backoff, Budget, Verdict, judge
from voucher_async.transport.session import Exchange

if TYPE_CHECKING:
    from voucher_async.auth import Token, TokenProvider
    from voucher_async.clock import Clock, ServerClock
    from voucher_async.config import Settings
    from voucher_async.errors import CallFacts
    from voucher_async.hooks import Hooks
    from voucher_async.sansio import Request
    from voucher_async.transport.session import Session

__all__ = ["Transport"]

T = TypeVar("T")

_logger: Final = logging.getLogger("voucher_async")


class Transport:
    """Sends requests and repeats them where the contract allows it.

    Args:
        settings: addresses, limits and time-outs.
        session: makes the exchanges.
        clock: measures time and waits out pauses.
        server_clock: learns from the `Date` of answers.
        hooks: told what happens.
        rng: where jitter comes from.
    """

    def __init__(
        self,
        settings: Settings,
        session: Session,
        *,
        clock: Clock,
        server_clock: ServerClock,
        hooks: Hooks,
        rng: random.Random | None = None,
    ) -> None:
        self.settings = settings
        self.session = session
        self.clock = clock
        self.server_clock = server_clock
        self.hooks = hooks
        self.rng: random.Random = rng or random.Random()
        self.backoff: Backoff = Backoff()
        self.budget: Budget = Budget()
        self.tokens: TokenProvider | None = None

    def deadline(self, timeout: float | None = None) -> Deadline:
        """The deadline of a call that begins now.

        Args:
            timeout: seconds; None takes the client's own.

        Raises:
            ConfigurationError: `timeout` is not a positive number.
        """
        total = self.settings.timeout.total if timeout is None else check_seconds("timeout", timeout)
        return Deadline(self.clock, total)

    async def send(self, request: Request[T], deadline: Deadline) -> Answer[T]:
        """Send a request and read its answer.

        Args:
            request: what to send.
            deadline: when to give up, whatever happens.

        Raises:
            ApiError: the server answered with an error, or with something that cannot be read.
            TransportError: no complete answer; `fate` says what is known.
            ConfigurationError: the client is closed, or used on a second event loop.
        """
        call = _Call(self, request, deadline)
        left = deadline.left()
        if left <= 0:
            # a time-out of nothing would still let the request be written before it strikes
            raise call.gave_up()
        try:
            async with asyncio.timeout(left):
                return await call.run()
        except CallTimeout:
            raise
        except TimeoutError:
            raise call.gave_up() from None


@attrs.define(eq=False)
class _End(Generic[T]):
    """How one attempt ended."""

    sent: float
    response: Response | None = None
    value: T | None = None
    error: ApiError | TransportError | None = None
    date: dt.datetime | None = None


class _Call(Generic[T]):
    """One call: its attempts, and what is known about them."""

    __slots__ = (
        "_attempts",
        "_deadline",
        "_exchange",
        "_in_doubt",
        "_reauthenticated",
        "_request",
        "_retries",
        "_sent",
        "_transport",
    )

    def __init__(self, transport: Transport, request: Request[T], deadline: Deadline) -> None:
        self._transport = transport
        self._request = request
        self._deadline = deadline
        self._sent: float | None = None
        self._exchange: Exchange | None = None
        self._attempts = 0
        self._retries = 0
        self._in_doubt = 0
        self._reauthenticated = False

    async def run(self) -> Answer[T]:
        """The attempt loop; there is no other."""
        while True:
            try:
                token = await self._token()
            except AuthenticationError:
                if self._in_doubt and self._request.operation.retry is Retry.DISCONNECT:
                    return self._answer(_End(sent=self._sent or 0.0))  # the credentials are gone: it was done
                raise
            end = await self._attempt(token)
            verdict = judge(self._request.operation.retry, self._known(end))
            if verdict is Verdict.RETURN or verdict is Verdict.DONE:
                return self._answer(end)
            error = cast("VoucherError", end.error)
            if verdict is Verdict.REAUTHENTICATE and token is not None:
                pause = self._reauthenticate(token)
            else:
                pause = self._pause_or_raise(verdict, error)
            if error.fate is Fate.UNKNOWN or (end.response is not None and end.response.resent):
                self._in_doubt += 1
            if pause:
                await self._transport.clock.sleep(pause)

    async def _token(self) -> Token | None:
        tokens = self._transport.tokens
        if tokens is None or not self._request.operation.secured:
            return None
        token = tokens.current()
        if token is not None:
            return token
        try:
            return await tokens.acquire()
        except VoucherError as error:
            # what is not known about the token request says nothing about this call, which was not sent
            error.fate = Fate.UNKNOWN if self._in_doubt else Fate.NOT_SENT
            raise

    async def _attempt(self, token: Token | None) -> _End[T]:
        self._attempts += 1
        transport = self._transport
        self._exchange = exchange = self._make_exchange(token)
        if transport.hooks.active:
            transport.hooks.attempt_started(AttemptStarted(**self._which(), attempt=self._attempts))
        self._sent = transport.clock.monotonic()
        end = _End[T](sent=self._sent)
        try:
            end.response = await transport.session.send(exchange)
            end.value = decode(self._request, end.response)
        except (ApiError, TransportError) as failure:
            end.error = failure
        except VoucherError:
            raise
        except Exception as failure:  # noqa: BLE001 - whatever broke, what is known of the request is not lost
            end.error = exchange.broke(failure)
        if end.response is not None:
            date = end.response.headers.get("Date")
            end.date = transport.server_clock.observe(date, end.sent)
        self._exchange = None
        self._tell(end)
        return end

    def _make_exchange(self, token: Token | None) -> Exchange:
        request, settings = self._request, self._transport.settings
        if request.operation is REQUEST_TOKEN:
            url = settings.token_url
        elif request.query:
            url = f"{settings.base_url}{request.path}?{request.query}"
        else:
            url = f"{settings.base_url}{request.path}"
        return Exchange(request, url, token)

    def _known(self, end: _End[T]) -> Attempt:
        operation = self._request.operation
        if end.response is None:
            return Attempt(
                fate=cast("Fate", cast("TransportError", end.error).fate), repeatable=self._request.repeatable
            )
        return Attempt(
            fate=Fate.ANSWERED,
            status=end.response.status,
            readable=not isinstance(end.error, BadAnswer),
            resent=end.response.resent,
            in_doubt=self._in_doubt > 0,
            reauthenticated=self._reauthenticated,
            secured=operation.secured,
            repeatable=self._request.repeatable,
        )

    def _answer(self, end: _End[T]) -> Answer[T]:
        if self._attempts == 1:
            self._transport.budget.succeeded()
        return Answer(
            value=cast("T", end.value),
            date=end.date,
            sent=end.sent,
            attempts=self._attempts,
            in_doubt=self._in_doubt > 0,
        )

    def _reauthenticate(self, token: Token) -> float:
        self._reauthenticated = True
        cast("TokenProvider", self._transport.tokens).invalidate(token)
        return 0.0

    def _pause_or_raise(self, verdict: Verdict, error: VoucherError) -> float:
        """Seconds until the next attempt; raises the error when there is none."""
        pause = self._pause(error) if verdict is Verdict.REPEAT else None
        if pause is None:
            if self._in_doubt:
                error.fate = Fate.UNKNOWN
            error.facts = self._facts()
            raise error
        self._retries += 1
        event = Repeating(
            operation=self._request.operation.id,
            attempt=self._attempts,
            pause=pause,
            reason=str(error.args[0]),
        )
        _logger.debug("%s", event)
        self._transport.hooks.repeating(event)
        return pause

    def _pause(self, error: VoucherError) -> float | None:
        """Seconds until the next attempt; None when there is none."""
        transport = self._transport
        if self._retries + 1 >= transport.settings.max_attempts:
            return None
        retry_after = error.retry_after if isinstance(error, ApiError) else None
        pause = transport.backoff.pause(self._retries + 1, retry_after, transport.rng)
        if pause is None or pause >= self._deadline.left() or not transport.budget.take():
            return None
        return pause

    def gave_up(self) -> CallTimeout:
        """The error for a deadline that passed."""
        fate = Fate.NOT_SENT if self._exchange is None else self._exchange.fate
        if self._in_doubt:
            fate = Fate.UNKNOWN
        state = "nothing was sent" if fate is Fate.NOT_SENT else "the request may have been carried out"
        message = f"gave up after {self._deadline.total:g} s; {state}"
        error = CallTimeout(message, fate=fate, facts=self._facts())
        if self._exchange is not None:
            self._tell(_End(sent=self._sent or 0.0, error=error))
        return error

    def _facts(self) -> CallFacts:
        sent_at = None
        if self._sent is not None:
            ago = self._transport.clock.monotonic() - self._sent
            sent_at = self._transport.server_clock.now() - dt.timedelta(seconds=ago)
        return attrs.evolve(
            self._request.facts(),
            attempts=self._attempts,
            in_doubt=self._in_doubt,
            elapsed=self._deadline.elapsed,
            sent_at=sent_at,
        )

    def _which(self) -> dict[str, str]:
        operation = self._request.operation
        return {"operation": operation.id, "method": operation.method, "path": self._request.path}

    def _tell(self, end: _End[Any]) -> None:
        """Tell the log and the hooks how an attempt ended."""
        hooks = self._transport.hooks
        if not hooks.active and not _logger.isEnabledFor(logging.DEBUG):
            return
        event = AttemptEnded(
            **self._which(),
            attempt=self._attempts,
            fate=Fate.ANSWERED if end.response else cast("Fate", cast("VoucherError", end.error).fate),
            status=end.response.status if end.response else None,
            elapsed=self._transport.clock.monotonic() - end.sent,
            error=None if end.error is None else str(end.error.args[0]),
        )
        _logger.debug("%s", event)
        hooks.attempt_ended(event)
