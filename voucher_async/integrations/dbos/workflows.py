"""Payments, refunds and batches as workflows of their own, whose ids are idempotency keys."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, ParamSpec, TypeVar

from dbos import DBOS, SetWorkflowID, WorkflowHandleAsync
from dbos import error as dbos_error

from voucher_async.client import VoucherClient
from voucher_async.errors import IdempotencyMismatch, InvalidInput, InvalidInputType
from voucher_async.integrations.dbos.batches import IssuedBatch, stored
from voucher_async.integrations.dbos.failures import read_back
from voucher_async.integrations.dbos.steps import CodesOf, VoucherSteps
from voucher_async.models import Charge
from voucher_async.money import Amount, format_amount, to_amount
from voucher_async.order_refunds import OrderRefund
from voucher_async.payments.keys import check_key

__all__ = ["QUEUE", "VoucherWorkflows"]

P = ParamSpec("P")
T = TypeVar("T")

QUEUE: Final = "voucher-async"
"""The queue of the workflows: every executor of the database takes from it."""

_LONGEST: Final = 200  # of an id: the keys of its steps are longer, and may have 255
_POLLING: Final = 0.25  # seconds between two looks for a workflow's end


class VoucherWorkflows:
    """The workflows of a shop that pay with vouchers. Make one per process, before its `Executor`.

    Args:
        codes_of: reads the codes of an order from the shop's database: `codes_of("A-1")` gives a list of
            `VoucherCode`; it may be a coroutine function. It is called within steps alone, so that no code is
            stored with a workflow.
        make: makes the client, on an event loop of its own; default: `VoucherClient.from_env`. Its journal
            must outlive the process (`VOUCHER_JOURNAL`).

    Attributes:
        steps: the same as steps, for workflows of the shop's own.
    """

    def __init__(
        self, codes_of: CodesOf, *, make: Callable[[], VoucherClient] = VoucherClient.from_env
    ) -> None:
        self.steps: VoucherSteps = VoucherSteps(codes_of, make)
        self._workflows = _registered(self.steps)

    async def redeem(
        self, *, order_number: str, amount: Amount, currency: str, idempotency_key: str
    ) -> Charge:
        """Pay an order with its voucher; see `VoucherSteps.redeem`.

        Asked again with the key, in any process and after any crash, it is the same workflow, and its end: a
        refusal, too. A customer who pays anew has a new key.

        Args:
            order_number: the order.
            amount: how much, in currency units.
            currency: ISO 4217; must be the voucher's.
            idempotency_key: the workflow's id.

        Returns:
            The charge.

        Raises:
            IdempotencyMismatch: the key belongs to a workflow with other parameters; nothing was sent.
            VoucherError: refused for good; nothing was charged.
        """
        arguments = order_number, format_amount(to_amount(amount)), currency
        told = await self._told(idempotency_key, self._workflows["redeem"], *arguments)
        return Charge.from_dict(told)

    async def checkout(
        self, *, order_number: str, amounts: Sequence[Amount], currency: str, idempotency_key: str
    ) -> tuple[Charge, ...]:
        """Pay an order with several vouchers, all or none; see `VoucherSteps.checkout` and `redeem`.

        Args:
            order_number: the order.
            amounts: how much of each voucher, in currency units, in the order of its codes.
            currency: ISO 4217; the vouchers' currency.
            idempotency_key: the workflow's id.

        Returns:
            The charges.

        Raises:
            IdempotencyMismatch: the key belongs to a workflow with other parameters; nothing was sent.
            VoucherError: refused for good; nothing was charged.
        """
        values = [format_amount(to_amount(each)) for each in amounts]
        told = await self._told(idempotency_key, self._workflows["checkout"], order_number, values, currency)
        return tuple(map(Charge.from_dict, told))

    async def refund(
        self, *, order_number: str, amount: Amount | None = None, idempotency_key: str
    ) -> OrderRefund:
        """Give back what an order took, or a part of it; see `VoucherSteps.refund` and `redeem`.

        Args:
            order_number: the order.
            amount: how much, in currency units; None gives back all that is left.
            idempotency_key: the workflow's id: the number of the return.

        Returns:
            The refunds.

        Raises:
            IdempotencyMismatch: the key belongs to a workflow with other parameters; nothing was sent.
            VoucherError: refused for good; nothing was given back.
        """
        value = None if amount is None else format_amount(to_amount(amount))
        return OrderRefund.from_dict(
            await self._told(idempotency_key, self._workflows["refund"], order_number, value)
        )

    async def issue_many(
        self, specs: Sequence[Mapping[str, Any]], *, batch: str, activate: bool = False
    ) -> IssuedBatch:
        """Issue a batch of vouchers, whose name is the workflow's id; see `VoucherSteps.issue_many`.

        Args:
            specs: the fields of each voucher, without a code or a pin: they are stored.
            batch: the name of the batch.
            activate: whether they are activated.

        Returns:
            The ids of the vouchers, and the errors.

        Raises:
            IdempotencyMismatch: the batch was begun with other vouchers; nothing was sent.
            InvalidInput: a voucher has a code or a pin of its own.
            VoucherError: refused for good.
        """
        told = await self._told(batch, self._workflows["issue_many"], stored(specs), batch, activate)
        return IssuedBatch.from_dict(told)

    async def start(
        self,
        workflow: Callable[P, Coroutine[Any, Any, T]],
        idempotency_key: str,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> WorkflowHandleAsync[T]:
        """Start a workflow of the shop's own, or find the one that was started with the key.

        It waits in a queue until an executor takes it, usually for less than a second.

        Args:
            workflow: a coroutine function with `@DBOS.workflow()`.
            idempotency_key: the workflow's id.
            args: its arguments; they are stored, so no code may be among them.
            kwargs: the same by name.

        Returns:
            DBOS's handle.

        Raises:
            IdempotencyMismatch: the key belongs to a workflow with other arguments.
            InvalidInput: the key is empty, has more than 200 characters, or cannot be one.
        """
        _check(idempotency_key)
        with SetWorkflowID(idempotency_key):
            try:
                handle = await DBOS.enqueue_workflow_async(QUEUE, workflow, *args, **kwargs)
            except dbos_error.DBOSConflictingWorkflowError as error:
                raise _mismatch(idempotency_key, "operation") from error
        given = (await handle.get_status()).input
        if given is not None and (tuple(given["args"]), dict(given["kwargs"])) != (args, kwargs):
            raise _mismatch(idempotency_key, "arguments")
        return handle

    async def _told(
        self, key: str, workflow: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any
    ) -> Any:
        handle = await self.start(workflow, key, *arguments)
        with read_back():
            return await handle.get_result(polling_interval_sec=_POLLING)


Workflow = Callable[..., Coroutine[Any, Any, Any]]


def _registered(steps: VoucherSteps) -> dict[str, Workflow]:
    """The functions that DBOS runs; they take and return what JSON has, for later versions to read."""

    async def redeem(order_number: str, amount: str, currency: str) -> Any:
        return (await steps.redeem(order_number=order_number, amount=amount, currency=currency)).to_dict()

    async def checkout(order_number: str, amounts: list[str], currency: str) -> Any:
        charges = await steps.checkout(order_number=order_number, amounts=amounts, currency=currency)
        return [each.to_dict() for each in charges]

    async def refund(order_number: str, amount: str | None) -> Any:
        return (await steps.refund(order_number=order_number, amount=amount)).to_dict()

    async def issue_many(specs: list[dict[str, Any]], batch: str, activate: bool) -> Any:  # noqa: FBT001
        return (await steps.issue_many(specs, batch=batch, activate=activate)).to_dict()

    own: dict[str, Workflow] = {
        "redeem": redeem,
        "checkout": checkout,
        "refund": refund,
        "issue_many": issue_many,
    }
    return {name: DBOS.workflow(name=f"voucher_async.{name}")(each) for name, each in own.items()}


def _check(key: str) -> None:
    if not isinstance(key, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidInputType("idempotency_key", f"must be a str, not {type(key).__name__}", key)
    check_key(key)
    if len(key) > _LONGEST:
        raise InvalidInput("idempotency_key", f"must have 1 to {_LONGEST} characters", key)


def _mismatch(key: str, what: str) -> IdempotencyMismatch:
    return IdempotencyMismatch(f"the workflow {key!r} has other {what}; nothing was sent", differences=[what])
