"""Schemathesis holds the emulator against the specification, which neither has seen the other's code of."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.seeds import chosen
from voucher_async.testing import VoucherEmulator

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SPECIFICATION = ROOT / "openapi" / "voucher.yaml"


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


@pytest.mark.timeout(300)
def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    port, report = free_port(), tmp_path / "report.json"
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml")),
        *("run", str(SPECIFICATION), "--url", f"http://127.0.0.1:{port}"),
        *("--phases", "examples,coverage,fuzzing,stateful", "--checks", "all"),
        *("--max-examples", "60", "--seed", str(chosen()), "--generation-database", "none", "--no-color"),
    ]
    environment = {
        **os.environ,
        "EMULATOR_PORT": str(port),
        "EMULATOR_REPORT": str(report),
        "SCHEMATHESIS_HOOKS": str(HERE / "schemathesis_hooks.py"),
        "PYTHONDEVMODE": "",  # development mode would report warnings of schemathesis itself
    }
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
    answers: dict[str, dict[str, int]] = json.loads(report.read_text())
    for route in VoucherEmulator.routes:
        asked = answers[route.operation_id]
        assert "200" in asked or "201" in asked or "204" in asked, route.operation_id
        # `disconnectClient` takes no input, so that there is little to vary.
        assert sum(asked.values()) >= (1 if route.operation_id == "disconnectClient" else 50), route
