"""Each rule is removed, and a test has to notice: `python -m tests.mutants --help`, or `make mutants`."""

from __future__ import annotations

import argparse
import collections
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from tests.mutants.copies import MODEL, WIDE, End, Run, Workshop, run_tests
from tests.mutants.table import Rule, load

ROOT: Final = Path(__file__).resolve().parent.parent.parent

_WORDS: Final = {
    End.FAILED: "killed",
    End.HUNG: "hung",
    End.PASSED: "SURVIVED",
    End.BROKEN: "BROKEN: the tests could not be run",
}


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument(
        "--only",
        metavar="TEXT",
        action="append",
        help="the rules whose name or file holds this; may be given several times",
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at a time")
    return parser.parse_args(arguments)


def chosen(rules: list[Rule], texts: list[str] | None) -> list[Rule]:
    """The rules whose name or file holds one of the texts; all when there are none."""
    return [
        rule for rule in rules if texts is None or any(text in f"{rule.file} {rule.name}" for text in texts)
    ]


def line(rule: Rule, run: Run) -> str:
    """A line of the table: the rule, and what noticed that it was missing."""
    noticed = run.test if run.end is End.FAILED else f"{_WORDS[run.end]} {run.test}".strip()
    return f"{Path(rule.file).stem}: {rule.name} | {noticed}"


def _test_whole(workshop: Workshop) -> Workshop | None:
    """Run the tests where no rule is missing; None when they fail."""
    seconds = 0.0
    for tests in (WIDE, MODEL):
        run = run_tests(workshop.whole, tests)
        if run.end is not End.PASSED:
            print(f"{run.output}\nthe tests fail before any rule is removed", flush=True)  # noqa: T201
            return None
        seconds = max(seconds, run.seconds)
    print(f"   with all rules the tests pass, in {seconds:.0f} s", flush=True)  # noqa: T201
    return workshop.after(seconds)


def _test_each(workshop: Workshop, rules: list[Rule], jobs: int) -> dict[End, int]:
    ends: collections.Counter[End] = collections.Counter()
    with ThreadPoolExecutor(jobs) as pool:
        runs = pool.map(workshop.test_without, rules, range(len(rules)))
        for rule, run in zip(rules, runs, strict=True):
            print(line(rule, run), flush=True)  # noqa: T201
            ends[run.end] += 1
    return ends


def main(arguments: list[str]) -> int:
    """Remove the rules that are asked for, one after the other, and print which test noticed."""
    given = _parsed(arguments)
    rules = chosen(load(), given.only)
    begun = time.monotonic()
    for rule in rules:
        rule.remove_from((ROOT / rule.file).read_text(encoding="utf-8"))  # fails early where it is outdated
    with tempfile.TemporaryDirectory() as name:
        print(f"== {len(rules)} rules, {given.jobs} at a time", flush=True)  # noqa: T201
        workshop = _test_whole(Workshop.make(ROOT, Path(name)))
        if workshop is None:
            return 1
        ends = _test_each(workshop, rules, given.jobs)
    counts = ", ".join(f"{ends[end]} {_WORDS[end].partition(':')[0]}" for end in _WORDS)
    print(f"\n{counts}, in {time.monotonic() - begun:.0f} s")  # noqa: T201
    return 0 if ends[End.FAILED] + ends[End.HUNG] == len(rules) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
