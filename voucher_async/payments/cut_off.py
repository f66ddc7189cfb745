"""Calls that this client had begun on an event loop that is gone: their records, and their ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voucher_async.errors import VoucherError
from voucher_async.payments.ownership import ask_journal
from voucher_async.payments.recording import Recorder

if TYPE_CHECKING:
    import asyncio

    from voucher_async.outcomes import PendingOutcome
    from voucher_async.payments.money_call import CallContext, MoneyCall
    from voucher_async.payments.ownership import Ownership
    from voucher_async.payments.registry import Registry
    from voucher_async.payments.settle import Settler

__all__ = ["drop_cut_off", "ended_by", "open_cut_off", "recorder_of"]


def open_cut_off(settler: Settler) -> None:
    """Take the calls for open whose event loop is gone; their requests may have been carried out.

    Args:
        settler: drove them.
    """
    for money_call in settler.registry.cut_off():
        money_call.recorder = None  # a write of the recorder may never end
        money_call.doubted(None)
        settler.give_up(money_call)
        settler.registry.end(money_call)
        settler.report.in_doubt(money_call, None)
        settler.report.left_open(money_call)


def drop_cut_off(calls: dict[asyncio.Task[Any], CallContext]) -> None:
    """Keep the tasks no longer whose event loop is gone: no callback of theirs is ever called.

    Not for finalizers: they may run while somebody iterates over the calls.

    Args:
        calls: the tasks under way.
    """
    for task in [task for task in calls if task.get_loop().is_closed()]:
        del calls[task]


async def recorder_of(ownership: Ownership, pending: PendingOutcome) -> Recorder | None:
    """Write from now on what is stored of a call: its own recorder may be in the middle of a write for ever.

    Args:
        ownership: who writes.
        pending: the call.

    Returns:
        The new recorder; None when the call has no record, or the journal fails.
    """
    try:
        record = await ask_journal(ownership.journal.get(ownership.scope, pending.id))
    except VoucherError:
        return None
    return None if record is None else Recorder(ownership, record, is_stored=True)


def ended_by(context: CallContext, registry: Registry, *, is_told: bool) -> MoneyCall | None:
    """The open call that was cut off, of whose record a later call with its key has told or written the end.

    Args:
        context: the later call, which is over.
        registry: knows what is open.
        is_told: it was answered.
    """
    money_call = registry.money_call(context.id)
    if money_call is None or not money_call.is_cut_off or money_call is context.money_call:
        return None
    is_written = context.recorder is not None and context.recorder.record.ended
    return money_call if is_told or is_written else None
