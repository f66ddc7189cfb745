"""What one request of a money call proves when it was not answered well."""

from __future__ import annotations

import pytest

from voucher_async.api_errors import ApiError, BadAnswer
from voucher_async.errors import (
    CallFacts,
    CallTimeout,
    ConnectFailed,
    ConnectionBroken,
    Fate,
    Proof,
    ReservationExpired,
    VoucherError,
)
from voucher_async.payments.replies import Reply, as_not_done, reply_of


def answered(status: int, *, envelope: bool = True, attempts: int | None = None) -> ApiError:
    facts = None if attempts is None else CallFacts(operation="x", method="POST", path="/", attempts=attempts)
    error = ApiError(f"HTTP {status}", status=status, facts=facts)
    error.has_envelope, error.fate = envelope, Fate.ANSWERED
    return error


def local() -> VoucherError:
    error = ReservationExpired("too late", reservation_id="r")
    error.fate = Fate.NOT_SENT
    return error


def server_error(status: int) -> ApiError:
    error = answered(status)
    error.fate = Fate.UNKNOWN
    return error


@pytest.mark.parametrize("is_only", [True, False])
@pytest.mark.parametrize(
    ("error", "reply"),
    [
        (ConnectFailed("no connection", fate=Fate.NOT_SENT), Reply.NOT_SENT),
        (CallTimeout("before the body", fate=Fate.NOT_SENT), Reply.NOT_SENT),
        (local(), Reply.NOT_SENT),
        (ConnectionBroken("cut off", fate=Fate.UNKNOWN), Reply.UNKNOWN),
        (CallTimeout("silence", fate=Fate.UNKNOWN), Reply.UNKNOWN),
        (VoucherError("whatever"), Reply.UNKNOWN),
        (server_error(500), Reply.UNKNOWN),
        (server_error(503), Reply.UNKNOWN),
        (answered(400), Reply.REFUSED),
        (answered(409), Reply.REFUSED),
        (answered(422), Reply.REFUSED),
        (answered(404), Reply.GONE),
        (answered(410), Reply.GONE),
        (answered(403), Reply.DECLINED),
        (answered(429), Reply.DECLINED),
        (answered(409, envelope=False), Reply.UNKNOWN),
        (answered(404, envelope=False), Reply.UNKNOWN),
        (BadAnswer("not JSON", status=200), Reply.CARRIED_OUT),
        (BadAnswer("empty", status=204), Reply.CARRIED_OUT),
    ],
    ids=lambda value: f"{value}" if isinstance(value, Exception) else "",
)
def test_the_meaning_of_an_error_does_not_depend_on_earlier_requests(
    error: VoucherError, reply: Reply, *, is_only: bool
) -> None:
    assert reply_of(error, is_only=is_only) is reply


@pytest.mark.parametrize("status", [200, 201, 202, 204, 206, 299])
@pytest.mark.parametrize("fate", [Fate.NOT_SENT, Fate.ANSWERED, Fate.UNKNOWN, None])
def test_an_answer_of_2xx_was_carried_out_whatever_else_is_thought_of_it(
    status: int, fate: Fate | None
) -> None:
    error = BadAnswer(f"HTTP {status}", status=status)
    error.fate = fate
    assert reply_of(error, is_only=True) is Reply.CARRIED_OUT


@pytest.mark.parametrize("envelope", [True, False])
@pytest.mark.parametrize(
    ("is_only", "attempts", "reply"),
    [
        (True, None, Reply.UNAUTHORIZED),
        (True, 1, Reply.UNAUTHORIZED),
        (True, 2, Reply.DECLINED),
        (False, 1, Reply.DECLINED),
    ],
)
def test_401_proves_something_when_nothing_was_sent_before(
    attempts: int | None, reply: Reply, *, is_only: bool, envelope: bool
) -> None:
    assert reply_of(answered(401, envelope=envelope, attempts=attempts), is_only=is_only) is reply


@pytest.mark.parametrize("proof", Proof)
def test_an_error_says_by_which_proof_nothing_was_done(proof: Proof) -> None:
    error = answered(409)
    assert as_not_done(error, proof) is error
    assert error.proof is proof
    looked_into = proof not in {Proof.NOT_SENT, Proof.UNAUTHORIZED}
    assert error.fate is (Fate.NOT_DONE if looked_into and proof is not Proof.REFUSED else Fate.ANSWERED)
    assert error.looked is (True if looked_into else None)


def test_a_call_that_was_not_sent_stays_one() -> None:
    error = ConnectFailed("no connection", fate=Fate.NOT_SENT)
    assert as_not_done(error, Proof.NOT_SENT).fate is Fate.NOT_SENT
