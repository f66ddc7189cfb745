"""Importing the package loads little, making a client what a call needs, and neither anything else."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import voucher_async

OPTIONAL = {
    *("fastapi", "starlette", "uvicorn", "httpx", "redis", "opentelemetry", "pydantic", "pydantic_core"),
    *("dbos", "sqlalchemy", "asyncpg", "sqlite3", "prometheus_client"),
    *("pytest", "pytest_asyncio", "hypothesis", "aioresponses", "yaml", "ruff", "codegen", "structlog"),
}
NOT_AT_IMPORT = {"testing", "cli", "__main__", "integrations"}


def loaded_by(program: str) -> set[str]:
    """The modules that a program loads in a fresh interpreter."""
    command = [sys.executable, "-c", f"{program}\nimport sys\nprint(*sys.modules)"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """What is loaded once there is a client."""
    return loaded_by(
        "from voucher_async import VoucherClient; VoucherClient('id', 'secret', environment='sandbox')"
    )


def test_the_report_is_understood(loaded: set[str]) -> None:
    assert {"voucher_async", "voucher_async.client", "voucher_async.transport.sender", "aiohttp"} <= loaded


@pytest.mark.parametrize("program", ["import voucher_async", "from voucher_async import VoucherError"])
def test_what_needs_no_client_does_not_wait_for_aiohttp(program: str) -> None:
    assert not {"aiohttp", "msgspec", "voucher_async.models"} & loaded_by(program)


def test_no_optional_library_is_loaded(loaded: set[str]) -> None:
    assert {name for name in loaded if name.partition(".")[0] in OPTIONAL} == set()


def test_nothing_for_tests_or_the_command_line_is_loaded(loaded: set[str]) -> None:
    own = {name.split(".")[1] for name in loaded if name.startswith("voucher_async.")}
    assert "client" in own
    assert own & NOT_AT_IMPORT == set()


def test_no_web_server_is_loaded(loaded: set[str]) -> None:
    assert "aiohttp.web" not in loaded


def test_functions_and_files_stay_small() -> None:
    sources = [
        path for path in Path(voucher_async.__file__).parent.rglob("*.py") if path.name != "_generated.py"
    ]
    assert {p.name for p in sources if len(p.read_text(encoding="utf-8").splitlines()) > 400} == set()
    functions = [
        node
        for path in sources
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    assert {node.name for node in functions if lines_of_code(node) > 60} == set()
    assert sum(map(lines_of_code, functions)) / len(functions) <= 12


def lines_of_code(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of its body, the docstring left out: parameters mirror the API, and there are many."""
    body = function.body
    first = body[0]
    if len(body) > 1 and isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        first = body[1]
    return (function.end_lineno or 0) - first.lineno + 1
