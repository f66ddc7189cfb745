"""The refund of an order: what it took is found, split and given back, once for each key.

Theory of operation. The record of the refund has the key, and these states:

    begun           nothing was sent
    sent            its parts are being refunded
    done            all that was asked for was given back
    not done        nothing was given back: the key is free
    open            a part of it was given back, or may have been: who asks again with the key goes on

Whoever goes on ends the parts in doubt first. What is missing then is what was asked for without what the
parts gave back, whoever sent them; it is split anew over what is left. So no list has to tell which refunds
are this one's.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

from voucher_async.calls import calling
from voucher_async.cancelling import to_the_end
from voucher_async.errors import InvalidInput, VoucherError
from voucher_async.models import ChargeReservationRequest
from voucher_async.money import CENT, to_amount
from voucher_async.order_refunds import OrderRefundUnknown
from voucher_async.outcomes import OutcomeUnknown
from voucher_async.payments.call import REFUND_ORDER, CallRecord, CallState, Parameters
from voucher_async.payments.joining import Ask, Work
from voucher_async.payments.keys import check_key
from voucher_async.payments.known import parts_of
from voucher_async.payments.money_call import CallContext
from voucher_async.payments.ownership import ask_journal
from voucher_async.payments.recording import Recorder
from voucher_async.refunding.finding import settled
from voucher_async.refunding.parts import given_by, order_refund_of, outcomes_of
from voucher_async.refunding.run import Run
from voucher_async.sansio import check_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from voucher_async.checkout.kit import CheckoutKit
    from voucher_async.clock import Deadline
    from voucher_async.config import Timeout
    from voucher_async.money import Amount
    from voucher_async.order_refunds import OrderRefund

__all__ = ["OrderRefunds"]

_LONGEST: Final = 255


class OrderRefunds:
    """One per client.

    Args:
        kit: refunds, settles, and gives turns.
        recover: ends what a dead worker left.
    """

    def __init__(
        self, kit: CheckoutKit, recover: Callable[[CallRecord], Awaitable[CallRecord | None]]
    ) -> None:
        self._kit = kit
        self._recover = recover

    async def refund(
        self,
        order_number: str,
        amount: Amount | None = None,
        *,
        voucher_ids: Sequence[str] = (),
        idempotency_key: str | None = None,
        timeout: float | Timeout | None = None,
    ) -> OrderRefund:
        """Give back what an order took; documented at `VoucherClient.refund_order`."""
        with calling(
            self._kit.supervisor.settler.hooks,
            "refund_order",
            order_number=order_number,
            key=idempotency_key,
            amount=amount,
        ):
            key, deadline = check_key(idempotency_key), self._kit.sender.deadline(timeout)
            ChargeReservationRequest(order_number=order_number)
            value = None if amount is None else to_amount(amount, minimum=CENT)
            vouchers = _checked(voucher_ids)
            if key is None and value is None:
                key = await self._key_of_the_whole(order_number, deadline)
            parameters = Parameters(operation=REFUND_ORDER, amount=value, order_number=order_number)

            async def call(context: CallContext) -> OrderRefund:
                return await self._run(context, vouchers)

            async def resumed(context: CallContext) -> OrderRefund:
                return await self._run(context, vouchers, is_resumed=True)

            async def settle(held: CallRecord, context: CallContext) -> OrderRefund | None:
                taken = await self._take(held, context)
                return None if taken is None else await self._kit.joining.own(context, taken, resumed)

            work = Work(call, self._hand_out, settle)
            return await self._kit.joining.run(Ask(parameters=parameters, key=key), deadline, work)

    async def _run(
        self, context: CallContext, vouchers: Sequence[str], *, is_resumed: bool = False
    ) -> OrderRefund:
        if context.recorder is None:
            raise ValueError("the refund of an order has a record")
        run = Run(self._kit, self._recover, context.recorder, context, vouchers, is_resumed=is_resumed)
        return await run.run()

    async def _key_of_the_whole(self, order_number: str, deadline: Deadline) -> str:
        """The key of a refund of all that is left: the same until one has ended as done.

        Two calls at once are one refund then, and one after a crash goes on with the one before.
        """
        ownership = self._kit.joining.ownership

        async def latest() -> str:
            last = "first"
            async for each in ownership.journal.history(ownership.scope, order_number=order_number):
                asked = each.parameters
                is_whole = asked.operation == REFUND_ORDER and asked.amount is None
                last = each.id if is_whole and each.state is CallState.DONE else last
            return last

        ending = f"/refund/{await ask_journal(latest(), deadline)}"
        return f"{order_number[: _LONGEST - len(ending)]}{ending}"

    async def _take(self, held: CallRecord, context: CallContext) -> Recorder | None:
        """Make a refund this client's that nobody drives; None when somebody else was faster."""
        ownership = self._kit.joining.ownership
        context.begun = True  # a part of it may be given back: whoever leaves, it is finished
        taken = await to_the_end(ownership.take_over(held, CallState.SENT, "it is gone on with"))
        if taken is None:
            context.begun = False
            return None
        return Recorder(ownership, taken, is_stored=True)

    async def _hand_out(self, record: CallRecord, deadline: Deadline) -> OrderRefund:
        ownership = self._kit.joining.ownership
        parts = await parts_of(ownership, record, deadline=deadline)
        # a part that was answered may not be written as done yet: its sum would be less than was given back
        parts = [await settled(self._kit, each, deadline) for each in parts]
        left = next((each for each in parts if not each.ended), None)
        if left is not None:
            raise OrderRefundUnknown(
                "the refund with this idempotency key was made, and one of its parts is not settled yet",
                outcomes=outcomes_of(parts),
                pending=left.view,
            )
        asked = record.parameters.amount
        if asked is not None and given_by(parts) != asked:
            raise OutcomeUnknown(
                "the refund with this idempotency key was made, and its parts are not known here any more",
                pending=record.view,
            )
        if not record.told:
            await ask_journal(ownership.journal.acknowledge(record.scope, record.id))
        return order_refund_of(record.parameters.order_number or "", outcomes_of(parts))

    async def recover(self, left: CallRecord) -> bool:
        """End the refund of an order that a dead worker left, as far as looks tell; nothing more is refunded.

        Args:
            left: its record as it was read; more than begun, and not ended.

        Returns:
            False when its owner lives, or somebody else has it.

        Raises:
            VoucherError: a part of it is open; so is the record.
        """
        settler = self._kit.supervisor.settler
        deadline = settler.sender.deadline(settler.patience + settler.settings.settle_window)
        work = functools.partial(self._recover_one, left)
        return await self._kit.supervisor.run(CallContext(deadline, left), work)

    async def _recover_one(self, left: CallRecord, context: CallContext) -> bool:
        ownership = self._kit.joining.ownership
        parts = await ask_journal(ownership.journal.children(left.scope, left.id))
        is_waiting = left.state is CallState.OPEN and all(each.ended for each in parts)
        state = CallState.OPEN if is_waiting else CallState.SENT
        taken = await to_the_end(ownership.take_from_dead(left, state))
        if taken is None or is_waiting:
            return taken is not None  # it waits for a caller with its key, who may give back the rest
        recorder = Recorder(ownership, taken, is_stored=True)
        run = Run(self._kit, self._recover, recorder, context, (), is_resumed=True)
        try:
            given, asked = given_by(await run.ended_parts()), left.parameters.amount
        except BaseException as error:
            await recorder.opened(error)
            raise
        if not given:
            await recorder.released("nothing was refunded")
        elif given == asked:
            await recorder.done(None, told=False, why="found")
        else:
            await recorder.opened(VoucherError("a part of it was refunded: ask again with its key"))
        return True


def _checked(voucher_ids: Sequence[str]) -> tuple[str, ...]:
    if isinstance(voucher_ids, str):
        raise InvalidInput("voucher_ids", "must be a list of ids, not one text", voucher_ids)
    return tuple(dict.fromkeys(check_id("voucher_ids", each) for each in voucher_ids))
