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
from voucher_async import Charge, ChargeType, ManualClock, PendingOutcome, Settings, wire
from voucher_async.api_errors import Conflict, MissingScope, NotFound, RateLimited, ServerError
from voucher_async.clock import Deadline, ServerClock
from voucher_async.errors import ConfigurationError, Fate, Proof, VoucherError
from voucher_async.facts import Answer
from voucher_async.models import ChargePage, PageLinks, PageMeta, VoucherDetails
from voucher_async.operations import GET_VOUCHER
from voucher_async.payments.evidence import Finding, Move
from voucher_async.payments.facts import OPERATIONS, Call, CallState, Limits
from voucher_async.payments.judging import Judge, Verdict
from voucher_async.payments.lessons import Lessons
from voucher_async.payments.looking import Looking
from voucher_async.payments.machine import Machine
from voucher_async.payments.money_call import MoneyCall
from voucher_async.payments.registry import Registry
from voucher_async.payments.rivals import Rivals
from voucher_async.sansio import Request

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
class Elsewhere:
    """Calls of other processes: the ids they own, and how many look the same."""

    owned: frozenset[str] = frozenset()
    alike: int = 0

    async def taken(self, case: MoneyCall, finding: Finding) -> frozenset[str]:
        return self.owned

    async def rivals(self, case: MoneyCall, finding: Finding) -> int:
        return self.alike


def not_found() -> NotFound:
    error = NotFound("HTTP 404", status=404)
    error.has_envelope = True
    return error


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
    elsewhere: Elsewhere | None = None

    def deadline(self, timeout: float | None = None) -> Deadline:
        return Deadline(self.clock, 30.0 if timeout is None else timeout)

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
        verdict = await self.judge(case, can_repeat=can_repeat, left=left)
        return verdict.move, verdict.proof

    async def judge(self, case: MoneyCall, *, can_repeat: bool = False, left: float = 30.0) -> Verdict:
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
            rivals=cast("Rivals | None", self.elsewhere),
        )
        return await judge.look(case, self.deadline(left), can_repeat=can_repeat)


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
    server.voucher = ServerError("HTTP 500", status=500)  # the balance is read where it is needed alone
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


@pytest.mark.parametrize(
    ("voucher", "is_absent"),
    [
        (attrs.evolve(VOUCHER, remaining_amount=Decimal("24.00")), True),
        (VOUCHER, False),
        (MissingScope("HTTP 403", status=403), False),
    ],
)
async def test_an_entry_of_another_amount_is_ours_unless_the_balance_agrees(
    voucher: VoucherDetails | VoucherError, *, is_absent: bool
) -> None:
    server = Server([charge(amount=Decimal("1.00"))], voucher=voucher)
    each = case(server)
    verdict = await server.judge(each)
    assert (verdict.move is Move.NOT_DONE, verdict.is_absent) == (is_absent, is_absent)
    assert is_absent or "balance does not fit" in each.reason
    assert (await Server().judge(case(Server()))).is_absent


@pytest.mark.parametrize(("shown", "is_absent"), [("0.01", False), ("5.00", True)])
async def test_a_charge_that_is_shown_smaller_than_its_refund_makes_the_sum_worthless(
    shown: str, *, is_absent: bool
) -> None:
    refund = attrs.evolve(PENDING, operation="refundCharge", charge_id="c", known=("c",), known_whole=True)
    entries = [
        charge("c", amount=Decimal(shown)),
        charge("r", type=ChargeType.refund, amount=Decimal("0.01")),
        charge("d", amount=Decimal("0.01") if is_absent else Decimal("1.00"), order_number="B-2"),
        charge("e", type=ChargeType.recharge, amount=Decimal("5.00") if is_absent else Decimal("1.00")),
    ]
    server = Server(entries, voucher=VOUCHER)
    assert (await server.judge(case(server, pending=refund))).is_absent is is_absent


async def test_a_list_without_what_was_there_before_is_an_older_one() -> None:
    refund = attrs.evolve(PENDING, operation="refundCharge", known=("before",), known_whole=True)
    server = Server()
    each = case(server, pending=refund)
    assert (await server.look(each))[0] is Move.WAIT
    assert "copy, or incomplete" in each.reason
    whole = Server([charge("before", type=ChargeType.refund)])
    assert (await whole.look(case(whole, pending=refund)))[0] is Move.NOT_DONE


@pytest.mark.parametrize("fenced", [True, False])
async def test_behind_a_fence_the_balance_is_read(*, fenced: bool) -> None:
    server = Server()
    each = case(server)
    each.call = each.call._replace(fenced_at=server.clock.monotonic() - 11.0 if fenced else None)
    verdict = await server.judge(each)
    assert (verdict.move, verdict.facts.is_balanced) == (Move.NOT_DONE, fenced)


async def test_a_balance_that_may_be_a_copy_agrees_with_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    server, asked = Server(), list[str]()
    monkeypatch.setattr(Looking, "is_new", lambda _, voucher_id, __: asked.append(voucher_id))
    each = case(server, repeats=1, repeat_refused=True, refusal=CONFLICT)
    assert (await server.look(each))[0] is Move.WAIT
    assert asked == ["V"]


@pytest.mark.parametrize(("operation", "since"), [("chargeReservation", NOON), ("refundCharge", None)])
async def test_the_list_is_read_from_its_newest_end_where_no_ids_are_known(
    monkeypatch: pytest.MonkeyPatch, operation: str, since: dt.datetime | None
) -> None:
    server, asked, read = Server(), list[Any](), Looking.read

    async def noted(self: Looking, *given: Any) -> Any:
        asked.append(given[-1])
        return await read(self, *given)

    monkeypatch.setattr(Looking, "read", noted)
    await server.look(case(server, pending=attrs.evolve(PENDING, operation=operation)))
    assert asked == [since]


@pytest.mark.parametrize("is_after", [True, False])
async def test_behind_a_fence_the_balance_has_to_be_newer_than_it(
    monkeypatch: pytest.MonkeyPatch, *, is_after: bool
) -> None:
    monkeypatch.setattr(Looking, "is_after", lambda *_: is_after)
    server = Server()
    each = case(server, quiet=11.0, repeats=1, repeat_refused=True, refusal=not_found())
    each.call = each.call._replace(fenced_at=server.clock.monotonic() - 11.0)
    expected = (Move.NOT_DONE, Proof.REPEAT_REFUSED) if is_after else (Move.WAIT, Proof.REFUSED)
    assert await server.look(each) == expected
    without = case(server, repeats=1, repeat_refused=True, refusal=not_found())
    assert await server.look(without) == (Move.NOT_DONE, Proof.REPEAT_REFUSED)
    assert (await server.look(case(server, 11.0, repeats=1, repeat_refused=True)))[0] is Move.WAIT


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
        ("chargeReservation", 1.0, 0.5, Move.REFUSED),  # there is no time to send it again
        ("chargeReservation", 1.0, 1.0, Move.REFUSED),
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
