"""One look and the step that follows: which facts of a call count, and by which proof it ends."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, TypeVar, cast

import attrs
import pytest

from tests.unit.samples import NOON, charge, example, raw
from voucher_async import Charge, ManualClock, PendingOutcome, Settings, wire
from voucher_async.clock import Deadline, ServerClock
from voucher_async.errors import (
    ConfigurationError,
    Conflict,
    Fate,
    MissingScope,
    NotFound,
    Proof,
    RateLimited,
    ServerError,
    VoucherError,
)
from voucher_async.models import ChargePage, PageLinks, PageMeta, VoucherDetails
from voucher_async.operations import GET_VOUCHER
from voucher_async.payments.evidence import Move
from voucher_async.payments.facts import OPERATIONS, Call, CallState, Limits
from voucher_async.payments.judging import Judge
from voucher_async.payments.lessons import Lessons
from voucher_async.payments.looking import Looking
from voucher_async.payments.machine import Machine
from voucher_async.payments.money_call import MoneyCall
from voucher_async.payments.registry import Registry
from voucher_async.sansio import Answer, Request

T = TypeVar("T")

PENDING = PendingOutcome(
    operation="chargeReservation", voucher_id="V", amount=Decimal("5.00"), order_number="A-1", since=NOON
)
CREATION = PendingOutcome(
    operation="createVoucher",
    voucher_id="V",
    amount=Decimal("25.00"),
    currency="EUR",
    since=NOON,
    sent_at=NOON,
)
VOUCHER = attrs.evolve(
    wire.decode(VoucherDetails, raw(example("VoucherDetails"))),
    amount=Decimal("25.00"),
    remaining_amount=Decimal("25.00"),
    currency="EUR",
    order_number=None,
    created_at=NOON,
)
SMALL = attrs.evolve(VOUCHER, currency="eur")
LATE = 1000.0  # seconds: later than any window
CONFLICT = Conflict("HTTP 409", status=409)
LIMITED = RateLimited("HTTP 429", status=429, retry_after=2.0)


@attrs.define
class Server:
    """A voucher with its charges, or errors."""

    charges: Sequence[Charge] = ()
    total: int | None = None
    voucher: VoucherDetails | VoucherError = VOUCHER
    error: VoucherError | None = None
    clock: ManualClock = attrs.Factory(lambda: ManualClock(NOON))
    registry: Registry = attrs.Factory(Registry)
    limits: Limits = attrs.Factory(Limits)

    def deadline(self, timeout: float | None = None) -> Deadline:
        return Deadline(self.clock, timeout or 30.0)

    async def send(self, request: Request[T], deadline: Deadline) -> Answer[T]:
        if request.operation is GET_VOUCHER:
            if isinstance(self.voucher, VoucherError):
                if isinstance(self.voucher, NotFound):
                    self.voucher.has_envelope = True
                raise self.voucher
            return Answer(value=cast("T", self.voucher), date=None, sent=0.0)
        if self.error is not None:
            raise self.error
        total = len(self.charges) if self.total is None else self.total
        meta = PageMeta(current_page=1, per_page=100, last_page=1, total=total)
        page = ChargePage(data=tuple(self.charges), links=PageLinks(), meta=meta)
        return Answer(value=cast("T", page), date=None, sent=0.0)

    async def look(
        self, case: MoneyCall, *, can_repeat: bool = False, left: float = 30.0
    ) -> tuple[Move, Proof]:
        made = Settings.make(client_id="shop", client_secret="secret", base_url="https://api.example")
        settings = attrs.evolve(made, settle_window=60.0, list_lag=10.0)
        looking = Looking(self, ServerClock(self.clock), random.Random(0))
        judge = Judge(
            self,
            looking=looking,
            registry=self.registry,
            lessons=Lessons(),
            machine=Machine(self.limits),
            settings=settings,
            clock=self.clock,
        )
        verdict = await judge.look(case, self.deadline(left), can_repeat=can_repeat)
        return verdict.move, verdict.proof


def case(server: Server, quiet: float = LATE, **changes: Any) -> MoneyCall:
    """A call whose only request ended so many seconds ago."""
    values: dict[str, Any] = {"pending": PENDING, "doubts": 1, **changes}
    call = Call(
        OPERATIONS[values["pending"].operation],
        CallState.SENT,
        "",
        doubts=bool(values["doubts"]),
        refused=bool(values.get("refusals")),
        declined=isinstance(values.get("refusal"), RateLimited),
        answered=values["pending"].answered,
        ended_at=server.clock.monotonic() - quiet,
    )
    return MoneyCall(**{"call": call, **values})


async def test_what_is_absent_past_the_window_was_not_done() -> None:
    server = Server()
    each = case(server)
    assert await server.look(each) == (Move.NOT_DONE, Proof.ABSENT)
    assert (each.absences, each.quiet) == (1, LATE)
    early = case(server, quiet=59.0)
    assert (await server.look(early))[0] is Move.WAIT
    assert "on its way" in early.reason


async def test_what_is_found_was_done() -> None:
    server = Server([charge()])
    each = case(server, absences=3)
    assert (await server.look(each))[0] is Move.DONE
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
    assert (await server.look(each))[0] is Move.WAIT
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
    each.repeats = 2
    assert (await server.look(each, can_repeat=True))[0] is Move.WAIT


@pytest.mark.parametrize(
    ("operation", "quiet", "left", "move"),
    [
        ("chargeReservation", 1.0, 30.0, Move.WAIT),
        ("chargeReservation", 2.0, 30.0, Move.REPEAT),
        ("chargeReservation", 1.0, 0.5, Move.REFUSED),  # there is no time to send it again
        ("refundCharge", 2.0, 30.0, Move.WAIT),
        ("refundCharge", 10.0, 30.0, Move.REPEAT),  # the first delivery would show by then
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
    assert (await server.look(each))[0] is Move.WAIT
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
