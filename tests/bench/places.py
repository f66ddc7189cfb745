"""Where things are, and how other processes are started there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SPEC = ROOT / "openapi" / "voucher.yaml"
BUILD = ROOT / ".build" / "bench"
GENERATED = BUILD / "generated"
REQUIREMENTS = Path(__file__).parent / "requirements"
RESULTS = Path(__file__).parent / "RESULTS.md"


def python_of(environment: str) -> str:
    """The Python of one of the environments that `environments.py` makes."""
    return str(BUILD / environment / "bin" / "python")


def variables() -> dict[str, str]:
    """What a measured process finds in its environment: no proxy, no debug mode, the sources importable."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    kept = {name: value for name, value in kept.items() if "proxy" not in name.lower()}
    return kept | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(GENERATED)))}


def start(environment: str, module: str, *arguments: str, **more: str) -> subprocess.Popen[str]:
    """Start a module in an environment, with pipes for its standard input and output.

    Args:
        environment: the environment's name.
        module: the module's name.
        arguments: what it is given on the command line.
        more: variables to add to what processes find in their environment.
    """
    return subprocess.Popen(
        [python_of(environment), "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=variables() | more,
    )


def answer_of(process: subprocess.Popen[str]) -> Any:
    """The next line of JSON a process prints."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"a measured process ended with {process.wait()}, see above")
    return json.loads(line)


def tell(process: subprocess.Popen[str], *words: object) -> None:
    """Write a line to a process's standard input."""
    assert process.stdin is not None
    process.stdin.write(f"{' '.join(map(str, words))}\n")
    process.stdin.flush()


def ask(process: subprocess.Popen[str], *words: object) -> Any:
    """Write a line to a process's standard input; the line of JSON that it answers."""
    tell(process, *words)
    return answer_of(process)


def fresh(environment: str, module: str, function: str, *options: str, **arguments: Any) -> Any:
    """What a function gives in a fresh process; see `child.py`."""
    process = start(environment, "tests.bench.child", module, function, json.dumps(arguments), *options)
    try:
        return answer_of(process)
    finally:
        stop(process)


def stop(process: subprocess.Popen[str], patience: float = 10) -> None:
    """Close a process's standard input, which ends it, and wait; kill it after so many seconds."""
    if process.stdin:
        process.stdin.close()
    try:
        process.wait(timeout=patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()


def command(*words: str, cwd: Path = ROOT, path: str | None = None) -> None:
    """Run a tool quietly; show what it said when it fails."""
    env = variables() | ({"PATH": f"{path}{os.pathsep}{os.environ['PATH']}"} if path else {})
    done = subprocess.run(
        words, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        sys.stderr.write(done.stdout)
        raise SystemExit(f"{words[0]} failed with {done.returncode}")
