"""The API of a storm over machines, in a process of its own: `python -m tests.machines.server STORM`."""

from __future__ import annotations

import asyncio
import sys

from tests.chaos.server import serve
from tests.machines.plan import MachineStorm

if __name__ == "__main__":
    asyncio.run(serve(MachineStorm.from_json(sys.argv[1])))
