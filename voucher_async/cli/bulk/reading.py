"""Files of vouchers that a command issues: every line is checked before anything is sent."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from voucher_async.cli.terminal import interruptible
from voucher_async.errors import ConfigurationError, InvalidInput
from voucher_async.issuing import VoucherSpec
from voucher_async.issuing.specs import read_spec
from voucher_async.voucher_files import InvalidVoucherFile, LineError, VoucherLine, read_vouchers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Content", "check_other", "read_file"]

_STDIN = "-"


@attrs.define
class Content:
    """The content of a file, checked.

    Attributes:
        specs: the vouchers of the lines that can be issued.
        lines: the numbers of their lines.
        errors: all rules that lines break.
    """

    specs: list[VoucherSpec] = attrs.field(factory=list[VoucherSpec])
    lines: list[int] = attrs.field(factory=list[int])
    errors: list[LineError] = attrs.field(factory=list[LineError])

    def take(self, line: VoucherLine) -> None:
        """Take a line, or its errors."""
        errors = line.errors if line.spec is None else _unissuable(line.number, line.spec)
        self.errors += errors
        if line.spec is not None and not errors:
            self.specs.append(line.spec)
            self.lines.append(line.number)


def _unissuable(number: int, spec: VoucherSpec) -> Sequence[LineError]:
    """The rules that a file may break, and a request may not."""
    try:
        read_spec(spec)
    except InvalidInput as error:
        return [
            LineError(number, "custom_id" if error.field == "id" else error.field, error.rule, error.value)
        ]
    return ()


def read_file(name: str, ignore: Sequence[str]) -> Content:
    """Read a file of vouchers, and check each of its lines.

    Args:
        name: its path; `-` for the standard input.
        ignore: names of columns that are left out.

    Raises:
        ConfigurationError: it cannot be read.
    """
    content = Content()
    with interruptible():
        try:
            for line in read_vouchers(sys.stdin.buffer if name == _STDIN else name, ignore=ignore):
                content.take(line)
        except InvalidVoucherFile as error:
            content.errors += error.errors
        except OSError as error:
            raise ConfigurationError(f"{name} cannot be read ({error.strerror}); nothing was sent") from None
    return content


def check_other(out: Path | None, name: str) -> None:
    """Refuse to write a file that is read.

    Raises:
        ConfigurationError: both are the same file.
    """
    if (
        out is not None
        and out.exists()
        and any(os.path.samestat(out.stat(), other) for other in _input(name))
    ):
        raise ConfigurationError(f"--out {out} is the file that is read; give another one")


def _input(name: str) -> Iterator[os.stat_result]:
    try:
        yield os.fstat(sys.stdin.fileno()) if name == _STDIN else Path(name).stat()
    except (OSError, ValueError):
        return  # reading it tells why
