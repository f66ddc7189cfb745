"""`python -m voucher_async`."""

from __future__ import annotations

import sys

from voucher_async.cli import main

if __name__ == "__main__":
    sys.exit(main())
