"""Structured logs: one line for each event of a client, with its facts as fields.

With the standard library the fields are the record's `extra`, so every formatter that shows extras shows
them, such as one for JSON, and structlog's `ProcessorFormatter` with `ExtraAdder`:

    client = VoucherClient.from_env(hooks=[LoggingHook()])  # the logger is "voucher_async.events"

    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
    )

A structlog logger is written to without a detour:

    client = VoucherClient.from_env(hooks=[StructlogHook(structlog.get_logger())])

What the fields are called is the same in both. `voucher_event` is the kind of event, `call_id` the id that
all lines of one call share, and that the server gets as `X-Request-Id` of a money call; `key_digest` tells
calls with one idempotency key, in every process, without showing it. The others are those of the events in
`voucher_async.events`, without those that are None: texts, numbers and truth values; money is a text, such as
`"10.00"`, durations are in seconds. `Settled` and `on_intent` give `call_id`, `voucher_id`, `reservation_id`
and `charge_id` of what they are about. Codes, pins, tokens and secrets are in none, not even where a shop
uses a code as its order number.

Levels: what goes well is written at `level`. A call whose outcome is open, a token that cannot be refreshed
and a renewal that fails are WARNING, a refund that fails and a surplus that is left are ERROR. The SDK's own
logger, `voucher_async`, tells of money in doubt in sentences whether or not there is such a hook.
"""

from __future__ import annotations

import enum
import logging
from collections.abc import Iterable, Mapping, MutableMapping
from decimal import Decimal
from typing import Any, Final, Protocol, TypeAlias, cast

import attrs

from voucher_async.errors import ConfigurationError, VoucherError
from voucher_async.events import (
    AttemptEnded,
    AttemptStarted,
    CallEnd,
    CallEnded,
    CallStarted,
    Closed,
    DoubtEnded,
    Happened,
    Repeating,
    Settled,
    TokenRefresh,
    TurnWaited,
)
from voucher_async.hooks import Hook
from voucher_async.masking import mask, visible
from voucher_async.masking.memory import recall
from voucher_async.models import Charge
from voucher_async.money import format_amount
from voucher_async.outcomes import PendingOutcome

__all__ = ["LoggingHook", "StructlogHook", "StructuredLogger"]

Fields: TypeAlias = dict[str, str | int | float | bool]

_LONGEST: Final = 200  # characters of a text
_NAMED: Final = {"name": "call"}  # `name` is the logger's in a record of the standard library
_IDS: Final = ("call_id", "record_id", "voucher_id", "reservation_id", "charge_id", "path")
_OF_PENDING: Final = (
    "operation",
    "voucher_id",
    "reservation_id",
    "charge_id",
    "amount",
    "currency",
    "order_number",
    "sends",
)
_LEVELS: Final = {
    Happened.IN_DOUBT: logging.WARNING,
    Happened.LEFT_OPEN: logging.WARNING,
    Happened.RENEWAL_FAILED: logging.WARNING,
    Happened.SURPLUS_LEFT: logging.ERROR,
    Happened.REFUND_FAILED: logging.ERROR,
}


class StructuredLogger(Protocol):
    """The part of a structlog logger that is used."""

    def log(self, level: int, event: str, /, **fields: Any) -> Any:
        """Write a line.

        Args:
            level: as the standard library numbers them.
            event: the line's words.
            fields: its facts.
        """


class _EventHook(Hook):
    """A hook that makes one line of each event.

    Args:
        level: of what goes well, as the standard library numbers them.
    """

    def __init__(self, level: int) -> None:
        if isinstance(level, bool) or not isinstance(cast("object", level), int):
            raise ConfigurationError(f"level must be a number such as logging.INFO, not {level!r}")
        self._level = level

    def _tell(self, kind: str, event: object, least: int = logging.NOTSET) -> None:
        raise NotImplementedError

    def on_call_started(self, event: CallStarted) -> None:
        """Write "call started"."""
        self._tell("call started", event)

    def on_call_ended(self, event: CallEnded) -> None:
        """Write "call ended", at WARNING where the outcome is open."""
        self._tell("call ended", event, logging.WARNING if event.how is CallEnd.OPEN else logging.NOTSET)

    def on_attempt_started(self, event: AttemptStarted) -> None:
        """Write "request started"."""
        self._tell("request started", event)

    def on_attempt_ended(self, event: AttemptEnded) -> None:
        """Write "request ended"."""
        self._tell("request ended", event)

    def on_repeating(self, event: Repeating) -> None:
        """Write "request repeated"."""
        self._tell("request repeated", event)

    def on_token_refreshed(self, event: TokenRefresh) -> None:
        """Write "token refreshed", or "token not refreshed" at WARNING."""
        if event.succeeded:
            self._tell("token refreshed", event)
        else:
            self._tell("token not refreshed", event, logging.WARNING)

    def on_intent(self, event: PendingOutcome) -> None:
        """Write "money about to move"."""
        self._tell("money about to move", event)

    def on_settled(self, event: Settled) -> None:
        """Write "money settled", at WARNING or ERROR where that is bad news."""
        self._tell("money settled", event, _LEVELS.get(event.what, logging.NOTSET))

    def on_doubt_ended(self, event: DoubtEnded) -> None:
        """Write "doubt ended"."""
        self._tell("doubt ended", event)

    def on_turn_waited(self, event: TurnWaited) -> None:
        """Write "turn waited for"."""
        self._tell("turn waited for", event)

    def on_closed(self, event: Closed) -> None:
        """Write "client closed", at WARNING where outcomes are open; `pending` is their number."""
        self._tell("client closed", event, logging.WARNING if event.pending else logging.NOTSET)


class LoggingHook(_EventHook):
    """Writes each event to a logger of the standard library, its facts as the record's extra.

    Args:
        logger: the logger; default: that of the name `voucher_async.events`.
        level: of what goes well.

    Raises:
        ConfigurationError: the logger is none of the standard library, or the level is no number.
    """

    def __init__(
        self,
        logger: logging.Logger | logging.LoggerAdapter[Any] | None = None,
        *,
        level: int = logging.INFO,
    ) -> None:
        super().__init__(level)
        given = cast("object", logging.getLogger("voucher_async.events") if logger is None else logger)
        if not isinstance(given, (logging.Logger, logging.LoggerAdapter)):
            raise ConfigurationError(
                "logger must be one of the standard library; for structlog: StructlogHook"
            )
        self._logger: logging.Logger | logging.LoggerAdapter[Any] = given

    def _tell(self, kind: str, event: object, least: int = logging.NOTSET) -> None:
        level = max(self._level, least)
        if self._logger.isEnabledFor(level):
            fields = {"voucher_event": kind, **_fields(event)}
            _write(self._logger, level, "%s%s", (kind, _in_words(fields)), {"extra": fields})


class StructlogHook(_EventHook):
    """Writes each event to a structlog logger, its facts as keywords.

    Args:
        logger: one with `log(level, event, **fields)`, as structlog's bound loggers have it.
        level: of what goes well.

    Raises:
        ConfigurationError: the logger cannot do that, or the level is no number.
    """

    def __init__(self, logger: StructuredLogger, *, level: int = logging.INFO) -> None:
        super().__init__(level)
        if isinstance(logger, (logging.Logger, logging.LoggerAdapter)):
            raise ConfigurationError("logger takes no keywords; for one of the standard library: LoggingHook")
        if not callable(getattr(logger, "log", None)):
            raise ConfigurationError(f"logger has no method `log`: {type(logger).__name__}")
        self._logger = logger

    def _tell(self, kind: str, event: object, least: int = logging.NOTSET) -> None:
        self._logger.log(max(self._level, least), kind, voucher_event=kind, **_fields(event))


def _write(
    logger: logging.Logger | logging.LoggerAdapter[Any],
    level: int,
    words: str,
    texts: tuple[str, ...],
    given: MutableMapping[str, Any],
) -> None:
    """Write a line; an adapter adds its own extras, instead of replacing those of the event."""
    if isinstance(logger, logging.Logger):
        logger.log(level, words, *texts, **given)
        return
    fields = given["extra"]
    words, given = logger.process(words, given)
    own: Mapping[str, Any] = given.get("extra") or {}
    _write(logger.logger, level, words, texts, {**given, "extra": {**own, **fields}})


def _in_words(fields: Mapping[str, object]) -> str:
    """The main facts, for formatters that show no extras."""
    names = ("call", "operation", "order_number", "attempt", "status", "how", "what", "outcome", "call_id")
    said = [f"{name}={fields[name]}" for name in names if name in fields]
    return f": {' '.join(said)}" if said else ""


def _fields(event: object) -> Fields:
    """The facts of an event as plain values, without secrets."""
    facts = _of_pending(event) if isinstance(event, PendingOutcome) else _of_event(event)
    secrets = [secret for name in _IDS for secret in recall(str(facts.get(name, "")))]
    plain = ((name, _plain(value, secrets)) for name, value in facts.items())
    return {name: value for name, value in plain if value is not None}


def _of_event(event: Any) -> dict[str, object]:
    facts: dict[str, object] = {}
    fields: Iterable[attrs.Attribute[Any]] = attrs.fields(event.__class__)
    for field in fields:
        value: object = getattr(event, field.name)
        if isinstance(value, PendingOutcome):
            facts = _of_pending(value) | facts
        elif isinstance(value, Charge):
            facts |= {"charge_id": value.id, "voucher_id": value.voucher_id}
        elif isinstance(value, BaseException):
            facts |= _of_error(value)
        elif isinstance(value, tuple):
            facts[field.name] = len(cast("tuple[object, ...]", value))
        elif value is not None:
            facts[_NAMED.get(field.name, field.name)] = value
    return facts


def _of_error(error: BaseException) -> dict[str, object]:
    """An error's class; its text, if it is the SDK's: that of anybody else's may hold anything."""
    words = {"error": str(error)} if isinstance(error, VoucherError) else {}
    return {"error_type": type(error).__name__, **words}


def _of_pending(pending: PendingOutcome) -> dict[str, object]:
    facts = {name: getattr(pending, name) for name in _OF_PENDING}
    return {"call_id": pending.id, **{name: value for name, value in facts.items() if value is not None}}


def _plain(value: object, secrets: list[str]) -> str | int | float | bool | None:
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, Decimal):
        return format_amount(value)
    if isinstance(value, float):
        return round(value, 6)
    if value is None or isinstance(value, (bool, int)):
        return value
    shown = visible(mask(str(value), secrets))
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."
