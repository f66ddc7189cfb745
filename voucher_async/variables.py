"""Settings from environment variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from voucher_async.checks import check_seconds, has_surrogates
from voucher_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from voucher_async.masking import Variables

__all__ = ["ADDRESSES", "read_variables"]

ADDRESSES: Final = ("environment", "base_url", "token_url")
_YES, _NO = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})


def _to_bool(name: str, text: str) -> bool:
    word = text.strip().lower()
    if word not in _YES | _NO:
        raise ConfigurationError(f"{name} must be one of 1, true, yes, on, 0, false, no and off")
    return word in _YES


def _to_seconds(name: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise ConfigurationError(f"{name} must be a number of seconds") from None
    return check_seconds(name, seconds)


def _to_share(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigurationError(f"{name} must be a share such as 0.5") from None


def _to_pause(name: str, text: str) -> float:
    return 0.0 if text.strip() == "0" else _to_seconds(name, text)


def _as_it_is(_: str, text: str) -> str:
    return text


_READERS: Final[dict[str, Callable[[str, str], Any]]] = {
    "client_id": _as_it_is,
    "client_secret": _as_it_is,
    "environment": _as_it_is,
    "base_url": _as_it_is,
    "token_url": _as_it_is,
    "insecure_hosts": _as_it_is,
    "client_type": _as_it_is,
    "trust_env": _to_bool,
    "close_wait": _to_seconds,
    "settle_window": _to_seconds,
    "settle_for": _to_seconds,
    "list_lag": _to_seconds,
    "brake_at": _to_share,
    "recover_every": _to_pause,
    "look_before_charge": _to_bool,
    "order_number_format": _as_it_is,
}


def read_variables(values: Variables, given: Mapping[str, object]) -> dict[str, Any]:
    """The options that are not given, as far as variables are set for them.

    Raises:
        ConfigurationError: one is missing or cannot be read.
    """
    has_address = "environment" in given or "base_url" in given
    needed = [name for name in _READERS if name not in given and not (has_address and name in ADDRESSES)]
    found = {name: text for name in needed if (text := values.get(_variable(name)))}
    missing = [_variable(name) for name in ("client_id", "client_secret") if name not in {**found, **given}]
    if not has_address and "environment" not in found and "base_url" not in found:
        missing.append("VOUCHER_ENVIRONMENT (or VOUCHER_BASE_URL)")
    if missing:
        raise ConfigurationError(f"not set in the environment: {', '.join(missing)}")
    unreadable = [_variable(name) for name, text in found.items() if has_surrogates(text)]
    if unreadable:
        raise ConfigurationError(f"not UTF-8 in the environment: {', '.join(unreadable)}")
    return {name: _READERS[name](_variable(name), text) for name, text in found.items()}


def _variable(name: str) -> str:
    return f"VOUCHER_{name.upper()}"
