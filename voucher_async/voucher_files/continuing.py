"""The vouchers that a file of an earlier run holds, and where its last whole line ends."""

from __future__ import annotations

import codecs
import csv
import hashlib
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal, TypeAlias

import attrs

from voucher_async.voucher_files.formatting import COLUMNS
from voucher_async.voucher_files.json_records import json_object
from voucher_async.voucher_files.problems import InvalidVoucherFile, LineError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Found", "Layout", "found_in", "key_of", "mark_of", "records_of"]

Layout: TypeAlias = Literal["csv", "jsonl"]

_BOM: Final = "\ufeff"
_HEADER: Final = object()


@attrs.frozen
class Found:
    """The content of a file.

    Attributes:
        length: the bytes up to the end of its last whole line.
        is_ended: whether that line has its end; a file that an editor has saved may lack it.
        marks: a mark of each voucher's line, by the voucher's id.
    """

    length: int = 0
    is_ended: bool = True
    marks: dict[str, bytes] = attrs.field(factory=dict[str, bytes])


def records_of(file: BinaryIO, layout: Layout) -> Iterator[bytes]:
    """The records, with their ends; of a CSV one may have several lines, as a quoted value may have."""
    parts: list[bytes] = []
    quotes = 0
    for line in file:
        parts.append(line)
        quotes += line.count(b'"')
        if layout == "jsonl" or quotes % 2 == 0:
            yield b"".join(parts)
            parts.clear()
    if parts:
        yield b"".join(parts)


def key_of(record: bytes, layout: Layout) -> str | None:
    """The id of the voucher in a record, which may be empty; None when it is no voucher's."""
    key = _key_of(record, layout)
    return key if isinstance(key, str) else None


def mark_of(record: bytes) -> bytes:
    """A mark of a record that tells whether another one is the same."""
    return hashlib.blake2b(record.rstrip(b"\r\n"), digest_size=16).digest()


def found_in(file: BinaryIO, layout: Layout) -> Found:
    """Read what a file holds; a last line that was cut off is left out.

    Args:
        file: the file, from its beginning.
        layout: the form of its lines.

    Raises:
        InvalidVoucherFile: it holds something else.
    """
    length, line, is_ended, needs_header = 0, 1, True, layout == "csv"
    marks: dict[str, bytes] = {}
    for record in records_of(file, layout):
        is_ended = record.endswith(b"\n") and not _is_open(record, layout)
        key = _key_of(record, layout) if record.strip() else ""
        if not is_ended and _is_torn(record, layout, is_whole=key is not None):
            return Found(length, is_ended=True, marks=marks)
        if key is None or (needs_header and key is not _HEADER):
            del record
            raise InvalidVoucherFile([LineError(line, "", _SOMETHING_ELSE[layout])])
        needs_header = needs_header and key is not _HEADER
        if isinstance(key, str) and key:
            marks[key] = mark_of(record)
        length += len(record)
        line += record.count(b"\n")
    return Found(length, is_ended, marks)


_SOMETHING_ELSE: Final = {
    "csv": "is no line of vouchers in the layout of the Admin UI's import; the file is left as it is",
    "jsonl": "is no voucher as a JSON object; the file is left as it is",
}


def _is_open(record: bytes, layout: Layout) -> bool:
    return layout == "csv" and record.count(b'"') % 2 == 1


def _is_torn(record: bytes, layout: Layout, *, is_whole: bool) -> bool:
    """True for the beginning of a line as it is written here; what somebody else wrote is never cut off.

    Args:
        record: what the file ends with, without an end of its line.
        layout: the form of the file.
        is_whole: whether it can be read as a line.
    """
    if is_whole:
        return layout == "csv" and record.endswith(b";")
    try:
        # a power failure may leave zeros, and a cut may go through a character
        text = codecs.getincrementaldecoder("utf-8")().decode(record.rstrip(b"\0"))
    except UnicodeDecodeError:
        return False
    if layout == "jsonl":
        return text.startswith("{") or not text
    first, *others = text.split("\n")
    return (first.startswith('"') or not text) and _begins(text) and not any(map(_is_row, others))


def _begins(text: str) -> bool:
    """True for what quoted values, the last of them cut off, begin with."""
    try:
        rows = list(csv.reader([text], delimiter=";", strict=True))
    except csv.Error as error:
        return "unexpected end" in str(error)
    return all(len(row) <= len(COLUMNS) for row in rows)


def _is_row(text: str) -> bool:
    """True for a line that a quote, never closed before it, has swallowed."""
    return _key_of_csv(text.rstrip("\r")) is not None


def _key_of(record: bytes, layout: Layout) -> Any:
    try:
        text = record.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        return None
    if "\0" in text:
        return None
    return _key_of_csv(text.removeprefix(_BOM)) if layout == "csv" else _key_of_json(text)


def _key_of_csv(text: str) -> Any:
    try:
        rows = list(csv.reader([text], delimiter=";", strict=True))
    except csv.Error:
        return None
    if len(rows) != 1 or len(rows[0]) != len(COLUMNS):
        return None
    return _HEADER if tuple(rows[0]) == COLUMNS else rows[0][0]


def _key_of_json(text: str) -> Any:
    content = json_object(text)
    if isinstance(content, str):
        return None
    key = content.get("id", "")
    return key if isinstance(key, str) else None
