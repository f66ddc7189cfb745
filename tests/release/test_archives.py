"""Wheel and sdist: built alike each time; a file too many, too few, or with a secret is named."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.release import building, contents
from tests.release.conftest import FILES, Project

INFO = "voucher_async-1.1.0.dist-info/"
POINTS = "[console_scripts]\nvoucher-async = voucher_async.cli:main\n"


@pytest.fixture
def wheel() -> dict[str, bytes]:
    """The files of a wheel of the project."""
    package = {name: text.encode() for name, text in FILES.items() if name.startswith("voucher_async/")}
    about = {f"{INFO}{name}": b"" for name in ("METADATA", "WHEEL", "RECORD")}
    licence = {f"{INFO}licenses/LICENSE": FILES["LICENSE"].encode()}
    return package | about | licence | {f"{INFO}entry_points.txt": POINTS.encode()}


def problems(project: Project, files: Mapping[str, bytes]) -> list[str]:
    return list(contents.check_wheel(project, files, "1.1.0").problems)


def test_a_wheel_of_all_that_git_tracks_passes(project: Project, wheel: dict[str, bytes]) -> None:
    assert problems(project, wheel) == []


@pytest.mark.parametrize(
    "name", ["voucher_async/.env", "voucher_async/notes.txt", "tests/test_a.py", "voucher_async.pth"]
)
def test_a_file_that_git_does_not_track_is_named(
    project: Project, wheel: dict[str, bytes], name: str
) -> None:
    assert f"the wheel has {name}, which git does not track" in problems(project, wheel | {name: b""})


@pytest.mark.parametrize(
    "name", ["voucher_async/cli.py", "voucher_async/py.typed", f"{INFO}licenses/LICENSE"]
)
def test_a_file_that_is_missing_is_named(project: Project, wheel: dict[str, bytes], name: str) -> None:
    del wheel[name]
    assert f"the wheel lacks {name}" in problems(project, wheel)


@pytest.mark.parametrize(
    "name",
    [
        *("voucher_async/tests/a.py", "voucher_async/test_a.py", "voucher_async/conftest.py"),
        *("voucher_async/__pycache__/a.pyc", "voucher_async/.hidden", "voucher_async/prod.env"),
        *("voucher_async/vouchers.db", "voucher_async/server.pem"),
    ],
)
def test_what_no_wheel_should_hold_is_named_though_git_tracks_it(
    project: Project, wheel: dict[str, bytes], name: str
) -> None:
    project.write(name, "")
    project.commit()
    assert [line for line in problems(project, wheel | {name: b""}) if name in line]


def test_nothing_of_the_package_itself_is_strange(root: Path) -> None:
    package = {path.relative_to(root).as_posix() for path in (root / "voucher_async").rglob("*.py")}
    assert len(package) > 200
    assert list(contents.strange(package)) == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ", "a private key"),
        (f"pypi-{'A' * 50}", "a token of a package index"),
        (f"token = 'ghp_{'a1' * 18}'", "a token of a code hosting site"),
        ("AKIAABCDEFGHIJKLMNOP", "a key of a cloud"),
        (f"eyJ{'a' * 20}.eyJ{'b' * 20}.{'c' * 30}", "a signed JSON web token"),
        ("path = '/home/me/shop/key'", "names a folder of this machine"),
    ],
)
def test_a_secret_is_found_and_not_shown(text: str, what: str) -> None:
    files = {"a.py": text.encode(), "b.py": b"token = read_token()"}
    (found,) = contents.secrets(files, home=Path("/home/me"), root=Path("/home/me/sdk"))
    assert found.startswith("a.py, ")
    assert what in found
    assert text not in found


def test_a_file_that_is_not_that_of_the_tree_is_named(project: Project, wheel: dict[str, bytes]) -> None:
    wheel |= {"voucher_async/cli.py": b"", f"{INFO}licenses/LICENSE": b"Another"}
    assert problems(project, wheel) == [
        f"{INFO}licenses/LICENSE in the wheel is not the licence of the tree",
        "voucher_async/cli.py in the wheel is not that of the tree",
    ]


def test_entry_points_that_differ_or_lead_nowhere_are_named(
    project: Project, wheel: dict[str, bytes]
) -> None:
    project.replace("pyproject.toml", "voucher_async.cli:main", "voucher_async.command:main")
    first, second = problems(project, wheel)
    assert first.startswith("the wheel's entry points are")
    assert second == "the entry point voucher-async leads to voucher_async.command:main, which is not there"


def test_an_sdist_with_a_stray_file_and_without_the_tests_is_named(project: Project) -> None:
    project.write("tests/test_a.py", "")
    project.commit()
    found = contents.check_sdist(project, {"PKG-INFO": b"", "LICENSE": b"", "notes.txt": b""}).problems
    assert "the sdist has notes.txt, which git does not track" in found
    assert "the sdist lacks tests/test_a.py" in found
    assert "the sdist lacks openapi/voucher.yaml" in found
    assert not [line for line in found if "LICENSE" in line or "PKG-INFO" in line]


def test_models_that_were_edited_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "difference", lambda *files: "")
    assert contents.check_models().problems == ()
    monkeypatch.setattr(contents, "difference", lambda *files: "-a")
    (problem,) = contents.check_models().problems
    assert problem == "_generated.py is out of date, or was edited: run `make codegen`"


def test_what_is_built_of_tracked_files_is_the_same_three_times(project: Project, tmp_path: Path) -> None:
    built, result = building.check(project, tmp_path / "dist")
    assert result.problems == []
    assert contents.check_wheel(project, built.in_wheel(), built.metadata["Version"]).problems == []
    assert "pyproject.toml" in built.in_sdist()


def archive(path: Path, files: Mapping[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        for name, text in files.items():
            made.writestr(zipfile.ZipInfo(name), text)
    return path


@pytest.mark.parametrize(
    ("files", "problems"),
    [
        ({"a.py": "1"}, []),
        ({"a.py": "2"}, ["the copy is another one (first.whl, second.whl)"]),
        ({"a.py": "1", "b.py": ""}, ["the copy is another one: b.py is in one of them"]),
    ],
)
def test_another_archive_is_told_by_its_bytes(
    tmp_path: Path, files: dict[str, str], problems: list[str]
) -> None:
    first = archive(tmp_path / "first.whl", {"a.py": "1"})
    assert building.compared("the copy", first, archive(tmp_path / "second.whl", files)) == problems
