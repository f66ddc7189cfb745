"""Run one function of one module in a fresh process.

    python -m tests.bench.child MODULE FUNCTION ARGUMENTS [--uvloop]

The arguments are a JSON object; a coroutine function is run on a loop of its own. What it gives is printed as
JSON.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import sys


def main(module: str, function: str, arguments: str, *options: str) -> None:
    made = getattr(importlib.import_module(module), function)(**json.loads(arguments))
    if inspect.iscoroutine(made):
        factory = importlib.import_module("uvloop").new_event_loop if "--uvloop" in options else None
        with asyncio.Runner(loop_factory=factory) as runner:
            made = runner.run(made)
    sys.stdout.write(f"{json.dumps(made)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
