"""Settings: what is refused, what is made of little, and what is not shown."""

from __future__ import annotations

import math
from typing import Any

import pytest

from voucher_async.checks import check_seconds, check_wait
from voucher_async.config import Settings, Timeout, to_timeout
from voucher_async.errors import ConfigurationError

SECRET = "s3cr3t-0f-the-shop"
CREDENTIALS: dict[str, Any] = {"client_id": "shop", "client_secret": SECRET}


def make(**changes: Any) -> Settings:
    return Settings.make(**{**CREDENTIALS, "environment": "sandbox", **changes})


def refused(pattern: str, **changes: Any) -> None:
    with pytest.raises(ConfigurationError, match=pattern) as caught:
        make(**changes)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("environment", "host"),
    [
        ("production", "https://vouchers.api.jtl-software.com"),
        ("sandbox", "https://vouchers-sbx.api.jtl-software.com"),
    ],
)
def test_an_environment_names_both_addresses(environment: str, host: str) -> None:
    settings = make(environment=environment)
    assert (settings.base_url, settings.token_url) == (f"{host}/v1", f"{host}/oauth/token")


def test_a_base_url_goes_before_the_environment_and_brings_its_token_url() -> None:
    settings = make(base_url="https://gateway.example:8443/jtl/v1/")
    assert settings.base_url == "https://gateway.example:8443/jtl/v1"
    assert settings.token_url == "https://gateway.example:8443/oauth/token"


def test_a_token_url_is_taken_as_it_is() -> None:
    assert make(token_url="https://login.example/token/").token_url == "https://login.example/token/"


@pytest.mark.parametrize("environment", ["prod", "Production", " sandbox", ""])
def test_an_unknown_environment_is_refused(environment: str) -> None:
    refused("environment must be one of production, sandbox", environment=environment)


def test_no_environment_and_no_address_is_refused() -> None:
    refused('say environment="sandbox"', environment=None)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8400/v1",
        "http://127.0.0.2/v1",
        "http://[::1]:8400/v1",
        "http://localhost/v1",
        "http://LOCALHOST:80",
        "https://example.com",
        "HTTPS://example.com/v1",
        "https://xn--mnchen-3ya.example:8443/v1",
        "https://my_host.internal./v1",
        "https://[2001:db8::1]:8443/v1",
    ],
)
def test_https_and_the_own_machine_are_accepted(url: str) -> None:
    assert make(base_url=url).base_url == url
    assert make(token_url=url).token_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/v1",
        "http://localhost.example.com",
        "http://127.0.0.1.evil.example",
        "http://evil.localhost",
        "http://127.0.0.1%2eevil.example",
        "http://192.168.0.1",
        "http://0.0.0.0",
        "http://[::2]",
        "http://10.0.0.1",
        "http://localhost.",
        "http://127.1",
        "http://2130706433",
        "http://localhost%00.evil.example",
    ],
)
@pytest.mark.parametrize("name", ["base_url", "token_url"])
def test_plain_http_to_another_machine_is_refused(name: str, url: str) -> None:
    refused(f"{name} must use https", **{name: url})


@pytest.mark.parametrize(
    ("url", "pattern"),
    [
        ("", "absolute"),
        ("example.com/v1", "absolute"),
        ("//example.com/v1", "absolute"),
        ("ftp://example.com", "absolute"),
        ("file:///etc/passwd", "absolute"),
        ("https://", "absolute"),
        ("https:///v1", "absolute"),
        ("http://[::1", "not a URL"),
        ("https://example.com:99999", "not a URL"),
        ("https://example.com:x", "not a URL"),
        ("https://user:s3cr3t@example.com", "must not hold credentials"),
        ("https://user@example.com", "must not hold credentials"),
        ("http://127.0.0.1:80@evil.example", "must not hold credentials"),
        ("https://example.com/v1?", "query"),
        ("https://example.com/v1?a=b", "query"),
        ("https://example.com/v1#", "fragment"),
        ("https://example.com/v 1", "white space"),
        ("https://example.com/v1\n", "white space"),
        ("\thttps://example.com/v1", "white space"),
        ("\x01https://example.com/v1", "white space"),
        ("https://example.com\x00/v1", "white space"),
        ("https://evil.example\\.example.com/v1", "backslash"),
        ("https://m\u00fcnchen.example/v1", "must be ASCII: write the host as xn--mnchen-3ya.example"),
        ("https://\u2603" + "x" * 70 + ".example", "must be ASCII: write the host in its xn-- form"),
        ("https://example.com/\u00fc", "must be ASCII: write other characters as %"),
        ("https://example.com/\ud800", "must be ASCII"),
        ("https://\udcff.example.com", "must be ASCII"),
        ("https://example.com:\u0663", "not a URL"),
        ("https://a..example", "host that can exist"),
        ("https://.example", "host that can exist"),
        ("https://xn--", "host that can exist"),
        ("https://" + "x" * 64 + ".example", "host that can exist"),
        ("https://" + ".".join(["x" * 60] * 5), "host that can exist"),
        ("https://a%41.example", "host that can exist"),
        ("https://a;b.example", "host that can exist"),
        ("https://<a>.example", "host that can exist"),
        ("https://example.com:0/v1", "port above 0"),
        ("https://:s3cr3t@example.com", "must not hold credentials"),
        ("https://@example.com", "must not hold credentials"),
        (b"https://example.com", "must be a str"),
        (5, "must be a str"),
    ],
)
@pytest.mark.parametrize("name", ["base_url", "token_url"])
def test_an_address_that_cannot_work_is_refused(name: str, url: Any, pattern: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} .*{pattern}") as caught:
        make(**{name: url})
    assert "s3cr3t@" not in str(caught.value)


def test_a_host_behind_a_bracketed_address_is_no_loopback() -> None:
    with pytest.raises(ConfigurationError):
        make(base_url="http://[::1].evil.example/v1")


@pytest.mark.parametrize(
    "value", [None, "", " ", "with blank", "tab\t", "line\n", "\x00", "\ud800", 5, b"bytes"]
)
@pytest.mark.parametrize("name", ["client_id", "client_secret"])
def test_credentials_that_cannot_be_right_are_refused_and_not_shown(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} must be a text") as caught:
        make(**{name: value})
    assert repr(value) not in str(caught.value)


@pytest.mark.parametrize("client_type", ["", "x" * 33, 5])
def test_a_client_type_must_have_1_to_32_characters(client_type: Any) -> None:
    refused("client_type must be a text of 1 to 32", client_type=client_type)
    assert make(client_type="x" * 32).client_type == "x" * 32


@pytest.mark.parametrize("client_type", ["\ud800", "pos\udcff"])
def test_a_client_type_that_utf_8_cannot_write_is_refused(client_type: str) -> None:
    refused("client_type must not hold lone surrogates", client_type=client_type)
    assert make(client_type="Kasse \u00fc \U0001f381").client_type


@pytest.mark.parametrize("name", ["CLIENT_ID", "CLIENT_SECRET", "BASE_URL", "TOKEN_URL", "CLIENT_TYPE"])
def test_a_variable_that_is_no_utf_8_is_named_and_not_shown(name: str) -> None:
    value = b"https://s3cr3t\xff.example".decode(errors="surrogateescape")
    with pytest.raises(ConfigurationError, match=f"^not UTF-8 in the environment: VOUCHER_{name}$"):
        Settings.from_env({**ENVIRON, f"VOUCHER_{name}": value})


@pytest.mark.parametrize("name", ["keepalive", "safety_margin", "settle_window", "settle_for", "close_wait"])
@pytest.mark.parametrize("value", [86_401, 1e12, 10**20])
def test_a_time_span_is_a_day_at_most(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} must be at most 86400 seconds"):
        Settings(**CREDENTIALS, base_url="https://a.example", token_url="https://a.example", **{name: value})


@pytest.mark.parametrize("wait", [None, 0, 0.0, 0.5, 86_400])
def test_closing_may_wait_for_nothing_or_for_a_day(wait: float | None) -> None:
    check_wait(wait)


@pytest.mark.parametrize("wait", [-1, math.nan, math.inf, 1e12, True, False, "5"])
def test_closing_waits_for_no_other_time(wait: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^wait must be"):
        check_wait(wait)


def test_scopes_are_taken_as_a_text_or_a_list() -> None:
    assert make(scopes="read use").scopes == make(scopes=iter(["read", "use"])).scopes == ("read", "use")
    assert make().scopes is None


@pytest.mark.parametrize("scopes", [[], "", "  ", ["read use"], [""], [5]])
def test_scopes_that_cannot_be_asked_for_are_refused(scopes: Any) -> None:
    refused("^scopes must", scopes=scopes)


@pytest.mark.parametrize("name", ["max_connections", "max_answer_bytes", "max_attempts"])
@pytest.mark.parametrize("value", [0, -1, 1.0, True, "1", None])
def test_a_count_must_be_a_whole_number_of_at_least_one(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} must be a whole number"):
        Settings(**CREDENTIALS, base_url="https://a.example", token_url="https://a.example", **{name: value})


@pytest.mark.parametrize("name", ["keepalive", "safety_margin"])
@pytest.mark.parametrize("value", [0, -1.0, math.nan, math.inf, -math.inf, 10**400, -(10**400)])
def test_a_time_span_must_be_positive_and_finite(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} must be a positive number of seconds"):
        Settings(**CREDENTIALS, base_url="https://a.example", token_url="https://a.example", **{name: value})


@pytest.mark.parametrize("value", ["5", None, True, [], 10j])
def test_a_time_span_must_be_a_number(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^pause must be a number of seconds, not"):
        check_seconds("pause", value)


@pytest.mark.parametrize("name", ["total", "connect", "read"])
def test_each_time_limit_is_checked_and_named(name: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^timeout\.{name} must be"):
        Timeout(**{name: 0})


def test_a_timeout_may_be_nothing_a_number_or_all_three() -> None:
    assert to_timeout(None) == make().timeout == Timeout()
    assert make(timeout=2).timeout == Timeout(total=2.0)
    limits = Timeout(total=9, connect=1, read=3)
    assert make(timeout=limits).timeout is limits
    refused("^timeout must be a number of seconds, not str", timeout="5")
    refused("^timeout must be a positive number", timeout=-1)
    refused("^timeout must be at most 86400 seconds", timeout=1e12)
    assert make(timeout=86_400).timeout.total == 86_400


def test_the_secret_is_not_shown() -> None:
    settings = make()
    assert SECRET not in f"{settings!r} {settings} {[settings]}"
    assert "shop" in repr(settings)
    assert settings.client_secret == SECRET


ENVIRON = {
    "VOUCHER_CLIENT_ID": "shop",
    "VOUCHER_CLIENT_SECRET": SECRET,
    "VOUCHER_BASE_URL": "http://127.0.0.1:8400/v1",
    "VOUCHER_TOKEN_URL": "http://127.0.0.1:8401/token",
    "VOUCHER_CLIENT_TYPE": "pos",
}


def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("VOUCHER_ENVIRONMENT", raising=False)
    settings = Settings.from_env()
    assert settings == Settings.from_env(ENVIRON)
    assert settings == Settings.make(
        **CREDENTIALS,
        base_url="http://127.0.0.1:8400/v1",
        token_url="http://127.0.0.1:8401/token",
        client_type="pos",
    )


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    environ = {**ENVIRON, "VOUCHER_BASE_URL": "", "VOUCHER_TOKEN_URL": "", "VOUCHER_CLIENT_TYPE": ""}
    environ["VOUCHER_ENVIRONMENT"] = "production"
    assert Settings.from_env(environ) == make(environment="production")


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ({"VOUCHER_CLIENT_ID"}, "VOUCHER_CLIENT_ID"),
        ({"VOUCHER_CLIENT_SECRET"}, "VOUCHER_CLIENT_SECRET"),
        ({"VOUCHER_BASE_URL"}, r"VOUCHER_ENVIRONMENT \(or VOUCHER_BASE_URL\)"),
        (
            set(ENVIRON),
            r"VOUCHER_CLIENT_ID, VOUCHER_CLIENT_SECRET, VOUCHER_ENVIRONMENT \(or VOUCHER_BASE_URL\)",
        ),
    ],
)
def test_missing_variables_are_named_all_at_once(missing: set[str], named: str) -> None:
    environ = {name: value for name, value in ENVIRON.items() if name not in missing}
    with pytest.raises(ConfigurationError, match=f"^not set in the environment: {named}$"):
        Settings.from_env(environ)


def test_a_wrong_variable_is_refused_without_showing_the_secret() -> None:
    with pytest.raises(ConfigurationError, match="client_secret must be a text") as caught:
        Settings.from_env({**ENVIRON, "VOUCHER_CLIENT_SECRET": f"{SECRET}\n"})
    assert SECRET not in str(caught.value)
