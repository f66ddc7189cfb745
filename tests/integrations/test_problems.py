"""Errors as problem details: the right status, nothing that helps to guess, "not charged" by proofs alone."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest

from voucher_async import (
    AuthenticationError,
    BadAnswer,
    CallFacts,
    CallTimeout,
    Charge,
    ChargeType,
    CheckoutFailed,
    CheckoutUnknown,
    ConfigurationError,
    Conflict,
    ConnectFailed,
    Fate,
    FieldError,
    HeldOutcome,
    HeldState,
    IdempotencyMismatch,
    InvalidInput,
    JournalFailed,
    LockFailed,
    MissingScope,
    NotFound,
    OrderRefundFailed,
    OrderRefundUnknown,
    OutcomeUnknown,
    PendingOutcome,
    Proof,
    RateLimited,
    ReservationExpired,
    ServerError,
    StillRunning,
    TooManyInDoubt,
    ValidationFailed,
    VoucherError,
)
from voucher_async.api_errors import ApiError
from voucher_async.integrations.problems import HandlerCancelled, answer_of, problem_of
from voucher_async.outcomes import ChargeRefunded

SECRET = "SECRET-CODE"
PENDING = PendingOutcome(operation="chargeReservation", order_number="A-1")


def refused(
    kind: type[ApiError], status: int, operation: str = "createReservation", **given: Any
) -> ApiError:
    error = kind(
        f"refused {SECRET}",
        status=status,
        message=SECRET,
        facts=CallFacts(operation=operation, method="POST", path="/..."),
        **given,
    )
    error.has_envelope = True
    return error


def proved(error: VoucherError, proof: Proof = Proof.REFUSED) -> VoucherError:
    error.proof = proof
    return error


def held(state: HeldState) -> HeldOutcome:
    return HeldOutcome(voucher_id="V", amount=Decimal("1.00"), state=state)


def failed(cause: VoucherError, *states: HeldState) -> VoucherError:
    error = CheckoutFailed(SECRET, outcomes=[held(state) for state in states])
    error.__cause__ = cause
    return error


def charge() -> Charge:
    from decimal import Decimal

    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    given: dict[str, Any] = {
        "id": "C",
        "voucher_id": "V",
        "amount": Decimal("1.00"),
        "type": ChargeType.CHARGE,
    }
    return Charge(**given, created_at=now, updated_at=now)


ANSWERS: list[tuple[VoucherError, str, int, bool | None]] = [
    (InvalidInput("code", "must not be empty", "", secret=True), "voucher-refused", 422, None),
    (InvalidInput("pin", "at most 255", SECRET, secret=True), "voucher-refused", 422, None),
    (InvalidInput("amount", "at least 0.01", "0"), "invalid-input", 422, None),
    (proved(refused(NotFound, 404)), "voucher-refused", 422, False),
    (proved(refused(ValidationFailed, 422)), "voucher-refused", 422, False),
    (proved(refused(ValidationFailed, 400)), "voucher-refused", 422, False),
    (proved(refused(Conflict, 409)), "voucher-refused", 422, False),
    (refused(MissingScope, 403), "voucher-refused", 422, None),
    (refused(MissingScope, 403, "chargeReservation"), "voucher-refused", 422, None),
    (refused(Conflict, 409, "chargeReservation"), "reservation-over", 409, None),
    (proved(refused(NotFound, 404, "chargeReservation")), "reservation-over", 409, False),
    (proved(refused(ValidationFailed, 422, "chargeReservation")), "reservation-over", 409, False),
    (refused(AuthenticationError, 401), "not-configured", 500, None),
    (AuthenticationError("invalid_client", status=400), "not-configured", 500, None),
    (ConfigurationError(SECRET), "not-configured", 500, None),
    (refused(RateLimited, 429, retry_after=7.5), "unavailable", 503, None),
    (refused(ServerError, 502), "unavailable", 503, None),
    (BadAnswer("HTML", status=200), "unavailable", 503, None),
    (NotFound("a page of a proxy", status=404), "unavailable", 503, None),
    (ConnectFailed("refused", fate=Fate.NOT_SENT), "unavailable", 503, None),
    (CallTimeout("too late", fate=Fate.NOT_SENT), "unavailable", 503, None),
    (JournalFailed("down"), "unavailable", 503, None),
    (LockFailed("down"), "unavailable", 503, None),
    (TooManyInDoubt("the brake is on", retry_after=30.0), "unavailable", 503, False),
    (OutcomeUnknown(SECRET, pending=PENDING), "outcome-unknown", 503, None),
    (StillRunning(SECRET, pending=PENDING), "under-way", 409, None),
    (IdempotencyMismatch("other amount", differences=("amount",)), "key-reused", 422, False),
    (ChargeRefunded("refunded", charge=charge()), "charge-refunded", 409, None),
    (ReservationExpired("too late", reservation_id="R"), "reservation-over", 409, None),
    (refused(NotFound, 404, "getVoucher"), "not-found", 404, None),
    (refused(MissingScope, 403, "getVoucher"), "not-configured", 500, None),
    (refused(Conflict, 409, "deleteVoucher"), "rejected", 409, None),
    (
        failed(refused(Conflict, 409), HeldState.NOT_CHARGED, HeldState.REFUNDED),
        "voucher-refused",
        422,
        False,
    ),
    (failed(refused(Conflict, 409, "chargeReservation"), HeldState.REFUNDED), "reservation-over", 409, False),
    (failed(refused(ServerError, 500), HeldState.REFUNDED), "unavailable", 503, False),
    (failed(refused(Conflict, 409), HeldState.CHARGED), "unfinished", 503, None),
    (CheckoutUnknown(SECRET, outcomes=[], pending=PENDING), "outcome-unknown", 503, None),
    (proved(OrderRefundFailed(SECRET)), "return-unfinished", 503, None),
    (OrderRefundUnknown(SECRET, outcomes=[], pending=PENDING), "return-unfinished", 503, None),
    (proved(refused(ServerError, 502, "refundCharge")), "unavailable", 503, None),
    (proved(refused(Conflict, 409, "rechargeVoucher")), "rejected", 409, None),
    (HandlerCancelled("the handler was cancelled"), "interrupted", 503, None),
]


@pytest.mark.parametrize(("error", "kind", "status", "charged"), ANSWERS)
def test_each_error_has_an_answer(
    error: VoucherError, kind: str, status: int, *, charged: bool | None
) -> None:
    problem = problem_of(error)
    assert (problem.kind, problem.status, problem.charged) == (kind, status, charged)
    answer = json.dumps(problem.to_dict())
    assert SECRET not in answer
    assert json.loads(answer)["type"] == f"urn:voucher-async:{kind}"


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (ConfigurationError("no secret"), "ERROR"),
        (OutcomeUnknown("in doubt", pending=PENDING), "WARNING"),
        (HandlerCancelled("the handler was cancelled"), "INFO"),
        (refused(Conflict, 409), None),
    ],
)
def test_somebody_is_called_for_what_has_to_be_mended_alone(
    caplog: pytest.LogCaptureFixture, error: VoucherError, level: str | None
) -> None:
    with caplog.at_level("DEBUG", logger="voucher_async"):
        answer_of(error)
    assert [record.levelname for record in caplog.records] == ([] if level is None else [level])


def test_a_refusal_that_could_not_be_looked_into_is_open() -> None:
    error = refused(Conflict, 409, "chargeReservation")
    error.looked, error.pending = False, PENDING
    assert problem_of(error).kind == "outcome-unknown"


def test_all_refusals_of_a_voucher_are_one_answer() -> None:
    """The status, the words and the headers tell nobody whether a code exists."""
    kinds: list[tuple[type[ApiError], int]] = [
        *((NotFound, 404), (ValidationFailed, 422), (ValidationFailed, 410), (Conflict, 409)),
        (MissingScope, 403),
    ]
    found = [problem_of(refused(kind, status)) for kind, status in kinds]
    found += [problem_of(InvalidInput(name, "...", "...", secret=True)) for name in ("code", "pin")]
    assert len({json.dumps([each.to_dict(), each.headers]) for each in found}) == 1


@pytest.mark.parametrize(("seconds", "header"), [(0.0, "1"), (7.5, "8"), (30.0, "30")])
def test_retry_after_is_passed_on_in_whole_seconds(seconds: float, header: str) -> None:
    problem = problem_of(refused(RateLimited, 429, retry_after=seconds))
    assert problem.headers == {"Cache-Control": "no-store", "Retry-After": header}


def test_an_answer_that_asking_again_does_not_change_has_no_retry_after() -> None:
    assert problem_of(refused(NotFound, 404)).headers == {"Cache-Control": "no-store"}


def test_complaints_about_fields_are_passed_on() -> None:
    complaints = [FieldError(property="sku", rule="max:255", message=SECRET), FieldError(code="X")]
    error = refused(ValidationFailed, 422, "createVoucher", field_errors=complaints)
    assert problem_of(error).to_dict()["fields"] == {"sku": "max:255"}
    assert problem_of(InvalidInput("amount", "at least 0.01", "0")).fields == {"amount": "at least 0.01"}
