"""What one request of a money call proves when it was not answered well."""

from __future__ import annotations

import pytest

from voucher_async.api_errors import ApiError, BadAnswer, MissingScope, RateLimited
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
from voucher_async.payments.facts import OPERATIONS, Call, CallState, Event
from voucher_async.payments.replies import Reply, as_not_done, brief, event_of_reply, reply_of


def answered(status: int, *, envelope: bool = True, attempts: int | None = None) -> ApiError:
    facts = None if attempts is None else CallFacts(operation="x", method="POST", path="/", attempts=attempts)
    error = ApiError(f"HTTP {status}", status=status, facts=facts)
    error.has_envelope, error.fate = envelope, Fate.ANSWERED
    return error


def local() -> VoucherError:
    error = ReservationExpired("too late", reservation_id="r")
    error.fate = Fate.NOT_SENT
    return error


def call(operation: str) -> Call:
    return Call(OPERATIONS[operation], CallState.SENT, "owner")


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
        (answered(199), Reply.REFUSED),
        (answered(300), Reply.REFUSED),
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


@pytest.mark.parametrize(
    ("reply", "event"),
    [
        (Reply.NOT_SENT, Event.NOT_SENT),
        (Reply.UNAUTHORIZED, Event.NOT_SENT),
        (Reply.REFUSED, Event.REFUSED),
        (Reply.CARRIED_OUT, Event.CONTRADICTED),
        (Reply.UNKNOWN, Event.IN_DOUBT),
    ],
)
def test_an_answer_is_an_event_in_the_life_of_its_call(reply: Reply, event: Event) -> None:
    assert event_of_reply(reply, VoucherError("x"), call("redeem")) is event


def test_a_limited_rate_alone_may_be_tried_again_later() -> None:
    limited = RateLimited("HTTP 429", status=429)
    assert event_of_reply(Reply.DECLINED, limited, call("redeem")) is Event.DECLINED
    assert event_of_reply(Reply.DECLINED, answered(403), call("redeem")) is Event.REFUSED


@pytest.mark.parametrize(("operation", "event"), [("redeem", Event.GONE), ("refundCharge", Event.REFUSED)])
def test_the_thing_that_is_gone_is_the_reservation_where_there_is_one(operation: str, event: Event) -> None:
    assert event_of_reply(Reply.GONE, answered(404), call(operation)) is event


def test_an_error_in_brief_names_what_helps() -> None:
    scope, page, coded = MissingScope("x", status=403), BadAnswer("x", status=502), answered(409)
    assert [brief(scope), brief(page), brief(coded)] == ["HTTP 403", "x", "HTTP 409"]
    scope.scope, coded.code = "vouchers.read", "conflict"
    page.excerpt, page.problem = "<html>", "HTML"
    assert [brief(scope), brief(page)] == ["HTTP 403: it needs the scope 'vouchers.read'", "HTTP 502: HTML"]
    assert brief(coded) == "HTTP 409, conflict"
    coded.excerpt = "{}"
    assert brief(coded) == "HTTP 409, conflict"
    assert brief(VoucherError("no connection")) == "no connection"
