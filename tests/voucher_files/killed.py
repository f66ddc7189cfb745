"""Writes vouchers one by one until it is killed: `killed.py PATH`; tells which are written."""

from __future__ import annotations

import sys

from tests.voucher_files.made import voucher
from voucher_async.voucher_files import VoucherWriter


def main(path: str) -> None:
    with VoucherWriter(path) as writer:
        for number in range(1_000_000):
            writer.write(voucher(number))
            print(number, flush=True)  # noqa: T201 - the test reads it


if __name__ == "__main__":
    main(sys.argv[1])
