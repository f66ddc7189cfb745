"""What importing the SDK costs, beside aiohttp alone."""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Mapping

from tests.bench.places import ROOT, python_of, variables
from tests.bench.report import Figure, Part, Table

AT_LEAST = 15
MOST = 1.3
FLOOR = "import aiohttp"
OURS = "import voucher_async"
NAMED = "from voucher_async import VoucherClient"
MADE = "from voucher_async import VoucherClient; VoucherClient('id', 'secret', environment='sandbox')"
PROGRAM = """\
import time
start = time.perf_counter()
{statement}
taken = time.perf_counter() - start
import json, pathlib, resource
pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
print(json.dumps([taken * 1e3, pages * resource.getpagesize() / 1024**2]))
"""
NOTE = """\
Fresh processes, taking turns, medians of {rounds}; the time of the statement alone, compiled files in
place. MiB is the resident size of the process after it. The bare import loads names when they are used;
the class of the client loads everything else."""


def measure(rounds: int, _missing: Mapping[str, str]) -> Part:
    """Fresh processes, taking turns; the first of each only compiles."""
    rounds = max(rounds, AT_LEAST)
    results: dict[str, list[tuple[float, float]]] = {
        statement: [] for statement in (FLOOR, OURS, NAMED, MADE)
    }
    for number in range(rounds + 1):
        for statement, taken in results.items():
            made = once(statement)
            if number:
                taken.append(made)
    table = Table("Import", ("statement", "ms", "x aiohttp", "MiB"), notes=[NOTE.format(rounds=rounds)])
    ratios: dict[str, float] = {}
    for statement, taken in results.items():
        pairs = zip(taken, results[FLOOR], strict=True)
        ratios[statement] = statistics.median(one[0] / other[0] for one, other in pairs)
        milliseconds, size = (statistics.median(one[index] for one in taken) for index in (0, 1))
        cells = (f"{milliseconds:.0f}", f"{ratios[statement]:.2f}", f"{size:.1f}")
        table.rows.append((f"`{statement}`", *cells))
    ratio = ratios[MADE]
    name = "import and first client against importing aiohttp alone"
    figure = Figure(name, f"at most {MOST:g}x", f"{ratio:.2f}x", ratio <= MOST)
    return Part([table], [figure])


def once(statement: str) -> tuple[float, float]:
    words = (python_of("aiohttp"), "-c", PROGRAM.format(statement=statement))
    done = subprocess.run(words, cwd=ROOT, env=variables(), capture_output=True, text=True, check=True)
    milliseconds, size = json.loads(done.stdout)
    return milliseconds, size
