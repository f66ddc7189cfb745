"""Mutation testing of what decides about money: `python -m tests.mutants --help`, or `make mutants`.

cosmic-ray mutates the pure modules, a table the wiring. Each mutant is tested in a copy of the source.
"""

from __future__ import annotations

import argparse
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import attrs
from cosmic_ray import plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code

from tests.mutants.tables import ROOT, Change, named, source, survivors

_PAYMENTS: Final = "voucher_async/payments"
# the tests of each module, the fast ones first: a run ends with the first that fails
MODULES: Final = {
    f"{_PAYMENTS}/evidence.py": ("tests/unit/test_evidence.py", "tests/unit/test_decide.py"),
    f"{_PAYMENTS}/judging.py": ("tests/unit/test_judging.py",),
    f"{_PAYMENTS}/likeness.py": ("tests/unit/test_likeness.py",),
    f"{_PAYMENTS}/attribution.py": ("tests/unit/test_attribution.py", "tests/unit/test_evidence.py"),
    f"{_PAYMENTS}/lessons.py": ("tests/unit/test_lessons.py", "tests/unit/test_evidence.py"),
    f"{_PAYMENTS}/replies.py": ("tests/unit/test_replies.py",),
    f"{_PAYMENTS}/balance.py": ("tests/unit/test_balance.py",),
    "voucher_async/transport/retry.py": ("tests/unit/test_retry.py",),
}
# Of each operator the replacements that differ most; `|` and bare `*` are left out, being annotations and signatures.
OPERATORS: Final = re.compile(
    r"core/(AddNot|Replace(True|False|And|Or|Break|Continue)With\w+|ExceptionReplacer|NumberReplacer|ZeroIterationForLoop"
    r"|ReplaceUnaryOperator_(Delete_Not|USub_UAdd)"
    r"|ReplaceBinaryOperator_(Add_Sub|Sub_Add|Mul_Div|Pow_Mul)"
    r"|ReplaceComparisonOperator_(Eq_NotEq|NotEq_Eq|Is_IsNot|IsNot_Is|Lt_LtE|Lt_GtE|LtE_Lt|LtE_Gt|Gt_GtE|Gt_LtE|GtE_Gt|GtE_Lt))"
)
# Decorators, which say how a class is made; signatures; and `not x is y`, as another operator makes the same of it.
_IGNORED: Final = re.compile(r"^@|[*/],|TYPE_CHECKING|\bnot [^()]+ is ")
_COPIED: Final = ("voucher_async", "tests", "openapi", "pyproject.toml")
_LIMIT: Final = 120.0  # seconds after which a mutant hangs: no run of these tests takes a tenth
_PYTEST: Final = (
    *(sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "--timeout=30", "--hypothesis-seed=0"),
    *("-p", "no:cacheprovider", "-p", "pytest_asyncio.plugin", "-p", "pytest_timeout"),
    *("-p", "_hypothesis_pytestplugin"),
)


@attrs.frozen
class Mutant:
    """One mutant.

    Attributes:
        change: the changed text, or the changed line.
        text: the whole mutated file.
        tests: those that have to notice.
        name: the rule it breaks; empty for one of cosmic-ray's.
    """

    change: Change
    text: str
    tests: tuple[str, ...]
    name: str = ""


def from_table() -> Iterator[Mutant]:
    """The mutants of the wiring."""
    for each in named():
        change = each.change
        text = source(change.file).replace(change.old, change.new)
        yield Mutant(change, text, (each.test,), each.name)


def from_cosmic_ray(file: str) -> Iterator[Mutant]:
    """The mutants of a pure module."""
    text = source(file)
    nodes = list(ast_nodes(get_ast(text)))
    for operator in (
        plugins.get_operator(name)() for name in plugins.operator_names() if OPERATORS.match(name)
    ):
        positions = [place for node in nodes for place in operator.mutation_positions(node)]
        for occurrence, _ in enumerate(positions):
            mutated = mutate_code(text, operator, occurrence)
            change = _changed_line(file, text, mutated)
            if not _IGNORED.search(change.new):
                yield Mutant(change, mutated, MODULES[file])


def _changed_line(file: str, text: str, mutated: str) -> Change:
    pairs = zip(text.splitlines(), mutated.splitlines(), strict=True)
    old, new = next((old, new) for old, new in pairs if old != new)
    return Change(file, old.strip(), " ".join(new.split()))


def copy_of_source(folder: Path) -> Path:
    """Copy what the tests need into a folder."""
    for name in _COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, folder / name)
    return folder


def is_noticed(copy: Path, tests: tuple[str, ...], *, written: bool = False) -> bool:
    """Run tests in a copy: whether one of them fails, or hangs.

    Args:
        copy: the folder.
        tests: their paths or ids.
        written: compiled files are written, which spares the other runs the work.
    """
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment |= {} if written else {"PYTHONDONTWRITEBYTECODE": "1"}
    command = [*_PYTEST, *tests]
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, check=False, timeout=_LIMIT
        )
    except subprocess.TimeoutExpired:
        return True
    if done.returncode not in {0, 1, 2}:  # 2: the module cannot even be imported
        raise RuntimeError(done.stdout + done.stderr)
    return done.returncode != 0


def survives(mutant: Mutant, copies: queue.Queue[Path]) -> bool:
    """Test one mutant in a copy that is free."""
    copy = copies.get()
    path = copy / mutant.change.file
    whole = path.read_bytes()
    try:
        path.write_text(mutant.text, encoding="utf-8")
        return not is_noticed(copy, mutant.tests)
    finally:
        path.write_bytes(whole)
        copies.put(copy)


def run(mutants: list[Mutant], jobs: int) -> list[Change]:
    """The mutants that survive, printed as they are found."""
    copies: queue.Queue[Path] = queue.Queue()
    found: list[Change] = []
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        for number in range(jobs):
            (Path(folder) / str(number)).mkdir()
            copies.put(copy_of_source(Path(folder) / str(number)))
        every = tuple(dict.fromkeys(test for mutant in mutants for test in mutant.tests))
        if any(is_noticed(copy, every, written=True) for copy in list(copies.queue)):
            raise SystemExit("the tests fail without a mutant")
        for mutant, survived in zip(
            mutants, pool.map(lambda each: survives(each, copies), mutants), strict=True
        ):
            if survived:
                found.append(mutant.change)
                print(f"survives: {mutant.name or mutant.change}", flush=True)  # noqa: T201
    return found


def main(arguments: list[str]) -> int:
    """Test every mutant; 1 when one survives that is not listed, or a listed one does not."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="mutants of files, or with names, that hold this"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at a time")
    given = parser.parse_args(arguments)
    begun = time.monotonic()
    wiring = [mutant for mutant in from_table() if given.only in f"{mutant.change.file} {mutant.name}"]
    pure = [each for file in MODULES if given.only in file for each in from_cosmic_ray(file)]
    listed = {change for change in survivors() if given.only in change.file}
    found = run([*wiring, *pure], given.jobs)
    unlisted = [change for change in found if change not in listed]
    killed = listed.difference(found)
    for change in killed:
        print(f"listed, but it is killed: {change}")  # noqa: T201
    print(  # noqa: T201
        f"{len(wiring)} named mutants and {len(pure)} of cosmic-ray: {len(found)} survive, "
        f"{len(unlisted)} of them unlisted, in {(time.monotonic() - begun) / 60:.0f} minutes"
    )
    return 1 if unlisted or killed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
