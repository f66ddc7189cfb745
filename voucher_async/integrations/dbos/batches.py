"""Batches of vouchers as a step: what is stored of them has no code and no pin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import attrs

from voucher_async.client import VoucherClient
from voucher_async.errors import InvalidInput, VoucherError
from voucher_async.integrations.problems import problem_of
from voucher_async.money import format_amount
from voucher_async.values import Value

__all__ = ["IssuedBatch", "issue", "stored"]

_SECRETS: Final = ("code", "pin")


@attrs.frozen(kw_only=True)
class IssuedBatch(Value):
    """A batch that was issued.

    Attributes:
        batch: its name.
        ids: the ids of its vouchers, by their positions.
        failed: for each position, from 1, that could not be issued: the error, in words.
    """

    batch: str
    ids: tuple[str, ...]
    failed: dict[str, str] = attrs.Factory(dict[str, str])


def stored(specs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The descriptions of vouchers as a workflow stores them.

    Raises:
        InvalidInput: one has a code or a pin.
    """
    for spec in specs:
        for name in _SECRETS:
            if spec.get(name) is not None:
                raise InvalidInput(
                    name, "would be stored with the workflow: leave it to the API", None, secret=True
                )
    return [{name: _plain(value) for name, value in spec.items()} for spec in specs]


def _plain(value: Any) -> Any:
    return format_amount(value) if isinstance(value, Decimal) else value


async def issue(
    client: VoucherClient, specs: Sequence[Mapping[str, Any]], batch: str, *, activate: bool
) -> IssuedBatch:
    """Issue a batch once.

    Raises:
        VoucherError: the first that another run may mend.
    """
    ids: dict[int, str] = {}
    failed: dict[int, VoucherError] = {}
    async for card in client.vouchers.issue_many(stored(specs), batch=batch, activate=activate):
        if card.error is None:
            ids[card.position] = str(card.id)
        elif isinstance(card.error, VoucherError):
            failed[card.position] = card.error
        else:
            raise card.error
    for error in failed.values():
        if problem_of(error).retry_after is not None:
            raise error
    return IssuedBatch(
        batch=batch,
        ids=tuple(ids[position] for position in sorted(ids)),
        failed={str(position): str(failed[position]) for position in sorted(failed)},
    )
