"""The tree of errors: as drawn, safe to pickle, and telling what is known."""

from __future__ import annotations

import copy
import datetime as dt
import inspect
import pickle
import re
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest

from tests.unit.samples import example, raw
from voucher_async import Charge, api_errors, errors, order_refunds, outcomes, wire
from voucher_async.api_errors import ApiError, MissingScope, ValidationFailed
from voucher_async.errors import (
    CallFacts,
    CallTimeout,
    Fate,
    FieldError,
    IdempotencyMismatch,
    InvalidInput,
    InvalidInputType,
    ReservationError,
    TooManyInDoubt,
    TransportError,
    VoucherError,
)

FACTS = CallFacts(
    operation="chargeReservation",
    method="POST",
    path="/reservations/r-1/charge",
    attempts=2,
    in_doubt=1,
    elapsed=1.25,
    sent_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
)
PENDING = outcomes.PendingOutcome(operation="chargeReservation", reservation_id="r-1", amount=Decimal("2.00"))
CHARGE = wire.decode(Charge, raw(example("Charge")))
OUTCOMES = (outcomes.HeldOutcome(voucher_id="v-1", amount=Decimal("2.00"), state=outcomes.HeldState.UNKNOWN),)

RETURNED = (
    order_refunds.RefundOutcome(
        charge_id="c-1",
        voucher_id="v-1",
        amount=Decimal("2.00"),
        currency="EUR",
        state=order_refunds.RefundState.REFUNDED,
        refund=CHARGE,
    ),
)

MODULES = (errors, api_errors, outcomes, order_refunds)
ATTRIBUTES: dict[type[VoucherError], dict[str, Any]] = {
    ApiError: {
        "status": 422,
        "code": "A.B",
        "message": "no",
        "field_errors": [FieldError(code="A.B.MAX:5", property="sku", rule="max:5", message="too long")],
        "retry_after": 1.5,
        "excerpt": "{...}",
        "facts": FACTS,
    },
    TransportError: {"fate": Fate.UNKNOWN, "facts": FACTS},
    ReservationError: {"reservation_id": "r-1"},
    IdempotencyMismatch: {"differences": ("amount",), "facts": FACTS},
    TooManyInDoubt: {"retry_after": 1.5},
    outcomes.ChargeRefunded: {"charge": CHARGE, "refunds": (CHARGE,), "facts": FACTS},
    outcomes.CheckoutUnknown: {"outcomes": OUTCOMES, "pending": PENDING, "facts": FACTS},
    order_refunds.OrderRefundUnknown: {"outcomes": RETURNED, "pending": PENDING, "facts": FACTS},
    outcomes.OutcomeUnknown: {"pending": PENDING, "facts": FACTS},
    outcomes.CheckoutFailed: {"outcomes": OUTCOMES, "facts": FACTS},
    order_refunds.OrderRefundFailed: {"outcomes": RETURNED, "open_calls": (PENDING,), "facts": FACTS},
}


def tree_in_docstring() -> dict[str, str]:
    """Each class of the drawn tree with its parent."""
    parents, path = dict[str, str](), list[str]()
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^    ([│ ]*)([├└]── )?([A-Z]\w+)(?:\s|$)", line)
        if match is None:
            continue
        depth = (len(match[1]) + len(match[2] or "")) // 4
        path[depth:] = [match[3]]
        parents[match[3]] = path[depth - 1] if depth else "Exception"
    return parents


def classes() -> list[type[VoucherError]]:
    found = [getattr(module, name) for module in MODULES for name in module.__all__]
    return [item for item in found if inspect.isclass(item) and issubclass(item, VoucherError)]


def make(cls: type[VoucherError]) -> VoucherError:
    """An error of the class with every attribute set."""
    if issubclass(cls, InvalidInput):
        return cls("amount", "must be positive", Decimal(-1))
    for base, known in ATTRIBUTES.items():
        if issubclass(cls, base):
            return cls("wrong", **known)
    return cls("wrong", facts=FACTS)


def test_the_drawn_tree_is_the_real_one() -> None:
    drawn = tree_in_docstring()
    assert drawn == {cls.__name__: cls.__bases__[0].__name__ for cls in classes()}
    assert len(drawn) > 20


@pytest.mark.parametrize("module", MODULES)
def test_every_class_of_the_module_is_public(module: ModuleType) -> None:
    defined = {
        name
        for name, item in vars(module).items()
        if inspect.isclass(item) and item.__module__ == module.__name__
    }
    assert defined == set(module.__all__) - {"CallFacts", "Fate", "FieldError", "Proof"}


@pytest.mark.parametrize(
    ("cls", "other"),
    [
        (InvalidInput, ValueError),
        (InvalidInputType, TypeError),
        (InvalidInputType, ValueError),
        (CallTimeout, TimeoutError),
        (outcomes.CheckoutUnknown, outcomes.OutcomeUnknown),
        (outcomes.CheckoutUnknown, outcomes.CheckoutFailed),
        (order_refunds.OrderRefundUnknown, outcomes.OutcomeUnknown),
    ],
)
def test_an_error_is_caught_by_its_second_name_too(cls: type[VoucherError], other: type[Exception]) -> None:
    with pytest.raises(other) as caught:
        raise make(cls)
    assert isinstance(caught.value, VoucherError)


@pytest.mark.parametrize("cls", classes())
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_every_error_survives_pickling_whole(cls: type[VoucherError], protocol: int) -> None:
    error = make(cls)
    error.add_note("while closing the till")
    twin = pickle.loads(pickle.dumps(error, protocol))
    assert type(twin) is cls
    assert (str(twin), twin.args, twin.fate, twin.facts) == (str(error), error.args, error.fate, error.facts)
    assert vars(twin) == vars(error)
    assert len(vars(twin)) > 1


@pytest.mark.parametrize("cls", classes())
def test_every_error_can_be_copied(cls: type[VoucherError]) -> None:
    error = make(cls)
    twin = copy.copy(error)
    assert twin is not error
    assert (type(twin), str(twin), vars(twin)) == (cls, str(error), vars(error))


def test_what_was_learnt_later_survives_pickling_too() -> None:
    error = make(MissingScope)
    assert isinstance(error, MissingScope)
    error.scope, error.fate = "use", Fate.ANSWERED
    twin = pickle.loads(pickle.dumps(error))
    assert (twin.scope, twin.fate) == ("use", Fate.ANSWERED)


@pytest.mark.parametrize("cls", classes())
def test_the_text_of_every_error_begins_with_its_message(cls: type[VoucherError]) -> None:
    error = make(cls)
    ending = f" [{FACTS}]" if error.facts else ""
    assert str(error) == f"{error.args[0]}{ending}"
    assert str(error).startswith("amount: " if isinstance(error, InvalidInput) else "wrong")


def test_the_facts_of_a_call_read_as_a_sentence() -> None:
    assert str(FACTS) == "chargeReservation (POST /reservations/r-1/charge), 2 attempts in 1.250 s"
    once = CallFacts(operation="getVoucher", method="GET", path="/vouchers/v-1")
    assert str(once) == "getVoucher (GET /vouchers/v-1), 1 attempt in 0.000 s"


def test_facts_learnt_after_the_error_was_made_show_in_its_text() -> None:
    error = VoucherError("lost")
    assert (str(error), error.fate) == ("lost", None)
    error.facts = FACTS
    assert str(error) == f"lost [{FACTS}]"


def test_invalid_input_names_field_rule_and_value() -> None:
    error = InvalidInput("sku", "at most 255 characters", "x" * 300)
    assert (error.field, error.rule) == ("sku", "at most 255 characters")
    assert (len(error.value), error.value[:4], error.value[-4:]) == (80, "'xxx", "x...")
    assert str(error) == f"sku: at most 255 characters (got {error.value})"


def test_the_value_of_a_secret_field_is_masked() -> None:
    error = InvalidInput("pin", "at most 255 characters", "1234-secret", secret=True)
    assert error.value == "***"
    assert "1234" not in f"{error} {error!r} {vars(error)}"


@pytest.mark.parametrize("value", [10**5000, [10**5000], -(10**5000)], ids=lambda _: "huge")
def test_a_number_too_long_to_be_written_out_is_shown_by_its_type(value: object) -> None:
    assert InvalidInput("page", "at most 5", value).value == f"<{type(value).__name__}>"


FULL = FieldError(code="V.CREATE.SKU.MAX:255", property="sku", rule="max:255", message="Too long.")
BY_CODE = FieldError(code="VOUCHER.CREATE.CUSTOM_ID.UNIQUE")


def refusal(*field_errors: FieldError) -> ValidationFailed:
    return ValidationFailed("HTTP 422: A.B: no", status=422, field_errors=field_errors)


@pytest.mark.parametrize(
    ("property", "rule", "is_so"),
    [
        ("custom_id", "unique", True),
        ("CUSTOM_ID", "UNIQUE", True),
        ("custom_id", None, True),
        ("custom_id", "max", False),
        ("custom_id", "unique:1", False),
        ("id", "unique", False),
        ("create", "custom_id", False),
        ("sku", "max", True),
        ("sku", "max:255", True),
        ("sku", "max:30", False),
        ("sku", "unique", False),
        ("", "unique", False),
        ("", "", False),
    ],
)
def test_a_refusal_is_asked_for_the_rule_that_a_field_breaks(
    property: str, rule: str | None, *, is_so: bool
) -> None:
    for error in (refusal(FULL, BY_CODE), pickle.loads(pickle.dumps(refusal(FULL, BY_CODE)))):
        assert error.has(property, rule) is is_so


@pytest.mark.parametrize(
    "told", [FULL, FieldError(code=FULL.code), FieldError(property="sku", rule="max:255")], ids=str
)
def test_a_rule_is_known_by_its_code_or_by_its_name(told: FieldError) -> None:
    error = refusal(told)
    assert error.has("sku", "max")
    assert error.has("sku", "max:255")
    assert not error.has("sku", "max:2555")


@pytest.mark.parametrize("code", [None, "", "UNIQUE", ":", "...:", "A"])
def test_a_complaint_without_words_is_about_no_field(code: str | None) -> None:
    assert not refusal(FieldError(code=code)).has("sku")
    assert refusal(FieldError(code=code)).field("") is None


def test_the_complaint_about_a_field_is_found_by_its_name() -> None:
    error = refusal(FULL, BY_CODE)
    assert (error.field("sku"), error.field("custom_id"), error.field("pin")) == (FULL, BY_CODE, None)
    assert refusal().field("sku") is None


def test_the_text_of_a_refusal_names_the_fields_that_are_wrong() -> None:
    assert str(refusal(FULL, BY_CODE)) == (
        "HTTP 422: A.B: no (sku: Too long.; VOUCHER.CREATE.CUSTOM_ID.UNIQUE)"
    )
    assert str(refusal(FieldError(property="pin", rule="required"))) == "HTTP 422: A.B: no (pin: required)"
    assert str(refusal(FieldError(message="No."))) == "HTTP 422: A.B: no (No.)"
    assert str(refusal(*[BY_CODE] * 7)).endswith("UNIQUE; and 2 more)")
    assert len(str(refusal(FieldError(property="sku", message="x" * 10_000)))) < 600


def test_collections_are_kept_as_tuples() -> None:
    error = ApiError("no", status=422, field_errors=[FieldError(code="A")])
    failed = outcomes.CheckoutFailed("no", outcomes=list(OUTCOMES))
    assert (error.field_errors, failed.outcomes) == ((FieldError(code="A"),), OUTCOMES)


def test_an_outcome_holds_the_error_that_explains_it_when_pickled() -> None:
    cause = make(MissingScope)
    outcome = outcomes.HeldOutcome(
        voucher_id="v-1", amount=Decimal(1), state=outcomes.HeldState.NOT_CHARGED, error=cause
    )
    twin = pickle.loads(pickle.dumps(outcomes.CheckoutFailed("no", outcomes=[outcome])))
    assert str(twin.outcomes[0].error) == str(cause)
    assert twin.outcomes[0].state is outcomes.HeldState.NOT_CHARGED
