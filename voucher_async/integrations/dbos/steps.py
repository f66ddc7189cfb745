"""Steps of workflows that move money: each has an idempotency key, and runs until its outcome is known."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, TypeGuard, TypeVar, cast

import attrs
from dbos import DBOS

from voucher_async.client import VoucherClient
from voucher_async.errors import ConfigurationError, InvalidInput, VoucherError
from voucher_async.integrations.blocking import BlockingVouchers
from voucher_async.integrations.dbos.batches import IssuedBatch, issue
from voucher_async.integrations.dbos.failures import describe, read_back
from voucher_async.integrations.dbos.gate import Gate
from voucher_async.integrations.problems import problem_of
from voucher_async.masking import conceal
from voucher_async.models import Charge, Reservation
from voucher_async.money import Amount, to_amount
from voucher_async.order_refunds import OrderRefund
from voucher_async.payments.keys import check_key
from voucher_async.values import Value

__all__ = ["CodesOf", "CodesUnavailable", "VoucherCode", "VoucherSteps"]

T = TypeVar("T")
M = TypeVar("M", Charge, Reservation, OrderRefund, IssuedBatch)

_LONGEST: Final = 300.0  # seconds between two attempts, at most
_TO_MEND: Final = "not-configured"

_logger: Final = logging.getLogger("voucher_async")


@attrs.frozen
class VoucherCode:
    """A voucher's code, as the shop keeps it for an order that is not paid yet.

    Attributes:
        code: the code.
        pin: its pin, for printed vouchers.
    """

    code: str = attrs.field(repr=False, converter=conceal)
    pin: str | None = attrs.field(default=None, repr=False, converter=conceal)


CodesOf = Callable[[str], Sequence[VoucherCode] | Awaitable[Sequence[VoucherCode]]]
"""A function of the shop: the codes with which an order is paid, by its number."""


class CodesUnavailable(VoucherError):
    """The shop's function for codes has failed; nothing was sent, and the step runs again."""


class VoucherSteps:
    """Steps for workflows: `await vouchers.steps.redeem(...)` within a function of `@DBOS.workflow()`.

    The idempotency key of a step is the workflow's id, a slash and the name of the step. So a step that runs
    again finds the charge that it made, and a workflow that pays twice names two steps. A step whose outcome
    is not known, or that cannot be carried out for now, runs again after a durable pause, of five minutes at
    most.

    Args:
        codes_of: reads the codes of an order from the shop's database, within the step.
        make: makes the client, whose journal must outlive the process.
    """

    def __init__(self, codes_of: CodesOf, make: Callable[[], VoucherClient]) -> None:
        self._codes_of = codes_of
        self._make = make
        self._guard = threading.Lock()
        self._opened: BlockingVouchers | None = None
        self.gate: Gate = Gate()

    async def reserve(
        self, *, order_number: str, amount: Amount, currency: str, step: str = "reserve"
    ) -> Reservation:
        """Reserve an amount of the order's voucher for 30 minutes; an older reservation of it ends.

        Args:
            order_number: the order; it has one voucher.
            amount: how much, in currency units.
            currency: ISO 4217; must be the voucher's.
            step: the name of the step.

        Returns:
            The reservation. It is stored with the workflow, and without the code nobody else can use it.

        Raises:
            VoucherError: refused for good; nothing was charged.
        """
        value = to_amount(amount)

        async def hold(_: str) -> Sequence[Reservation]:
            card = await self._code(order_number)
            return [
                await self._call(
                    lambda client: client.reservations.create(
                        code=card.code, pin=card.pin, amount=value, currency=currency
                    )
                )
            ]

        (reservation,) = await self._until_known(step, hold, Reservation)
        return reservation

    async def redeem(
        self, *, order_number: str, amount: Amount, currency: str, step: str = "redeem"
    ) -> Charge:
        """Pay an order with its voucher, once; a reservation of `reserve` is replaced by the payment's own.

        Args:
            order_number: the order; it has one voucher.
            amount: how much, in currency units.
            currency: ISO 4217; must be the voucher's.
            step: the name of the step: with the workflow's id it is the idempotency key.

        Returns:
            The charge.

        Raises:
            VoucherError: refused for good; nothing was charged, or all of it was refunded (`ChargeRefunded`).
        """
        value = to_amount(amount)

        async def pay(key: str) -> Sequence[Charge]:
            card = await self._code(order_number)
            return [
                await self._call(
                    lambda client: client.redeem(
                        code=card.code,
                        pin=card.pin,
                        amount=value,
                        currency=currency,
                        order_number=order_number,
                        idempotency_key=key,
                    )
                )
            ]

        (charge,) = await self._until_known(step, pay, Charge)
        return charge

    async def checkout(
        self, *, order_number: str, amounts: Sequence[Amount], currency: str, step: str = "checkout"
    ) -> tuple[Charge, ...]:
        """Pay an order with several vouchers: all are charged, or none.

        Args:
            order_number: the order.
            amounts: how much of each voucher, in currency units, in the order of its codes.
            currency: ISO 4217; the vouchers' currency.
            step: the name of the step: with the workflow's id it is the idempotency key.

        Returns:
            The charges.

        Raises:
            VoucherError: refused for good; nothing was charged.
        """
        values = [to_amount(each) for each in amounts]

        async def pay(key: str) -> Sequence[Charge]:
            cards = await self._codes(order_number)
            if len(cards) != len(values):
                raise InvalidInput(
                    "amounts", f"must be as many as the order's {len(cards)} vouchers", len(values)
                )
            parts = list(zip(cards, values, strict=True))
            return await self._call(lambda client: _check_out(client, parts, order_number, currency, key))

        return tuple(await self._until_known(step, pay, Charge))

    async def refund(
        self, *, order_number: str, amount: Amount | None = None, step: str = "refund"
    ) -> OrderRefund:
        """Give back what an order took, or a part of it; see `VoucherClient.refund_order`.

        Args:
            order_number: the order.
            amount: how much, in currency units; None gives back all that is left.
            step: the name of the step: with the workflow's id it is the idempotency key.

        Returns:
            The refunds.

        Raises:
            VoucherError: refused for good; nothing was given back.
        """
        value = None if amount is None else to_amount(amount)

        async def give_back(key: str) -> Sequence[OrderRefund]:
            return [
                await self._call(lambda client: client.refund_order(order_number, value, idempotency_key=key))
            ]

        (refund,) = await self._until_known(step, give_back, OrderRefund)
        return refund

    async def issue_many(
        self, specs: Sequence[Mapping[str, Any]], *, batch: str, activate: bool = False, step: str = "issue"
    ) -> IssuedBatch:
        """Issue a batch of vouchers; see `client.vouchers.issue_many`.

        Args:
            specs: the fields of each voucher, without a code or a pin, which would be stored.
            batch: the name of the batch: it is what makes a second run find the vouchers of the first.
            activate: whether they are activated.
            step: the name of the step.

        Returns:
            The ids of the vouchers; `client.vouchers.get_complete` reads their codes.

        Raises:
            InvalidInput: the name of the batch, or a voucher's fields.
            VoucherError: refused for good for all of them.
        """

        async def make(_: str) -> Sequence[IssuedBatch]:
            return [await self._call(lambda client: issue(client, specs, batch, activate=activate))]

        (issued,) = await self._until_known(step, make, IssuedBatch)
        return issued

    def open(self) -> None:
        """Open the client.

        Raises:
            ConfigurationError: a setting is missing, or its journal does not outlive the process.
        """
        self.gate.open()
        self._client()

    def close(self) -> None:
        """Finish calls that are under way, and close the client; `open` makes another."""
        with self._guard:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def _client(self) -> BlockingVouchers:
        with self._guard:
            if self._opened is None:
                made = BlockingVouchers(self._make)
                try:
                    made.call(_check_journal)
                except BaseException:
                    made.close()
                    raise
                self._opened = made
            return self._opened

    async def _call(self, use: Callable[[VoucherClient], Awaitable[T]]) -> T:
        # the client has an event loop of its own: workflows run on DBOS's, or on that of whoever starts one
        return await asyncio.to_thread(lambda: self._client().call(use))

    async def _until_known(
        self, step: str, use: Callable[[str], Awaitable[Sequence[M]]], model: type[M]
    ) -> list[M]:
        key = _key_of(step)
        pause = 0.0
        while True:
            with read_back():
                told: Mapping[str, Any] = await DBOS.run_step_async({"name": step}, self._attempt, use, key)
            made = told.get("made")
            if made is not None:
                return [model.from_dict(each) for each in made]
            pause = min(max(2 * pause, told["ask_again_after"]), _LONGEST)
            await DBOS.sleep_async(pause)

    async def _attempt(self, use: Callable[[str], Awaitable[Sequence[Value]]], key: str) -> dict[str, Any]:
        """One run of a step: what was made, as JSON, or the seconds after which to run again."""
        async with self.gate:
            await asyncio.to_thread(self._client)
            try:
                made = await use(key)
            except VoucherError as error:
                problem = problem_of(error)
                is_final = problem.retry_after is None and problem.kind != _TO_MEND
                if is_final and not await self._was_begun(error, key):
                    describe(error, problem)
                    raise
                _logger.warning("the step %s runs again: %s", key, error)
                return {"ask_again_after": problem.retry_after or 30.0, "error": type(error).__name__}
            return {"made": [each.to_dict() for each in made]}

    async def _was_begun(self, error: VoucherError, key: str) -> bool:
        """Tell whether an earlier run may have charged, and this one lacks what it had, such as the code."""
        if not isinstance(error, InvalidInput):
            return False
        try:
            return bool(await self._call(lambda client: client.history(key=key).to_list()))
        except VoucherError:  # not known
            return True

    async def _codes(self, order_number: str) -> Sequence[VoucherCode]:
        try:
            told = await asyncio.to_thread(self._codes_of, order_number)
            found: object = await told if inspect.isawaitable(told) else told
        except VoucherError:
            raise
        except Exception as error:  # its text might show a code
            name = type(error).__name__
            raise CodesUnavailable(
                f"no codes for order {order_number}: {name} in the shop's function"
            ) from error
        if not _are_codes(found):
            raise CodesUnavailable(
                f"no codes for order {order_number}: the shop's function gave no list of VoucherCode"
            )
        return found

    async def _code(self, order_number: str) -> VoucherCode:
        cards = await self._codes(order_number)
        if len(cards) != 1:
            raise InvalidInput("order_number", f"has {len(cards)} vouchers, not one", order_number)
        return cards[0]


def _are_codes(found: object) -> TypeGuard[Sequence[VoucherCode]]:
    if not isinstance(found, (list, tuple)):
        return False
    return all(isinstance(each, VoucherCode) for each in cast("Sequence[object]", found))


async def _check_out(
    client: VoucherClient,
    parts: Sequence[tuple[VoucherCode, Decimal]],
    order_number: str,
    currency: str,
    key: str,
) -> Sequence[Charge]:
    async with client.checkout(order_number=order_number, currency=currency, idempotency_key=key) as checkout:
        for card, amount in parts:
            await checkout.reserve(code=card.code, pin=card.pin, amount=amount)
        return await checkout.charge()


async def _check_journal(client: VoucherClient) -> None:
    if not client.outlives_its_process:
        raise ConfigurationError(
            "a workflow needs a journal that outlives the process, or a step that runs again would charge "
            "again: set VOUCHER_JOURNAL, such as sqlite:///vouchers.db"
        )


def _key_of(step: str) -> str:
    """The idempotency key of a step of the workflow that runs.

    Raises:
        ConfigurationError: no workflow runs.
        InvalidInput: the step's name cannot be one, or workflow id and step together are no key.
    """
    workflow_id = DBOS.workflow_id
    if not workflow_id:
        raise ConfigurationError("a step of vouchers runs in a function of @DBOS.workflow() alone")
    if not step or "/" in step:  # or two workflows would have one key
        raise InvalidInput("step", "must not be empty, and have no /", step)
    key = f"{workflow_id}/{step}"
    check_key(key)
    return key
