"""Enums that the server may extend."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voucher_async.errors import InvalidInput
from voucher_async.models import (
    ChargeType,
    CreateVoucherRequest,
    OpenEnum,
    SetStatusRequest,
    ValidityInterval,
    VoucherStatus,
    VoucherType,
)


def refused(cls: type[Any], **fields: Any) -> InvalidInput:
    needed = {"amount": "1.00", "currency": "EUR"} if cls is CreateVoucherRequest else {}
    with pytest.raises(InvalidInput) as caught:
        cls(**needed, **fields)
    return caught.value


@pytest.mark.parametrize("status", ["active", VoucherStatus.ACTIVE])
def test_an_enum_may_be_given_as_its_text(status: str) -> None:
    assert SetStatusRequest(status=status).status is VoucherStatus.ACTIVE


@pytest.mark.parametrize("status", ["Active", "", "frozen", VoucherStatus("frozen"), "x" * 500])
def test_a_request_takes_no_enum_value_it_does_not_know(status: str) -> None:
    error = refused(SetStatusRequest, status=status)
    assert (error.field, error.rule) == ("status", "must be one of active, inactive")


def test_a_member_of_another_enum_is_refused() -> None:
    assert refused(CreateVoucherRequest, validity_interval=VoucherStatus.ACTIVE).field == "validity_interval"


ENUMS = [VoucherStatus, VoucherType, ValidityInterval, ChargeType]


def test_members_have_names_as_python_has_them_and_the_values_of_the_api() -> None:
    members = [member for cls in ENUMS for member in cls]
    assert [member.name for member in members] == [member.value.upper() for member in members]
    assert [member.value for member in VoucherType] == ["digital", "print"]
    assert not hasattr(VoucherStatus, "active")


@pytest.mark.parametrize("cls", ENUMS)
@given(text=st.text())
def test_an_unknown_enum_value_is_kept_and_behaves_as_its_text(cls: type[OpenEnum], text: str) -> None:
    member = cls(text)
    assert member == text
    assert member == cls(text)
    assert hash(member) == hash(text)
    assert {text: 1}[member] == 1
    assert (str(member), member.value, f"{member}") == (text, text, text)
    assert type(member) is cls


@pytest.mark.parametrize("cls", ENUMS)
def test_unknown_enum_values_are_not_remembered_and_survive_copies_and_pickles(cls: type[OpenEnum]) -> None:
    before = list(cls)
    member = cls("brand-new")
    for twin in (copy.copy(member), copy.deepcopy(member), pickle.loads(pickle.dumps(member))):
        assert twin == member
        assert type(twin) is cls
    assert repr(member) == f"<{cls.__name__}.brand-new: 'brand-new'>"
    assert list(cls) == before


@pytest.mark.parametrize("value", [None, 5, b"active", ["active"]])
def test_an_enum_value_is_a_text(value: Any) -> None:
    with pytest.raises(ValueError, match="is not a valid VoucherStatus"):
        VoucherStatus(value)
