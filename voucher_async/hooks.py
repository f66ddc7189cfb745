"""Observers: what a client tells about its calls while they happen.

A hook is any object with some of the methods of `Hook`; deriving from `Hook` gives the others. Hooks are
called synchronously on the event loop and should return quickly; one that has to wait for something starts
a task of its own. A method that raises is logged and otherwise ignored: no hook can break a call. No event
holds a secret.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from typing import TYPE_CHECKING, Final

from voucher_async.cancelling import quietly
from voucher_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from voucher_async.events import AttemptEnded, AttemptStarted, Repeating, Settled, TokenRefresh
    from voucher_async.outcomes import PendingOutcome

__all__ = ["Hook", "Hooks"]

_logger: Final = logging.getLogger("voucher_async")


class Hook:
    """Override what you are interested in, with plain methods: an `async def` one is refused."""

    def on_attempt_started(self, event: AttemptStarted) -> None:
        """A request is about to be made."""

    def on_attempt_ended(self, event: AttemptEnded) -> None:
        """A request was answered, or failed."""

    def on_repeating(self, event: Repeating) -> None:
        """A request will be made again."""

    def on_token_refreshed(self, event: TokenRefresh) -> None:
        """A token was asked for."""

    def on_intent(self, event: PendingOutcome) -> None:
        """A money call is about to be sent.

        Store it durably here, and a process that is killed can be settled by another one: `settle`. A request
        that is repeated is told again, with the same `id` and one more in `sends`.
        """

    def on_settled(self, event: Settled) -> None:
        """Something happened to money that the caller did not ask for word by word."""


class Hooks:
    """Hands events to hooks, and keeps hooks from harming a call.

    Args:
        hooks: the observers, told in this order.

    Attributes:
        active: whether there are any.
        wants_intents: whether one of them is told of intents.
        attempt_started: calls `Hook.on_attempt_started` of each, and so do the others.

    Raises:
        ConfigurationError: a hook is a class, has none of the methods of `Hook`, or has one that is an
            `async def`, which nobody would await.
    """

    __slots__ = (
        "active",
        "attempt_ended",
        "attempt_started",
        "intent",
        "repeating",
        "settled",
        "token_refreshed",
        "wants_intents",
    )

    def __init__(self, hooks: Sequence[object] = ()) -> None:
        for hook in hooks:
            _check(hook)
        self.active: bool = bool(hooks)
        self.wants_intents: bool = bool(_methods(hooks, "on_intent"))
        self.attempt_started: Callable[[AttemptStarted], None] = _teller(hooks, "on_attempt_started")
        self.attempt_ended: Callable[[AttemptEnded], None] = _teller(hooks, "on_attempt_ended")
        self.repeating: Callable[[Repeating], None] = _teller(hooks, "on_repeating")
        self.token_refreshed: Callable[[TokenRefresh], None] = _teller(hooks, "on_token_refreshed")
        self.intent: Callable[[PendingOutcome], None] = _teller(hooks, "on_intent")
        self.settled: Callable[[Settled], None] = _teller(hooks, "on_settled")


_NAMES: Final = (
    "on_attempt_started",
    "on_attempt_ended",
    "on_repeating",
    "on_token_refreshed",
    "on_intent",
    "on_settled",
)


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
        # a broken observer must not break a payment; nothing can cancel the task here but the observer itself
        except (Exception, asyncio.CancelledError):  # noqa: BLE001 - told of in the log
            quietly(_logger.exception, "a hook failed and was ignored")
        else:
            if inspect.iscoroutine(result):
                result.close()
                quietly(
                    _logger.error, "a hook gave a coroutine, which nobody awaits: hooks must not be async"
                )
