"""One voucher of a batch: its id, its creation, and its activation, each once.

Theory of operation. The id is derived from the batch and the position alone, so that every machine, with
whatever client id, journal or scope, asks for the same one. The server makes an id once. The idempotency key
adds what a journal knows: that a voucher was made and deleted since, or is being made by another process.

Activation has no key. A voucher that this run created was never active. One that was found is activated only
when nothing shows that it was changed since it was made: no `valid_until`, and no `updated_at` after its
`created_at`. Otherwise somebody may have activated and deactivated it, as one does with a stolen card, and
only a human may undo that.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

import attrs

from voucher_async.errors import IdempotencyMismatch, InvalidInput, Proof, VoucherError
from voucher_async.issuing.results import IssuedVoucher
from voucher_async.issuing.specs import body_of, read_spec
from voucher_async.issuing.verdicts import NotAsAsked
from voucher_async.models import CompleteVoucher, Voucher, VoucherStatus
from voucher_async.payments.keys import voucher_id_of
from voucher_async.payments.likeness import Likeness, compare
from voucher_async.payments.replies import as_not_done

if TYPE_CHECKING:
    from voucher_async.issuing.ports import Issuer
    from voucher_async.issuing.specs import VoucherSpec
    from voucher_async.models import CreateVoucherRequest

__all__ = ["Cards", "key_of"]

_SCOPE: Final = "batch"  # of the ids: the same for every client of every machine
_AT_ONCE: Final = dt.timedelta(seconds=1)  # nobody activates and deactivates a voucher within it
_TEXTS: Final = ("code", "pin", "sku", "batch", "order_number")
_VALUES: Final = ("type", "taxable", "validity_value", "validity_interval")
_FIELDS: Final = tuple(field.name for field in attrs.fields(Voucher))


def key_of(batch: str, position: int, spec: VoucherSpec) -> str:
    """The idempotency key of a voucher: from its own id, where it has one, or from its position.

    Args:
        batch: the name of the batch.
        position: its place, from 1.
        spec: its description.
    """
    if spec.id is None:
        return f"{batch}/{position}"
    return f"{batch}/id:{voucher_id_of(_SCOPE, spec.id)}"  # an id of 255 characters is too long for a key


class Cards:
    """The vouchers of one run.

    Args:
        batch: the name of the batch.
        activate: whether they are activated, unless their description says otherwise.
        issuer: creates and activates them.
    """

    def __init__(self, batch: str, issuer: Issuer, *, activate: bool) -> None:
        self._batch = batch
        self._activate = activate
        self._issuer = issuer
        self._own_ids: set[int] = set()  # hashes: a million ids of 255 characters would not be small

    def begin(self, position: int, given: object) -> IssuedVoucher:
        """The voucher that is to be issued; with its error, where its description cannot be used.

        Args:
            position: its place, from 1.
            given: its description.
        """
        try:
            spec = read_spec(given)
            self._check_new(spec)
        except VoucherError as error:
            return IssuedVoucher(position=position, error=error.with_traceback(None))
        voucher_id = spec.id or voucher_id_of(_SCOPE, key_of(self._batch, position, spec))
        return IssuedVoucher(position=position, id=voucher_id, spec=spec)

    def _check_new(self, spec: VoucherSpec) -> None:
        if spec.id is None:
            return
        hashed = hash(spec.id)
        if hashed in self._own_ids:
            raise InvalidInput("id", "must not be given twice in one batch", spec.id)
        self._own_ids.add(hashed)

    async def issue(self, card: IssuedVoucher) -> IssuedVoucher:
        """Create a voucher, or find it, and activate it where that is wanted.

        Args:
            card: the voucher as it was begun, or as an earlier try left it.
        """
        spec, voucher_id = card.spec, card.id
        if spec is None or voucher_id is None:
            return card
        body = body_of(spec, voucher_id=voucher_id, batch=self._batch)
        try:
            voucher, is_new = await self._issuer.create(body, key_of(self._batch, card.position, spec))
        except VoucherError as error:
            return attrs.evolve(card, error=error)
        if is_new and (wrong := _not_as_asked(voucher, body)) is not None:
            return attrs.evolve(card, voucher=voucher, error=wrong, created=True)
        different = () if is_new else differences(voucher, body)
        if different:
            return attrs.evolve(card, voucher=None, error=_mismatch(card, self._batch, different))
        has_asked = card.voucher is not None  # an earlier try got as far as its activation
        card = attrs.evolve(card, voucher=voucher, error=None, created=card.created or is_new)
        if voucher.status == VoucherStatus.ACTIVE:
            return attrs.evolve(card, activated=has_asked)
        is_wanted = self._activate if spec.activate is None else spec.activate
        return await self._activated(card, voucher, is_new=is_new) if is_wanted else card

    async def _activated(
        self, card: IssuedVoucher, voucher: CompleteVoucher, *, is_new: bool
    ) -> IssuedVoucher:
        if not is_new and was_changed(voucher):
            return attrs.evolve(card, error=_not_activated(voucher))
        try:
            answer = await self._issuer.activate(voucher.id)
        except VoucherError as error:
            return attrs.evolve(card, error=error)
        # the answer has neither code nor pin
        changes: dict[str, Any] = {name: getattr(answer, name) for name in _FIELDS}
        card = attrs.evolve(card, voucher=attrs.evolve(voucher, **changes))
        if answer.status != VoucherStatus.ACTIVE:
            return attrs.evolve(
                card, error=VoucherError("the API has answered, and does not show it as active")
            )
        return attrs.evolve(card, activated=True)


def was_changed(voucher: Voucher) -> bool:
    """True when a voucher that is inactive may have been active before."""
    return voucher.valid_until is not None or voucher.updated_at - voucher.created_at > _AT_ONCE


def differences(voucher: CompleteVoucher, asked: CreateVoucherRequest) -> tuple[str, ...]:
    """The names of the fields in which a voucher is not the one that was asked for.

    What was not asked for is not compared, nor `data`, which a server may write anew.
    """
    found = [*_other_worth(voucher, asked)]
    found += [
        name for name in _TEXTS if compare(getattr(asked, name), getattr(voucher, name)) is Likeness.OTHER
    ]
    for name in _VALUES:
        wanted, shown = getattr(asked, name), getattr(voucher, name)
        if wanted is not None and shown is not None and wanted != shown:
            found.append(name)
    if asked.tax_rate is not None and _rate(asked.tax_rate) != _rate(voucher.tax_rate or asked.tax_rate):
        found.append("tax_rate")
    return tuple(found)


def _other_worth(voucher: Voucher, asked: CreateVoucherRequest) -> tuple[str, ...]:
    shown = {"amount": voucher.amount, "currency": voucher.currency.upper()}
    wanted = {"amount": asked.amount, "currency": asked.currency.upper()}
    return tuple(name for name in shown if shown[name] != wanted[name])


def _not_as_asked(voucher: Voucher, asked: CreateVoucherRequest) -> VoucherError | None:
    """The error for a new voucher that is worth something else, or that the next run would make again."""
    if voucher.id.casefold() != (asked.id or voucher.id).casefold():
        return NotAsAsked(
            f"the server made the voucher {voucher.id} where {asked.id} was asked for: as it keeps no ids, "
            "a run that is repeated makes all vouchers once more, so this one was not activated"
        )
    if _other_worth(voucher, asked):
        return NotAsAsked(
            f"the server made a voucher of {voucher.amount} {voucher.currency} where {asked.amount} "
            f"{asked.currency} was asked for, so it was not activated"
        )
    return None


def _rate(text: str) -> Decimal | str:
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


def _mismatch(card: IssuedVoucher, batch: str, different: tuple[str, ...]) -> VoucherError:
    error = IdempotencyMismatch(
        f"voucher {card.position} of the batch {batch!r} exists, and is another one in "
        f"{', '.join(different)}; nothing was created",
        differences=different,
    )
    return as_not_done(error, Proof.OTHER_VOUCHER)


def _not_activated(voucher: Voucher) -> VoucherError:
    return VoucherError(
        f"it exists, is inactive, and was changed after it was made (at {voucher.updated_at.isoformat()}): "
        "somebody may have deactivated it, so it was not activated"
    )
