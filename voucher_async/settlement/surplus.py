"""Taking back what was charged once too often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from voucher_async.errors import MissingScope, OutcomeUnknown, VoucherError
from voucher_async.payments.evidence import RULES
from voucher_async.settlement.looking import read_currency
from voucher_async.settlement.refunds import refund

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voucher_async.clock import Deadline
    from voucher_async.models import Charge
    from voucher_async.settlement.case import Case
    from voucher_async.settlement.engine import Engine

__all__ = ["take_back"]

_TRIES: Final = 8
_TWO: Final = 2  # requests in doubt: fewer leave no surplus of ours


async def take_back(
    engine: Engine, case: Case, surplus: Sequence[Charge], deadline: Deadline
) -> tuple[Charge, ...] | None:
    """Refund what was carried out beyond the one that counts.

    Returns:
        The refunds; None when it has to be tried again later.
    """
    # of another process's outcome nobody here knows what equal payments were made beside it
    is_ours = case.effects >= _TWO or case.pending.reference is not None
    if case.foreign or not is_ours or not RULES[case.pending.operation].take_back:
        return _leave(engine, case, surplus, None)
    for charge in surplus:
        engine.archive.take(charge.id, case.pending.id)  # from here on nobody else finds it
    try:
        currency = await read_currency(engine.sender, case.pending, deadline)
    except MissingScope as error:
        return _leave(engine, case, surplus, error)
    except VoucherError:
        return None
    for charge in surplus:
        if charge.id not in case.taken_back and not await _refund(engine, case, charge, currency or ""):
            return None
    done = (case.taken_back[charge.id] for charge in surplus)
    return tuple(refunded for refunded in done if refunded is not None)


async def _refund(engine: Engine, case: Case, charge: Charge, currency: str) -> bool:
    """Refund one charge; False when it has to be tried again later."""
    before = case.refunding.get(charge.id)
    if before is not None:
        settlement = engine.archive.settlement(before)
        if settlement is None:
            return False  # its refund is in doubt, and looked after by itself
        del case.refunding[charge.id]
        if settlement.charge is not None:
            return _taken_back(engine, case, charge, settlement.charge)
    try:
        refunded = await refund(engine, engine.numbering.own(charge), currency)
    except OutcomeUnknown as error:
        case.refunding[charge.id] = error.pending.id
        return False
    except VoucherError as error:
        case.tries += 1
        if case.tries < _TRIES:
            return False
        case.taken_back[charge.id] = None
        engine.report.surplus_left(case, charge, error)
        return True
    return _taken_back(engine, case, charge, refunded)


def _taken_back(engine: Engine, case: Case, charge: Charge, refunded: Charge) -> bool:
    case.taken_back[charge.id] = refunded
    engine.report.surplus_refunded(case, charge)
    return True


def _leave(
    engine: Engine, case: Case, surplus: Sequence[Charge], error: VoucherError | None
) -> tuple[Charge, ...]:
    for charge in surplus:
        engine.report.surplus_left(case, charge, error)
    return ()
