"""The way of a call: one deadline, one attempt loop, and an error that says what is known when it fails."""

from __future__ import annotations

import datetime as dt
import logging
import random
from typing import TYPE_CHECKING, Final, Generic, TypeVar, cast

import attrs

from voucher_async.cancelling import Limits
from voucher_async.clock import Deadline
from voucher_async.config import check_seconds
from voucher_async.errors import (
    ApiError,
    AuthenticationError,
    BadAnswer,
    CallTimeout,
    ConfigurationError,
    ConnectionBroken,
    Fate,
    TransportError,
    VoucherError,
)
from voucher_async.hooks import AttemptEnded, AttemptStarted, Repeating
from voucher_async.operations import REQUEST_TOKEN, Retry
from voucher_async.sansio import Answer, decode, unreadable
from voucher_async.transport.retry import Attempt, Backoff, Budget, Verdict, is_healthy, judge
from voucher_async.transport.session import Exchange

if TYPE_CHECKING:
    from voucher_async.auth import Token, TokenProvider
    from voucher_async.cancelling import Limit
    from voucher_async.clock import Clock, ServerClock
    from voucher_async.config import Settings
    from voucher_async.errors import CallFacts
    from voucher_async.hooks import Hooks
    from voucher_async.sansio import Request, Response
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
        self.rng: random.Random = rng or random.SystemRandom()
        self.backoff: Backoff = Backoff()
        self.budget: Budget = Budget()
        self.tokens: TokenProvider | None = None
        self._limits = Limits()

    async def aclose(self) -> None:
        """End the calls under way, whatever they wait for, and close the connections; others are refused."""
        self._limits.end()
        await self.session.aclose()

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
            TransportError: no complete answer.
            ConfigurationError: the client is closed, or used on a second event loop.

        Whatever is raised: its `fate` says what is known of the call as a whole, every attempt counted.
        """
        call = _Call(self, request, deadline)
        left = deadline.left()
        if left <= 0:
            # a time-out of nothing would still let the request be written before it strikes
            raise call.gave_up()
        try:
            with self._limits.limit(left) as limit:
                return await call.run(limit)
        except VoucherError as error:
            call.stamp(error)
            raise
        except TimeoutError:
            raise (call.was_closed() if self.session.closed else call.gave_up()) from None


@attrs.define(eq=False)
class _Failure:
    """An attempt that gave no answer to return, and what is known about it."""

    error: VoucherError
    known: Attempt
    sent: float
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

    async def run(self, limit: Limit) -> Answer[T]:
        """The attempt loop; there is no other."""
        tokens = self._transport.tokens if self._request.operation.secured else None
        while True:
            try:
                token = None if tokens is None else (tokens.current() or await _acquire(tokens))
            except AuthenticationError:
                if self._in_doubt and self._request.operation.retry is Retry.DISCONNECT:
                    return self._done(self._sent or 0.0)  # the credentials are gone: it was done
                raise
            end = await self._attempt(token, limit)
            if isinstance(end, Answer):
                return end
            verdict = judge(self._request.operation.retry, end.known)
            if verdict is Verdict.DONE:
                return self._done(end.sent, end.date)
            await self._prepare_next(verdict, end, token)

    async def _prepare_next(self, verdict: Verdict, end: _Failure, token: Token | None) -> None:
        """Do what has to be done before the next attempt; raises the error when there is none."""
        if end.known.resent:
            end.error.fate = Fate.UNKNOWN  # the answer says nothing about the request before it
        pause = 0.0
        if verdict is Verdict.REAUTHENTICATE and token is not None:
            self._reauthenticate(token)
        elif verdict is Verdict.REPEAT:
            pause = self._pause_or_raise(end.error)
        else:
            raise end.error
        if end.error.fate is Fate.UNKNOWN:
            self._in_doubt += 1
        if pause:
            await self._transport.clock.sleep(pause)

    async def _attempt(self, token: Token | None, limit: Limit) -> Answer[T] | _Failure:
        self._attempts += 1
        transport = self._transport
        self._exchange = exchange = self._make_exchange(token)
        if transport.hooks.active:
            transport.hooks.attempt_started(AttemptStarted(**self._which(), attempt=self._attempts))
        self._sent = sent = transport.clock.monotonic()
        try:
            response = await transport.session.send(exchange, limit)
        except TransportError as error:
            self._exchange = None
            self._ended(error.fate, error=error)
            return _Failure(error, self._known(error.fate), sent)
        except BaseException as error:
            self._ended(exchange.fate, error=error)
            raise
        self._exchange = None
        if self._attempts == 1 and is_healthy(response.status):
            transport.budget.succeeded()
        date = transport.server_clock.observe(response.headers.get("Date"), sent)
        try:
            value = decode(self._request, response)
        except ApiError as error:
            failure: ApiError = error
        except Exception as error:  # noqa: BLE001 - the server said something, if only with the status
            failure = unreadable(self._request, response, f"an unforeseen {type(error).__name__}")
            failure.__cause__ = error
        else:
            self._ended(Fate.ANSWERED, response)
            is_copy = _is_copy(response) or not transport.session.is_plain
            return Answer(value=value, date=date, sent=sent, is_copy=is_copy)
        self._ended(Fate.ANSWERED, response, failure)
        return _Failure(failure, self._known(Fate.ANSWERED, response, failure), sent, date)

    def _make_exchange(self, token: Token | None) -> Exchange:
        request, settings = self._request, self._transport.settings
        if request.operation is REQUEST_TOKEN:
            url = settings.token_url
        elif request.query:
            url = f"{settings.base_url}{request.path}?{request.query}"
        else:
            url = f"{settings.base_url}{request.path}"
        return Exchange(request, url, token)

    def _known(
        self, fate: Fate | None, response: Response | None = None, error: ApiError | None = None
    ) -> Attempt:
        return Attempt(
            fate=fate or Fate.UNKNOWN,
            status=response.status if response else None,
            readable=not isinstance(error, BadAnswer),
            resent=response.resent if response else False,
            in_doubt=self._in_doubt > 0,
            reauthenticated=self._reauthenticated,
            secured=self._request.operation.secured,
            repeatable=self._request.repeatable,
        )

    def _done(self, sent: float, date: dt.datetime | None = None) -> Answer[T]:
        """An earlier attempt did it; the operations of which that can be said answer nothing."""
        return Answer(value=cast("T", None), date=date, sent=sent)

    def _reauthenticate(self, token: Token) -> None:
        self._reauthenticated = True
        if self._transport.tokens is not None:
            self._transport.tokens.invalidate(token)

    def _pause_or_raise(self, error: VoucherError) -> float:
        """Seconds until the next attempt; raises the error when there is none."""
        pause = self._next_pause(error)
        if pause is None:
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

    def _next_pause(self, error: VoucherError) -> float | None:
        """Seconds until the next attempt; None when there is none."""
        transport = self._transport
        if self._retries + 1 >= transport.settings.max_attempts:
            return None
        retry_after = error.retry_after if isinstance(error, ApiError) else None
        pause = transport.backoff.pause(self._retries + 1, retry_after, transport.rng)
        if pause is None or pause >= self._deadline.left() or not transport.budget.take():
            return None
        return pause

    def stamp(self, error: VoucherError) -> None:
        """Say in an error what is known of the call as a whole."""
        if self._in_doubt:
            error.fate = Fate.UNKNOWN
        elif error.fate is None:
            error.fate = Fate.NOT_SENT  # a ConfigurationError
        error.facts = self._facts()

    def gave_up(self) -> CallTimeout:
        """The error for a deadline that passed."""
        fate, state = self._cut_short()
        message = f"gave up after {self._deadline.total:g} s; {state}"
        return CallTimeout(message, fate=fate, facts=self._facts())

    def was_closed(self) -> VoucherError:
        """The error for a client that was closed meanwhile."""
        fate, state = self._cut_short()
        message = f"the client was closed; {state}"
        if fate is Fate.UNKNOWN:
            return ConnectionBroken(message, fate=fate, facts=self._facts())
        error = ConfigurationError(message, facts=self._facts())  # as if it had been closed before
        error.fate = fate
        return error

    def _cut_short(self) -> tuple[Fate, str]:
        """What is known of a call that ends here and now."""
        fate = Fate.NOT_SENT if self._exchange is None else self._exchange.fate
        if self._in_doubt:
            fate = Fate.UNKNOWN
        return fate, "nothing was sent" if fate is Fate.NOT_SENT else "the request may have been carried out"

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

    def _ended(
        self, fate: Fate | None, response: Response | None = None, error: BaseException | None = None
    ) -> None:
        """The attempt is over: tell the log and the hooks how it ended."""
        hooks = self._transport.hooks
        if not hooks.active and not _logger.isEnabledFor(logging.DEBUG):
            return
        event = AttemptEnded(
            **self._which(),
            attempt=self._attempts,
            fate=fate or Fate.UNKNOWN,
            status=response.status if response else None,
            elapsed=self._transport.clock.monotonic() - (self._sent or 0.0),
            error=_in_words(error),
        )
        _logger.debug("%s", event)
        hooks.attempt_ended(event)


async def _acquire(tokens: TokenProvider) -> Token:
    try:
        return await tokens.acquire()
    except VoucherError as error:
        # what is not known about the token request says nothing about this call, which was not sent
        error.fate = Fate.NOT_SENT
        raise


def _is_copy(response: Response) -> bool:
    """Whether a cache says that it has kept the answer for a while."""
    age = response.headers.get("Age")
    return age is not None and age.strip() not in {"", "0"}


def _in_words(error: BaseException | None) -> str | None:
    if error is None:
        return None
    return str(error.args[0]) if isinstance(error, VoucherError) else "the call was cancelled or timed out"
