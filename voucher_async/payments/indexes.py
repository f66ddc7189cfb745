"""The indexes of the journal in memory: who has a key, a charge, a parent, a look; each write is O(1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from decimal import Decimal

    from voucher_async.payments.call import CallRecord, Signature

__all__ = ["Indexes"]


class Indexes:
    """Finds the ids of records.

    Attributes:
        live: the ids of the records that are not ended.
    """

    def __init__(self, records: Iterable[CallRecord] = ()) -> None:
        self.live: dict[str, None] = {}
        self._keys: dict[tuple[str, str], str] = {}
        self._charges: dict[tuple[str, str], str] = {}
        self._children: dict[tuple[str, str], dict[str, None]] = {}
        self._alike = _Alike()
        for record in records:
            self.add(record)

    def holder(self, scope: str, key: str) -> str | None:
        """The record that has a key."""
        return self._keys.get((scope, key))

    def owner(self, scope: str, charge_id: str) -> str | None:
        """The record that a charge belongs to."""
        return self._charges.get((scope, charge_id))

    def children(self, scope: str, parent: str) -> Iterable[str]:
        """The records of the money calls of a checkout, the oldest first."""
        return self._children.get((scope, parent), ())

    def alike(self, record: CallRecord) -> Iterator[str]:
        """Records, this one included, that may have made what this one may have made."""
        signature = record.signature
        return iter(()) if signature is None else self._alike.find(record.scope, signature)

    def rival(self, record: CallRecord) -> str | None:
        """Another record that has a charge of this one."""
        owner = None if record.charge is None else self._charges.get((record.scope, record.charge.id))
        return None if owner == record.id else owner

    def give_key(self, record: CallRecord) -> None:
        """A record has its key from now on, whoever had it before."""
        if record.key is not None:
            self._keys[record.scope, record.key] = record.id

    def take_key(self, record: CallRecord) -> bool:
        """Free a key of a record; False when it had none, or has it no more."""
        if record.key is None or self._keys.get((record.scope, record.key)) != record.id:
            return False
        del self._keys[record.scope, record.key]
        return True

    def add(self, record: CallRecord) -> None:
        """Index a record, and give it its key."""
        if record.charge is not None:
            self._charges[record.scope, record.charge.id] = record.id
        if record.parent is not None:
            self._children.setdefault((record.scope, record.parent), {})[record.id] = None
        if not record.ended:
            self.live[record.id] = None
            self._alike.add(record)
        self.give_key(record)

    def change(self, old: CallRecord, new: CallRecord) -> None:
        """Index what became of a record; its parent, scope and key are as they were."""
        if old.charge is not new.charge:
            self._leave_charge(old)
            if new.charge is not None:
                self._charges[new.scope, new.charge.id] = new.id
        self._alike.discard(old)
        if new.ended:
            self.live.pop(new.id, None)
        else:
            self.live[new.id] = None
            self._alike.add(new)

    def discard(self, record: CallRecord) -> None:
        """Forget a record; its key is free."""
        self.take_key(record)
        self._leave_charge(record)
        self.live.pop(record.id, None)
        self._alike.discard(record)
        siblings = self._children.get((record.scope, record.parent or ""))
        if siblings is not None:
            siblings.pop(record.id, None)
            if not siblings:
                del self._children[record.scope, record.parent or ""]

    def _leave_charge(self, record: CallRecord) -> None:
        if record.charge is not None:
            self._charges.pop((record.scope, record.charge.id), None)


class _Alike:
    """The ids of records by signature."""

    def __init__(self) -> None:
        self._signatures: dict[str, Signature] = {}  # by record
        self._places: dict[
            tuple[str, str], dict[tuple[Decimal | None, str | None], dict[str, Signature]]
        ] = {}

    def add(self, record: CallRecord) -> None:
        signature = record.signature
        if signature is not None:
            self._signatures[record.id] = signature
            places = self._places.setdefault((record.scope, signature.operation), {})
            at = places.setdefault((signature.amount, signature.voucher_id), {})
            at[record.id] = signature

    def discard(self, record: CallRecord) -> None:
        signature = self._signatures.pop(record.id, None)
        if signature is None:
            return
        places = self._places.get((record.scope, signature.operation), {})
        at = places.get((signature.amount, signature.voucher_id), {})
        at.pop(record.id, None)
        if not at:
            places.pop((signature.amount, signature.voucher_id), None)

    def find(self, scope: str, like: Signature) -> Iterator[str]:
        places = self._places.get((scope, like.operation), {})
        if like.amount is None or like.voucher_id is None:
            for at in places.values():
                yield from (each for each, signature in at.items() if like.may_be(signature))
            return
        for amount in (like.amount, None):
            for voucher_id in (like.voucher_id, None):
                yield from places.get((amount, voucher_id), ())
