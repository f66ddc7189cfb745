"""The wiring of money calls, in one place: for the client, and for tests with another transport."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, cast

from voucher_async.checkout import PROCESS_LOCK, PROCESS_SECRET, Lifecycle, recover
from voucher_async.checkout.shared_turns import SharedTurns
from voucher_async.checkout.turns import lock_key
from voucher_async.payments.call import CHECKOUT, CallRecord
from voucher_async.payments.joining import Joining
from voucher_async.payments.memory import MemoryJournal
from voucher_async.payments.ownership import Ownership
from voucher_async.payments.recovering import Recoverer
from voucher_async.payments.recovery import Recovery
from voucher_async.payments.refunds import refund
from voucher_async.payments.replaying import Replay
from voucher_async.payments.reservations import ReservationTracker
from voucher_async.payments.settle import Settler
from voucher_async.payments.supervisor import Supervisor
from voucher_async.refunding import OrderRefunds
from voucher_async.resources.charges import Charges
from voucher_async.resources.reservations import Reservations
from voucher_async.resources.vouchers import Vouchers

if TYPE_CHECKING:
    import random

    from voucher_async.checkout import VoucherLock
    from voucher_async.clock import Clock, ServerClock
    from voucher_async.config import Settings
    from voucher_async.hooks import Hooks
    from voucher_async.payments.journal import Journal, Line
    from voucher_async.payments.sender import Sender

__all__ = ["Core"]


class Core:
    """Everything of one client but its transport and its tokens.

    Args:
        sender: sends the requests.
        settings: all settings.
        clock: the source of the time.
        server_clock: the server's clock.
        hooks: observers.
        lock: gives turns to the users of a voucher; None: the journal, or else this process.
        lock_secret: the digest key of voucher codes in a lock that is given.
        journal: the store of the records of money calls; None: in memory.
        journal_scope: a name for the owner of the keys; None: this base URL and client id.
        rng: makes the URLs of looks differ, and draws the pauses between recoveries; None: one of this
            process.
    """

    def __init__(
        self,
        sender: Sender,
        settings: Settings,
        *,
        clock: Clock,
        server_clock: ServerClock,
        hooks: Hooks,
        lock: VoucherLock | None,
        lock_secret: str,
        journal: Journal | None = None,
        journal_scope: str | None = None,
        rng: random.Random | None = None,
    ) -> None:
        scope = journal_scope or f"{settings.base_url} {settings.client_id}"
        ownership = Ownership(MemoryJournal(clock) if journal is None else journal, scope, clock)
        self.settler: Settler = Settler(
            sender,
            settings,
            clock=clock,
            server_clock=server_clock,
            hooks=hooks,
            ownership=ownership,
            refund=lambda charge, currency, key: refund(
                self.settler, charge, currency, key=key, find_late=self.joining.replay.find_late
            ),
            rng=rng,
        )
        self.supervisor: Supervisor = Supervisor(self.settler, settings.close_wait)
        replay = Replay(self.supervisor, ownership)
        self.joining: Joining = Joining(self.supervisor, ownership, replay)
        lock, key = _turns(lock, lock_secret, ownership, self.settler)
        tracker = ReservationTracker(clock, server_clock, settings.safety_margin)
        self.vouchers: Vouchers = Vouchers(sender, self.settler, self.joining)
        self.reservations: Reservations = Reservations(sender, tracker, self.settler, self.joining)
        self.charges: Charges = Charges(sender, self.settler, self.joining)
        self.lifecycle: Lifecycle = Lifecycle(
            sender=sender,
            reservations=self.reservations,
            charges=self.charges,
            supervisor=self.supervisor,
            joining=self.joining,
            lock=lock,
            pauses=self.settler.pauses,
            report=self.settler.report,
            base_url=settings.base_url,
            lock_key=key,
        )
        self.order_refunds: OrderRefunds = OrderRefunds(
            self.lifecycle,
            recover=lambda record: recoverer.recover(record),  # noqa: PLW0108 - it is made below
        )
        recoverer = Recoverer(
            self.supervisor, ownership, functools.partial(_finish, self.lifecycle, self.order_refunds)
        )
        self.recovery: Recovery = Recovery(recoverer, ownership, settings.recover_every, rng)
        self.supervisor.on_begin = self.recovery.wake


async def _finish(kit: Lifecycle, refunds: OrderRefunds, left: CallRecord) -> bool:
    """Finish what has parts of its own."""
    is_checkout = left.parameters.operation == CHECKOUT
    return await recover(kit, left) if is_checkout else await refunds.recover(left)


def _turns(
    lock: VoucherLock | None, secret: str, ownership: Ownership, settler: Settler
) -> tuple[VoucherLock, bytes | None]:
    """The lock of vouchers, and the digest key of their codes in it; None: the journal's."""
    if lock is not None:
        return lock, lock_key(secret)
    journal: object = ownership.journal
    if callable(getattr(journal, "line_up", None)):
        return SharedTurns(cast("Line", journal), ownership, settler.pauses, settler.watch), None
    return PROCESS_LOCK, lock_key(PROCESS_SECRET)
