"""Other projects' checks of packages: check-wheel-contents, twine, pip-audit."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tests.release.building import Built
from tests.release.checks import Result

__all__ = ["audit", "audited", "check_archives", "check_wheel_contents"]

_UNREACHED: Final = (
    "ConnectionError",
    "ServiceError",
    "Timeout",
    "ProxyError",
    "Failed to upgrade",
    "HTTPError",
)
_OURS: Final = "voucher-async"


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def _plain(done: subprocess.CompletedProcess[str]) -> Result:
    lines = [*done.stdout.splitlines(), *done.stderr.splitlines()]
    return (
        Result()
        if done.returncode == 0
        else Result([line for line in lines if line.strip()] or ["it failed"])
    )


def check_wheel_contents(wheel: Path) -> Result:
    """Run `check-wheel-contents` on the wheel."""
    return _plain(_run("check_wheel_contents", str(wheel)))


def check_archives(built: Built) -> Result:
    """Run `twine check --strict`, which renders the long description as an index does."""
    return _plain(_run("twine", "--no-color", "check", "--strict", str(built.wheel), str(built.sdist)))


def audit(packages: Path) -> Result:
    """Ask a service of known vulnerabilities, by pip-audit, about all that an environment holds.

    Args:
        packages: the environment's folder of packages.
    """
    done = _run("pip_audit", "--path", str(packages), "--progress-spinner", "off", "--format", "json")
    return audited(done.stdout, done.stderr, done.returncode)


def audited(stdout: str, stderr: str, status: int) -> Result:
    """The result of a run of pip-audit, which ends with 0 also where its service knows none of the packages.

    Args:
        stdout: its report, in JSON.
        stderr: its words, which name what went wrong.
        status: its exit status.
    """
    try:
        packages: list[dict[str, Any]] = json.loads(stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = stderr.strip().splitlines()[-1:] or [
            f"pip-audit ended with status {status} and without a report"
        ]
        if any(word in stderr for word in _UNREACHED):
            return Result(not_run=f"the service of known vulnerabilities cannot be reached: {last[0]}")
        return Result([f"pip-audit failed: {last[0]}"])
    others = [each for each in packages if each["name"] != _OURS]
    skipped = [each["name"] for each in others if "skip_reason" in each]
    known = [line for each in others for line in _vulnerabilities(each)]
    if known:
        return Result(known)
    if not others or len(skipped) == len(others):
        told = others[0]["skip_reason"] if others else "pip-audit named no package"
        return Result(not_run=f"nothing is known about any of {len(others)} packages: {told}")
    if skipped:
        return Result([f"pip-audit could not look at {name}" for name in skipped])
    return Result((), f"{len(others)} packages, no known vulnerability")


def _vulnerabilities(package: dict[str, Any]) -> Sequence[str]:
    name = f"{package['name']} {package.get('version', '')}"
    return [
        f"{name}: {each['id']}, repaired in {', '.join(each['fix_versions']) or 'no version yet'}"
        for each in package.get("vulns", ())
    ]
