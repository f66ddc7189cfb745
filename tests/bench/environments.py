"""The environments the contenders run in, and the generated clients: made once, from pinned versions."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from tests.bench.places import BUILD, GENERATED, REQUIREMENTS, SPEC, command, python_of

NO_JAVA = "not measured: no java on this machine"


def prepare() -> dict[str, str]:
    """Make what is missing.

    Returns:
        The contenders that cannot be measured, with the reason.
    """
    for environment in sorted(path.stem for path in REQUIREMENTS.glob("*.txt")):
        once(BUILD / environment, (REQUIREMENTS / f"{environment}.txt").read_bytes(), install)
    pins = (REQUIREMENTS / "generators.txt").read_bytes() + SPEC.read_bytes()
    once(GENERATED / "voucher_openapi_python_client", pins, openapi_python_client)
    if shutil.which("java") is None:
        return {"openapi_generator": NO_JAVA}
    once(GENERATED / "voucher_openapi_generator", pins, openapi_generator)
    return {}


def once(target: Path, source: bytes, make: Callable[[Path], None]) -> None:
    """Make a folder, unless it was made of the same source by the same Python and the same code."""
    digest = hashlib.sha256(source + sys.version.encode() + Path(__file__).read_bytes()).hexdigest()
    stamp = target.with_name(f"{target.name}.made-of")
    if stamp.exists() and stamp.read_text() == digest:
        return
    sys.stderr.write(f"== making {target.name}\n")
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    make(target)
    stamp.write_text(digest)


def install(target: Path) -> None:
    command(sys.executable, "-m", "venv", str(target))
    pins = REQUIREMENTS / f"{target.name}.txt"
    pip = (python_of(target.name), "-m", "pip", "install", "-qq", "--disable-pip-version-check")
    command(*pip, "--no-deps", "--requirement", str(pins))


def openapi_python_client(target: Path) -> None:
    tools = Path(python_of("generators")).parent
    words = ("generate", "--path", str(SPEC), "--output-path", str(target), "--meta", "none")
    command(str(tools / "openapi-python-client"), *words, path=str(tools))


def openapi_generator(target: Path) -> None:
    tools = Path(python_of("generators")).parent
    whole = target.with_name("openapi-generator")
    shutil.rmtree(whole, ignore_errors=True)
    words = ("generate", "-i", str(SPEC), "-g", "python", "--library", "asyncio", "-o", str(whole))
    command(str(tools / "openapi-generator-cli"), *words, "--package-name", target.name, path=str(tools))
    shutil.move(whole / target.name, target)
