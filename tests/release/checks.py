"""Run checks one after the other, and say of each whether it is ok, or what to mend."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

import attrs

__all__ = ["Check", "Result", "run_all"]

_LINES: Final = 12  # of a failed command's output


@attrs.frozen
class Result:
    """A check's findings.

    Attributes:
        problems: sentences that say what to mend; none means that the check is ok.
        seen: figures and names that were looked at.
        not_run: the reason why nothing could be found out.
    """

    problems: Sequence[str] = ()
    seen: str = ""
    not_run: str | None = None

    def lines(self, name: str) -> list[str]:
        """The result in words, its problems on lines of their own."""
        if self.problems:
            return [f"{name}: {len(self.problems)} to mend", *(f"    - {each}" for each in self.problems)]
        if self.not_run is not None:
            return [f"{name}: NOT RUN: {self.not_run}"]
        return [f"{name}: ok ({self.seen})" if self.seen else f"{name}: ok"]


Check: TypeAlias = tuple[str, Callable[[], Result]]


def run_all(checks: Iterable[Check], say: Callable[[str], object] | None = None) -> int:
    """Run the checks; the exit status: 1 when there is something to mend.

    Args:
        checks: names and functions, in the order in which they run.
        say: takes the lines of the report; by default they are printed.
    """
    tell = say or _print
    results: list[tuple[str, Result]] = []
    for name, run in checks:
        result = _run(run)
        results.append((name, result))
        tell("\n".join(result.lines(name)))
    tell(_summary(results))
    return 1 if any(result.problems for _, result in results) else 0


def _run(run: Callable[[], Result]) -> Result:
    try:
        return run()
    except subprocess.CalledProcessError as error:
        command = " ".join(map(str, error.cmd))
        output = [*str(error.stdout or "").splitlines(), *str(error.stderr or "").splitlines()]
        told = "".join(f"\n      {line}" for line in output[-_LINES:])
        return Result([f"`{command}` ended with status {error.returncode}{told}"])
    except (OSError, ValueError) as error:
        return Result([f"the check itself failed: {type(error).__name__}: {error}"])


def _summary(results: Sequence[tuple[str, Result]]) -> str:
    bad = [name for name, result in results if result.problems]
    left_out = [name for name, result in results if not result.problems and result.not_run is not None]
    fine = len(results) - len(bad) - len(left_out)
    parts = [f"{fine} ok"]
    parts += [f"{len(bad)} to mend ({', '.join(bad)})"] if bad else []
    parts += [f"{len(left_out)} not run ({', '.join(left_out)})"] if left_out else []
    verdict = "not ready to be published" if bad else "can be published"
    return f"== {verdict}: {', '.join(parts)}"


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
