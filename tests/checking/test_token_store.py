"""The step `token store`: asked as a client asks it, and nothing is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checking.checked import SECRETS, checked
from voucher_async.cli.checking import Finding, State

PASSWORD = SECRETS[-1]


async def token_store_at(url: str, **environ: str) -> Finding:
    found = await checked({"VOUCHER_CLIENT_ID": "till-1", "VOUCHER_TOKEN_STORE": url, **environ})
    assert "VOUCHER_TOKEN_STORE" not in found.one("configuration").advice
    return found.one("token store")


async def test_without_one_nothing_is_said_of_it() -> None:
    assert not (await checked({"VOUCHER_CLIENT_ID": "till-1"})).all("token store")


async def test_that_of_the_journal_needs_a_journal(url: str) -> None:
    assert (await token_store_at("journal", VOUCHER_JOURNAL=url)).state is State.OK
    finding = await token_store_at("journal")
    assert finding.state is State.FAILED
    assert "needs a journal in a database" in finding.seen


async def test_one_in_a_database_is_asked(url: str, tmp_path: Path) -> None:
    assert (await token_store_at(url)).seen == "it answers"
    finding = await token_store_at(f"sqlite:///{tmp_path}/none.db")
    assert finding.state is State.WARNING
    assert "does not exist" in finding.seen
    assert not (tmp_path / "none.db").exists()


async def test_one_that_cannot_be_reached_costs_no_payment() -> None:
    finding = await token_store_at(f"redis://shop:{PASSWORD}@127.0.0.1:9/0")
    assert finding.state is State.WARNING
    assert "cannot be reached" in finding.seen


@pytest.mark.parametrize("url", [PASSWORD, f"redis://shop:{PASSWORD}@host:port"])
async def test_what_is_no_url_is_refused(url: str) -> None:
    assert (await token_store_at(url)).state is State.FAILED
