"""One look and the step that follows: which facts of a call count, and by which proof it ends."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import attrs
import pytest

from tests.unit.judged import (
    CONFLICT,
    CREATION,
    LATE,
    LIMITED,
    PENDING,
    SMALL,
    VOUCHER,
    Elsewhere,
    Server,
    case,
    not_found,
)
from tests.unit.samples import NOON, charge
from voucher_async.api_errors import MissingScope, NotFound, ServerError
from voucher_async.errors import ConfigurationError, Fate, Proof, VoucherError
from voucher_async.models import VoucherDetails
from voucher_async.payments.evidence import Move
from voucher_async.payments.facts import CallState, Limits


async def test_what_is_absent_past_the_window_was_not_done() -> None:
    server = Server()
    each = case(server)
    assert await server.look(each) == (Move.NOT_DONE, Proof.ABSENT)
    assert (each.absences, each.quiet) == (1, LATE)
    early = case(server, quiet=59.0)
    assert (await server.look(early))[0] is Move.WAIT
    assert "on its way" in early.reason
    server.voucher = ServerError("HTTP 500", status=500)  # the balance is read only where it is needed
    assert await server.look(case(server)) == (Move.NOT_DONE, Proof.ABSENT)
    refund = attrs.evolve(PENDING, operation="refundCharge", known=(), known_whole=True)
    assert await server.look(case(server, pending=refund)) == (Move.NOT_DONE, Proof.ABSENT)


async def test_what_is_found_was_done() -> None:
    server = Server([charge()])
    each = case(server, absences=3)
    verdict = await server.judge(each)
    assert (verdict.move, verdict.is_absent) == (Move.DONE, False)
    assert (each.finding.certain, each.absences) == ((charge(),), 0)


async def test_what_belongs_to_another_call_is_not_found() -> None:
    server = Server([charge()])
    server.registry.take("c", "another")
    assert (await server.look(case(server)))[0] is Move.NOT_DONE


async def test_a_fence_is_a_proof_of_its_own() -> None:
    server = Server()
    now = server.clock.monotonic()
    fenced = case(server, quiet=11.0, fence=lambda: now - 10.0)
    assert await server.look(fenced) == (Move.NOT_DONE, Proof.FENCED)
    assert (await server.look(case(server, quiet=11.0, fence=lambda: now - 9.0)))[0] is Move.WAIT


@pytest.mark.parametrize("quiet", [1.0, LATE])
async def test_a_refusal_is_its_own_proof_however_long_it_took(quiet: float) -> None:
    server = Server()
    now = server.clock.monotonic()
    each = case(server, quiet, doubts=0, refusals=1, refusal=CONFLICT, absences=1, fence=lambda: now - LATE)
    assert await server.look(each) == (Move.REFUSED, Proof.REFUSED)


async def test_a_list_that_is_not_whole_proves_nothing() -> None:
    server = Server(total=1)
    each = case(server)
    verdict = await server.judge(each)
    assert (verdict.move, verdict.is_absent) == (Move.WAIT, False)
    assert "copy, or incomplete" in each.reason


async def test_an_answer_of_2xx_is_never_not_done() -> None:
    server = Server()
    each = case(server, pending=attrs.evolve(PENDING, answered=True))
    assert (await server.look(each))[0] is Move.WAIT
    assert "the answer says" in each.reason


@pytest.mark.parametrize(
    ("voucher", "move", "reason"),
    [
        (VOUCHER, Move.NOT_DONE, ""),
        (attrs.evolve(VOUCHER, remaining_amount=Decimal("20.00")), Move.WAIT, "balance does not fit"),
        (MissingScope("HTTP 403", status=403), Move.NOT_DONE, ""),
        (NotFound("HTTP 404", status=404), Move.WAIT, "balance does not fit"),
        (ServerError("HTTP 500", status=500), Move.WAIT, "looking for it failed"),
    ],
)
async def test_after_a_refused_repeat_the_balance_has_to_add_up(
    voucher: VoucherDetails | VoucherError, move: Move, reason: str
) -> None:
    server = Server(voucher=voucher)
    each = case(server, repeats=1, repeat_refused=True, refusal=CONFLICT)
    moved, proof = await server.look(each)
    assert moved is move
    assert move is Move.WAIT or proof is Proof.REPEAT_REFUSED
    assert reason in each.reason


async def test_more_than_was_sent_and_what_is_unclear_say_so() -> None:
    both = Server([charge("a"), charge("b")])
    each = case(both)
    assert (await both.look(each))[0] is Move.OPEN
    assert "more was found" in each.reason
    unclear = Server([charge(client_id="other", order_number=None)])
    each = case(unclear, pending=attrs.evolve(PENDING, reserved_by="shop"))
    assert (await unclear.look(each))[0] is Move.OPEN
    assert "another call" in each.reason


async def test_what_may_be_an_equal_calls_is_waited_for() -> None:
    server = Server([charge()])
    server.registry.begin(case(server, pending=attrs.evolve(PENDING, id="rival")))
    each = case(server)
    assert (await server.look(each))[0] is Move.WAIT
    assert "equal call" in each.reason


async def test_what_may_be_another_processs_is_waited_for_or_left() -> None:
    server = Server([charge()], elsewhere=Elsewhere(alike=1))
    server.registry.begin(case(server, pending=attrs.evolve(PENDING, id="rival")))
    verdict = await server.judge(case(server))
    assert (verdict.move, verdict.facts.rivals) == (Move.WAIT, 2)
    server = Server([charge()], elsewhere=Elsewhere(owned=frozenset({"c"})))
    assert (await server.look(case(server)))[0] is Move.NOT_DONE


@pytest.mark.parametrize(("alike", "move"), [(0, Move.DONE), (1, Move.OPEN)])
async def test_what_was_rewritten_may_be_anybodys_who_looks_the_same(alike: int, move: Move) -> None:
    server = Server([charge(order_number="a1")], elsewhere=Elsewhere(alike=alike))
    each = case(server, repeats=1, repeat_refused=True, refusal=CONFLICT)
    verdict = await server.judge(each)
    assert (verdict.move, verdict.facts.rivals, verdict.is_absent) == (move, alike, False)
    early = case(server, quiet=1.0)
    assert (await server.look(early))[0] is Move.WAIT
    assert early.reason == "what was found may belong to another call"


async def test_the_surplus_of_an_equal_call_is_no_riddle() -> None:
    server = Server([charge("told"), charge("more")])
    other = case(server, pending=attrs.evolve(PENDING, id="other"), charge=charge("its"), doubts=2)
    server.registry.begin(other)
    each = case(server, charge=charge("told"))
    each.call = each.call._replace(state=CallState.DONE)
    verdict = await server.judge(each)
    assert (verdict.move, verdict.facts.charge) == (Move.DONE, "told")


@pytest.mark.parametrize("changes", [{"order_number": "a1"}, {"created_at": NOON - dt.timedelta(seconds=9)}])
async def test_what_the_caller_was_told_counts_for_itself_alone(changes: dict[str, Any]) -> None:
    server = Server([charge("told", **changes), charge("r", order_number="a1")])
    each = case(server, charge=charge("told"))
    await server.look(each)
    assert [[one.id for one in ones] for ones in attrs.astuple(each.finding, recurse=False)] == [
        ["told"],
        ["r"],
        [],
        [],
    ]
    assert "more was found" not in each.reason


async def test_a_call_whose_voucher_was_never_there_is_refused_after_two_looks() -> None:
    server = Server(error=not_found())
    each = case(server, doubts=0, refusals=1, refusal=not_found())
    assert await server.look(each) == (Move.WAIT, Proof.REFUSED)
    assert not each.hopeless
    assert each.reason == "its voucher is not there"
    verdict = await server.judge(each)
    assert (verdict.move, verdict.facts.is_balanced) == (Move.REFUSED, True)


@pytest.mark.parametrize(
    "changes",
    [
        {"pending": attrs.evolve(PENDING, reservation_id="r")},
        {"pending": attrs.evolve(PENDING, charge_id="c")},
        {"pending": attrs.evolve(PENDING, known=())},
        {"refusal": CONFLICT},
        {"refusal": NotFound("HTTP 404", status=404)},
        {"doubts": 1},
    ],
)
async def test_a_voucher_that_was_seen_is_not_taken_for_one_that_never_was(changes: dict[str, Any]) -> None:
    server = Server(error=not_found())
    each = case(server, **{"doubts": 0, "refusals": 1, "refusal": not_found(), "absences": 5, **changes})
    assert (await server.look(each))[0] is Move.WAIT
    assert "looking for it failed" in each.reason
    assert each.hopeless is (not each.doubts)


async def test_what_the_caller_was_told_comes_first_and_is_counted_once() -> None:
    server = Server([charge("a"), charge("told", created_at=NOON + dt.timedelta(seconds=1))])
    each = case(server, charge=charge("told"), doubts=2)
    assert (await server.look(each))[0] is Move.DONE
    assert [found.id for found in each.finding.certain] == ["told", "a"]


async def test_a_living_reservation_is_charged_again_while_its_caller_waits() -> None:
    server = Server()
    each = case(server, quiet=1.0, absences=1, may_repeat=lambda: True)
    assert (await server.look(each, can_repeat=True))[0] is Move.REPEAT
    assert (await server.look(each))[0] is Move.WAIT
    at_once = case(server, quiet=0.0, absences=1, may_repeat=lambda: True)
    assert (await server.look(at_once, can_repeat=True, left=0.5))[0] is Move.REPEAT
    assert (await server.look(at_once, can_repeat=True, left=0.0))[0] is Move.WAIT
    each.repeats = 2
    assert (await server.look(each, can_repeat=True))[0] is Move.WAIT


@pytest.mark.parametrize(
    ("operation", "quiet", "left", "move"),
    [
        ("chargeReservation", 1.0, 30.0, Move.WAIT),
        ("chargeReservation", 1.5, 1.0, Move.WAIT),
        ("chargeReservation", 2.0, 30.0, Move.REPEAT),
        ("chargeReservation", 1.0, 0.5, Move.REFUSED),  # no time is left to send it again
        ("chargeReservation", 1.0, 1.0, Move.REFUSED),
        ("refundCharge", 2.0, 30.0, Move.WAIT),
        ("refundCharge", 10.0, 30.0, Move.REPEAT),  # by then the list shows what the first delivery did
    ],
)
async def test_what_was_limited_is_sent_again_in_time(
    operation: str, quiet: float, left: float, move: Move
) -> None:
    server = Server()
    each = case(
        server,
        quiet,
        pending=attrs.evolve(PENDING, operation=operation, known=(), known_whole=True),
        doubts=0,
        refusals=1,
        refusal=LIMITED,
        absences=1,
        may_repeat=lambda: True,
    )
    assert (await server.look(each, can_repeat=True, left=left))[0] is move


@pytest.mark.parametrize(
    ("error", "hopeless"),
    [
        (ServerError("HTTP 500", status=500), False),
        (MissingScope("HTTP 403", status=403), True),
        (ConfigurationError("closed"), True),
    ],
)
async def test_a_look_that_failed_says_nothing(error: VoucherError, *, hopeless: bool) -> None:
    error.fate = Fate.ANSWERED
    server = Server(error=error)
    each = case(server)
    verdict = await server.judge(each)
    assert (verdict.move, verdict.is_absent) == (Move.WAIT, False)
    assert each.hopeless is hopeless
    assert "looking for it failed" in each.reason


@pytest.mark.parametrize(
    ("voucher", "changes", "quiet", "expected"),
    [
        (NotFound("HTTP 404", status=404), {}, 60.0, (Move.NOT_DONE, Proof.NO_VOUCHER)),
        (NotFound("HTTP 404", status=404), {}, 59.0, (Move.WAIT, Proof.NO_VOUCHER)),
        (NotFound("HTTP 404", status=404), {"answered": True}, 60.0, (Move.WAIT, Proof.NO_VOUCHER)),
        (VOUCHER, {}, 0.0, (Move.DONE, Proof.NO_VOUCHER)),
        (VOUCHER, {"since": None}, 0.0, (Move.DONE, Proof.NO_VOUCHER)),
        (SMALL, {"since": None, "sent_at": None}, 0.0, (Move.DONE, Proof.NO_VOUCHER)),
        (VOUCHER, {"currency": "eur"}, 0.0, (Move.DONE, Proof.NO_VOUCHER)),
        (VOUCHER, {"since": NOON + dt.timedelta(days=1)}, 0.0, (Move.OPEN, Proof.OTHER_VOUCHER)),
        (VOUCHER, {"amount": Decimal("1.00")}, 0.0, (Move.OPEN, Proof.OTHER_VOUCHER)),
        (
            VOUCHER,
            {"amount": Decimal("1.00"), "since": None, "sent_at": None},
            0.0,
            (Move.NOT_DONE, Proof.OTHER_VOUCHER),
        ),
        (
            VOUCHER,
            {"amount": Decimal("1.00"), "since": NOON + dt.timedelta(days=1)},
            0.0,
            (Move.NOT_DONE, Proof.OTHER_VOUCHER),
        ),
        (
            VOUCHER,
            {"amount": Decimal("1.00"), "since": None, "answered": True},
            0.0,
            (Move.OPEN, Proof.OTHER_VOUCHER),
        ),
    ],
)
async def test_a_creation_is_looked_for_by_its_id(
    voucher: VoucherDetails | VoucherError,
    changes: dict[str, Any],
    quiet: float,
    expected: tuple[Move, Proof],
) -> None:
    server = Server(voucher=voucher)
    each = case(server, quiet, pending=attrs.evolve(CREATION, **changes))
    assert await server.look(each) == expected


@pytest.mark.parametrize(("quiet", "move"), [(4.0, Move.WAIT), (6.0, Move.NOT_DONE)])
async def test_the_window_of_a_creation_is_measured_by_the_machine_alone(quiet: float, move: Move) -> None:
    server = Server(voucher=NotFound("HTTP 404", status=404), limits=Limits(window=5.0))
    assert (await server.look(case(server, quiet, pending=CREATION)))[0] is move
