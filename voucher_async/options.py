"""Options of a client: what its constructor and `from_env` take one by one."""

from __future__ import annotations

from collections.abc import Sequence

from voucher_async.auth import TokenStore
from voucher_async.checkout import VoucherLock
from voucher_async.clock import Clock
from voucher_async.config import Settings, SettingsOptions, given_options
from voucher_async.errors import ConfigurationError
from voucher_async.payments.journal import Journal
from voucher_async.transport.session import ClientSession

__all__ = ["ClientOptions", "settings_of"]


class ClientOptions(SettingsOptions, total=False):
    """The options that `VoucherClient` takes one by one, for `from_env` and wrappers of it.

    Attributes:
        session: an aiohttp session to use; it is never closed and never changed.
        token_store: the store of tokens, or its URL; default: in memory.
        hooks: observers; see `voucher_async.Hook`.
        voucher_lock: gives turns to the users of a voucher; default: the journal's, or within this process.
        journal: the store of the records of money calls, or the URL of a database that keeps them, such as
            `sqlite:///vouchers.db`; default: in memory.
        journal_scope: a name for the owner of the keys; default: this base URL and client id.
        clock: the source of the time; for tests.
    """

    session: ClientSession | None
    token_store: TokenStore | str | None
    hooks: Sequence[object]
    voucher_lock: VoucherLock | None
    journal: Journal | str | None
    journal_scope: str | None
    clock: Clock | None


def settings_of(settings: Settings | None, options: SettingsOptions) -> Settings:
    """The settings of a client, from one argument or from many.

    Raises:
        ConfigurationError: both are given, or one cannot work.
    """
    if settings is None:
        return Settings.make(**options)
    beside = ", ".join(given_options(options))
    if beside:
        raise ConfigurationError(
            f"give either settings or single options, beside settings was given: {beside}; "
            "attrs.evolve(settings, ...) changes some of them"
        )
    return settings
