"""Threads: one client on one event loop in the background, for WSGI applications and scripts.

    vouchers = BlockingVouchers()  # one for the process

    def pay(order, code):
        return vouchers.redeem(
            code=code, amount="10.00", currency="EUR", order_number=order, idempotency_key=order
        )

Any number of threads may call it at once.
"""

from __future__ import annotations

import atexit
import concurrent.futures
import contextlib
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from types import TracebackType
from typing import Any, Final, Self, TypeVar

try:
    from anyio.from_thread import BlockingPortal, start_blocking_portal
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        'voucher_async.integrations.blocking needs anyio: pip install "voucher-async[wsgi]"', name="anyio"
    ) from None

from voucher_async.client import VoucherClient
from voucher_async.config import Timeout
from voucher_async.errors import ConfigurationError, Fate, VoucherError
from voucher_async.forks import keep, renew_in_children
from voucher_async.integrations.problems import answer_of
from voucher_async.masking import conceal
from voucher_async.models import Charge
from voucher_async.money import Amount

__all__ = ["BlockingVouchers", "answer_of"]

T = TypeVar("T")

_GRACE: Final = 1.0  # seconds for an answer that is there to reach its thread, on a busy machine
_open: Final[set[BlockingVouchers]] = set()


class BlockingVouchers:
    """A client for threads.

    Opened by `with` or by the first call, closed by `with`, by `close` or as the interpreter exits. Closing
    waits for money calls under way for `Settings.close_wait` seconds. In a forked process it is opened anew.

    Args:
        make: makes the client; default: `VoucherClient.from_env`.
    """

    def __init__(self, make: Callable[[], VoucherClient] = VoucherClient.from_env) -> None:
        self._make = make
        self._guard = threading.Lock()
        self._background: _Background | None = None
        self._closed = False
        renew_in_children(self)

    def __enter__(self) -> Self:
        self._opened()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def after_fork(self) -> None:
        """Leave thread, loop and client to the parent; the child opens its own at its first call."""
        keep(self._background)
        self._guard, self._background = threading.Lock(), None

    def redeem(
        self,
        *,
        code: str,
        amount: Amount,
        currency: str,
        order_number: str,
        pin: str | None = None,
        idempotency_key: str | None = None,
        join: bool = True,
        timeout: float | Timeout | None = None,
    ) -> Charge:
        """Pay with a voucher; see `VoucherClient.redeem`, whose arguments and errors these are.

        A thread that is interrupted while it waits (Ctrl-C) leaves as a cancelled caller does: a charge under
        way is finished in the background, and who asks again with the key gets it.

        Args:
            code: the voucher's code.
            amount: how much, in currency units, at least 0.01.
            currency: ISO 4217; must be the voucher's.
            order_number: the order it pays for.
            pin: an extra check for printed vouchers.
            idempotency_key: names the payment: at most one charge is made for it, ever.
            join: without a key, wait for an equal call that is under way, and return its charge.
            timeout: seconds for all of it, or a `Timeout`; None takes the client's.

        Returns:
            The charge.

        Raises:
            VoucherError: as `VoucherClient.redeem` does.
            ConfigurationError: closed, or called on the event loop in the background.
        """
        code, pin = conceal(code), conceal(pin)

        def redeemed(client: VoucherClient) -> Awaitable[Charge]:
            return client.redeem(
                code=code,
                amount=amount,
                currency=currency,
                order_number=order_number,
                pin=pin,
                idempotency_key=idempotency_key,
                join=join,
                timeout=timeout,
            )

        return self.call(redeemed)

    def call(self, use: Callable[[VoucherClient], Awaitable[T]]) -> T:
        """Use the client, on its event loop, and wait for the result.

            voucher = vouchers.call(lambda client: client.vouchers.get(voucher_id))

        Args:
            use: makes the call, or is a coroutine function that makes several; it must not block.

        Returns:
            What it returns.

        Raises:
            ConfigurationError: closed, or called on the event loop in the background.
            BaseException: whatever it raises.
        """
        return self._opened().call(use)

    def close(self) -> None:
        """Finish money calls, close the client and end its event loop; a second call does nothing.

        Callers that wait longer than `Settings.close_wait` get an error with all that is known. What else a
        function given to `call` does, such as waiting for something, is cancelled after the same time again,
        or after a second.

        Raises:
            ConfigurationError: called on the event loop in the background.
        """
        with self._guard:
            background = self._background
            if background is not None:
                background.check_thread()
            self._closed, self._background = True, None
        _open.discard(self)
        if background is not None:
            background.close()

    def _opened(self) -> _Background:
        background = self._background
        if background is None:
            with self._guard:
                if self._closed:
                    raise ConfigurationError("the client is closed")
                if self._background is None:
                    self._background = _Background(self._make)
                    _open.add(self)
                background = self._background
        return background


class _Background:
    """An event loop in a thread, with a client that is open on it.

    Args:
        make: makes the client.
    """

    def __init__(self, make: Callable[[], VoucherClient]) -> None:
        self._client = client = make()
        self._calls: set[concurrent.futures.Future[Any]] = set()
        with contextlib.ExitStack() as opened:
            self._portal: BlockingPortal = opened.enter_context(start_blocking_portal("asyncio"))
            opened.callback(self._end_calls)
            self._thread: int = self._portal.call(threading.get_ident)
            opened.enter_context(self._portal.wrap_async_context_manager(client))
            self._stack = opened.pop_all()

    def call(self, use: Callable[[VoucherClient], Awaitable[T]]) -> T:
        self.check_thread()
        try:
            future = self._portal.start_task_soon(use, self._client)
        except RuntimeError as error:
            text = (
                "the client is closed, or its event loop was ended by a SystemExit or KeyboardInterrupt in it"
            )
            raise ConfigurationError(text) from error
        self._calls.add(future)
        future.add_done_callback(self._calls.discard)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            text = "the event loop in the background has ended; ask again with the same idempotency key"
            ended = VoucherError(text)
            ended.fate = Fate.UNKNOWN
            raise ended from None
        except BaseException:
            future.cancel()  # does nothing when the call has ended, with this error
            raise

    def check_thread(self) -> None:
        """Refuse to wait on the event loop for the event loop itself."""
        if threading.get_ident() == self._thread:
            raise ConfigurationError(
                "called on the event loop of BlockingVouchers, which would wait for itself: there, await a "
                "method of the client"
            )

    def _end_calls(self) -> None:
        """End what goes on though the client is closed, once it had time to do something with its result."""
        grace = max(self._client.settings.close_wait, _GRACE)
        concurrent.futures.wait(self._calls.copy(), grace)
        with contextlib.suppress(RuntimeError):  # the loop has ended before
            self._portal.call(partial(self._portal.stop, cancel_remaining=True))

    def close(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended before, and left nothing to close
            self._stack.close()


def _close_all() -> None:
    for each in list(_open):
        with contextlib.suppress(Exception):
            each.close()


# threads that were not made daemons have ended by then, and with them whoever might call
atexit.register(_close_all)
