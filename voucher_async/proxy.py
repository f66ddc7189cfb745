"""The address of a proxy: with a login perhaps, which is never shown."""

from __future__ import annotations

import base64
import functools
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from voucher_async.addresses import insecure_hosts_in, is_loopback, is_possible_host, split_url
from voucher_async.errors import ConfigurationError
from voucher_async.masking import MASK, Secret, conceal

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = [
    "check_environment",
    "check_proxy",
    "is_remote",
    "login_of",
    "of_environment",
    "secrets_of",
    "shown",
    "without_login",
]

_LOGIN: Final = re.compile(r"[^\s/?#@\[\]\\:]+(:[^\s/?#@\[\]\\]*)?")


def without_login(proxy: str) -> str:
    """The address without its login, which nothing that may fail or be shown has to see."""
    scheme, mark, rest = proxy.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"


def login_of(proxy: str) -> str:
    """The login in the address, as it stands there; empty when there is none."""
    return Secret(proxy.partition("://")[2].rpartition("@")[0])


@functools.lru_cache(maxsize=8)
def secrets_of(proxy: str) -> tuple[str, ...]:
    """The texts that give the login of a proxy away."""
    login = login_of(proxy)
    # a user without a password is a token
    password = Secret(login.partition(":")[2] or login.partition(":")[0])
    plain = Secret(unquote(login))
    header = Secret(base64.b64encode(plain.encode("latin-1")).decode())
    return tuple(Secret(each) for each in (password, unquote(password), header) if each)


def shown(proxy: str | None) -> str:
    """The `repr` of the address, its login masked."""
    if proxy is None:
        return "None"
    scheme, mark, place = without_login(proxy).partition("://")
    return repr(f"{scheme}{mark}{MASK}@{place}" if login_of(proxy) else f"{scheme}{mark}{place}")


def is_remote(proxy: str | None) -> bool:
    """True when the way to the proxy leads over a network."""
    return proxy is not None and not is_loopback(urlsplit(without_login(proxy)).hostname or "")


def check_proxy(proxy: object, base_url: str, token_url: str, insecure_hosts: Collection[str]) -> None:
    """Check the address of a proxy, and that nothing secret goes to it in plain http; None is none.

    Args:
        proxy: the address.
        base_url: of the API.
        token_url: of the token endpoint.
        insecure_hosts: hosts for which plain http will do, in small letters.

    Raises:
        ConfigurationError: it cannot be used.
    """
    if proxy is None:
        return
    if not isinstance(proxy, str):
        raise ConfigurationError(f"proxy must be a str, not {type(proxy).__name__}")
    login, bare = login_of(proxy), without_login(proxy)
    if login and not _is_login(login):
        raise ConfigurationError(
            "proxy must have its login as user:password@, with other characters of them as %-sequences"
        )
    parts = split_url("proxy", bare)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError("proxy must be a URL such as http://proxy.example:3128, or one with https")
    if parts.path not in {"", "/"} or parts.query or parts.fragment or not bare.isascii():
        raise ConfigurationError("proxy must have a scheme, a host and a port alone, in ASCII")
    if parts.port == 0 or not is_possible_host(parts.hostname):
        raise ConfigurationError("proxy must name a host that can exist, and a port above 0 if any")
    if not is_remote(proxy):
        return
    for host in insecure_hosts_in(base_url, token_url, is_proxied=True):
        if host not in insecure_hosts:
            raise ConfigurationError(
                f"proxy: {host} is reached in plain http, which would show the token to the network on the "
                "way to the proxy; use https, or name the host in insecure_hosts"
            )


def of_environment(host: str) -> str | None:
    """The proxy of the environment for plain http to a host, as aiohttp looks it up; None is none."""
    return None if proxy_bypass(host) else conceal(getproxies().get("http"))


def check_environment(base_url: str, token_url: str, insecure_hosts: Collection[str]) -> None:
    """Check that nothing secret goes to a proxy of the environment in plain http; see `check_proxy`.

    Raises:
        ConfigurationError: it would.
    """
    for host in insecure_hosts_in(base_url, token_url, is_proxied=True):
        if host not in insecure_hosts and is_remote(of_environment(host)):
            raise ConfigurationError(
                f"trust_env: {host} is reached in plain http, which would show the token to the network on "
                "the way to the proxy of the environment; name the host in NO_PROXY, or in insecure_hosts"
            )


def _is_login(login: str) -> bool:
    if not login.isprintable() or not login.isascii() or not _LOGIN.fullmatch(login):
        return False
    plain = Secret(unquote(login, errors="replace"))
    return all(ord(character) < 0x100 and character.isprintable() for character in plain)  # noqa: PLR2004 - latin-1
