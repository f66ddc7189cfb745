"""Warnings of what makes the way to the server unsafe, logged when a client is made."""

from __future__ import annotations

import logging
import ssl
from typing import TYPE_CHECKING, Final

from voucher_async.addresses import insecure_hosts_in, is_loopback
from voucher_async.cancelling import quietly
from voucher_async.proxy import is_remote, login_of, of_environment

if TYPE_CHECKING:
    from voucher_async.config import Settings

__all__ = ["ANYBODY", "warn_of_risks"]

_logger: Final = logging.getLogger("voucher_async")

ANYBODY: Final = (
    "whoever is on the way to the server can read and change what is sent, the client secret, tokens and "
    "voucher codes included"
)


def warn_of_risks(settings: Settings) -> None:
    """Log a warning of each setting that lets others read what is sent."""
    proxy, context = settings.proxy, settings.ssl
    for host in insecure_hosts_in(settings.base_url, settings.token_url, is_proxied=True):
        if is_loopback(host) and not _is_proxied(settings, host):
            continue
        quietly(
            _logger.warning,
            "%s is reached in plain http, which insecure_hosts allows: whoever is on the way to it can read "
            "and change what is sent, the client secret, tokens and voucher codes included",
            host,
        )
    if proxy is not None and login_of(proxy) and is_remote(proxy) and proxy.startswith("http:"):
        quietly(_logger.warning, "the login of the proxy is sent to it in plain http: others can read it")
    if context is None:
        return
    if context.verify_mode is ssl.CERT_NONE:
        quietly(_logger.warning, "ssl: the context verifies no TLS certificate: %s", ANYBODY)
    elif not context.check_hostname:
        quietly(
            _logger.warning, "ssl: the context takes a certificate of any host for the server's: %s", ANYBODY
        )


def _is_proxied(settings: Settings, host: str) -> bool:
    """True when the way to a host leads over the network to a proxy."""
    trusts = settings.trust_env and settings.proxy is None
    return is_remote(of_environment(host) if trusts else settings.proxy)
