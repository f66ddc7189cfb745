"""Addresses of the API and of its tokens: https, on a host that can exist, without credentials in them."""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

from voucher_async.errors import ConfigurationError

__all__ = ["addresses", "check_url"]

_HOSTS: Final[dict[str, str]] = {
    "production": "https://vouchers.api.jtl-software.com",
    "sandbox": "https://vouchers-sbx.api.jtl-software.com",
}
_HOST = re.compile(r"(?=.{1,254}\Z)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
_BRACKETED = re.compile(r"(.*@)?\[[0-9a-fA-F:.]+\](:[0-9]*)?")


def _is_loopback(host: str) -> bool:
    # not *.localhost: Python's resolver may ask the network for it
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _split(name: str, url: object) -> SplitResult:
    if not isinstance(url, str):
        raise ConfigurationError(f"{name} must be a str, not {type(url).__name__}")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ConfigurationError(f"{name} is not a URL") from None
    # urlsplit of older Pythons takes [::1].example.com for ::1
    if "]" in parts.netloc and not _BRACKETED.fullmatch(parts.netloc):
        raise ConfigurationError(f"{name} is not a URL")
    return parts


def check_url(name: str, url: str) -> None:
    """Refuse an address to which a token or a secret must not be sent.

    Args:
        name: the setting, for the message.
        url: the address.

    Raises:
        ConfigurationError: when it is one.
    """
    parts = _split(name, url)
    if not url.isascii():
        raise ConfigurationError(f"{name} must be ASCII{_in_ascii(parts.hostname)}")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(f"{name} must be an absolute http(s) URL")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(f"{name} must not hold credentials")
    if not url.isprintable() or any(c in " ?#\\" for c in url):
        raise ConfigurationError(f"{name} must not have a query, a fragment, white space or a backslash")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ConfigurationError(f"{name} must use https: plain http would show the token to the network")
    if parts.port == 0 or not _is_host(parts.hostname):
        raise ConfigurationError(f"{name} must name a host that can exist, and a port above 0 if any")


def _in_ascii(host: str | None) -> str:
    """Advice on how to write a host in ASCII."""
    if not host or host.isascii():
        return ": write other characters as %-sequences of their UTF-8"
    try:
        return f": write the host as {host.encode('idna').decode()}"
    except UnicodeError:
        return ": write the host in its xn-- form"


def _is_host(host: str) -> bool:
    if ":" in host:
        return True  # an IPv6 address: `_BRACKETED` has checked it
    try:
        host.encode().decode("idna")
    except UnicodeError:
        return False
    return _HOST.fullmatch(host) is not None


def addresses(environment: str | None, base_url: str | None, token_url: str | None) -> tuple[str, str]:
    """The addresses of the API and of its tokens.

    Args:
        environment: `sandbox` or `production`.
        base_url: the API's address; takes precedence over `environment`.
        token_url: the token endpoint; None: `/oauth/token` on the host of the API.

    Raises:
        ConfigurationError: one of them is missing or cannot work.
    """
    if base_url is None:
        if environment is None:
            raise ConfigurationError(
                'say environment="sandbox" or environment="production", or give base_url'
            )
        if environment not in _HOSTS:
            raise ConfigurationError(f"environment must be one of {', '.join(_HOSTS)}, got {environment!r}")
        base_url = f"{_HOSTS[environment]}/v1"
    check_url("base_url", base_url)
    if token_url is None:
        parts = urlsplit(base_url)
        token_url = f"{parts.scheme}://{parts.netloc}/oauth/token"
    check_url("token_url", token_url)
    return base_url.rstrip("/"), token_url
