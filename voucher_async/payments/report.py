"""The reports of money calls to the hooks and the log; no other module makes them.

Theory of operation. A caller is told by the result or the error of its own call. All other reports are made
here:

* Hooks get what a caller did not: that an outcome is in doubt, and the end of a call whose caller is gone or
  got `OutcomeUnknown`. So an application that books both results and events books nothing twice.
* The log gets every doubt, and every end of one, whether a caller waits or not: WARNING for a doubt and for
  an outcome that is left open, ERROR where a customer is still charged although a refund was due, INFO for
  the rest.
* Each kind is reported once per money call, to the hooks and to the log apart.

No line holds a secret: texts of the shop and the server are masked, and made visible, before they are
written.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs

from voucher_async.cancelling import quietly
from voucher_async.events import Closed, DoubtEnd, DoubtEnded, Happened, Settled
from voucher_async.masking import given, mask, visible
from voucher_async.masking.memory import recall, record
from voucher_async.models import Charge
from voucher_async.operations import CHARGE_RESERVATION, CREATE_RESERVATION, REFUND_CHARGE
from voucher_async.outcomes import StillRunning
from voucher_async.payments.call import CHECKOUT, CallRecord, CallState
from voucher_async.payments.numbering import Numbering
from voucher_async.payments.replies import brief

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from voucher_async.errors import Proof, VoucherError
    from voucher_async.hooks import Hooks
    from voucher_async.models import CompleteVoucher
    from voucher_async.outcomes import PendingOutcome, Settlement

__all__ = ["MoneyCall", "Report"]

_LONGEST: Final = 300  # characters of a foreign text in a log line
_STILL_CHARGED: Final = "the customer is still charged"

_logger: Final = logging.getLogger("voucher_async")


class MoneyCall(Protocol):
    """The part of a money call that reports need.

    Attributes:
        pending: its facts.
        foreign: it is of another process, and only looked at.
        reason: why it is open, in words.
        heard: the kinds of events that hooks got.
        logged: the kinds that were logged.
    """

    pending: PendingOutcome
    foreign: bool
    reason: str
    heard: frozenset[Happened]
    logged: frozenset[Happened]

    @property
    def running(self) -> object:
        """The task of the call itself, once its caller is gone."""
        ...

    @property
    def task(self) -> object:
        """Settles it in the background."""
        ...


class Report:
    """One per client.

    Args:
        hooks: the observers.
        numbering: the order numbers that the shop has.
    """

    def __init__(self, hooks: Hooks, numbering: Numbering | None = None) -> None:
        self._hooks = hooks
        self._own = (numbering or Numbering(None)).own
        self._doubts: dict[str, float] = {}  # when each began that has not ended, by the hooks' clock
        self._is_closed = False
        self._left: set[str] | None = None  # from closing on: the calls logged as left open

    # the outcome of a money call

    def in_doubt(self, call: MoneyCall, error: VoucherError | None) -> None:
        """A request may have been carried out, and no answer says so.

        Args:
            call: the call.
            error: the reason; None when its answer was not waited for.
        """
        reason = brief(error) if error else "its answer was not waited for"
        if Happened.IN_DOUBT not in call.heard:
            self._doubts.setdefault(call.pending.id, self._hooks.now())
        self._log(call, Happened.IN_DOUBT, logging.WARNING, "is in doubt: %s", reason)
        self._tell(call, Happened.IN_DOUBT, error=error)

    def found(self, call: MoneyCall, made: Charge | CompleteVoucher) -> None:
        """A call whose outcome was in doubt was carried out, which its caller is told, if it waits."""
        self._log(call, Happened.DONE, logging.INFO, "was in doubt, and was carried out: %s", _made(made))
        self.doubt_ended(call.pending, DoubtEnd.DONE, told=_is_waited_for(call))

    def refuted(self, call: MoneyCall, proof: Proof) -> None:
        """A call whose outcome was in doubt was not carried out, which its caller is told, if it waits."""
        words = "was in doubt, and was not carried out: %s"
        self._log(call, Happened.NOT_DONE, logging.INFO, words, proof)
        self.doubt_ended(call.pending, DoubtEnd.NOT_DONE, proof, told=_is_waited_for(call))

    def done(self, call: MoneyCall, charge: Charge | None, error: VoucherError | None = None) -> None:
        """A call was carried out, which its caller was not told; one of another process was recovered."""
        what = Happened.RECOVERED if call.foreign else Happened.DONE
        words = "was recovered, and was carried out: %s" if call.foreign else "was carried out: %s"
        self._log(call, what, logging.INFO, words, _made(charge))
        self._tell_end(call, what, DoubtEnd.DONE, None)
        self._tell(call, what, charge=charge, error=error)

    def not_done(
        self, call: MoneyCall, proof: Proof, error: VoucherError | None = None, *, behind: bool = False
    ) -> None:
        """A call was not carried out, which its caller was not told.

        Args:
            call: the call.
            proof: the proof.
            error: the reason.
            behind: it was found out in the background, after the caller was told that it is unknown: of a
                refund that was believed to be on its way nobody else says that it was not made.
        """
        words = f"{'was recovered, and ' if call.foreign else ''}was not carried out: %s"
        if behind and call.pending.operation == REFUND_CHARGE.id:
            self._log(call, Happened.NOT_DONE, logging.ERROR, f"{words}; {_STILL_CHARGED}", proof)
        else:
            self._log(call, Happened.NOT_DONE, logging.INFO, words, proof)
        self._tell_end(call, Happened.NOT_DONE, DoubtEnd.NOT_DONE, proof)
        self._tell(call, Happened.NOT_DONE, error=error, proof=proof)

    def ended(
        self,
        call: MoneyCall,
        settlement: Settlement,
        error: VoucherError | None = None,
        *,
        behind: bool = False,
    ) -> None:
        """An open outcome was settled, which its caller was not told; see `done` and `not_done`."""
        if settlement.proof is None:
            self.done(call, settlement.charge, error)
        else:
            self.not_done(call, settlement.proof, error, behind=behind)

    def left_open(self, call: MoneyCall, error: VoucherError | None = None, *, aloud: bool = True) -> None:
        """An open outcome is settled no further in the background.

        Args:
            call: the call.
            error: the reason why it is open.
            aloud: the hooks are told, too; a caller that waits is told by its error.
        """
        if self._left is not None:
            self._left.add(call.pending.id)
        self._log(call, Happened.LEFT_OPEN, logging.WARNING, "is left open: %s", call.reason)
        if isinstance(error, StillRunning):
            self.passed_on(call)
        if aloud:
            self._tell(call, Happened.LEFT_OPEN, error=error)

    def is_in_doubt(self, call: MoneyCall) -> bool:
        """True when hooks were told of a doubt about a call, and not yet of its end."""
        return call.pending.id in self._doubts

    def passed_on(self, call: MoneyCall) -> None:
        """Another owner has the record of a call whose outcome was in doubt, and tells how it ends."""
        self.doubt_ended(call.pending, DoubtEnd.PASSED_ON)

    def doubt_ended(
        self,
        pending: PendingOutcome,
        outcome: DoubtEnd,
        proof: Proof | None = None,
        *,
        told: bool = False,
        recovered: bool = False,
    ) -> None:
        """Tell the hooks how a doubt ended, once; whoever else is told of it.

        Args:
            pending: the call.
            outcome: what became of it.
            proof: the proof that it was not carried out.
            told: its caller gets the end.
            recovered: another process began it, and no doubt about it was told of here.
        """
        began = self._doubts.pop(pending.id, None)
        if began is None and not recovered:
            return
        self._hooks.doubt_ended(
            DoubtEnded(
                call_id=pending.id,
                operation=pending.operation,
                outcome=outcome,
                proof=proof,
                elapsed=None if began is None else self._hooks.now() - began,
                told=told,
                recovered=began is None,
                amount=pending.amount,
                order_number=_order_of(pending),
            )
        )

    def settled(self, settlement: Settlement) -> None:
        """An operator, or the call's record, has said how a call in doubt ended."""
        is_done = settlement.proof is None
        outcome = DoubtEnd.DONE if is_done else DoubtEnd.NOT_DONE
        self.doubt_ended(settlement.pending, outcome, settlement.proof)

    # closing

    def closing(self) -> None:
        """The client is being closed: what is left open from here on is not said once more at the end."""
        if self._left is None:
            self._left = set()

    def left_open_at_close(self, pendings: Iterable[PendingOutcome]) -> None:
        """Log one line, once, for each outcome that is open as the client is closed, and tell the hooks."""
        self.closing()
        pendings = tuple(pendings)
        if not self._is_closed:
            self._is_closed = True
            self._hooks.closed(Closed(pending=pendings))
        for pending in pendings:
            if self._left is not None and pending.id not in self._left:
                self._left.add(pending.id)
                quietly(_write, logging.WARNING, pending, "is open, and the client is closed")

    # a surplus

    def surplus_refunded(self, call: MoneyCall, charge: Charge) -> None:
        """A charge that was made once too often was refunded."""
        words = "was carried out once too often, and that was refunded: %s"
        quietly(_write, logging.INFO, call.pending, words, _made(charge))
        self._settled(Happened.SURPLUS_REFUNDED, call.pending, charge=charge)

    def surplus_left(self, call: MoneyCall, charge: Charge, error: VoucherError | None) -> None:
        """A charge that was made once too often, or may have been, stays."""
        words = "was carried out once too often, and that is left: %s"
        if call.pending.operation == CHARGE_RESERVATION.id:
            words = f"{words}; {_STILL_CHARGED}"
        reason = f" ({brief(error)})" if error else ""
        quietly(_write, logging.ERROR, call.pending, words, f"{_made(charge)}{reason}")
        self._settled(Happened.SURPLUS_LEFT, call.pending, charge=charge, error=error)

    # a checkout

    def refunded(self, charge: Charge, *, order_number: str, currency: str) -> None:
        """A checkout took back what it had charged."""
        quietly(_write_charge, logging.INFO, charge, order_number, currency, "was refunded")
        self._checkout(Happened.REFUNDED, order_number, charge=charge, amount=charge.amount)

    def refund_failed(
        self, charge: Charge, error: VoucherError | None, *, order_number: str, currency: str
    ) -> None:
        """A checkout could not take back what it had charged.

        Args:
            charge: what it had charged.
            error: why; None when the client was closed before.
            order_number: the order.
            currency: ISO 4217.
        """
        reason = brief(error) if error else "the client was closed before"
        words = f"could not be refunded (%s{_request_of(error)}); {_STILL_CHARGED}"
        quietly(_write_charge, logging.ERROR, charge, order_number, currency, words, reason)
        self._checkout(Happened.REFUND_FAILED, order_number, charge=charge, amount=charge.amount, error=error)

    def checkout_recovered(self, record: CallRecord) -> None:
        """A checkout that a dead worker had left was completed, or taken back; or it had charged nothing."""
        is_done = record.state is CallState.DONE
        words = "was recovered, and is charged" if is_done else "was recovered, and nothing of it is charged"
        quietly(_write, logging.INFO, attrs.evolve(record.view, operation=CHECKOUT), words)
        what = Happened.RECOVERED if is_done else Happened.NOT_DONE
        self._checkout(what, record.order_number or "", proof=record.proof)

    def renewed(self, amount: Decimal, order_number: str) -> None:
        """A reservation of a checkout was made anew."""
        self._reservation(Happened.RENEWED, order_number, amount=amount)

    def renewal_failed(self, amount: Decimal, order_number: str, error: Exception) -> None:
        """A reservation of a checkout could not be made anew."""
        self._reservation(Happened.RENEWAL_FAILED, order_number, amount=amount, error=error)

    # dispatch

    def _checkout(self, what: Happened, order_number: str, **said: Any) -> None:
        self._hooks.settled(Settled(what=what, operation=CHECKOUT, order_number=order_number, **said))

    def _reservation(self, what: Happened, order_number: str, **said: Any) -> None:
        operation = CREATE_RESERVATION.id
        self._hooks.settled(Settled(what=what, operation=operation, order_number=order_number, **said))

    def _tell_end(self, call: MoneyCall, what: Happened, outcome: DoubtEnd, proof: Proof | None) -> None:
        is_first = what not in call.heard
        self.doubt_ended(call.pending, outcome, proof, recovered=call.foreign and is_first)

    def _tell(self, call: MoneyCall, what: Happened, **said: Any) -> None:
        if what not in call.heard:
            call.heard |= {what}
            self._settled(what, call.pending, **said)

    def _settled(
        self, what: Happened, pending: PendingOutcome, *, charge: Charge | None = None, **said: Any
    ) -> None:
        self._hooks.settled(
            Settled(
                charge=None if charge is None else self._own(charge),
                what=what,
                operation=pending.operation,
                amount=pending.amount,
                order_number=pending.order_number,
                pending=pending,
                **said,
            )
        )

    def _log(self, call: MoneyCall, what: Happened, level: int, words: str, text: str) -> None:
        if what not in call.logged:
            call.logged |= {what}
            quietly(_write, level, call.pending, words, text)


def _is_waited_for(call: MoneyCall) -> bool:
    return call.running is None and call.task is None


def _write(level: int, pending: PendingOutcome, words: str, *texts: str) -> None:
    record((pending.id,), given())  # `aclose` logs outside of the call, which has the secrets
    secrets = _secrets_of(pending.id, pending.voucher_id, pending.reservation_id, pending.charge_id)
    amount = f" of {pending.amount} {pending.currency or ''}".rstrip() if pending.amount is not None else ""
    order = "" if pending.order_number is None else f", order {_shown(pending.order_number, secrets)}"
    which = f"{amount}{order}, id {pending.id}"
    said = words % tuple(_shown(text, secrets) for text in texts)
    # formatters that show extras find a call's lines by its id
    facts = {"call_id": pending.id, "operation": pending.operation}
    _logger.log(level, "%s%s %s", pending.operation, which, said, extra=facts)


def _write_charge(
    level: int, charge: Charge, order_number: str, currency: str, words: str, *texts: str
) -> None:
    secrets = _secrets_of(charge.id, charge.voucher_id)
    order, charge_id = _shown(order_number, secrets), _shown(charge.id, secrets)
    which = f"{charge.amount} {currency}, order {order}, charge {charge_id}"
    said = words % tuple(_shown(text, secrets) for text in texts)
    facts = {"charge_id": charge_id, "operation": CHECKOUT}
    _logger.log(level, "%s of %s %s", CHECKOUT, which, said, extra=facts)


def _made(made: Charge | CompleteVoucher | None) -> str:
    if made is None:
        return "its result is not known"
    return f"{made.type} {made.id}" if isinstance(made, Charge) else f"voucher {made.id}"


def _request_of(error: VoucherError | None) -> str:
    request_id = error.facts.request_id if error and error.facts else None
    return f", id {request_id}" if request_id else ""


def _order_of(pending: PendingOutcome) -> str | None:
    """The order number as events of calls have it: a shop may use the voucher's code as one."""
    secrets = _secrets_of(pending.id, pending.voucher_id, pending.reservation_id, pending.charge_id)
    return None if pending.order_number is None else mask(pending.order_number, secrets)


def _secrets_of(*ids: str | None) -> list[str]:
    """The codes and pins that belong to something."""
    return [secret for each in ids if each for secret in recall(each)]


def _shown(text: str, secrets: list[str]) -> str:
    """A text of the shop or the server, fit for a line of the log."""
    shown = visible(mask(text, secrets))
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."
