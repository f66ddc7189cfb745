"""Commands against the emulator; without the extra the command line says what it needs."""

from __future__ import annotations

import os
import sys
import tempfile

from voucher_async.cli import main
from voucher_async.testing import VoucherEmulator


def run() -> int:
    with VoucherEmulator() as emulator, tempfile.TemporaryDirectory() as folder:
        emulator.add_voucher(amount="25.00", id="V-1")
        os.environ.update(emulator.environ() | {"HOME": folder, "XDG_CONFIG_HOME": folder})
        return main(["voucher", "show", "V-1", "--json"])


sys.exit(run())
