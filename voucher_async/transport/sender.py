"""The way over the wire that all calls of a client share: its limits, its budget and its session."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from voucher_async.cancelling import Limits
from voucher_async.clock import Deadline
from voucher_async.config import check_seconds
from voucher_async.errors import VoucherError
from voucher_async.transport.call import Call
from voucher_async.transport.retry import Backoff, Budget

if TYPE_CHECKING:
    from voucher_async.auth import TokenProvider
    from voucher_async.clock import Clock, ServerClock
    from voucher_async.config import Settings
    from voucher_async.hooks import Hooks
    from voucher_async.sansio import Answer, Request
    from voucher_async.transport.session import Session

__all__ = ["Transport"]

T = TypeVar("T")


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
        self.is_one_host: bool = urlsplit(settings.token_url).netloc == urlsplit(settings.base_url).netloc
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

        Whatever is raised: its `fate` says what is known of the call as a whole, every attempt counted. Also
        that of a CancelledError, a KeyboardInterrupt or a SystemExit, which get such an attribute.
        """
        call = Call(self, request, deadline)
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
        except Exception as error:
            raise call.broke(error) from error
        except BaseException as error:
            error.__dict__["fate"] = call.fate
            raise
