"""Records of the journal for commands: found by the beginning of an id, and described to people."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Final

import attrs

from voucher_async.errors import ConfigurationError, InvalidInput
from voucher_async.masking import visible
from voucher_async.payments.call import COMPOSED, REFUND_ORDER, CallRecord, CallState
from voucher_async.payments.evidence import obstacle
from voucher_async.payments.known import currency_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from voucher_async.config import Settings

__all__ = ["Openness", "call_of", "called", "one_of", "openness", "shortened", "text_of"]

_LEAST: Final = 6  # characters of an id that stand for all of it
_SHOWN: Final = 8  # characters of an id in a table
_WORDS: Final = {"CancelledError": "its caller left before the answer came"}
_MOST: Final = 5  # ids that an error names


def one_of(records: Iterable[CallRecord], start: str) -> CallRecord | None:
    """The record whose id begins with a text; None where there is none.

    Args:
        records: where it is looked for.
        start: the id, or at least its first 6 characters.

    Raises:
        InvalidInput: it is too short, or the beginning of several ids.
    """
    if len(start) < _LEAST:
        raise InvalidInput("id", f"must be an id, or at least its first {_LEAST} characters", start)
    found = [each for each in records if each.id.startswith(start.lower())]
    if len(found) > 1:
        names = ", ".join(each.id for each in found[:_MOST])
        raise InvalidInput("id", f"is the beginning of {len(found)} ids, such as {names}", start)
    return found[0] if found else None


def shortened(records: Sequence[CallRecord]) -> dict[str, str]:
    """The beginnings by which the ids of some records are told apart."""
    ids = {each.id for each in records}
    length = _SHOWN
    while len({each[:length] for each in ids}) < len(ids):
        length += 1
    return {each: each[:length] for each in ids}


def text_of(amount: object, currency: str | None) -> str:
    """An amount and its currency in one text."""
    return f"{'an unknown amount' if amount is None else amount} {currency or ''}".strip()


def called(record: CallRecord) -> str:
    """A call in words, such as `redeem of 10.00 EUR for order A-1`."""
    facts = call_of(record)
    amount = f" of {text_of(facts['amount'], facts['currency'])}" if facts["amount"] else ""
    order = f" for order {facts['order_number']}" if facts["order_number"] else ""
    return visible(f"{facts['operation']}{amount}{order}")


def call_of(record: CallRecord) -> dict[str, Any]:
    """The facts that name a call, as JSON has them."""
    asked, view = record.parameters, record.view
    amount = asked.amount or view.amount or (record.charge and record.charge.amount)
    return {
        "id": record.id,
        "operation": asked.operation,
        "order_number": record.order_number,
        "amount": None if amount is None else f"{amount:.2f}",
        "currency": asked.currency or currency_in(record) or view.currency,
        "key": record.key,
        "state": record.state.value,
    }


@attrs.frozen(kw_only=True)
class Openness:
    """The reason why a call is open, and the next step.

    Attributes:
        since: when it was asked for, or last sent; ISO 8601.
        why: the reason, a sentence without a full stop.
        settled_by: the next step.
        is_hopeless: True when only an operator, or another profile, can end it.
    """

    since: str
    why: str
    settled_by: str
    is_hopeless: bool = False


def openness(record: CallRecord, settings: Settings, *, is_alive: bool) -> Openness:
    """The reason why a call has not ended.

    Args:
        record: a record that has not ended.
        settings: those of the client that would settle it.
        is_alive: its owner's lease runs.
    """
    since = (record.sent_at or record.begun_at).isoformat(timespec="seconds")
    why, settled_by = _why(record, is_alive=is_alive), _settled_by(record, is_alive=is_alive)
    try:
        record.view.check_place(settings.base_url, settings.client_id)
    except ConfigurationError as error:
        return Openness(since=since, why=why, settled_by=str(error), is_hopeless=True)
    is_looked_for = record.state is CallState.OPEN and record.parameters.operation not in COMPOSED
    reason = obstacle(record.view) if is_looked_for else None
    if reason is None:
        return Openness(since=since, why=why, settled_by=settled_by)
    words = f"an operator: look in the Admin UI, then `voucher-async resolve {record.id[:_SHOWN]}`"
    return Openness(since=since, why=f"{why}; {reason}", settled_by=words, is_hopeless=True)


def _why(record: CallRecord, *, is_alive: bool) -> str:
    if record.state is CallState.OPEN:
        said = [each.why for each in record.transitions if each.state is CallState.OPEN and each.why]
        why = said[-1] if said else "what became of it is in doubt"
        return _WORDS.get(why, why)
    if record.state is CallState.BEGUN:
        done = "nothing that moves money was sent"
    elif record.parameters.operation in COMPOSED:
        done = "some of it may have been carried out"
    else:
        done = "its request may have been carried out"
    return f"a process is at it; {done}" if is_alive else f"its process is gone; {done}"


def _settled_by(record: CallRecord, *, is_alive: bool) -> str:
    if record.state is CallState.OPEN and record.parameters.operation == REFUND_ORDER:
        return f"`{_refund_again(record)}`, which gives back the rest, and nothing twice"
    command = f"`voucher-async settle {record.id[:_SHOWN]}`"
    if record.state is not CallState.OPEN and is_alive:
        return f"its process, or {command} once that is gone (15 s after its last sign of life)"
    return command


def _refund_again(record: CallRecord) -> str:
    words = ["voucher-async", "refund", "--order", record.order_number or ""]
    if record.parameters.amount is not None:
        words += ["--amount", f"{record.parameters.amount:.2f}"]
    return shlex.join([*words, *([] if record.key is None else ["--key", record.key])])
