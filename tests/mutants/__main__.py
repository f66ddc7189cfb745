"""Mutation testing of what decides about money: `python -m tests.mutants --help`, or `make mutants`.

cosmic-ray mutates the pure modules, a table the wiring.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Iterator
from typing import Final

from cosmic_ray import plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code

from tests.mutants.running import Mutant, run
from tests.mutants.tables import Change, as_listed, named, source, survivors

_PAYMENTS: Final = "voucher_async/payments"
# tests by module, the fast ones first: a run ends with the first failure
MODULES: Final = {
    f"{_PAYMENTS}/evidence.py": (
        "tests/unit/test_evidence.py",
        "tests/unit/test_attribution.py",
        "tests/unit/test_decide.py",
    ),
    f"{_PAYMENTS}/judging.py": ("tests/unit/test_judging.py", "tests/unit/test_judging_balance.py"),
    f"{_PAYMENTS}/likeness.py": ("tests/unit/test_likeness.py",),
    f"{_PAYMENTS}/attribution.py": ("tests/unit/test_attribution.py", "tests/unit/test_evidence.py"),
    f"{_PAYMENTS}/lessons.py": ("tests/unit/test_lessons.py", "tests/unit/test_evidence.py"),
    f"{_PAYMENTS}/replies.py": ("tests/unit/test_replies.py",),
    f"{_PAYMENTS}/balance.py": ("tests/unit/test_balance.py",),
    "voucher_async/transport/retry.py": ("tests/unit/test_retry.py",),
}
# Of each operator the replacements that differ most; `|` is left out, as it stands in annotations.
OPERATORS: Final = re.compile(
    r"core/(AddNot|Replace(True|False|And|Or|Break|Continue)With\w+|ExceptionReplacer|NumberReplacer|ZeroIterationForLoop"
    r"|ReplaceUnaryOperator_(Delete_Not|USub_UAdd)"
    r"|ReplaceBinaryOperator_(Add_Sub|Sub_Add|Mul_Div|Pow_Mul)"
    r"|ReplaceComparisonOperator_(Eq_NotEq|NotEq_Eq|Is_IsNot|IsNot_Is|Lt_LtE|Lt_GtE|LtE_Lt|LtE_Gt|Gt_GtE|Gt_LtE|GtE_Gt|GtE_Lt))"
)
# decorators and signatures, which state no decision
_IGNORED: Final = re.compile(r"^@|[*/],|TYPE_CHECKING")
# another operator makes the same change to a comparison
_COMPARED: Final = re.compile(r"not [^()]+ (is|[=!<>]=?) ")


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
    for name in filter(OPERATORS.fullmatch, plugins.operator_names()):
        operator = plugins.get_operator(name)()
        positions = [place for node in nodes for place in operator.mutation_positions(node)]
        for occurrence, _ in enumerate(positions):
            mutated = mutate_code(text, operator, occurrence)
            change = _changed_line(file, text, mutated)
            is_repeated = name == "core/AddNot" and _COMPARED.search(change.new)
            if not is_repeated and not _IGNORED.search(change.new):
                yield Mutant(change, mutated, MODULES[file])


def _changed_line(file: str, text: str, mutated: str) -> Change:
    pairs = zip(text.splitlines(), mutated.splitlines(), strict=True)
    old, new = next((old, new) for old, new in pairs if old != new)
    return Change(file, as_listed(old), as_listed(new))


def main(arguments: list[str]) -> int:
    """Test every mutant; 1 when one survives that is not listed, or a listed one does not."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", default="", metavar="TEXT", help="those whose file or name holds this")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at a time")
    given = parser.parse_args(arguments)
    begun = time.monotonic()
    wiring = [mutant for mutant in from_table() if given.only in f"{mutant.change.file} {mutant.name}"]
    pure = [each for file in MODULES if given.only in file for each in from_cosmic_ray(file)]
    listed = {change for change in survivors() if given.only in change.file}
    found: list[Change] = []
    for mutant in run([*wiring, *pure], given.jobs):
        found.append(mutant.change)
        word = "survives, as listed" if mutant.change in listed else "SURVIVES"
        print(f"{word}: {mutant.name or mutant.change}", flush=True)  # noqa: T201
    unlisted = [change for change in found if change not in listed]
    killed = listed.difference(found)
    for change in killed:
        print(f"LISTED, but it is killed: {change}")  # noqa: T201
    print(  # noqa: T201
        f"{len(wiring)} named mutants and {len(pure)} of cosmic-ray: {len(found)} survive, "
        f"{len(unlisted)} of them unlisted, in {(time.monotonic() - begun) / 60:.0f} minutes"
    )
    return 1 if unlisted or killed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
