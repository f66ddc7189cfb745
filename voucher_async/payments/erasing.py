"""Erasing the order of a record: its order number and its key become digests; pure.

A digest keeps the key used: a caller with the key makes the same digest, and sees the record with its own key
and order number. A copy of the journal without its digest key reveals neither.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from voucher_async.models import Charge
    from voucher_async.payments.call import CallRecord

__all__ = ["digest_of", "erased", "is_digest", "restored"]

_MARK: Final = "erased:"


def digest_of(text: str, digest_key: bytes) -> str:
    """The digest of a key or an order number that is erased.

    Args:
        text: the key or the order number.
        digest_key: the journal's.
    """
    said = text.encode(errors="surrogatepass")
    return _MARK + hashlib.blake2b(said, key=digest_key, digest_size=16).hexdigest()


def is_digest(text: str | None) -> bool:
    """True for what stands in the place of an order number or a key that was erased."""
    return text is not None and text.startswith(_MARK)


def erased(record: CallRecord, digest_key: bytes) -> CallRecord:
    """A record without the order number and the key that it has, one write later.

    Args:
        record: one that has ended, as others are settled by their order number.
        digest_key: the journal's.
    """
    digests = {text: digest_of(text, digest_key) for text in (record.order_number, record.key) if text}
    longest_first = sorted(digests, key=len, reverse=True)  # a key may contain the order number

    def clean(text: str) -> str:
        for plain in longest_first:
            text = text.replace(plain, digests[plain])
        return text

    failure = record.failure
    return attrs.evolve(
        _renamed(record, digests.get(record.key or ""), digests.get(record.order_number or "")),
        version=record.version + 1,
        failure=failure and attrs.evolve(failure, message=clean(failure.message)),
        transitions=tuple(
            attrs.evolve(step, why=step.why and clean(step.why)) for step in record.transitions
        ),
        unknown={},
    )


def restored(
    record: CallRecord, key: str | None, order_number: str | None, digest: Callable[[str], str]
) -> CallRecord:
    """A record as a caller who knows its key, its order number or both sees it.

    Args:
        record: the record, erased or not.
        key: the caller's key, which is shown where it is the one that was erased; None where it is not known.
        order_number: the same of the order number.
        digest: makes digests.
    """

    def is_erased(held: str | None, plain: str | None) -> bool:
        return plain is not None and is_digest(held) and held == digest(plain)

    shown = key if is_erased(record.key, key) else record.key
    if is_erased(record.order_number, order_number):
        return _renamed(record, shown, order_number)
    return record if shown == record.key else attrs.evolve(record, key=shown)


def _renamed(record: CallRecord, key: str | None, order_number: str | None) -> CallRecord:
    asked, pending = record.parameters, record.pending
    if asked.order_number is not None:
        asked = attrs.evolve(asked, order_number=order_number)
    if pending is not None and pending.order_number is not None:
        pending = attrs.evolve(pending, order_number=order_number)

    def of(charge: Charge) -> Charge:
        # the charge has the order number in the server's spelling
        return charge if charge.order_number is None else attrs.evolve(charge, order_number=order_number)

    return attrs.evolve(
        record,
        key=key,
        parameters=asked,
        pending=pending,
        charge=record.charge and of(record.charge),
        refunds=tuple(map(of, record.refunds)),
    )
