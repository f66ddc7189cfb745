"""The description of a voucher that is to be issued."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias, TypeGuard

import attrs

from voucher_async.errors import InvalidInput, InvalidInputType
from voucher_async.masking import conceals
from voucher_async.models import CreateVoucherRequest
from voucher_async.sansio import check_id

__all__ = ["AnySpec", "VoucherSpec", "body_of", "read_spec"]


@conceals("code", "pin")
@attrs.frozen(kw_only=True)
class VoucherSpec(CreateVoucherRequest):
    """A voucher to be issued: what is created, and whether it is activated then.

    Attributes:
        activate: whether it is activated; None leaves that to the batch.
    """

    activate: bool | None = None


AnySpec: TypeAlias = VoucherSpec | Mapping[str, Any]
"""A voucher to be issued, or a mapping of its fields."""

_FIELDS: Final = frozenset(VoucherSpec.__annotations__) | frozenset(
    field.name for field in attrs.fields(CreateVoucherRequest)
)
_SHOWN: Final = 40
_REQUIRED: Final = ("amount", "currency")
_SENT: Final = tuple(
    field.name for field in attrs.fields(CreateVoucherRequest) if field.name not in {"id", "batch"}
)


def read_spec(given: object) -> VoucherSpec:
    """The description of a voucher, from one or from a mapping of its fields.

    Args:
        given: what the caller has.

    Raises:
        InvalidInput: a field is missing, unknown or breaks a rule.
        InvalidInputType: something else was given.
    """
    if isinstance(given, VoucherSpec):
        spec = given
    elif _is_mapping(given):
        spec = VoucherSpec(**_checked(given))
    else:
        kind = type(given).__name__
        raise InvalidInputType("specs", f"must hold VoucherSpec or mappings, not {kind}", kind)
    if spec.activate is not None and not isinstance(spec.activate, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
        kind = type(spec.activate).__name__
        raise InvalidInputType("activate", f"must be a bool or None, not {kind}", spec.activate)
    if spec.id is not None:
        check_id("id", spec.id)  # the model allows ids that no path can hold
    return spec


def _is_mapping(given: object) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(given, Mapping)


def _checked(fields: Mapping[Any, Any]) -> dict[str, Any]:
    for name in fields:
        if name not in _FIELDS:
            raise InvalidInput(str(name)[:_SHOWN], "is no field of VoucherSpec", None, secret=True)
    for name in _REQUIRED:
        if name not in fields:
            raise InvalidInput(name, "must be given", None)
    return dict(fields)


def body_of(spec: VoucherSpec, *, voucher_id: str, batch: str) -> CreateVoucherRequest:
    """The request that creates a voucher.

    Args:
        spec: its description.
        voucher_id: its id.
        batch: the batch, where its description names none.
    """
    given = {name: getattr(spec, name) for name in _SENT}
    return CreateVoucherRequest(**given, id=voucher_id, batch=batch if spec.batch is None else spec.batch)
