"""The addresses of proxies and the TLS contexts that a client takes, refuses, or warns of."""

from __future__ import annotations

import logging
import pickle
import ssl
from typing import Any

import attrs
import pytest

from tests.frame_locals import shown_locals
from voucher_async import ConfigurationError, Settings, VoucherClient
from voucher_async.proxy import secrets_of

PASSWORD = "p4ss-w0rd"
CREDENTIALS: dict[str, Any] = {"client_id": "shop", "client_secret": "s3cr3t", "environment": "sandbox"}
REMOTE = "http://proxy.example:3128"
LOCAL = "http://127.0.0.1:8400/v1"


def make(**changes: Any) -> Settings:
    return Settings.make(**{**CREDENTIALS, **changes})


def warned(caplog: pytest.LogCaptureFixture, **changes: Any) -> list[str]:
    VoucherClient(**{**CREDENTIALS, **changes})
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@pytest.mark.parametrize(
    "url",
    [
        REMOTE,
        "https://proxy.example",
        "http://127.0.0.1:3128/",
        "http://[::1]:3128",
        f"http://till:{PASSWORD}@proxy.example:3128",
        "http://till@proxy.example:3128",
        "http://till:p%40ss%2Fw%3Ard@proxy.example:3128",
    ],
)
def test_a_proxy_has_a_host_and_perhaps_a_login(url: str) -> None:
    assert make(proxy=url).proxy == url


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("proxy.example:3128", "must be a URL such as"),
        ("socks5://proxy.example:1080", "must be a URL such as"),
        ("http://", "must be a URL such as"),
        ("", "must be a URL such as"),
        (3128, "must be a str, not int"),
        ("http://proxy.example:port", "is not a URL"),
        ("http://proxy.example:0", "must name a host that can exist"),
        ("http://proxy.example/path", "must have a scheme, a host and a port alone"),
        ("http://proxy.example?a=1", "must have a scheme, a host and a port alone"),
        ("http://pröxy.example", "must have a scheme, a host and a port alone"),
        (f"http://till:{PASSWORD}@proxy.example/path", "must have a scheme, a host and a port alone"),
        (f"http://till:{PASSWORD}/@proxy.example", "must have its login as user:password@"),
        (f"http://till:@{PASSWORD}@proxy.example", "must have its login as user:password@"),
        (f"http://:{PASSWORD}@proxy.example", "must have its login as user:password@"),
        (f"http://till:{PASSWORD}%E2%82%AC@proxy.example", "must have its login as user:password@"),
        (f"http://till:{PASSWORD}%0D%0A@proxy.example", "must have its login as user:password@"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_refused_without_showing_its_login(url: Any, rule: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^proxy {rule}") as caught:
        VoucherClient(**CREDENTIALS, proxy=url)
    assert not [text for text in [*shown_locals(caught.value), str(caught.value)] if PASSWORD in text]


def test_the_login_is_in_no_repr() -> None:
    settings = make(proxy=f"http://till:{PASSWORD}@proxy.example:3128")
    for text in (repr(settings), repr(settings.proxy), repr(VoucherClient(settings=settings))):
        assert PASSWORD not in text
        assert "till" not in text
    assert "proxy='http://***@proxy.example:3128'" in repr(settings)
    assert f"proxy={REMOTE!r}" in repr(make(proxy=REMOTE))
    assert pickle.loads(pickle.dumps(settings)) == settings


@pytest.mark.parametrize("login", [PASSWORD, f"{PASSWORD}:", f"till:{PASSWORD}"])
def test_a_login_of_a_user_alone_is_as_secret_as_a_password(login: str) -> None:
    secrets = secrets_of(f"http://{login}@proxy.example:3128")
    assert PASSWORD in secrets
    assert "till" not in secrets  # a name alone opens nothing, and may be a word


def test_there_is_no_variable_for_a_proxy() -> None:
    environ = {"VOUCHER_CLIENT_ID": "c", "VOUCHER_CLIENT_SECRET": "s", "VOUCHER_ENVIRONMENT": "sandbox"}
    others = {"VOUCHER_PROXY": REMOTE, "HTTPS_PROXY": REMOTE}
    assert VoucherClient.from_env({**environ, **others}).settings.proxy is None
    assert VoucherClient.from_env(environ, proxy=REMOTE).settings.proxy == REMOTE


@pytest.mark.parametrize("url", [LOCAL, "http://localhost/v1"])
def test_plain_http_to_this_machine_does_not_leave_it_for_a_proxy(url: str) -> None:
    given: dict[str, Any] = {"base_url": url, "environment": None}
    assert make(**given, proxy="http://127.0.0.1:3128")
    with pytest.raises(ConfigurationError, match=r"^proxy: (127|localhost).* reached in plain http"):
        make(**given, proxy=REMOTE)
    with pytest.raises(ConfigurationError, match=r"^proxy: 127\.0\.0\.1 is reached in plain http"):
        make(token_url="http://127.0.0.1/token", proxy=REMOTE)


def test_nor_for_a_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    given: dict[str, Any] = {**CREDENTIALS, "base_url": LOCAL, "environment": None, "trust_env": True}
    monkeypatch.delenv("no_proxy", raising=False)
    for local in ("http://127.0.0.1:3128", "http://localhost:3128"):
        monkeypatch.setenv("http_proxy", local)
        VoucherClient(**given)
    monkeypatch.setenv("http_proxy", f"http://till:{PASSWORD}@proxy.example:3128")
    with pytest.raises(
        ConfigurationError, match=r"^trust_env: 127\.0\.0\.1 is reached in plain http"
    ) as caught:
        VoucherClient(**given)
    assert not [text for text in [*shown_locals(caught.value), str(caught.value)] if PASSWORD in text]
    for harmless in ({"trust_env": False}, {"base_url": None, "environment": "sandbox"}):
        VoucherClient(**{**given, **harmless})
    assert caplog.messages == []
    VoucherClient(**given, insecure_hosts=("127.0.0.1",))
    (warning,) = caplog.messages
    assert warning.startswith("127.0.0.1 is reached in plain http, which insecure_hosts allows")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    VoucherClient(**given)


def test_plain_http_through_a_proxy_is_an_opt_in_that_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    given: dict[str, Any] = {"base_url": LOCAL, "environment": None, "insecure_hosts": ("127.0.0.1",)}
    assert warned(caplog, **given) == []
    (warning,) = warned(caplog, **given, proxy=REMOTE)
    assert warning.startswith("127.0.0.1 is reached in plain http, which insecure_hosts allows")


@pytest.mark.parametrize(
    ("proxy", "times"),
    [
        (REMOTE, 0),
        (f"http://till:{PASSWORD}@127.0.0.1:3128", 0),
        (f"https://till:{PASSWORD}@proxy.example", 0),
        (f"http://till:{PASSWORD}@proxy.example", 1),
    ],
)
def test_a_login_that_others_can_read_is_warned_of(
    caplog: pytest.LogCaptureFixture, proxy: str, times: int
) -> None:
    warning = "the login of the proxy is sent to it in plain http: others can read it"
    assert warned(caplog, proxy=proxy) == [warning] * times


def test_a_context_that_verifies_nothing_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    context = ssl.create_default_context()
    assert warned(caplog, ssl=context) == []
    context.check_hostname = False
    (warning,) = warned(caplog, ssl=context)
    assert warning.startswith("ssl: the context takes a certificate of any host for the server's: whoever")
    caplog.clear()
    context.verify_mode = ssl.CERT_NONE
    (warning,) = warned(caplog, ssl=context)
    assert warning.startswith("ssl: the context verifies no TLS certificate: whoever")
    assert "the client secret" in warning


@pytest.mark.parametrize(
    ("context", "rule"),
    [
        (False, "must be an ssl.SSLContext, not bool"),
        ("cert.pem", "must be an ssl.SSLContext, not str"),
        (ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), "must be a context for clients"),
    ],
)
def test_what_is_no_context_for_a_client_is_refused(context: Any, rule: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^ssl {rule}"):
        make(ssl=context)
    with pytest.raises(ConfigurationError, match=f"^ssl {rule}"):
        attrs.evolve(make(), ssl=context)
