"""A voucher with its charges, and what a judge makes of it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, TypeVar, cast

import attrs

from tests.unit.samples import NOON, example, raw
from voucher_async import Charge, ManualClock, PendingOutcome, Settings, wire
from voucher_async.api_errors import Conflict, NotFound, RateLimited
from voucher_async.clock import Deadline, ServerClock
from voucher_async.config import Timeout, deadline_of
from voucher_async.errors import Proof, VoucherError
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
VOUCHER = attrs.evolve(
    wire.decode(VoucherDetails, raw(example("VoucherDetails"))),
    amount=Decimal("25.00"),
    remaining_amount=Decimal("25.00"),
    currency="EUR",
    order_number=None,
    created_at=NOON,
)
CREATION = PendingOutcome(
    operation="createVoucher", voucher_id="V", amount=VOUCHER.amount, currency="EUR", since=NOON, sent_at=NOON
)
SMALL = attrs.evolve(VOUCHER, currency="eur")
LATE = 1000.0  # seconds, beyond any window
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

    def deadline(self, timeout: float | Timeout | None = None) -> Deadline:
        return Deadline(self.clock, 0.0) if timeout == 0 else deadline_of(self.clock, timeout)

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
