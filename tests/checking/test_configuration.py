"""The step `configuration`: variables that are missing, malformed, misspelt or dangerous."""

from __future__ import annotations

import pytest

from tests.checking.checked import SECRET, Checked, checked
from voucher_async import Settings, variables
from voucher_async.cli.checking import State
from voucher_async.cli.checking.configuration import KNOWN, environment_of
from voucher_async.testing import VoucherEmulator

GOOD = {
    "VOUCHER_CLIENT_ID": "till-1",
    "VOUCHER_CLIENT_SECRET": SECRET,
    "VOUCHER_BASE_URL": "http://127.0.0.1:9/v1",
}


async def configured(**changes: str | None) -> Checked:
    given = {**GOOD, **changes}
    return await checked({name: value for name, value in given.items() if value is not None})


def test_all_variables_are_known() -> None:
    names = [f"VOUCHER_{name.upper()}" for name in variables._READERS]
    assert sorted(KNOWN) == sorted([*names, "VOUCHER_JOURNAL", "VOUCHER_TOKEN_STORE"])


async def test_variables_are_named_with_where_they_are_from() -> None:
    sources = {"VOUCHER_CLIENT_SECRET": "the profile A"}
    found = await checked(GOOD, sources=sources)
    finding = found.one("configuration")
    assert finding.state is State.OK
    assert finding.seen == (
        "VOUCHER_CLIENT_ID, VOUCHER_BASE_URL from the environment; VOUCHER_CLIENT_SECRET from the profile A"
    )
    assert finding.facts["sources"] == ("the environment", "the profile A")
    assert finding.facts["token_url"] == "http://127.0.0.1:9/oauth/token"


@pytest.mark.parametrize(
    ("changes", "seen", "advice"),
    [
        ({"VOUCHER_CLIENT_SECRET": None}, "not set in the environment: VOUCHER_CLIENT_SECRET", "Set what"),
        ({"VOUCHER_BASE_URL": None}, "VOUCHER_ENVIRONMENT (or VOUCHER_BASE_URL)", "Set what"),
        ({"VOUCHER_BASE_URL": "http://example.com/v1"}, "must use https", "Correct VOUCHER_BASE_URL."),
        ({"VOUCHER_TOKEN_URL": "nowhere"}, "absolute", "Correct VOUCHER_TOKEN_URL."),
        ({"VOUCHER_SETTLE_WINDOW": "soon"}, "a number of seconds", "Correct VOUCHER_SETTLE_WINDOW."),
        (
            {"VOUCHER_CLIENT_SECRET": None, "VOUCHER_CLIENT_SECERT": SECRET},
            "VOUCHER_CLIENT_SECRET",
            "Rename VOUCHER_CLIENT_SECERT: VOUCHER_CLIENT_SECRET is meant?",
        ),
    ],
)
async def test_without_settings_the_rest_is_skipped(
    changes: dict[str, str | None], seen: str, advice: str
) -> None:
    found = await configured(**changes)
    finding = found.one("configuration")
    assert finding.state is State.FAILED
    assert seen in finding.seen
    assert finding.advice.startswith(advice)
    assert {str(each.state) for each in found if each.name not in {"configuration", "journal"}} == {"skipped"}
    assert found.one("journal").facts["kind"] == "memory"


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"VOUCHER_JOURNL": "sqlite:///x.db"}, "nobody reads VOUCHER_JOURNL"),
        ({"VOUCHER_SETTLE_WINDOW": "5"}, "settle_window below the default"),
    ],
)
async def test_what_is_dangerous_is_warned_of(changes: dict[str, str | None], seen: str) -> None:
    found = await configured(**changes)
    assert found.one("configuration").state is State.WARNING
    assert seen in found.one("configuration").seen


@pytest.mark.parametrize("is_made", [False, True])
async def test_a_proxy_of_the_environment_that_would_read_the_token_is_named(
    monkeypatch: pytest.MonkeyPatch, *, is_made: bool
) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    if is_made:
        settings = Settings.make(
            client_id="c-1", client_secret=SECRET, base_url=GOOD["VOUCHER_BASE_URL"], trust_env=True
        )
        finding = (await checked(settings=settings)).one("configuration")
    else:
        finding = (await configured(VOUCHER_TRUST_ENV="1")).one("configuration")
    assert finding.state is State.FAILED
    assert "trust_env: 127.0.0.1 is reached in plain http" in finding.seen


async def test_variables_of_the_application_are_its_own() -> None:
    found = await configured(VOUCHER_SHOP_COLOUR="green")
    assert found.one("configuration").state is State.OK


async def test_the_process_s_variables_are_the_default(
    emulator: VoucherEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in emulator.environ().items():
        monkeypatch.setenv(name, value)
    assert (await checked()).one("token").state is State.OK


def test_environments_have_names() -> None:
    assert environment_of("https://vouchers.api.jtl-software.com/v1") == "production"
    assert environment_of("https://vouchers-sbx.api.jtl-software.com/v1") == "sandbox"
    assert environment_of("http://127.0.0.1:8400/v1") is None
