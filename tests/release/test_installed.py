"""Extras, the bill of materials and known vulnerabilities: what is missing is named, and never called ok."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.release import installs, sbom, tools

MISSING = 'ModuleNotFoundError: it needs anyio: pip install "voucher-async[wsgi]"'


def ended(status: int, stderr: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.CompletedProcess(["python"], status, "", stderr)


def test_every_extra_has_a_program_that_tries_it(root: Path) -> None:
    declared = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    extras = declared["project"]["optional-dependencies"]
    assert installs.unknown(extras) == []
    assert extras.keys() >= installs.ONLY_WITH.keys()


def test_an_extra_without_a_program_and_a_program_without_an_extra_are_named(tmp_path: Path) -> None:
    for name in ("core", "sqlite", "gone"):
        (tmp_path / f"{name}.py").touch()
    first, second = installs.unknown(["sqlite", "new"], tmp_path)
    assert first.startswith("the extra 'new' has no check: write ")
    assert second.endswith("/gone.py tries an extra that there is not")


def test_packages_are_compared_by_their_normal_names() -> None:
    assert installs.wanted(["SQLAlchemy>=2", "typing_extensions[a]>=1; python_version<'4'"]) == {
        "sqlalchemy",
        "typing-extensions",
    }


@pytest.mark.parametrize(
    ("done", "works", "words"),
    [
        (ended(0), True, None),
        (ended(1, MISSING), False, None),
        (ended(1, "Traceback\nAssertionError"), True, "what 'wsgi' is for does not work: AssertionError"),
        (ended(1, "No module named 'anyio'"), False, "does not name the extra 'wsgi': No module"),
        (ended(1, MISSING.replace("wsgi", "cli")), False, "does not name the extra 'wsgi'"),
        (ended(0), False, "works without it"),
    ],
)
def test_an_extra_works_where_it_is_and_is_named_where_it_is_not(
    done: subprocess.CompletedProcess[str], *, works: bool, words: str | None
) -> None:
    problem = installs.judge("sqlite", "wsgi", done, works=works)
    assert problem is None if words is None else words in str(problem)


# a package of each extra without which nothing of it works
LACKING = {
    "cli": "cyclopts",
    "fastapi": "fastapi",
    "otel": "opentelemetry",
    "postgresql": "asyncpg",
    "prometheus": "prometheus_client",
    "redis": "redis",
    "sqlite": "sqlalchemy",
    "wsgi": "anyio",
}
WITHOUT = """\
import contextlib, io, json, runpy, sys

told = {}
for extra, package in json.loads(sys.argv[1]).items():
    sys.modules[package] = None
for extra in json.loads(sys.argv[1]):
    with contextlib.redirect_stderr(io.StringIO()) as said:
        status = 0
        try:
            runpy.run_path(f"{sys.argv[2]}/{extra}.py", run_name="__main__")
        except SystemExit as ended:
            status = ended.code
        except Exception as error:
            status = 1
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
    told[extra] = [status, said.getvalue()]
print(json.dumps(told))
"""


def test_every_extra_but_that_of_pytest_is_left_out_once() -> None:
    programs = {path.stem for path in installs.PROGRAMS.glob("*.py")}
    assert programs == {installs.CORE, *installs.ONLY_WITH, *LACKING}


def test_the_program_of_an_extra_says_what_to_install(root: Path) -> None:
    command = [sys.executable, "-c", WITHOUT, json.dumps(LACKING), str(installs.PROGRAMS)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root, timeout=60)
    told: dict[str, tuple[int, str]] = json.loads(done.stdout)
    problems = [installs.judge("core", extra, ended(*how), works=False) for extra, how in told.items()]
    assert problems == [None] * len(LACKING)


def bill() -> dict[str, Any]:
    made = {
        "metadata": {"component": {"bom-ref": "root", "name": "voucher-async", "licenses": [{}]}},
        "components": [{"name": "SQLAlchemy", "version": "2.1", "licenses": [{}]}],
        "dependencies": [{"ref": "root", "dependsOn": ["SQLAlchemy==2.1"]}],
    }
    return sbom.completed(made, "1.1.0", "ab12")


def judged(bom: dict[str, Any], invalid: str | None = None) -> list[str]:
    return sbom.judge(bom, json.dumps(bom), {"sqlalchemy": "2.1"}, lambda text: invalid)


def test_a_complete_bill_passes_and_its_root_is_the_wheel() -> None:
    assert judged(bill()) == []
    root = bill()["metadata"]["component"]
    assert (root["version"], root["purl"]) == ("1.1.0", "pkg:pypi/voucher-async@1.1.0")
    assert root["hashes"] == [{"alg": "SHA-256", "content": "ab12"}]


def test_a_bill_that_lacks_something_is_not_written(tmp_path: Path) -> None:
    bom = bill()
    bom["components"][0] |= {"version": "2.0", "licenses": []}
    del bom["metadata"]["component"]["version"], bom["dependencies"]
    assert judged(bom, "no such key") == [
        "it breaks the schema of CycloneDX: no such key",
        "its root component has no version",
        "its root component depends on nothing",
        "SQLAlchemy has no licence",
        "sqlalchemy 2.1 is installed, and not in it",
    ]
    assert judged(bill() | {"components": [*bill()["components"], {"name": "more", "licenses": [1]}]}) == [
        "more is in it, and not installed"
    ]


OURS = {"name": "voucher-async", "skip_reason": "not found"}
FINE = {"name": "attrs", "version": "26", "vulns": []}
SKIPPED = {"name": "yarl", "skip_reason": "Dependency not found on PyPI"}
KNOWN = FINE | {"vulns": [{"id": "PYSEC-1", "fix_versions": ["27"]}]}


def report(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": [*packages, OURS], "fixes": []})


def test_packages_without_a_known_vulnerability_pass() -> None:
    result = tools.audited(report(FINE), "", 0)
    assert (result.problems, result.not_run, result.seen) == ((), None, "1 packages, no known vulnerability")


def test_a_known_vulnerability_is_named() -> None:
    assert tools.audited(report(FINE, KNOWN), "", 1).problems == ["attrs 26: PYSEC-1, repaired in 27"]


def test_an_index_that_knows_no_vulnerabilities_is_no_clean_bill() -> None:
    # pip-audit says "No known vulnerabilities found" here, and ends with status 0
    result = tools.audited(report(SKIPPED), "No known vulnerabilities found", 0)
    assert result.problems == ()
    assert result.not_run == "nothing is known about any of 1 packages: Dependency not found on PyPI"
    assert tools.audited(report(), "", 0).not_run is not None
    assert tools.audited(report(FINE, SKIPPED), "", 0).problems == ["pip-audit could not look at yarl"]


def test_a_service_that_is_not_reached_is_said() -> None:
    result = tools.audited("", "Traceback\nrequests.exceptions.ConnectionError: no such host", 1)
    assert result.problems == ()
    assert "cannot be reached: requests.exceptions.ConnectionError: no such host" in str(result.not_run)


def test_an_audit_that_breaks_is_a_problem() -> None:
    assert tools.audited("", "No module named pip_audit", 1).problems == [
        "pip-audit failed: No module named pip_audit"
    ]
