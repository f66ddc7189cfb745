"""Payments as workflows in one process: keys, errors, and what is stored of them."""

from __future__ import annotations

import asyncio
import pickle
from decimal import Decimal
from typing import Any

import pytest
from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer

from tests.workflows.conftest import Running
from tests.workflows.places import PIN
from voucher_async import (
    ApiError,
    Charge,
    ConfigurationError,
    IdempotencyMismatch,
    InvalidInput,
    InvalidInputType,
    MemoryJournal,
    Proof,
    VoucherError,
)
from voucher_async.integrations.dbos import CodesUnavailable, ExecutorTaken, RecordedFailure, VoucherCode
from voucher_async.integrations.problems import problem_of
from voucher_async.testing import faults

PAID: dict[str, Any] = {"amount": Decimal("10.00"), "currency": "EUR"}


async def test_a_shop_pays_refunds_and_issues_by_workflows(running: Running) -> None:
    vouchers, emulator = running.workflows(), running.emulator
    one, two = running.order("A-1", "25.00"), running.order("A-2", "25.00", "5.00")
    async with running.executor(vouchers):
        charge = await vouchers.redeem(order_number=one, **PAID, idempotency_key=one)
        assert await vouchers.redeem(order_number=one, **PAID, idempotency_key=one) == charge
        with pytest.raises(IdempotencyMismatch) as other:
            await vouchers.redeem(order_number=one, amount="12.00", currency="EUR", idempotency_key=one)
        assert other.value.proof is Proof.NOT_SENT
        with pytest.raises(IdempotencyMismatch):
            await vouchers.refund(order_number=one, idempotency_key=one)
        amounts = [Decimal("20.00"), Decimal(5)]
        charges = await vouchers.checkout(
            order_number=two, amounts=amounts, currency="EUR", idempotency_key=two
        )
        refund = await vouchers.refund(order_number=one, amount=Decimal("4.00"), idempotency_key="return-1")
        specs = [{"amount": Decimal("25.00"), "currency": "EUR"}] * 3
        batch = await vouchers.issue_many(specs, batch="XMAS", activate=True)
        assert await vouchers.issue_many(specs, batch="XMAS", activate=True) == batch
        with pytest.raises(InvalidInput, match="stored with the workflow"):
            await vouchers.issue_many([{**specs[0], "code": "GIFT-1"}], batch="MORE")
        secrets = [emulator.voucher(each).code for each in batch.ids]
    assert [each.id for each in emulator.charges(one)][:1] == [charge.id]
    assert [each.amount for each in charges] == [Decimal("20.00"), Decimal("5.00")]
    assert (refund.amount, len(set(batch.ids)), batch.failed) == (Decimal("4.00"), 3, {})
    emulator.ledger.check()
    stored = running.stored()
    secrets += [each.code for cards in running.codes.values() for each in cards]
    assert charge.id.encode() in stored
    assert not [each for each in [*secrets, PIN] if each.encode() in stored]


async def test_a_refusal_is_told_with_its_facts_and_without_secrets(running: Running) -> None:
    vouchers, order = running.workflows(), running.order("A-1", "5.00")
    async with running.executor(vouchers):
        for _ in range(2):  # the second time it is read from the database
            with pytest.raises(ApiError) as refused:
                await vouchers.redeem(order_number=order, **PAID, idempotency_key=order)
            assert refused.value.facts is not None
            assert (refused.value.proof is not None, refused.value.status) == (True, 409)
    stored = running.stored()
    assert b"voucher_async" in stored
    assert not [each for each in (running.codes[order][0].code, PIN) if each.encode() in stored]
    again = pickle.loads(pickle.dumps(ExecutorTaken("taken")))
    assert (type(again), str(again)) == (ExecutorTaken, "taken")


async def test_a_refusal_that_was_written_as_json_has_its_facts(running: Running) -> None:
    vouchers, order = running.workflows(), running.order("A-1", "5.00")
    config = DBOSConfig(serializer=DBOSPortableJSONSerializer())
    async with running.executor(vouchers, config=config):
        with pytest.raises(RecordedFailure, match="does not hold that much") as refused:
            await vouchers.redeem(order_number=order, **PAID, idempotency_key=order)
        charge = await vouchers.redeem(
            order_number=running.order("A-2", "25.00"), **PAID, idempotency_key="A-2"
        )
    assert (refused.value.name, refused.value.proof) == ("Conflict", None)  # it is a text by now
    assert refused.value.data["proof"]
    assert refused.value.data["charged"] is False
    assert refused.value.data["operation"] == "createReservation"
    assert [each.amount for each in running.emulator.charges("A-2")] == [charge.amount]
    assert not [each for each in (running.codes[order][0].code, PIN) if each.encode() in running.stored()]


async def test_a_step_runs_until_its_outcome_is_known(running: Running) -> None:
    asked = 0

    def codes_of(order: str) -> Any:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise OSError(running.codes[order][0].code)  # a shop's own error may tell anything
        return running.codes[order]

    vouchers, order = running.workflows(codes_of, timeout=1.0), running.order("A-1", "25.00")
    running.emulator.faults.script("chargeReservation", faults.SlowHeaders(seconds=2))
    async with running.executor(vouchers):
        charge = await vouchers.redeem(order_number=order, **PAID, idempotency_key=order)
        steps = [each["function_name"] for each in await DBOS.list_workflow_steps_async(order)]
    assert [each.id for each in running.emulator.charges(order)] == [charge.id]
    assert steps[0] == steps[-1] == "redeem"
    assert steps.count("redeem") >= 2
    assert running.codes[order][0].code.encode() not in running.stored()


@pytest.mark.parametrize("told", [None, "GIFT-1", ["GIFT-1"], VoucherCode("GIFT-1"), iter([])])
async def test_what_is_no_list_of_codes_is_asked_for_again(running: Running, told: Any) -> None:
    async def codes_of(_: str) -> Any:
        return told

    for each in (codes_of, lambda _: told):
        with pytest.raises(CodesUnavailable, match="A-1: the shop's function gave no list") as failed:
            await running.workflows(each).steps._code("A-1")
        assert problem_of(failed.value).retry_after is not None
        assert "GIFT-1" not in str(failed.value)


async def test_a_payment_that_was_begun_is_not_refused_when_its_code_is_gone(running: Running) -> None:
    steps, order = running.workflows().steps, running.order("A-1", "25.00")
    cards = running.codes[order]

    async def pay(key: str) -> list[Charge]:
        card = await steps._code(order)
        return [
            await steps._call(
                lambda client: client.redeem(
                    code=card.code, pin=card.pin, **PAID, order_number=order, idempotency_key=key
                )
            )
        ]

    running.codes[order] = []
    with pytest.raises(InvalidInput, match="has 0 vouchers"):
        await steps._attempt(pay, "A-1/redeem")
    running.codes[order] = cards
    assert "made" in await steps._attempt(pay, "A-1/redeem")
    running.codes[order] = []  # the process was killed before the charge was stored
    assert (await steps._attempt(pay, "A-1/redeem"))["ask_again_after"] > 0
    await asyncio.to_thread(steps.close)


async def test_a_journal_that_dies_with_the_process_is_refused(running: Running) -> None:
    vouchers = running.workflows(journal=MemoryJournal())
    with pytest.raises(ConfigurationError, match="journal that outlives the process"):
        async with running.executor(vouchers):
            raise AssertionError
    assert not (running.folder / "workflows.db").exists()


async def test_an_executor_of_another_live_process_is_refused(running: Running) -> None:
    vouchers, others = running.workflows(), running.workflows()
    async with running.executor(vouchers, lease=2.0):
        with pytest.raises(ExecutorTaken, match="'local' belongs to another live process"):
            async with running.executor(others, lease=0.2):
                raise AssertionError
    async with running.executor(others, lease=2.0) as executor:  # the first one has ended
        assert str(executor.executor_id).startswith("local#")


@pytest.mark.parametrize("key", ["", None, 7, "a\nb", "x" * 201])
async def test_a_key_that_can_be_no_workflow_s_id_is_refused(running: Running, key: Any) -> None:
    vouchers = running.workflows()
    with pytest.raises((InvalidInput, InvalidInputType)):
        await vouchers.redeem(order_number="A-1", **PAID, idempotency_key=key)


async def test_a_step_outside_of_a_workflow_is_refused(running: Running) -> None:
    vouchers = running.workflows()
    with pytest.raises(ConfigurationError, match=r"@DBOS\.workflow"):
        await vouchers.steps.redeem(order_number="A-1", **PAID)


async def test_keys_are_compared_as_they_are_and_steps_have_no_slash(running: Running) -> None:
    vouchers, order = running.workflows(), running.order("A-1", "25.00")

    @DBOS.workflow()
    async def pay() -> None:
        await vouchers.steps.redeem(order_number=order, **PAID, step="b/redeem")

    key = f"Bestellung /1 \N{SNOWMAN}{'x' * 183}"
    async with running.executor(vouchers):
        charge = await vouchers.redeem(order_number=order, **PAID, idempotency_key=key)
        handle = await vouchers.start(pay, "A")
        with pytest.raises(InvalidInput, match="no /"):
            await handle.get_result(polling_interval_sec=0.1)
    assert [each.id for each in running.emulator.charges(order)] == [charge.id]


async def test_an_executor_is_opened_where_no_loop_is_held_up(running: Running) -> None:
    with pytest.raises(ConfigurationError, match="async with"), running.executor(running.workflows()):
        raise AssertionError


def test_threads_open_an_executor_too_and_again(running: Running) -> None:
    vouchers = running.workflows()
    for _ in range(2):
        with running.executor(vouchers) as executor:
            assert DBOS.list_workflows() == []
        assert executor.executor_id is None


@pytest.mark.parametrize("slot", [None, "local"])
def test_postgresql_needs_an_executor_id_of_one_s_own(running: Running, slot: str | None) -> None:
    from voucher_async.integrations.dbos import Executor

    with pytest.raises(ConfigurationError, match="executor_id of its own"):
        Executor(running.workflows(), executor_id=slot, database="postgresql://shop@db/shop")


@pytest.mark.parametrize(
    ("slot", "database", "match"),
    [
        ("a#b", "sqlite:///workflows.db", "without #"),
        ("", "sqlite:///workflows.db", "1 to 64"),
        (7, "sqlite:///workflows.db", "must be a str"),
        ("a", "sqlite://", "workflows need a database"),
        ("a", "mysql://root:hunter2@db/shop", "workflows need a database"),
        ("a", "nonsense", "no URL"),
    ],
)
def test_what_cannot_work_is_said(running: Running, slot: Any, database: str, match: str) -> None:
    from voucher_async.integrations.dbos import Executor

    with pytest.raises(VoucherError, match=match) as refused:
        Executor(running.workflows(), executor_id=slot, database=database)
    assert "hunter2" not in str(refused.value)
