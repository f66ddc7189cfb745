"""What is built holds what users need, and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

from voucher_async import __version__


@pytest.fixture(scope="module")
def built(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the sdist, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> zipfile.ZipFile:
    (path,) = built.glob("*.whl")
    return zipfile.ZipFile(path)


def in_wheel(wheel: zipfile.ZipFile) -> set[str]:
    return set(wheel.namelist())


def test_the_wheel_holds_every_module_of_the_package(root: Path, wheel: zipfile.ZipFile) -> None:
    modules = {path.relative_to(root).as_posix() for path in (root / "voucher_async").rglob("*.py")}
    assert {name for name in in_wheel(wheel) if name.endswith(".py")} == modules
    assert "voucher_async/models/_generated.py" in modules


def test_the_wheel_is_typed_and_licensed(wheel: zipfile.ZipFile) -> None:
    information = f"voucher_async-{__version__}.dist-info"
    assert {"voucher_async/py.typed", f"{information}/licenses/LICENSE"} <= in_wheel(wheel)


def test_the_wheel_holds_nothing_but_the_package(wheel: zipfile.ZipFile) -> None:
    tops = {name.partition("/")[0] for name in in_wheel(wheel)}
    assert tops == {"voucher_async", f"voucher_async-{__version__}.dist-info"}
    assert {name for name in in_wheel(wheel) if name.startswith("voucher_async/")} == {
        name for name in in_wheel(wheel) if name.endswith((".py", "py.typed", "/console/page.html"))
    }


def test_the_wheel_holds_the_page_of_the_emulator_s_console(root: Path, wheel: zipfile.ZipFile) -> None:
    page = "voucher_async/testing/console/page.html"
    assert wheel.read(page) == (root / page).read_bytes()


def test_the_wheel_needs_few_libraries_and_caps_none(wheel: zipfile.ZipFile) -> None:
    metadata = message_from_string(
        wheel.read(f"voucher_async-{__version__}.dist-info/METADATA").decode("utf-8")
    )
    required = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert "<" not in "".join(required), "no upper caps"
    names = {line.split(">")[0].strip() for line in required}
    assert {"aiohttp", "attrs", "cattrs"} <= names
    assert len(names) <= 5
    assert metadata["Requires-Python"] == ">=3.11"


def test_the_package_index_shows_the_readme_without_a_link_that_leads_nowhere(
    root: Path, wheel: zipfile.ZipFile
) -> None:
    text = wheel.read(f"voucher_async-{__version__}.dist-info/METADATA").decode("utf-8")
    links = re.findall(r"\]\(([^)]*)\)", text)
    assert [link for link in links if not link.startswith("https://")] == []
    code = re.findall(r"^```.*?^```$", (root / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert code
    assert [block for block in code if block not in text] == []


def test_the_wheel_offers_its_command_and_its_pytest_plugin(wheel: zipfile.ZipFile) -> None:
    points = wheel.read(f"voucher_async-{__version__}.dist-info/entry_points.txt").decode("utf-8")
    assert "voucher-async = voucher_async.cli:main" in points
    assert "voucher_async = voucher_async.testing.pytest_plugin" in points


def test_the_sdist_holds_what_is_needed_to_test_and_to_generate(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        *("LICENSE", "README.md", "Makefile", "pyproject.toml", "openapi/voucher.yaml"),
        "voucher_async/testing/console/page.html",
        *("codegen/generate.py", "examples/quickstart.py", "tests/conftest.py", "tests/constraints.txt"),
    } <= names
    assert {name for name in names if ".venv" in name or ".build" in name or "__pycache__" in name} == set()
