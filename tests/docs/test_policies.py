"""The pages on security and upgrading state what is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.pythons import Claims
from tests.release import changelog
from voucher_async.config import Settings
from voucher_async.journals.tables import MAJOR, MINOR
from voucher_async.outcomes import _READ, _VERSION
from voucher_async.payments.stored import FORMAT


@pytest.fixture(scope="module")
def security(root: Path) -> str:
    return (root / "docs" / "security.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def upgrading(root: Path) -> str:
    return (root / "docs" / "upgrading.md").read_text(encoding="utf-8")


def test_every_promise_names_tests_that_exist(root: Path, security: str) -> None:
    rows = re.findall(r"^\|.*\|.*`tests/.*\|$", security, re.MULTILINE)
    assert len(rows) >= 10
    named = re.findall(r"`(tests/[a-z_/]+\.py)`", security)
    assert [name for name in named if "def test_" not in (root / name).read_text(encoding="utf-8")] == []


def test_no_address_is_made_up(security: str) -> None:
    assert "@" not in security
    assert "private security advisory on the repository's page" in security


def test_the_floors_and_pythons_are_those_that_are_declared(root: Path, upgrading: str) -> None:
    claims = Claims.here()
    core = ("aiohttp", "attrs", "cattrs", "msgspec", "yarl")
    assert [f"| {name} | {claims.floors[name]} or newer |" in upgrading for name in core] == [True] * 5
    assert f"| Python | {', '.join(claims.pythons)};" in upgrading
    assert claims.floors["aiohttp"] in (root / "docs" / "security.md").read_text(encoding="utf-8")


def test_the_versions_of_the_journal_are_those_that_are_written(upgrading: str) -> None:
    assert f"| journal: tables | {MAJOR}.{MINOR} |" in upgrading
    assert f"| journal: records | {FORMAT} |" in upgrading
    assert f"| {_VERSION} is written; {' and '.join(map(str, _READ))} are read |" in upgrading


def test_the_defaults_are_those_of_the_settings(upgrading: str) -> None:
    settings = Settings.make(client_id="a", client_secret="b", environment="sandbox")
    seconds = (settings.settle_window, settings.list_lag, settings.settle_for)
    assert "the defaults are {:.0f}, {:.0f} and {:.0f} seconds".format(*seconds) in upgrading


def test_every_version_of_the_changelog_has_its_part(root: Path, upgrading: str) -> None:
    releases = changelog.read((root / "CHANGELOG.md").read_text(encoding="utf-8"))
    names = [each.version or "Unreleased" for each in releases]
    assert re.findall(r"^## (Unreleased|\d+\..*)$", upgrading, re.MULTILINE) == names
