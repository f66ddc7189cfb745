"""Beginning a request while its record is young; a record that has become too old is written anew first.

A worker that was paused after its record became durable may have been taken for dead meanwhile. Writing the
record anew is a compare-and-swap: it fails when another worker has taken the call over, and nothing is sent.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, TypeVar

from voucher_async.cancelling import quietly
from voucher_async.clock import uptime_of
from voucher_async.errors import Fate, TransportError, VoucherError
from voucher_async.payments.facts import Limits

if TYPE_CHECKING:
    from voucher_async.clock import Clock
    from voucher_async.facts import Answer
    from voucher_async.payments.money_call import CallContext, MoneyCall
    from voucher_async.payments.sender import Sender
    from voucher_async.sansio import Request

__all__ = ["ROUNDS", "send_recorded"]

T = TypeVar("T")

ROUNDS: Final = 5
"""The most writes of a record for one request."""

_BEGIN: Final = Limits().begin

_logger: Final = logging.getLogger("voucher_async")


async def send_recorded(
    sender: Sender, clock: Clock, context: CallContext, money_call: MoneyCall, request: Request[T]
) -> Answer[T]:
    """Write that a request is about to be sent, and send it.

    Args:
        sender: sends it.
        clock: measures the age of the record.
        context: the call.
        money_call: the call; one without a recorder is sent at any time.
        request: its request.

    Raises:
        JournalFailed: the record could not be written; nothing was sent.
        StillRunning: another worker has the record; nothing was sent.
        VoucherError: as the sender raises it.
    """
    sent = 0
    while True:
        if money_call.recorder is not None:
            # counted from before the write, so that a pause of this process after the commit counts
            request.begin_by = uptime_of(clock) + _BEGIN
            await money_call.recorder.sent(money_call.pending)
        sent += 1
        try:
            return await sender.send(request, context.deadline)
        except VoucherError as error:
            if sent == ROUNDS or not _is_to_be_written_anew(error, context, request):
                raise
            if error.fate is not Fate.NOT_SENT:
                money_call.doubted(error)
        except BaseException:
            money_call.doubted(None)
            raise
        operation = money_call.pending.operation
        quietly(_logger.info, "a %s was not begun in time: its record is written anew", operation)


def _is_to_be_written_anew(error: VoucherError, context: CallContext, request: Request[T]) -> bool:
    is_overdue = isinstance(error, TransportError) and error.is_overdue
    # an earlier attempt may have been carried out: only a repeatable request is sent again
    may_repeat = error.fate is Fate.NOT_SENT or request.repeatable
    return is_overdue and may_repeat and context.deadline.left() > 0 and not context.abandoned
