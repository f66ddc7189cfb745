"""Observers of a client's calls.

A hook is any object with some of the methods of `Hook`; deriving from `Hook` gives the others. Hooks are
called synchronously on the event loop and should return quickly; a hook that has to wait starts a task of
its own. An exception of a hook is logged and otherwise ignored: no hook can fail a call. No event holds a
secret.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import logging
from collections.abc import Callable, Generator, Sequence
from typing import Final

from voucher_async.cancelling import quietly
from voucher_async.clock import Clock, SystemClock
from voucher_async.errors import ConfigurationError
from voucher_async.events import (
    AttemptEnded,
    AttemptStarted,
    CallEnded,
    CallStarted,
    Closed,
    DoubtEnded,
    Repeating,
    Settled,
    TokenRefresh,
    TurnWaited,
)
from voucher_async.outcomes import PendingOutcome

__all__ = ["Hook", "Hooks"]

_logger: Final = logging.getLogger("voucher_async")


class Hook:
    """The base class of observers: override any method, with a plain one; an `async def` is refused."""

    def on_call_started(self, event: CallStarted) -> None:
        """A method of the client was called."""

    def on_call_ended(self, event: CallEnded) -> None:
        """It returned, raised or was cancelled: told once for each that has started."""

    def on_attempt_started(self, event: AttemptStarted) -> None:
        """A request is about to be made."""

    def on_attempt_ended(self, event: AttemptEnded) -> None:
        """A request was answered, or failed."""

    def on_repeating(self, event: Repeating) -> None:
        """A request will be made again."""

    def on_token_refreshed(self, event: TokenRefresh) -> None:
        """A token was requested."""

    def on_intent(self, event: PendingOutcome) -> None:
        """A money call is about to be sent.

        Store `pending` durably here, and after a crash another process can `settle` it. A repeated request
        is reported again, with the same `id` and one more in `sends`.
        """

    def on_settled(self, event: Settled) -> None:
        """A `Settled` event: see `Happened` for the kinds."""

    def on_doubt_ended(self, event: DoubtEnded) -> None:
        """It is known what became of a money call that was in doubt."""

    def on_turn_waited(self, event: TurnWaited) -> None:
        """A call has waited for its turn."""

    def on_closed(self, event: Closed) -> None:
        """The client was closed, with these outcomes open."""


class Hooks:
    """Passes events to hooks, and keeps their failures away from calls.

    Args:
        hooks: the observers, called in this order.
        clock: measures what events tell in seconds; None: the system's.

    Attributes:
        active: whether there are any.
        now: seconds, by the clock.
        wants_calls: whether one of the application's is told of calls, or of what names its call.
        wants_intents: whether one of them is told of intents.
        attempt_started: calls `Hook.on_attempt_started` of each, and so do the others.

    Raises:
        ConfigurationError: a hook is a class, has none of the methods of `Hook`, or has one that is an
            `async def`, which nobody would await.
    """

    __slots__ = (
        "_hooks",
        "active",
        "attempt_ended",
        "attempt_started",
        "call_ended",
        "call_started",
        "closed",
        "doubt_ended",
        "intent",
        "now",
        "repeating",
        "settled",
        "token_refreshed",
        "turn_waited",
        "wants_calls",
        "wants_intents",
    )

    def __init__(self, hooks: Sequence[object] = (), clock: Clock | None = None) -> None:
        for hook in hooks:
            _check(hook)
        self.now: Callable[[], float] = (clock or SystemClock()).monotonic
        self.wants_calls: bool = any(_has_own(hook, name) for hook in hooks for name in _OF_CALLS)
        self._tell(tuple(hooks))

    def _tell(self, hooks: tuple[object, ...]) -> None:
        self._hooks = hooks
        self.active: bool = bool(hooks)
        self.wants_intents: bool = bool(_methods(hooks, "on_intent"))
        self.call_started: Callable[[CallStarted], None] = _teller(hooks, "on_call_started")
        self.call_ended: Callable[[CallEnded], None] = _teller(hooks, "on_call_ended")
        self.attempt_started: Callable[[AttemptStarted], None] = _teller(hooks, "on_attempt_started")
        self.attempt_ended: Callable[[AttemptEnded], None] = _teller(hooks, "on_attempt_ended")
        self.repeating: Callable[[Repeating], None] = _teller(hooks, "on_repeating")
        self.token_refreshed: Callable[[TokenRefresh], None] = _teller(hooks, "on_token_refreshed")
        self.intent: Callable[[PendingOutcome], None] = _teller(hooks, "on_intent")
        self.settled: Callable[[Settled], None] = _teller(hooks, "on_settled")
        self.doubt_ended: Callable[[DoubtEnded], None] = _teller(hooks, "on_doubt_ended")
        self.turn_waited: Callable[[TurnWaited], None] = _teller(hooks, "on_turn_waited")
        self.closed: Callable[[Closed], None] = _teller(hooks, "on_closed")

    @contextlib.contextmanager
    def joined_by(self, hook: Hook) -> Generator[None]:
        """Inside of `with`: one more observer, of this package's own, which needs no calls.

        Args:
            hook: the observer.
        """
        self._tell((*self._hooks, hook))
        try:
            yield
        finally:
            self._tell(tuple(each for each in self._hooks if each is not hook))


_NAMES: Final = (
    "on_attempt_started",
    "on_attempt_ended",
    "on_repeating",
    "on_token_refreshed",
    "on_intent",
    "on_settled",
    "on_call_started",
    "on_call_ended",
    "on_doubt_ended",
    "on_turn_waited",
    "on_closed",
)

_OF_CALLS: Final = (
    "on_call_started",
    "on_call_ended",
    "on_attempt_started",
    "on_attempt_ended",
    "on_repeating",
    "on_turn_waited",
)


def _has_own(hook: object, name: str) -> bool:
    """True when a hook has a method of its own, not the one of `Hook` that does nothing."""
    method = getattr(hook, name, None)
    return callable(method) and getattr(method, "__func__", None) is not getattr(Hook, name)


def _check(hook: object) -> None:
    if isinstance(hook, type):
        raise ConfigurationError(f"hooks: {hook.__name__} is a class, give an instance of it")
    kind = type(hook).__name__
    methods = [(name, method) for name in _NAMES for method in _methods((hook,), name)]
    if not methods:
        raise ConfigurationError(f"hooks: {kind} has none of the methods {', '.join(_NAMES)}")
    for name, method in methods:
        if inspect.iscoroutinefunction(method):
            raise ConfigurationError(f"hooks: {kind}.{name} must not be async: hooks are not awaited")


def _methods(hooks: Sequence[object], name: str) -> tuple[Callable[[object], object], ...]:
    return tuple(method for hook in hooks if callable(method := getattr(hook, name, None)))


def _teller(hooks: Sequence[object], name: str) -> Callable[[object], None]:
    return functools.partial(_tell, _methods(hooks, name))


def _tell(methods: tuple[Callable[[object], object], ...], event: object) -> None:
    for method in methods:
        try:
            result = method(event)
        # a failing observer must not fail a payment; only the observer itself can raise a cancellation here
        except (Exception, asyncio.CancelledError):  # noqa: BLE001 - logged
            quietly(_logger.exception, "a hook failed and was ignored")
        else:
            if inspect.iscoroutine(result):
                result.close()
                quietly(
                    _logger.error, "a hook gave a coroutine, which nobody awaits: hooks must not be async"
                )
