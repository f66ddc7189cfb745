"""Reading charges, under the names of both resources where they are looked for."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, overload

from voucher_async.calls import calling
from voucher_async.config import Timeout
from voucher_async.errors import InvalidInput
from voucher_async.models import Charge
from voucher_async.operations import GET_CHARGE
from voucher_async.payments.numbering import Numbering
from voucher_async.payments.sender import Sender
from voucher_async.payments.settle import Settler
from voucher_async.resources.absent import absent
from voucher_async.resources.charge_lists import charge_listing
from voucher_async.resources.paging import Listing, list_query
from voucher_async.sansio import build, check_id

__all__ = ["ChargeReads", "VoucherCharges"]


class VoucherCharges:
    """The charges of one voucher, for `client.vouchers`."""

    _sender: Sender
    _settler: Settler

    def list_charges(
        self,
        id: str,
        *,
        created_from: dt.datetime | None = None,
        created_to: dt.datetime | None = None,
        order_number: str | None = None,
        page: int = 1,
        per_page: int | None = None,
        timeout: float | Timeout | None = None,
    ) -> Listing[Charge]:
        """List a voucher's charges, refunds and recharges, lazily (`listCharges`, scope `read-lists`).

        Args:
            id: the voucher's id.
            created_from: only those created then or later; aware.
            created_to: only those created then or earlier; aware.
            order_number: only those of that order. With an `order_number_format` the server cannot filter:
                all pages are read, and filtered here, so that a page may be empty. `created_from` and a
                large `per_page` keep that short.
            page: the page to start with.
            per_page: charges a page; None takes the API's default, 25.
            timeout: seconds for each page, or a `Timeout`.

        Returns:
            A listing for `async for` or `to_list`; nothing is sent before.

        Raises:
            InvalidInput: refused before anything was sent.
        """
        check_id("id", id)
        query = list_query(
            created_from=created_from,
            created_to=created_to,
            order_number=order_number,
            page=page,
            per_page=per_page,
        )
        return charge_listing(self._settler, "vouchers.list_charges", id, query, timeout)

    charges = list_charges  # by the name that the API's path has

    async def get_charge(self, id: str, charge_id: str, *, timeout: float | Timeout | None = None) -> Charge:
        """Read one charge of a voucher (`getCharge`, scope `read`).

        Args:
            id: the voucher's id.
            charge_id: the charge's id.
            timeout: seconds for the whole call, or a `Timeout`.

        Raises:
            NotFound: there is no such voucher or charge.
            VoucherError: it could not be read.
        """
        with calling(self._settler.hooks, "vouchers.get_charge"):
            return await read_charge(self._sender, self._settler.numbering, id, charge_id, timeout)

    if not TYPE_CHECKING:
        __getattr__ = absent


class ChargeReads:
    """The reading part of `client.charges`."""

    _sender: Sender
    _settler: Settler

    @overload
    async def get(self, charge: Charge, *, timeout: float | Timeout | None = None) -> Charge: ...
    @overload
    async def get(
        self, charge: str, *, voucher_id: str, timeout: float | Timeout | None = None
    ) -> Charge: ...
    async def get(
        self, charge: Charge | str, *, voucher_id: str | None = None, timeout: float | Timeout | None = None
    ) -> Charge:
        """Read a charge, refund or recharge (`getCharge`, scope `read`); as `client.vouchers.get_charge`.

        Args:
            charge: the charge, or its id.
            voucher_id: its voucher's id, needed beside an id: the API reads a charge by both.
            timeout: seconds for the whole call, or a `Timeout`.

        Raises:
            InvalidInput: refused before anything was sent.
            NotFound: the voucher has no such charge.
            VoucherError: it could not be read.
        """
        with calling(self._settler.hooks, "charges.get"):
            if isinstance(charge, Charge):
                if voucher_id not in {None, charge.voucher_id}:
                    raise InvalidInput("voucher_id", "must be that of the charge", voucher_id)
                voucher_id, charge = charge.voucher_id, charge.id
            elif voucher_id is None:
                raise InvalidInput("voucher_id", "must be given: the API reads a charge by both ids", None)
            return await read_charge(self._sender, self._settler.numbering, voucher_id, charge, timeout)

    def list(
        self,
        voucher_id: str,
        *,
        created_from: dt.datetime | None = None,
        created_to: dt.datetime | None = None,
        order_number: str | None = None,
        page: int = 1,
        per_page: int | None = None,
        timeout: float | Timeout | None = None,
    ) -> Listing[Charge]:
        """List a voucher's charges, refunds and recharges, lazily; as `client.vouchers.list_charges`.

        Args:
            voucher_id: the voucher's id: the API lists no charges of other vouchers with it.
            created_from: only those created then or later; aware.
            created_to: only those created then or earlier; aware.
            order_number: only those of that order; see `list_charges`.
            page: the page to start with.
            per_page: charges a page; None takes the API's default, 25.
            timeout: seconds for each page, or a `Timeout`.

        Returns:
            A listing for `async for` or `to_list`; nothing is sent before.

        Raises:
            InvalidInput: refused before anything was sent.
        """
        check_id("voucher_id", voucher_id)
        query = list_query(
            created_from=created_from,
            created_to=created_to,
            order_number=order_number,
            page=page,
            per_page=per_page,
        )
        return charge_listing(self._settler, "charges.list", voucher_id, query, timeout)

    if not TYPE_CHECKING:
        __getattr__ = absent


async def read_charge(
    sender: Sender, numbering: Numbering, voucher_id: str, charge_id: str, timeout: float | Timeout | None
) -> Charge:
    """Read a charge; documented at `VoucherCharges.get_charge`."""
    request = build(GET_CHARGE, ids={"id": voucher_id, "charge_id": charge_id})
    return numbering.own((await sender.send(request, sender.deadline(timeout))).value)
