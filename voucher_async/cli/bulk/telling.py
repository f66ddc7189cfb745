"""The words and the JSON lines on the vouchers of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from voucher_async.api_errors import ApiError
from voucher_async.errors import InvalidInput

if TYPE_CHECKING:
    from voucher_async.cli.bulk.saving import Saver
    from voucher_async.cli.bulk.tally import Tally
    from voucher_async.issuing import IssuedVoucher

__all__ = ["last_words", "problem_of", "row_of"]

_AGAIN: Final = "Run the same command again: it goes on, and makes none twice."
_MEND: Final = "Once that is mended, run it again: what is issued stays, and none is made twice."
_OF_NO_FILE: Final = (
    "Their codes are in no file: run it again with --out, or read them with "
    "`voucher-async export --show-secrets` (scope read-secrets)."
)


def row_of(card: IssuedVoucher, line: int | None) -> dict[str, Any]:
    """The JSON line of a result; its `error` is null for a voucher that is as it was asked for.

    Args:
        card: the result.
        line: the number of its line in a file; None where it is from none.
    """
    row = card.to_dict()
    del row["spec"]
    place = {} if line is None else {"line": line}
    return {"position": card.position, **place, **row, "field_errors": _field_errors(card.error)}


def _field_errors(error: Exception | None) -> list[dict[str, str | None]]:
    if isinstance(error, InvalidInput):
        return [{"property": error.field, "rule": error.rule, "code": None}]
    if isinstance(error, ApiError):
        return [
            {"property": each.property, "rule": each.rule, "code": each.code} for each in error.field_errors
        ]
    return []


def problem_of(card: IssuedVoucher, line: int | None) -> str:
    """The words on a voucher that is not as it was asked for."""
    place = f"voucher {card.position}" if line is None else f"line {line}"
    there = "" if card.voucher is None else f" (it is there, {card.voucher.status})"
    return f"{place}: {card.error}{there}"


def last_words(tally: Tally, saver: Saver | None, *, is_interrupted: bool) -> str:
    """The words at the end of a run: the counts, the file, and the next step."""
    sentences = [_counts(tally, is_interrupted=is_interrupted)]
    if tally.under_way:
        sentences.append(f"{tally.under_way} more were cut off and may have been created, too.")
    if saver is not None:
        sentences.append(f"{saver.path} has {len(saver)} vouchers.")
    elif tally.issued:
        sentences.append(_OF_NO_FILE)
    if tally.differing:
        sentences.append("What differs has its place in the batch: new vouchers need another --batch.")
    if tally.issued < tally.total:
        sentences.append(_MEND if tally.is_final else _AGAIN)
    return " ".join(sentences)


def _counts(tally: Tally, *, is_interrupted: bool) -> str:
    failed = f", {tally.failed} failed" if tally.failed else ""
    begin = "Interrupted: " if is_interrupted else ""
    found = f" ({tally.new} new, {tally.found} found)" if tally.found else ""
    return f"{begin}{tally.issued} of {tally.total} vouchers are issued{found}{failed}."
