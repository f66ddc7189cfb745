"""Requests of a check: the client's own transport, one attempt each, whose answers are kept."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final, Self

import attrs

from voucher_async import wire
from voucher_async.api_errors import ApiError
from voucher_async.assembly import Assembly
from voucher_async.config import Timeout
from voucher_async.errors import VoucherError
from voucher_async.masking import Members
from voucher_async.statuses import SUCCESS
from voucher_async.transport.session import Session

if TYPE_CHECKING:
    from types import TracebackType

    from voucher_async.auth import Token
    from voucher_async.cancelling import Limit
    from voucher_async.clock import Clock
    from voucher_async.config import Settings
    from voucher_async.facts import Answer
    from voucher_async.sansio import Request, Response
    from voucher_async.transport.exchange import Exchange

__all__ = ["Asking", "Sample", "Told"]

_MOST: Final = 10.0  # seconds for one request


@attrs.frozen
class Sample:
    """An answer's date, and the local time around it.

    Attributes:
        date: the server's date, in whole seconds; aware.
        sent: the local wall clock when the request went out.
        received: the same when the answer had come.
    """

    date: dt.datetime
    sent: dt.datetime
    received: dt.datetime


@attrs.frozen
class Told:
    """The end of one request.

    Attributes:
        status: the HTTP status; None when no answer came.
        error: the error that it stands for; None for a success.
    """

    status: int | None
    error: VoucherError | None


class _Listening(Session):
    """A session that keeps the latest answer."""

    latest: Response | None = None

    async def send(self, exchange: Exchange, limit: Limit) -> Response:
        self.latest = None
        response = await super().send(exchange, limit)
        self.latest = response
        return response


class Asking:
    """Requests as the client makes them, but each once. An async context manager.

    Args:
        settings: of the client.
        clock: the local time.

    Attributes:
        samples: the dates that answers of the API told, cached ones left out.
        round_trips: seconds that each read took.
        unanswered: how many requests no answer came to.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        limits = settings.timeout
        timeout = Timeout(
            total=min(limits.total, _MOST), connect=min(limits.connect, _MOST), read=min(limits.read, _MOST)
        )
        settings = attrs.evolve(settings, timeout=timeout, max_attempts=1)
        self._assembly = Assembly(
            settings, session=None, token_store=None, hooks=(), voucher_lock=None, clock=clock
        )
        self._session = self._assembly.transport.session = _Listening(settings)
        self._clock = clock
        self.samples: list[Sample] = []
        self.round_trips: list[float] = []
        self.unanswered: int = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._assembly.tokens.aclose()
        self._assembly.supervisor.close()
        await self._assembly.transport.aclose()

    async def token(self) -> tuple[Token, Members]:
        """A token, and the other members of the answer that gave it.

        Raises:
            VoucherError: there is none.
        """
        token = await self._assembly.tokens.acquire()
        latest = self._session.latest
        return token, Members(wire.parse(latest.body) if latest is not None else None)

    async def ask(self, request: Request[Any]) -> Told:
        """Make a request, once.

        Args:
            request: what to send.
        """
        transport = self._assembly.transport
        try:
            answer = await transport.send(request, transport.deadline())
        except ApiError as error:
            self._note(request, error.answer)
            return Told(error.status, error)
        except VoucherError as error:
            self.unanswered += 1
            return Told(None, error)
        self._note(request, answer)
        latest = self._session.latest
        return Told(latest.status if latest is not None else min(SUCCESS), None)

    def _note(self, request: Request[Any], answer: Answer[Any] | None) -> None:
        if answer is None:
            return
        is_read = request.operation.method == "GET"
        if is_read and answer.received:
            self.round_trips.append(answer.received - answer.sent)
        if answer.date is None or answer.is_copy or not answer.received:
            return
        now, monotonic = self._clock.now(), self._clock.monotonic()
        sent, received = (
            now - dt.timedelta(seconds=monotonic - each) for each in (answer.sent, answer.received)
        )
        self.samples.append(Sample(answer.date, sent, received))
