"""The emulator in a process of its own, with vouchers to pay with.

    python -m tests.growth.api VOUCHERS

Says its settings and the codes of its vouchers. Each line on standard input is answered by the CPU seconds
that it has used, and the requests that it has had since the line before, by operation.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter

from tests.growth.processes import say
from voucher_async.testing import VoucherEmulator


def serve(vouchers: int) -> None:
    with VoucherEmulator() as emulator:
        codes = [emulator.add_voucher(amount="9999.99").code for _ in range(vouchers)]
        say({"settings": dict(emulator.settings()), "codes": codes})
        for _ in sys.stdin:
            seen = Counter(each.operation_id or "unknown" for each in emulator.requests)
            emulator.requests.clear()
            say({"cpu": time.process_time(), "requests": seen})


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
