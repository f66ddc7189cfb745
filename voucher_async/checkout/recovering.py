"""Recovering a checkout that a dead worker left."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from voucher_async.cancelling import to_the_end
from voucher_async.checkout.finishing import finish
from voucher_async.payments.call import CallState
from voucher_async.payments.money_call import CallContext
from voucher_async.payments.ownership import ask_journal
from voucher_async.payments.recording import Recorder

if TYPE_CHECKING:
    from voucher_async.checkout.kit import CheckoutKit
    from voucher_async.payments.call import CallRecord

__all__ = ["recover"]


async def recover(kit: CheckoutKit, left: CallRecord) -> bool:
    """Finish a checkout: all of it is charged, or nothing, or it is open.

    Args:
        kit: settles and refunds.
        left: its record as it was read; more than begun, and not ended.

    Returns:
        False when its owner lives, or somebody else has it.

    Raises:
        VoucherError: a charge or refund is open, or could not be made; the record is open.
    """
    settler = kit.supervisor.settler
    # each of its charges may take the window, and then be refunded
    deadline = settler.sender.deadline(settler.patience + settler.settings.settle_window)
    return await kit.supervisor.run(CallContext(deadline, left), functools.partial(_finish, kit, left))


async def _finish(kit: CheckoutKit, left: CallRecord, context: CallContext) -> bool:
    ownership = kit.joining.ownership
    taken = await to_the_end(ownership.take_from_dead(left, CallState.SENT))
    if taken is None:
        return False
    recorder = Recorder(ownership, taken, is_stored=True)
    await finish(kit, recorder, context)
    now = await ask_journal(ownership.journal.get(left.scope, left.id))
    if now is not None and now.ended:
        kit.report.checkout_recovered(now)
    return True
