"""`voucher-async worker` says what cannot work, and by its exit status whether to start it again."""

from __future__ import annotations

from pathlib import Path

import pytest

from voucher_async.cli import main
from voucher_async.testing import VoucherEmulator


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, emulator: VoucherEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in emulator.environ().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("VOUCHER_JOURNAL", f"sqlite:///{tmp_path / 'vouchers.db'}")
    monkeypatch.setenv("SHOP_DATABASE", str(tmp_path / "shop.db"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop_that_lacks.py").write_text("import no_such")
    (tmp_path / "shop_that_fails.py").write_text("raise KeyError('SHOP_SETTING')")


APP = "examples.workflow_checkout:vouchers"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([APP, "--database", "postgresql://shop@db/shop"], "an executor_id of its own"),
        ([APP, "--executor-id", "a#b"], "without #"),
        ([APP, "--application-version", ""], "application_version must not be empty"),
        (["examples.workflow_checkout"], "module:name"),
        (["./shop:vouchers"], "module:name"),
        ([APP, "--database", "workflows.db"], "no URL"),
        ([APP, "--lease", "0"], "lease must be a number of seconds, at least 0.1, not 0"),
        ([APP, "--limit", "nan"], "close_wait must be"),
        (["shop_that_lacks:vouchers"], "cannot be imported: ModuleNotFoundError: No module named 'no_such'"),
        (["shop_that_fails:vouchers"], "cannot be imported: KeyError: 'SHOP_SETTING'"),
        (["no_such_shop:vouchers"], "there is no module 'no_such_shop' here"),
        (["examples.workflow_checkout:codes_of"], "is no VoucherWorkflows"),
    ],
)
def test_what_cannot_work_is_said(
    capfd: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(["worker", *arguments]) == 2
    assert words in capfd.readouterr().err


def test_a_journal_in_memory_is_refused(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VOUCHER_JOURNAL")
    assert main(["worker", APP]) == 2
    assert "a journal that outlives the process" in capfd.readouterr().err


def test_a_database_that_does_not_answer_is_asked_again_later(capfd: pytest.CaptureFixture[str]) -> None:
    url = "postgresql://shop:hunter2@127.0.0.1:1/shop"
    assert main(["worker", APP, "--executor-id", "shop-1", "--database", url]) == 5
    told = capfd.readouterr().err
    assert "the database of the workflows" in told
    assert "hunter2" not in told
