"""What a run leaves behind: nothing that can be used, whatever happened in it."""

from __future__ import annotations

import asyncio

import attrs
import pytest

from tests.probing.runs import evidence_of, refuted, run
from voucher_async import ConfigurationError, ManualClock, Settings
from voucher_async.cli.probing import QUESTIONS, Remains, Verdict, check_host, probe
from voucher_async.cli.probing.bench import Bench
from voucher_async.cli.probing.line import Reply
from voucher_async.testing import VoucherEmulator, faults


def emulator_of_its_own() -> VoucherEmulator:
    return VoucherEmulator(clock=ManualClock(skip_sleeps=True))


def check_left(emulator: VoucherEmulator, remains: tuple[Remains, ...], batch: str) -> None:
    """Nothing is active, what is left has charges, is named, and is found by its batch."""
    left = {voucher.id: voucher for voucher in emulator.vouchers()}
    charged = {charge.voucher_id for charge in emulator.charges()}
    assert {voucher.status for voucher in left.values()} <= {"inactive"}
    assert left.keys() <= charged
    assert left.keys() == {each.id for each in remains if each.state == "inactive"}
    assert {voucher.batch for voucher in left.values()} <= {batch}
    emulator.ledger.check()


async def test_a_whole_run_leaves_what_has_charges_and_nothing_active() -> None:
    async with emulator_of_its_own() as emulator:
        report = await run(emulator, "second-charge", "refused-delete-active", "create-status")
        check_left(emulator, report.remains, report.batch)
        assert {each.state for each in report.left} == {"inactive"}
        assert len(report.remains) > len(report.left) > 0


@pytest.mark.parametrize("seed", range(6))
async def test_probes_that_fail_leave_the_others_and_the_cleaning_alone(seed: int) -> None:
    async with emulator_of_its_own() as emulator:
        acting = (
            faults.BreakAfter(),
            faults.CutOff(),
            faults.WrongContentType(),
            faults.ServerError(acted=True),
        )
        kinds: list[faults.Fault] = [*acting, faults.ServerError(), faults.BreakBefore(), faults.Revoked()]
        asked = (
            "list-lag",
            "second-charge",
            "partial-refunds",
            "create-status",
            "refused-balance",
            "scope-getVoucher",
            "unauthorized",
        )
        emulator.faults.chance(0.15, seed=seed, kinds=kinds)
        remains: list[tuple[Remains, ...]] = []
        report = await run(emulator, *asked, on_remains=remains.append)
        emulator.faults.clear()
        assert refuted(report) == set(), evidence_of(report)
        known = {each.id: each for each in report.remains}
        for voucher in emulator.vouchers():
            # three tries to deactivate may all meet a fault: then it is said
            assert voucher.status == "inactive" or known[voucher.id].state == "unknown"
        assert remains == [report.remains]
        emulator.ledger.check()


@pytest.mark.parametrize("seed", range(6))
async def test_a_bad_day_confirms_nothing_that_is_wrong(seed: int) -> None:
    clock = ManualClock(skip_sleeps=True)
    async with VoucherEmulator(clock=clock, allow_double_charge=True, newest_first=True) as emulator:
        emulator.faults.chance(0.15, seed=seed)
        report = await run(emulator, "second-charge")
        assert report.finding("second-charge").verdict != Verdict.CONFIRMED, evidence_of(report)


async def test_a_probe_that_meets_a_broken_server_is_unknown_and_the_next_one_is_answered() -> None:
    async with emulator_of_its_own() as emulator:
        emulator.faults.script("createReservation", faults.ServerError())
        report = await run(emulator, "second-charge", "reservation-replaced")
        first, second = report.finding("second-charge"), report.finding("reservation-replaced")
        assert first.verdict == Verdict.UNKNOWN
        assert "500" in first.evidence
        assert second.verdict == Verdict.CONFIRMED
        check_left(emulator, report.remains, report.batch)


async def test_a_voucher_whose_creation_was_not_answered_is_deleted() -> None:
    async with emulator_of_its_own() as emulator:
        emulator.faults.script("createVoucher", faults.BreakAfter())
        report = await run(emulator, "second-charge")
        assert report.finding("second-charge").verdict == Verdict.UNKNOWN
        assert [each.state for each in report.remains] == ["deleted"]
        assert emulator.vouchers() == ()


async def test_a_voucher_that_may_still_be_made_is_not_called_absent() -> None:
    async with emulator_of_its_own() as emulator:
        emulator.faults.script("createVoucher", faults.BreakBefore())
        report = await run(emulator, "second-charge")
        (each,) = report.remains
        assert each.state == "unknown"
        assert report.left == (each,)


async def test_a_run_that_is_cancelled_cleans_up_first() -> None:
    async with emulator_of_its_own() as emulator:
        told: list[tuple[Remains, ...]] = []
        task = asyncio.create_task(
            run(emulator, "partial-refunds", "second-charge", batch="probe-mine", on_remains=told.append)
        )
        while len(emulator.charges()) < 2:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        (remains,) = told
        check_left(emulator, remains, "probe-mine")
        assert len(emulator.vouchers()) > 0


async def test_time_that_is_over_leaves_the_rest_unknown_and_cleans_up() -> None:
    async with emulator_of_its_own() as emulator:
        report = await run(emulator, "list-lag", "second-charge", "refused-balance", seconds=2.0)
        assert report.finding("refused-balance").verdict == Verdict.UNKNOWN
        assert "time of the run was over" in report.finding("refused-balance").evidence
        check_left(emulator, report.remains, report.batch)


async def test_too_many_requests_are_waited_for() -> None:
    async with emulator_of_its_own() as emulator:
        emulator.faults.script("getVoucher", faults.TooMany(retry_after=40))
        report = await run(emulator, "balance-original")
        assert report.finding("balance-original").verdict == Verdict.CONFIRMED, evidence_of(report)
        assert (report.ended - report.began).total_seconds() > 40


async def test_a_token_that_ends_is_replaced() -> None:
    async with emulator_of_its_own() as emulator:
        emulator.faults.script("createReservation", faults.Revoked())
        report = await run(emulator, "second-charge")
        assert report.finding("second-charge").verdict == Verdict.CONFIRMED, evidence_of(report)


async def test_missing_scopes_leave_questions_unknown_and_nothing_refuted() -> None:
    async with emulator_of_its_own() as emulator:
        client = emulator.add_client(scopes=("read", "read-lists"))
        settings = Settings.make(**emulator.settings(client))
        report = await run(emulator, settings=settings)
        assert emulator.vouchers() == ()
        assert report.of(Verdict.REFUTED) == (), evidence_of(report)
        assert {each.state for each in report.remains} == {"unknown"}  # nobody may look


async def test_a_server_that_is_no_sandbox_is_refused_before_anything_is_sent() -> None:
    production = Settings.make(client_id="shop", client_secret="s3cret", environment="production")
    with pytest.raises(ConfigurationError, match="not the sandbox"):
        await probe(production)
    sandbox = Settings.make(client_id="shop", client_secret="s3cret", environment="sandbox")
    assert check_host(sandbox) == "vouchers-sbx.api.jtl-software.com"
    assert check_host(production, production=True) == "vouchers.api.jtl-software.com"


@pytest.mark.parametrize("batch", ["", "x" * 31])
async def test_a_batch_that_no_voucher_can_have_is_refused(batch: str) -> None:
    async with emulator_of_its_own() as emulator:
        with pytest.raises(ConfigurationError, match="1 to 30 characters"):
            await run(emulator, batch=batch)
        assert len(emulator.requests) == 0


async def test_a_voucher_that_is_inactive_already_is_known_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    set_status = Bench.set_status

    async def refused(self: Bench, id: str, status: str) -> Reply:
        reply = await set_status(self, id, status)
        return reply if status == "active" else attrs.evolve(reply, status=409)

    monkeypatch.setattr(Bench, "set_status", refused)
    async with emulator_of_its_own() as emulator:
        report = await run(emulator, "second-charge")
        check_left(emulator, report.remains, report.batch)


async def test_a_question_that_does_not_exist_is_refused() -> None:
    async with emulator_of_its_own() as emulator:
        with pytest.raises(ConfigurationError, match="no question 'list-lga'"):
            await run(emulator, "list-lga")
        assert len(emulator.requests) == 0


async def test_findings_are_told_as_they_come() -> None:
    async with emulator_of_its_own() as emulator:
        told: list[str] = []
        report = await run(
            emulator, "create-status", "connect", on_finding=lambda finding: told.append(finding.id)
        )
        assert told == [finding.id for finding in report.findings]
        assert told[-1] == "connect"
        assert len({question.id for question in QUESTIONS}) == len(QUESTIONS)


async def test_a_page_in_the_place_of_an_answer_refutes_nothing() -> None:
    """Something on the way answers 200: to a create that was carried out, and to a delete that was not."""
    async with emulator_of_its_own() as emulator:
        emulator.faults.script("createVoucher", faults.WrongContentType())
        report = await run(emulator, "delivered-once", "refused-undone")
        assert refuted(report) == set(), evidence_of(report)
        emulator.faults.script("deleteVoucher", faults.WrongContentType())
        report = await run(emulator, "refused-no-comment")
        assert report.finding("refused-no-comment").verdict == Verdict.UNKNOWN, evidence_of(report)


async def test_a_deletion_that_a_page_answers_is_not_taken_for_one() -> None:
    async with emulator_of_its_own() as emulator:
        emulator.faults.script("setVoucherStatus", None, *[faults.ServerError()] * 3)
        emulator.faults.script("deleteVoucher", *[faults.WrongContentType()] * 3)
        report = await run(emulator, "refused-balance")
        assert [voucher.status for voucher in emulator.vouchers()] == ["active"]
        assert [each.state for each in report.remains] == ["unknown"]
