"""The environment of a command, in words, and whether money moves there."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from voucher_async.addresses import environment_of, is_loopback

if TYPE_CHECKING:
    from voucher_async.config import Settings

__all__ = ["is_real", "place_of"]


def place_of(settings: Settings) -> str:
    """The environment and the host, such as `PRODUCTION (vouchers.api.jtl-software.com)`."""
    host = urlsplit(settings.base_url).netloc
    name = environment_of(settings.base_url)
    return host if name is None else f"{name.upper() if name == 'production' else name} ({host})"


def is_real(settings: Settings) -> bool:
    """True where money moves: everywhere but in the sandbox and on this machine."""
    if environment_of(settings.base_url) == "sandbox":
        return False
    return not is_loopback(urlsplit(settings.base_url).hostname or "")
