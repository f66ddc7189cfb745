"""Durable workflows on DBOS: payments that a database carries over crashes and deployments.

    vouchers = VoucherWorkflows(codes_of)  # where the shop's workflows are defined

    async with Executor(vouchers, executor_id="shop-1", database="postgresql://..."):  # once in each process
        payment = {"order_number": "A-1", "amount": "10.00", "currency": "EUR"}
        charge = await vouchers.redeem(**payment, idempotency_key="A-1")

No code and no pin is stored with a workflow: its steps ask the shop for them.
"""

try:
    import dbos as _dbos
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        'voucher_async.integrations.dbos needs dbos: pip install "voucher-async[dbos]"', name="dbos"
    ) from None

from voucher_async.integrations.dbos.batches import IssuedBatch
from voucher_async.integrations.dbos.executor import Executor
from voucher_async.integrations.dbos.failures import RecordedFailure
from voucher_async.integrations.dbos.leases import ExecutorTaken, WorkflowsUnavailable
from voucher_async.integrations.dbos.steps import CodesOf, CodesUnavailable, VoucherCode, VoucherSteps
from voucher_async.integrations.dbos.workflows import QUEUE, VoucherWorkflows

__all__ = [
    "QUEUE",
    "CodesOf",
    "CodesUnavailable",
    "Executor",
    "ExecutorTaken",
    "IssuedBatch",
    "RecordedFailure",
    "VoucherCode",
    "VoucherSteps",
    "VoucherWorkflows",
    "WorkflowsUnavailable",
]

del _dbos
