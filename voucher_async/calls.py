"""Calls as hooks are told of them: which one is under way, when it began, and how it ended.

Theory of operation. A method of the client does its work inside `calling`, which tells the hooks of its
beginning and its end, and keeps the call in a context variable meanwhile. Tasks copy the context they are
started in: so what is finished or settled behind a caller still knows which call it belongs to. Without hooks
there is no call, and the variable is never set.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from contextvars import ContextVar
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from voucher_async.api_errors import ApiError
from voucher_async.errors import (
    ConfigurationError,
    IdempotencyMismatch,
    InvalidInput,
    ReservationError,
    TooManyInDoubt,
    VoucherError,
)
from voucher_async.events import CallEnd, CallEnded, CallStarted, TurnWaited
from voucher_async.masking import mask
from voucher_async.masking.memory import recall
from voucher_async.outcomes import ChargeRefunded
from voucher_async.references import new_id
from voucher_async.statuses import CLIENT_ERRORS

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextvars import Token
    from types import TracebackType

    from voucher_async.hooks import Hooks
    from voucher_async.outcomes import PendingOutcome

__all__ = ["OpenCall", "WaitedFor", "call_here", "calling", "ending", "note_record", "opened", "take_id"]

_REFUSALS: Final = (
    ConfigurationError,
    ChargeRefunded,
    IdempotencyMismatch,
    InvalidInput,
    ReservationError,
    TooManyInDoubt,
)
_PERSON: Final = b"voucher_async"  # so that it is no digest of anybody else's


class OpenCall:
    """A call under way.

    Args:
        hooks: told of it.
        name: the method as the client has it.
        facts: what `CallStarted` tells besides.

    Attributes:
        hooks: told of it.
        id: its id.
        name: the method.
        parent_id: the id of the call that it is part of.
        facts: what else is told of it.
        record_id: the id of the money call that it is about, or whose result it got.
    """

    __slots__ = ("_began", "_is_taken", "facts", "hooks", "id", "name", "parent_id", "record_id")

    def __init__(
        self,
        hooks: Hooks,
        name: str,
        *,
        id: str | None = None,
        parent: OpenCall | None = None,
        order_number: object = None,
        key: object = None,
        amount: object = None,
        currency: object = None,
        pending: PendingOutcome | None = None,
    ) -> None:
        if parent is None:
            parent = _here.get()
        self.hooks: Hooks = hooks
        self.name: str = name
        self.id: str = id or new_id()
        self.parent_id: str | None = parent.id if parent is not None and parent.hooks is hooks else None
        self.record_id: str | None = getattr(pending, "id", None)
        self.facts: dict[str, Any] = {
            "order_number": _shown(order_number) or _order_of(pending),
            "key_digest": digest_of_key(key) if isinstance(key, str) else None,
            "amount": _decimal(amount),
            "currency": _text(currency),
        }
        self._is_taken = id is not None
        self._began = 0.0

    def take_id(self) -> str | None:
        """The id, for the record of what it does; None once it is taken."""
        if self._is_taken:
            return None
        self._is_taken = True
        return self.id

    def began(self) -> None:
        """Tell the hooks that it begins."""
        self._began = self.hooks.now()
        self.hooks.call_started(
            CallStarted(
                call_id=self.id,
                name=self.name,
                parent_id=self.parent_id,
                record_id=self.record_id,
                **self.facts,
            )
        )

    def ended(self, error: BaseException | None) -> None:
        """Tell the hooks how it ended."""
        self.hooks.call_ended(
            CallEnded(
                call_id=self.id,
                name=self.name,
                parent_id=self.parent_id,
                record_id=self.record_id,
                how=_how(error),
                elapsed=self.hooks.now() - self._began,
                error_type=None if error is None else type(error).__name__,
                fate=getattr(error, "fate", None) if isinstance(error, VoucherError) else None,
                proof=getattr(error, "proof", None) if isinstance(error, VoucherError) else None,
                **self.facts,
            )
        )


_here: Final[ContextVar[OpenCall | None]] = ContextVar("voucher_async.call", default=None)


class _Calling:
    """Inside of `with` a call is under way."""

    __slots__ = ("_call", "_token")

    def __init__(self, call: OpenCall) -> None:
        self._call = call
        self._token: Token[OpenCall | None] | None = None

    def __enter__(self) -> OpenCall:
        self._token = _here.set(self._call)
        self._call.began()
        return self._call

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call.ended(error)
        if self._token is not None:
            with contextlib.suppress(ValueError):  # left in another context, with a loop that was closed
                _here.reset(self._token)


_NOT_TOLD: Final = contextlib.nullcontext()


def calling(
    hooks: Hooks, name: str, **facts: Any
) -> contextlib.AbstractContextManager[OpenCall | None, None]:
    """Around the work of a call: hooks are told that it begins, and how it ended.

    Args:
        hooks: the observers; without any of the application's nothing is done.
        name: the method as the client has it, such as `vouchers.get`.
        facts: what is known of it: the arguments of `OpenCall`.
    """
    return _Calling(OpenCall(hooks, name, **facts)) if hooks.wants_calls else _NOT_TOLD


def opened(hooks: Hooks, name: str, **facts: Any) -> OpenCall | None:
    """A call that has begun, which goes on beside other work of its task; None where no hook wants to know.

    Whoever opens it has to tell its end. What is part of it is given it as `parent`.
    """
    if not hooks.wants_calls:
        return None
    call = OpenCall(hooks, name, **facts)
    call.began()
    return call


@contextlib.contextmanager
def ending(call: OpenCall | None) -> Generator[None]:
    """Inside of `with` an opened call goes on; leaving it is its end."""
    try:
        yield
    except BaseException as error:
        if call is not None:
            call.ended(error)
        raise
    if call is not None:
        call.ended(None)


def call_here(hooks: Hooks) -> OpenCall | None:
    """The call that the running task works for, which may have ended; None where it is another client's.

    Args:
        hooks: the client's.
    """
    call = _here.get()
    return call if call is not None and call.hooks is hooks else None


def take_id(hooks: Hooks) -> str | None:
    """The id of the call that the running task works for, for its record; None for another record of it."""
    call = call_here(hooks)
    return None if call is None else call.take_id()


def note_record(hooks: Hooks, record_id: str) -> None:
    """Note that the caller gets the result of this money call, as far as is known."""
    call = call_here(hooks)
    if call is not None:
        call.record_id = None if call.id == record_id else record_id


class WaitedFor:
    """Inside of `with` the running task waits for a turn; hooks are told how long.

    Args:
        behind: what the turn is for; see `TurnWaited`.
    """

    __slots__ = ("_began", "_behind", "_call")

    def __init__(self, behind: str) -> None:
        self._behind = behind
        self._call = _here.get()
        self._began = 0.0

    def __enter__(self) -> None:
        if self._call is not None:
            self._began = self._call.hooks.now()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        call = self._call
        if call is not None:
            call.hooks.turn_waited(
                TurnWaited(
                    call_id=call.id,
                    name=call.name,
                    behind=self._behind,
                    seconds=call.hooks.now() - self._began,
                    taken=error is None,
                )
            )


def digest_of_key(key: str) -> str:
    """A digest of an idempotency key: the same in every process, so that their events can be compared."""
    return hashlib.blake2b(key.encode(errors="surrogatepass"), digest_size=8, person=_PERSON).hexdigest()


def _how(error: BaseException | None) -> CallEnd:
    if error is None:
        return CallEnd.DONE
    if isinstance(error, (asyncio.CancelledError, GeneratorExit)):
        return CallEnd.CANCELLED
    if getattr(error, "pending", None) is not None:
        return CallEnd.OPEN
    is_refused = isinstance(error, ApiError) and error.status in CLIENT_ERRORS
    return CallEnd.REFUSED if is_refused or isinstance(error, _REFUSALS) else CallEnd.FAILED


def _shown(order_number: object) -> str | None:
    """An order number as hooks are told it: a shop may use the voucher's code as one."""
    text = _text(order_number)
    return None if text is None else mask(text)


def _order_of(pending: PendingOutcome | None) -> str | None:
    """The order number of what may be no outcome at all, which the call itself says."""
    order_number = _text(getattr(pending, "order_number", None))
    if order_number is None:
        return None
    ids = [_text(getattr(pending, name, None)) for name in ("id", "voucher_id", "reservation_id")]
    return mask(order_number, [secret for each in ids if each for secret in recall(each)])


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _decimal(value: object) -> Decimal | None:
    """The amount as it was given; None where it is none, which the call itself says."""
    if not isinstance(value, (str, int, Decimal)) or isinstance(value, bool):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
