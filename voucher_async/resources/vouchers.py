"""Vouchers: creating, reading, changing and recharging them (contract: operations 1 to 10)."""

from __future__ import annotations

import datetime as dt
import uuid

from voucher_async.calls import calling
from voucher_async.config import Timeout
from voucher_async.errors import InvalidInput
from voucher_async.masking import conceal, known
from voucher_async.models import (
    UNSET,
    Charge,
    CompleteVoucher,
    CreateVoucherRequest,
    DeleteVoucherRequest,
    RechargeRequest,
    SetStatusRequest,
    Unset,
    UpdateVoucherRequest,
    ValidityInterval,
    Voucher,
    VoucherDetails,
    VoucherStatus,
    VoucherType,
)
from voucher_async.money import Amount
from voucher_async.operations import (
    DELETE_VOUCHER,
    GET_COMPLETE_VOUCHER,
    GET_VOUCHER,
    LIST_VOUCHERS,
    SET_VOUCHER_STATUS,
    UPDATE_VOUCHER,
)
from voucher_async.payments.joining import Joining
from voucher_async.payments.keys import check_key, voucher_id_of
from voucher_async.payments.sender import Sender
from voucher_async.payments.settle import Settler
from voucher_async.resources.batches import VoucherBatches
from voucher_async.resources.charge_reads import VoucherCharges
from voucher_async.resources.creation import create_voucher, create_with_key
from voucher_async.resources.paging import Listing, Page, list_query
from voucher_async.resources.recharging import recharge
from voucher_async.sansio import build, check_id

__all__ = ["Vouchers"]


class Vouchers(VoucherCharges, VoucherBatches):
    """`client.vouchers`.

    Args:
        sender: sends the requests.
        settler: sends money calls, and settles them.
        joining: idempotency keys.
    """

    def __init__(self, sender: Sender, settler: Settler, joining: Joining) -> None:
        self._sender = sender
        self._settler = settler
        self._joining = joining

    async def create(
        self,
        *,
        amount: Amount,
        currency: str,
        id: str | Unset | None = UNSET,
        code: str | None = None,
        pin: str | None = None,
        sku: str | None = None,
        batch: str | None = None,
        validity_value: int | None = None,
        validity_interval: ValidityInterval | str | None = None,
        type: VoucherType | str | None = None,
        taxable: bool | None = None,
        tax_rate: str | None = None,
        order_number: str | None = None,
        data: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | Timeout | None = None,
    ) -> CompleteVoucher:
        """Create a voucher; it starts inactive (`createVoucher`, scope `manage`).

        Args:
            amount: its value in currency units; 0 is allowed.
            currency: ISO 4217, 3 capital letters.
            id: its id, at most 255 characters and unique. Left out, the client makes one: a request whose
                answer was lost can then be repeated without a second voucher. None lets the server number
                it, and then a lost answer is an `OutcomeUnknown`.
            code: the code a customer types in; None lets the server make one.
            pin: an extra check for printed vouchers; None lets the server decide.
            sku: article number, at most 255 characters.
            batch: at most 30 characters.
            validity_value: with `validity_interval`, how long it is valid from its activation.
            validity_interval: `days`, `weeks`, `months` or `years`.
            type: `digital` or `print`.
            taxable: whether the tax is fixed at the sale (single-purpose voucher).
            tax_rate: in percent as text, such as `"19"`; only with `taxable`.
            order_number: the order it was sold with.
            data: JSON text of your own.
            idempotency_key: names the voucher, 1 to 255 printable characters: its id is derived from it, in
                every process alike; a repeated call reads the voucher (`getCompleteVoucher`).
            timeout: seconds for the whole call, or a `Timeout`.

        Returns:
            The voucher with its code and pin.

        Raises:
            InvalidInput: refused before anything was sent.
            OutcomeUnknown: it may or may not have been created.
            ApiError: refused by the server.
            TransportError: nothing was sent.
        """
        code, pin = conceal(code), conceal(pin)
        with (
            known(code, pin),
            calling(
                self._settler.hooks,
                "vouchers.create",
                order_number=order_number,
                key=idempotency_key,
                amount=amount,
                currency=currency,
            ),
        ):
            key = check_key(idempotency_key)
            if key is not None and id is None:
                raise InvalidInput("id", "must not be left to the server beside an idempotency key", None)
            voucher_id = self._new_id(key) if isinstance(id, Unset) else id
            if voucher_id is not None:
                # the model allows ids that no path can hold: their vouchers could never be read
                check_id("id", voucher_id)
            body = CreateVoucherRequest(
                amount=amount,
                currency=currency,
                id=voucher_id,
                code=code,
                pin=pin,
                sku=sku,
                batch=batch,
                validity_value=validity_value,
                validity_interval=validity_interval,
                type=type,
                taxable=taxable,
                tax_rate=tax_rate,
                order_number=order_number,
                data=data,
            )
            deadline = self._sender.deadline(timeout)
            if key is not None:
                return await create_with_key(self._settler, self._joining, body, key, deadline)
            return await create_voucher(self._settler, body, deadline, fresh_id=isinstance(id, Unset))

    def _new_id(self, key: str | None) -> str:
        return str(uuid.uuid4()) if key is None else voucher_id_of(self._joining.ownership.scope, key)

    async def get(self, id: str, *, timeout: float | Timeout | None = None) -> VoucherDetails:
        """Read a voucher, without its secrets (`getVoucher`, scope `read`).

        Args:
            id: the voucher's id.
            timeout: seconds for the whole call, or a `Timeout`.

        Returns:
            The voucher with `remaining_amount` in currency units.

        Raises:
            NotFound: there is no such voucher.
            VoucherError: it could not be read.
        """
        with calling(self._settler.hooks, "vouchers.get"):
            request = build(GET_VOUCHER, ids={"id": id})
            return (await self._sender.send(request, self._sender.deadline(timeout))).value

    async def get_complete(self, id: str, *, timeout: float | Timeout | None = None) -> CompleteVoucher:
        """Read a voucher with its code and pin (`getCompleteVoucher`, scope `read-secrets`).

        Args:
            id: the voucher's id.
            timeout: seconds for the whole call, or a `Timeout`.

        Raises:
            NotFound: there is no such voucher.
            VoucherError: it could not be read.
        """
        with calling(self._settler.hooks, "vouchers.get_complete"):
            request = build(GET_COMPLETE_VOUCHER, ids={"id": id})
            return (await self._sender.send(request, self._sender.deadline(timeout))).value

    def list(
        self,
        *,
        created_from: dt.datetime | None = None,
        created_to: dt.datetime | None = None,
        order_number: str | None = None,
        page: int = 1,
        per_page: int | None = None,
        timeout: float | Timeout | None = None,
    ) -> Listing[VoucherDetails]:
        """List vouchers, lazily (`listVouchers`, scope `read-lists`).

        Args:
            created_from: only those created then or later; aware.
            created_to: only those created then or earlier; aware.
            order_number: only those of that order.
            page: the page to start with.
            per_page: vouchers a page; None takes the API's default, 25.
            timeout: seconds for each page, or a `Timeout`.

        Returns:
            A listing for `async for` or `to_list`; nothing is sent before.

        Raises:
            InvalidInput: refused before anything was sent.
        """
        query = list_query(
            created_from=created_from,
            created_to=created_to,
            order_number=order_number,
            page=page,
            per_page=per_page,
        )

        async def fetch(number: int) -> Page[VoucherDetails]:
            with calling(self._settler.hooks, "vouchers.list", order_number=order_number):
                request = build(LIST_VOUCHERS, query=[("page", str(number)), *query[1:]])
                return (await self._sender.send(request, self._sender.deadline(timeout))).value

        return Listing(fetch, page)

    async def update(
        self,
        id: str,
        *,
        sku: str | Unset | None = UNSET,
        batch: str | Unset | None = UNSET,
        timeout: float | Timeout | None = None,
    ) -> Voucher:
        """Change `sku` and `batch` of an inactive voucher (`updateVoucher`, scope `update`).

        Args:
            id: the voucher's id.
            sku: article number, at most 255 characters; None clears it, left out it stays.
            batch: at most 30 characters; None clears it, left out it stays.
            timeout: seconds for the whole call, or a `Timeout`.

        Raises:
            InvalidInput: refused before anything was sent.
            ApiError: refused by the server, for example because the voucher is active.
            TransportError: no answer, also after repeating it.
        """
        with calling(self._settler.hooks, "vouchers.update"):
            request = build(UPDATE_VOUCHER, UpdateVoucherRequest(sku=sku, batch=batch), ids={"id": id})
            return (await self._sender.send(request, self._sender.deadline(timeout))).value

    async def set_status(
        self,
        id: str,
        status: VoucherStatus | str,
        *,
        comment: str | None = None,
        timeout: float | Timeout | None = None,
    ) -> Voucher:
        """Activate or deactivate a voucher (`setVoucherStatus`, scope `use`).

        Args:
            id: the voucher's id.
            status: `active` or `inactive`.
            comment: the reason.
            timeout: seconds for the whole call, or a `Timeout`.

        Raises:
            InvalidInput: refused before anything was sent.
            ApiError: refused by the server.
            TransportError: no answer, also after repeating it.
        """
        with calling(self._settler.hooks, "vouchers.set_status"):
            body = SetStatusRequest(status=status, comment=comment)
            request = build(SET_VOUCHER_STATUS, body, ids={"id": id})
            return (await self._sender.send(request, self._sender.deadline(timeout))).value

    async def activate(
        self, id: str, *, comment: str | None = None, timeout: float | Timeout | None = None
    ) -> Voucher:
        """Activate a voucher, which sets its `valid_until`; see `set_status`."""
        return await self.set_status(id, VoucherStatus.ACTIVE, comment=comment, timeout=timeout)

    async def deactivate(
        self, id: str, *, comment: str | None = None, timeout: float | Timeout | None = None
    ) -> Voucher:
        """Deactivate a voucher, which cannot be charged then; see `set_status`."""
        return await self.set_status(id, VoucherStatus.INACTIVE, comment=comment, timeout=timeout)

    async def delete(self, id: str, *, comment: str, timeout: float | Timeout | None = None) -> None:
        """Delete an inactive voucher without charges (`deleteVoucher`, scope `manage`).

        A 404 to a repeated request counts as deleted.

        Args:
            id: the voucher's id.
            comment: the reason, at most 255 characters.
            timeout: seconds for the whole call, or a `Timeout`.

        Raises:
            InvalidInput: refused before anything was sent.
            NotFound: there is no such voucher.
            ApiError: refused by the server, for example because the voucher is active or has charges.
            TransportError: no answer, also after repeating it.
        """
        with calling(self._settler.hooks, "vouchers.delete"):
            request = build(DELETE_VOUCHER, DeleteVoucherRequest(comment=comment), ids={"id": id})
            await self._sender.send(request, self._sender.deadline(timeout))

    async def recharge(
        self,
        *,
        amount: Amount,
        currency: str,
        order_number: str,
        code: str | None = None,
        id: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | Timeout | None = None,
    ) -> Charge:
        """Add credit to a voucher; not for undoing a charge (`rechargeVoucher`, scope `recharge`).

        Args:
            amount: how much, in currency units, at least 0.01.
            currency: ISO 4217; the voucher's.
            order_number: the order the credit was bought with.
            code: the voucher's code; either this or `id`.
            id: the voucher's id. With it, a lost answer can be settled: the earlier recharges are read first
                (`listCharges`, scope `read-lists`), to tell the new one apart. With the code alone a lost
                answer stays open.
            idempotency_key: a repeated call with it returns the same recharge; 1 to 255 printable
                characters. Without one, two equal calls are two recharges.
            timeout: seconds for the whole call, or a `Timeout`.

        Returns:
            The recharge, a charge of type `recharge`.

        Raises:
            InvalidInput: refused before anything was sent; also for both or neither of `code` and `id`.
            IdempotencyMismatch: the key was used for another recharge; nothing was sent.
            StillRunning: another caller's call with the key is under way: ask again.
            JournalFailed: the journal cannot be written; nothing was sent.
            OutcomeUnknown: it may or may not have been recharged; see `VoucherClient.settle`.
            ApiError: refused by the server; nothing was recharged.
            TransportError: nothing was recharged.
        """
        code = conceal(code)
        with (
            known(code),
            calling(
                self._settler.hooks,
                "vouchers.recharge",
                order_number=order_number,
                key=idempotency_key,
                amount=amount,
                currency=currency,
            ),
        ):
            body = RechargeRequest(
                amount=amount, currency=currency, order_number=order_number, code=code, id=id
            )
            deadline = self._sender.deadline(timeout)
            return await recharge(self._settler, self._joining, body, check_key(idempotency_key), deadline)
