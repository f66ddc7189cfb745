"""Write docs/emulator-console.png anew: `python -m tests.console`."""

from __future__ import annotations

import asyncio

from tests.console.scenes import PICTURE, renew_picture

asyncio.run(renew_picture())
print(f"{PICTURE.name}: {PICTURE.stat().st_size} bytes")  # noqa: T201
