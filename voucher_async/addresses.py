"""Addresses of the API and of its tokens: https, on a host that can exist, without credentials in them."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import SplitResult, urlsplit

from voucher_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = [
    "addresses",
    "check_insecure_hosts",
    "check_url",
    "environment_of",
    "insecure_hosts_in",
    "is_loopback",
    "is_possible_host",
    "split_url",
    "to_hosts",
]

_VENDOR: Final = "jtl-software.com"

_HOSTS: Final[dict[str, str]] = {
    "production": "https://vouchers.api.jtl-software.com",
    "sandbox": "https://vouchers-sbx.api.jtl-software.com",
}
_HOST = re.compile(r"(?=.{1,254}\Z)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
_BRACKETED = re.compile(r"(.*@)?\[[0-9a-fA-F:.]+\](:[0-9]*)?")


def is_loopback(host: str) -> bool:
    """True for a host that is this machine whatever the network says."""
    # not *.localhost: Python's resolver may ask the network for it
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def split_url(name: str, url: object) -> SplitResult:
    """The parts of a URL.

    Raises:
        ConfigurationError: it is none.
    """
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


def check_url(name: str, url: str, insecure_hosts: Collection[str] = ()) -> None:
    """Refuse an address to which a token or a secret must not be sent.

    Args:
        name: the setting, for the message.
        url: the address.
        insecure_hosts: hosts for which plain http will do, in small letters.

    Raises:
        ConfigurationError: when it is one.
    """
    parts = split_url(name, url)
    if not url.isascii():
        raise ConfigurationError(f"{name} must be ASCII{_in_ascii(parts.hostname)}")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(f"{name} must be an absolute http(s) URL")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(f"{name} must not hold credentials")
    if not url.isprintable() or any(c in " ?#\\" for c in url):
        raise ConfigurationError(f"{name} must not have a query, a fragment, white space or a backslash")
    if parts.scheme == "http" and not is_loopback(parts.hostname) and parts.hostname not in insecure_hosts:
        raise ConfigurationError(f"{name} must use https: plain http would show the token to the network")
    if parts.port == 0 or not is_possible_host(parts.hostname):
        raise ConfigurationError(f"{name} must name a host that can exist, and a port above 0 if any")


def _in_ascii(host: str | None) -> str:
    """Advice on how to write a host in ASCII."""
    if not host or host.isascii():
        return ": write other characters as %-sequences of their UTF-8"
    try:
        return f": write the host as {host.encode('idna').decode()}"
    except UnicodeError:
        return ": write the host in its xn-- form"


def is_possible_host(host: str) -> bool:
    """True for a name or an address that a host can have."""
    if ":" in host:
        return True  # an IPv6 address: `_BRACKETED` has checked it
    try:
        host.encode().decode("idna")
    except UnicodeError:
        return False
    return _HOST.fullmatch(host) is not None


def environment_of(base_url: str) -> str | None:
    """`sandbox` or `production` for an address of the vendor's; None for any other."""
    host = urlsplit(base_url).hostname
    return next((name for name, url in _HOSTS.items() if urlsplit(url).hostname == host), None)


def to_hosts(hosts: Iterable[str] | str) -> tuple[str, ...]:
    """The hosts of a list, or of a text with commas or white space between them; in small letters."""
    named = re.split(r"[,\s]+", hosts) if isinstance(hosts, str) else hosts
    return tuple(host.lower() if isinstance(host, str) else host for host in named if host != "")


def check_insecure_hosts(hosts: object) -> None:
    """Check the hosts that plain http will do for: a tuple of single hosts, none of them the vendor's.

    Raises:
        ConfigurationError: it is something else.
    """
    if not isinstance(hosts, tuple):
        raise ConfigurationError(f"insecure_hosts must be a tuple of hosts, not {type(hosts).__name__}")
    for host in cast("tuple[object, ...]", hosts):
        if not isinstance(host, str) or not _is_single_host(host):
            raise ConfigurationError(
                "insecure_hosts must name single hosts, such as ('emulator',): no URL, port or wildcard"
            )
        if f".{host.rstrip('.')}".endswith(f".{_VENDOR}"):
            raise ConfigurationError("insecure_hosts must not hold the API itself: it speaks https")


def _is_single_host(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).compressed == host
    except ValueError:
        return host.isascii() and host == host.lower() and ":" not in host and is_possible_host(host)


def insecure_hosts_in(*urls: str, is_proxied: bool = False) -> list[str]:
    """The hosts of these addresses that are reached over a network in plain http, each once.

    Args:
        urls: the addresses.
        is_proxied: the way to each of them, this machine included, leads over the network to a proxy.
    """
    parts = [urlsplit(url) for url in urls]
    hosts = [each.hostname for each in parts if each.scheme == "http" and each.hostname is not None]
    return list(dict.fromkeys(host for host in hosts if is_proxied or not is_loopback(host)))


def addresses(
    environment: str | None,
    base_url: str | None,
    token_url: str | None,
    *,
    insecure_hosts: Collection[str] = (),
) -> tuple[str, str]:
    """The addresses of the API and of its tokens.

    Args:
        environment: `sandbox` or `production`.
        base_url: the API's address; takes precedence over `environment`.
        token_url: the token endpoint; None: `/oauth/token` on the host of the API.
        insecure_hosts: hosts for which plain http will do, in small letters.

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
    check_url("base_url", base_url, insecure_hosts)
    if token_url is None:
        parts = urlsplit(base_url)
        token_url = f"{parts.scheme}://{parts.netloc}/oauth/token"
    check_url("token_url", token_url, insecure_hosts)
    return base_url.rstrip("/"), token_url
