"""Writing the record of a call whose own recorder is lost with its event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voucher_async.errors import VoucherError
from voucher_async.payments.ownership import ask_journal
from voucher_async.payments.recording import Recorder

if TYPE_CHECKING:
    from voucher_async.payments.ownership import Ownership
    from voucher_async.pending import PendingOutcome

__all__ = ["recorder_of"]


async def recorder_of(ownership: Ownership, pending: PendingOutcome) -> Recorder | None:
    """Write from now on what is stored of a call; None when it has no record, or the journal fails.

    Args:
        ownership: who writes.
        pending: the call.
    """
    try:
        record = await ask_journal(ownership.journal.get(ownership.scope, pending.id))
    except VoucherError:
        return None
    return None if record is None else Recorder(ownership, record, is_stored=True)
