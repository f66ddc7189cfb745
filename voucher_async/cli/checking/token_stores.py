"""The step `token store`: the one that workers share is opened and asked once; nothing is made."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from voucher_async.cli.checking.findings import Finding, failed, ok, warning
from voucher_async.errors import ConfigurationError
from voucher_async.journals.urls import shown
from voucher_async.masking import conceal
from voucher_async.opening import open_token_store

if TYPE_CHECKING:
    from voucher_async.clock import Clock

__all__ = ["ask_token_store"]

_NAME: Final = "token store"
_JOURNAL: Final = "journal"
_KEY: Final = "check"  # nobody's: real ones are digests


async def ask_token_store(token_store: str, journal: str | None, clock: Clock) -> Finding:
    """Ask a token store as a client would; payments go on without one that fails, so that is a warning.

    Args:
        token_store: its URL, which may have a password; or the word `journal`.
        journal: the URL of the journal, if it is no one in memory.
        clock: of what it asks.
    """
    token_store = conceal(token_store)
    if token_store == _JOURNAL and journal is not None:
        return ok(_NAME, _JOURNAL, "it is in the journal's database")
    about = shown(token_store) if "://" in token_store else ""
    try:
        store = open_token_store(token_store, None, clock, create=False)
    except ConfigurationError as error:
        advice = "Correct VOUCHER_TOKEN_STORE, or install what it needs: no client can be made with it."
        return failed(_NAME, about, str(error), advice)
    reason = None
    async with contextlib.aclosing(store):
        try:
            await store.load(_KEY)
        except Exception as error:  # noqa: BLE001 - as the client does, which goes on without it
            reason = str(error) or type(error).__name__
    if reason is None:
        return ok(_NAME, about, "it answers")
    advice = "Mend the token store: until then each worker fetches tokens of its own."
    return warning(_NAME, about, reason, advice)
