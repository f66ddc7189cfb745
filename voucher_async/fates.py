"""The fate of a request, and the proofs that it was not carried out."""

from __future__ import annotations

import enum

__all__ = ["Fate", "Proof"]


class Fate(enum.StrEnum):
    """The knowledge about a request that was made."""

    NOT_SENT = "not sent"
    """Not a byte of the body was written: the server did nothing."""

    UNKNOWN = "unknown"
    """It may have been written: the server may or may not have acted on it."""

    NOT_DONE = "not done"
    """It was sent, and looking afterwards has proved that the server did not act on it."""

    ANSWERED = "answered"
    """The server refused this delivery of the request; see `ApiError.looked` for what that proves."""


class Proof(enum.StrEnum):
    """The proof that a call was not carried out: no statement of that kind is made without one."""

    NOT_SENT = "not a byte of its body was written"
    """No connection, a body that was never begun, or a refusal by this client."""

    UNAUTHORIZED = "its only request was answered with 401"
    """The server checks the token before it does anything."""

    REFUSED = "it was refused, and two complete looks a second apart found nothing"
    """The refusal answers one delivery; the looks are for another one that a proxy may have made."""

    ABSENT = "a fresh, complete, unfiltered list does not show it past the settle window"
    """The settle window is `Settings.settle_window`, counted from the end of the last request in doubt."""

    FENCED = "a fresh, complete, unfiltered list does not show it, and its reservation had ended before"
    """The reservation ended, or was replaced, at least `Settings.list_lag` before the look began."""

    REPEAT_REFUSED = "a repeat was refused, the list does not show it, and the voucher's balance adds up"
    """Past the settle window; past the list's lag where the reservation was refused as gone."""

    NO_VOUCHER = "no voucher has its id past the settle window"
    """For the creation of a voucher with an id."""

    OTHER_VOUCHER = "its id belongs to another voucher"
    """For the creation of a voucher: an older one, or one of another amount, currency or order."""

    RESOLVED = "an operator said so"
    """Recorded with the operator's name and reason, by `VoucherClient.resolve`."""
