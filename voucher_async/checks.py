"""Checks of single settings."""

from __future__ import annotations

import math
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Final, cast

from voucher_async.errors import ConfigurationError
from voucher_async.references import format_of

__all__ = [
    "check_client_type",
    "check_context",
    "check_count",
    "check_format",
    "check_pause",
    "check_scopes",
    "check_seconds",
    "check_share",
    "check_switch",
    "check_text",
    "check_wait",
    "has_surrogates",
]

_CLIENT_TYPE_LENGTH: Final = 32
LONGEST: Final = 86_400.0  # seconds: dates plus years would leave the calendar


def check_seconds(name: str, value: object) -> float:
    """A time span must be a positive number of seconds, and a day at most.

    Raises:
        ConfigurationError: when it is not.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigurationError(f"{name} must be a number of seconds, not {type(value).__name__}")
    try:
        seconds = float(value)
    except OverflowError:
        seconds = math.inf
    if not math.isfinite(seconds) or seconds <= 0:
        raise ConfigurationError(f"{name} must be a positive number of seconds, got {seconds}")
    if seconds > LONGEST:
        raise ConfigurationError(f"{name} must be at most {LONGEST:.0f} seconds (a day), got {seconds:g}")
    return seconds


def check_wait(wait: object) -> None:
    """Check how long closing waits: None, 0 or a time span.

    Raises:
        ConfigurationError: when it is none of these.
    """
    if wait is not None:
        check_pause("wait", wait)


def check_pause(name: str, value: object) -> None:
    """Check a pause between two rounds: 0 for no rounds, or a time span.

    Raises:
        ConfigurationError: when it is neither.
    """
    if isinstance(value, bool) or value != 0:
        check_seconds(name, value)


def check_context(context: object) -> None:
    """Check a TLS context for a client; None is none.

    Raises:
        ConfigurationError: it is something else.
    """
    if context is None:
        return
    if not isinstance(context, SSLContext):
        raise ConfigurationError(f"ssl must be an ssl.SSLContext, not {type(context).__name__}")
    if context.protocol is PROTOCOL_TLS_SERVER:
        raise ConfigurationError("ssl must be a context for clients, such as ssl.create_default_context()")


def check_format(text: str | None) -> None:
    """Check the format of order numbers; None is none.

    Raises:
        ConfigurationError: it is something else.
    """
    if text is None:
        return
    try:
        format_of(text)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"order_number_format {error}") from None


def check_share(name: str, value: object) -> None:
    """Check a share between 0 and 1; None is none.

    Raises:
        ConfigurationError: it is something else.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if value is not None and not (is_number and 0 < cast("float", value) <= 1):
        raise ConfigurationError(f"{name} must be a share above 0 and at most 1, or None, got {value!r}")


def check_text(name: str, value: object) -> None:
    """Check a text without white space and control characters.

    Raises:
        ConfigurationError: it is something else.
    """
    if not isinstance(value, str) or not value or not value.isprintable() or " " in value:
        raise ConfigurationError(f"{name} must be a text without white space or control characters")


def check_count(name: str, value: object) -> None:
    """Check a whole number of at least 1.

    Raises:
        ConfigurationError: it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{name} must be a whole number of at least 1, got {value!r}")


def check_switch(name: str, value: object) -> None:
    """Check a switch.

    Raises:
        ConfigurationError: it is something else.
    """
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} must be True or False, got {value!r}")


def check_client_type(client_type: object) -> None:
    """Check the text for the vendor's statistics; None is none.

    Raises:
        ConfigurationError: it is something else.
    """
    if client_type is None:
        return
    if not isinstance(client_type, str) or not 0 < len(client_type) <= _CLIENT_TYPE_LENGTH:
        raise ConfigurationError(f"client_type must be a text of 1 to {_CLIENT_TYPE_LENGTH} characters")
    if has_surrogates(client_type):
        raise ConfigurationError("client_type must not hold lone surrogates")


def has_surrogates(text: str) -> bool:
    """True for a text that UTF-8 cannot encode, such as a variable that is not UTF-8."""
    return any("\ud800" <= character <= "\udfff" for character in text)


def check_scopes(scopes: tuple[str, ...] | None) -> None:
    """Check the scopes to ask for; None asks for all.

    Raises:
        ConfigurationError: it is something else.
    """
    if scopes is None:
        return
    if not scopes:
        raise ConfigurationError("scopes must name at least one scope, or be None for all")
    for scope in scopes:
        check_text("scopes", scope)
