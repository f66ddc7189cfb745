"""One call: its attempts, what is known about them, and an error that says so when it fails."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

import attrs

from voucher_async.api_errors import ApiError, AuthenticationError, BadAnswer
from voucher_async.calls import call_here
from voucher_async.cancelling import Limit, quietly
from voucher_async.clock import Deadline
from voucher_async.errors import (
    CallTimeout,
    ConfigurationError,
    ConnectionBroken,
    Fate,
    TransportError,
    VoucherError,
)
from voucher_async.events import AttemptEnded, AttemptStarted, Repeating
from voucher_async.facts import Answer, is_recording, note_facts
from voucher_async.operations import REQUEST_TOKEN, Retry
from voucher_async.sansio import Request, Response, decode, unreadable
from voucher_async.statuses import is_healthy
from voucher_async.transport.exchange import Exchange
from voucher_async.transport.kit import TransportKit
from voucher_async.transport.replied import facts_of, is_copy
from voucher_async.transport.retry import Attempt, Verdict, is_repeatable, judge
from voucher_async.transport.told import in_words, which

if TYPE_CHECKING:
    from voucher_async.auth import Token, TokenProvider
    from voucher_async.cancelling import Limits
    from voucher_async.errors import CallFacts

__all__ = ["Call"]

T = TypeVar("T")

_TOKEN_REQUEST: Final = f"{REQUEST_TOKEN.id} ({REQUEST_TOKEN.method} {REQUEST_TOKEN.path})"

_logger: Final = logging.getLogger("voucher_async")


@attrs.define(eq=False)
class _Failure:
    """An attempt that gave no answer to return, and what is known about it."""

    error: VoucherError
    known: Attempt
    date: dt.datetime | None = None
    lasting: bool = False


@attrs.define(eq=False, repr=False)
class Call(Generic[T]):
    """One call: its attempts, and what is known about them.

    Args:
        transport: what it works with.
        request: what to send.
        deadline: when to give up.
    """

    _transport: TransportKit
    _request: Request[T]
    _deadline: Deadline
    _sent: float | None = attrs.field(init=False, default=None)
    _exchange: Exchange | None = attrs.field(init=False, default=None)
    _limit: Limit | None = attrs.field(init=False, default=None)
    _began: float = attrs.field(init=False, default=0.0)  # by the deadline
    _response: Response | None = attrs.field(init=False, default=None)
    _attempts: int = attrs.field(init=False, default=0)
    _requests: int = attrs.field(init=False, default=0)  # attempts that were sent, or may have been
    _retries: int = attrs.field(init=False, default=0)
    _misses: int = attrs.field(init=False, default=0)  # attempts that were not sent
    _in_doubt: int = attrs.field(init=False, default=0)
    _reauthenticated: bool = attrs.field(init=False, default=False)
    _wants_token: bool = attrs.field(init=False, default=False)
    _last: str = attrs.field(init=False, default="")  # why the last attempt failed

    async def run(self, limits: Limits) -> Answer[T]:
        """The attempt loop; there is no other. See `Transport.send` for what it raises."""
        left = self._deadline.left()
        if left <= 0:
            # a time-out of nothing would still let the request be written before it strikes
            raise self.gave_up()
        self._began = self._deadline.total - left
        transport, request = self._transport, self._request
        tokens = transport.tokens if request.operation.secured else None
        self._limit = limit = limits.limit(left)
        try:
            while True:
                token = (tokens.current() or await self._acquire(tokens)) if tokens is not None else None
                self._attempts += 1
                self._exchange = exchange = Exchange(
                    request, transport.settings, token, transport.uptime, self._deadline
                )
                if transport.hooks.active:
                    transport.hooks.attempt_started(
                        AttemptStarted(**which(transport, request), attempt=self._attempts)
                    )
                self._sent = sent = transport.clock.monotonic()
                try:
                    response = await transport.session.send(exchange, limit)
                except BaseException as error:  # noqa: BLE001 - raised there, but for the transport's
                    end: Answer[T] | _Failure = self._unanswered(exchange, error)
                else:
                    end = self._answered(response, sent)
                if isinstance(end, Answer):
                    if is_recording():
                        self._facts()
                    return end
                limit.heard()
                if await self._is_done(end, token):
                    return self._done(end.date)
        except BaseException as error:  # noqa: BLE001 - raised there
            return self._ended_by(error, limit)
        finally:
            limit.end()

    def _ended_by(self, error: BaseException, limit: Limit) -> Answer[T]:
        """Raise the error for the end of a call; an answer where the credentials to be given up are gone."""
        if isinstance(error, VoucherError):
            is_gone = isinstance(error, AuthenticationError) and self._wants_token and self._in_doubt
            if is_gone and self._request.operation.retry is Retry.DISCONNECT:
                return self._done()
            self.stamp(error)
            raise error
        is_up = isinstance(error, asyncio.CancelledError) and limit.end()
        if is_up or isinstance(error, TimeoutError):
            raise (self.was_closed() if self._transport.session.closed else self.gave_up()) from None
        if isinstance(error, Exception):
            raise self.broke(error) from error
        error.__dict__["fate"] = self.fate
        raise error

    async def _acquire(self, tokens: TokenProvider) -> Token:
        self._wants_token = True
        try:
            token = await tokens.acquire()
        except VoucherError as error:
            # an unknown outcome of the token request says nothing about this call, which was not sent
            error.fate = Fate.NOT_SENT
            if error.facts is not None and error.facts.operation == REQUEST_TOKEN.id:
                error.args = (f"{_TOKEN_REQUEST} failed: {error.args[0]}",)
            raise
        self._wants_token = False
        return token

    async def _is_done(self, end: _Failure, token: Token | None) -> bool:
        """True when an earlier attempt did it; else prepare the next attempt, or raise the error."""
        verdict = judge(self._request.operation.retry, end.known)
        if verdict is Verdict.DONE:
            return True
        if end.known.resent:
            end.error.fate = Fate.UNKNOWN  # the answer is the second request's: the first is unknown
        pause = 0.0
        if verdict is Verdict.REAUTHENTICATE and token is not None:
            self._reauthenticate(token)
        elif verdict is Verdict.REPEAT:
            pause = self._pause_or_raise(end)
        else:
            self._in_doubt += end.known.resent  # the refusal is that of aiohttp's second request
            raise end.error
        if end.error.fate is Fate.UNKNOWN:
            self._in_doubt += 1
        self._exchange = None  # judged and counted, so it must not count again
        if pause:
            await self._transport.clock.sleep(pause)
        return False

    def _unanswered(self, exchange: Exchange, error: BaseException) -> _Failure:
        """An attempt that no answer came to; raises an error that is none of the transport's."""
        if not isinstance(error, TransportError):
            self._ended(exchange.fate, error=error)
            raise error
        self._response = None
        self._requests += error.fate is not Fate.NOT_SENT
        self._ended(error.fate, error=error)
        return _Failure(error, self._known(error.fate), lasting=exchange.lasting)

    def _answered(self, response: Response, sent: float) -> Answer[T] | _Failure:
        """An attempt that was answered, if only with an error."""
        transport, operation, self._response = self._transport, self._request.operation, response
        self._requests += 1
        if self._attempts == 1 and is_healthy(response.status):
            transport.budget.succeeded()
        is_get = operation.method == "GET"  # caches keep answers to GET alone
        # the token endpoint may be on another host, with another clock
        is_original = not is_get and (operation is not REQUEST_TOKEN or transport.is_one_host)
        date = transport.server_clock.observe(response.headers.get("Date"), sent, original=is_original)
        is_kept = not transport.session.is_plain or (is_get and is_copy(response))
        answer: Answer[Any] = Answer(None, date, sent, transport.clock.monotonic(), is_kept)
        try:
            answer.value = decode(self._request, response)
        except ApiError as error:
            failure: ApiError = error
        except Exception as error:  # noqa: BLE001 - the server did answer, at least with its status
            failure = unreadable(self._request, response, f"an unforeseen {type(error).__name__}")
            failure.__cause__ = error
        else:
            self._ended(Fate.ANSWERED, response)
            return answer
        failure.answer = answer
        if not self._proves(response, failure):
            failure.fate = Fate.UNKNOWN
        self._ended(Fate.ANSWERED, response, failure)
        return _Failure(failure, self._known(Fate.ANSWERED, response, failure), date)

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

    def _done(self, date: dt.datetime | None = None) -> Answer[T]:
        """An earlier attempt did it; the operations of which that can be said answer nothing."""
        if is_recording():
            self._facts()
        return Answer(cast("T", None), date, self._sent or 0.0)

    def _reauthenticate(self, token: Token) -> None:
        self._reauthenticated = True
        if self._transport.tokens is not None:
            self._transport.tokens.invalidate(token)

    def _proves(self, response: Response, error: ApiError) -> bool:
        """True when an error answer counts as one to a request that must not be done twice.

        A proxy may have made it up after the server had acted. A 401 to the only request of the call needs no
        envelope: nobody acts on a token that is refused.
        """
        request = self._request
        if is_repeatable(request.operation.retry, known_by_id=request.repeatable):
            return True
        if response.status == HTTPStatus.UNAUTHORIZED:
            return self._requests == 1
        return error.has_envelope

    def _pause_or_raise(self, end: _Failure) -> float:
        """Seconds until the next attempt; raises the error when there is none."""
        self._last = str(end.error.args[0])
        pause = self._brief_pause(end) if end.known.fate is Fate.NOT_SENT else self._next_pause(end.error)
        if pause is None:
            raise end.error
        hooks, operation = self._transport.hooks, self._request.operation.id
        call = call_here(hooks)
        event = Repeating(
            operation=operation,
            attempt=self._attempts,
            pause=pause,
            reason=self._last,
            call_id=None if call is None else call.id,
        )
        quietly(_logger.debug, "%s", event)
        hooks.repeating(event)
        return pause

    def _brief_pause(self, end: _Failure) -> float | None:
        """Seconds until what was not sent is tried again, as long as the deadline allows."""
        transport = self._transport
        self._misses += 1
        allowed = transport.settings.max_attempts
        # an overdue request stays overdue until its record is written anew
        is_overdue = isinstance(end.error, TransportError) and end.error.is_overdue
        if is_overdue or allowed == 1 or (end.lasting and self._misses >= allowed):
            return None
        pause = transport.backoff.brief(self._misses, transport.rng)
        return pause if pause < self._left() else None

    def _next_pause(self, error: VoucherError) -> float | None:
        """Seconds until the request is repeated; None when it is not."""
        transport = self._transport
        if self._retries + 1 >= transport.settings.max_attempts:
            return None
        self._retries += 1
        retry_after = error.retry_after if isinstance(error, ApiError) else None
        pause, left = transport.backoff.pause(self._retries, retry_after, transport.rng), self._left()
        if pause is not None and retry_after is not None:
            pause = min(pause, left / 2)  # a hint must not use up the deadline without another attempt
        if pause is None or pause >= left or not transport.budget.take():
            return None
        return pause

    def _left(self) -> float:
        """Seconds that are left, none after a sleep of the machine that was longer than that."""
        return 0.0 if self._limit is not None and self._limit.passed else self._deadline.left()

    def stamp(self, error: VoucherError) -> None:
        """Say in an error what is known of the call as a whole."""
        if self._in_doubt:
            error.fate = Fate.UNKNOWN
        elif error.fate is None:
            error.fate = Fate.NOT_SENT  # as of a ConfigurationError
        error.facts = self._facts()

    @property
    def fate(self) -> Fate:
        """Fate of a call that ends here and now, as far as it is known."""
        if self._in_doubt:
            return Fate.UNKNOWN
        return Fate.NOT_SENT if self._exchange is None else self._exchange.fate

    def gave_up(self) -> CallTimeout:
        """The error for a deadline that passed."""
        message = f"gave up after {self._deadline.total:g} s; {self._state()}"
        return CallTimeout(message, fate=self.fate, facts=self._facts())

    def was_closed(self) -> VoucherError:
        """The error for a client that was closed meanwhile."""
        message = f"the client was closed; {self._state()}"
        if self.fate is Fate.UNKNOWN:
            return ConnectionBroken(message, fate=self.fate, facts=self._facts())
        error = ConfigurationError(message, facts=self._facts())  # the same class as for a call after closing
        error.fate = self.fate
        return error

    def broke(self, error: Exception) -> ConnectionBroken:
        """The error for what nobody foresaw: a clock, an observer, this package itself."""
        message = f"the call broke with an unforeseen {type(error).__name__}; {self._state()}"
        return ConnectionBroken(message, fate=self.fate, facts=self._facts())

    def _state(self) -> str:
        """Description of what is known of a call that ends here and now."""
        if self.fate is Fate.NOT_SENT:
            state = "nothing was sent"
            if self._wants_token:
                state = f"{state}: {_TOKEN_REQUEST} gave no token"
        elif self._request.operation.retry is Retry.SAFE:
            state = "no answer came"
        else:
            state = "the request may have been carried out"
        return f"{state}; before that: {self._last}" if self._last else state

    def _facts(self) -> CallFacts:
        sent_at = None
        if self._sent is not None:
            ago = self._transport.clock.monotonic() - self._sent
            sent_at = self._transport.server_clock.now() - dt.timedelta(seconds=ago)
        elapsed = self._deadline.elapsed
        facts = attrs.evolve(
            self._request.facts(),
            attempts=self._attempts,
            in_doubt=self._in_doubt,
            elapsed=elapsed,
            duration=elapsed - self._began,
            sent_at=sent_at,
            **facts_of(self._response),
        )
        if self._request.operation is not REQUEST_TOKEN:
            note_facts(facts)
        return facts

    def _ended(
        self, fate: Fate | None, response: Response | None = None, error: BaseException | None = None
    ) -> None:
        """The attempt is over: tell the log and the hooks how it ended."""
        hooks = self._transport.hooks
        if not hooks.active and not _logger.isEnabledFor(logging.DEBUG):
            return
        event = AttemptEnded(
            **which(self._transport, self._request),
            attempt=self._attempts,
            fate=fate or Fate.UNKNOWN,
            status=response.status if response else None,
            elapsed=self._transport.clock.monotonic() - (self._sent or 0.0),
            error=in_words(error),
            error_type=None if error is None else type(error).__name__,
        )
        quietly(_logger.debug, "%s", event)
        hooks.attempt_ended(event)
