"""Turning a connection PIN into credentials, before there is a client."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ssl import SSLContext

from voucher_async import assembly
from voucher_async.config import Environment, Settings, Timeout
from voucher_async.masking import conceal
from voucher_async.models import ConnectedClient
from voucher_async.transport.session import ClientSession

__all__ = ["connect"]


async def connect(
    pin: str,
    *,
    environment: Environment | None = None,
    base_url: str | None = None,
    insecure_hosts: Iterable[str] | None = None,
    timeout: float | Timeout | None = None,
    session: ClientSession | None = None,
    hooks: Sequence[object] = (),
    trust_env: bool = False,
    proxy: str | None = None,
    ssl: SSLContext | None = None,
) -> ConnectedClient:
    """Turn a connection PIN into credentials, before there is a client (`connectClient`, no authentication).

    Args:
        pin: the connection PIN that the Admin UI shows; valid for 30 minutes, works once.
        environment: `sandbox` or `production`; or give `base_url`.
        base_url: the API's address, version included.
        insecure_hosts: hosts for which plain http will do, for tests; default: the machine's own alone.
        timeout: seconds for the whole call, or a `Timeout`.
        session: an aiohttp session to use; it is never closed and never changed.
        hooks: observers.
        trust_env: use the proxy of the environment, but never the login of a .netrc file.
        proxy: the URL of a proxy, perhaps with a login.
        ssl: an `ssl.SSLContext` that the server's certificate is verified with; default: the system's.

    Returns:
        The client: its `id` and `secret` are the `client_id` and `client_secret` of a `VoucherClient`.

    Raises:
        InvalidInput: refused before anything was sent.
        OutcomeUnknown: the PIN may be used up and the secret lost; a new PIN is needed.
        ApiError: refused by the server.
        TransportError: nothing was sent.
        ConfigurationError: neither `environment` nor `base_url`, or one that cannot work.
    """
    pin, proxy = conceal(pin), conceal(proxy)
    # connecting needs no credentials, and there are none yet
    settings = Settings.make(
        client_id="not-connected",
        client_secret="not-connected",
        environment=environment,
        base_url=base_url,
        insecure_hosts=insecure_hosts,
        timeout=timeout,
        trust_env=trust_env,
        proxy=proxy,
        ssl=ssl,
    )
    return await assembly.connect(pin, settings, session, hooks)
