"""What the shop tells its customers, apart from what always stands on a page."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["NOTICES", "Notice"]


class Notice(NamedTuple):
    """One message.

    Attributes:
        text: what it says.
        about: the field it is about, which gets the focus; none if it is about the whole page.
        is_error: whether it interrupts.
    """

    text: str
    about: str = ""
    is_error: bool = True


NOTICES: Final = {
    # no such code, a wrong pin, an empty or a blocked voucher: one answer, which helps nobody to guess
    "refused": Notice(
        "This voucher cannot be used. Check the code and the pin, or pay without it.", about="code"
    ),
    "no-code": Notice("Enter the code of a voucher.", about="code"),
    "twice": Notice("This voucher is on your order already.", about="code"),
    "covered": Notice("Your vouchers cover the whole order already; no other is needed."),
    "too-many": Notice("Too many vouchers could not be used. Pay the rest by card, or ask us."),
    "unavailable": Notice("Vouchers cannot be used at the moment. Try again later, or pay by card."),
    "declined": Notice("The card was declined. Nothing was paid. Try another card.", about="card"),
    "changed": Notice("The sums have changed. Nothing was paid. Check them, and pay then."),
    "not-paid": Notice(
        "A voucher could not be charged, so nothing was paid. Check what your vouchers cover now."
    ),
    "try-again": Notice("Vouchers could not be charged at the moment. Nothing was paid. Try again."),
    "held-less": Notice("One of your vouchers covers less than before, or nothing. Check the sums."),
    "added": Notice("The voucher is on your order.", is_error=False),
    "removed": Notice("The voucher was taken off your order.", is_error=False),
    "renewed": Notice("Your vouchers are held for another 30 minutes.", is_error=False),
}
