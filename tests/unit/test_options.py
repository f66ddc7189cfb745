"""Options of a client: from arguments, from variables, and from both."""

from __future__ import annotations

import inspect
import ssl
from typing import Any

import attrs
import pytest

from voucher_async import ConfigurationError, ManualClock, MemoryJournal, Settings, Timeout, VoucherClient
from voucher_async.options import ClientOptions

SECRET = "s3cr3t-of-the-shop"
ENVIRON = {
    "VOUCHER_CLIENT_ID": "shop",
    "VOUCHER_CLIENT_SECRET": SECRET,
    "VOUCHER_BASE_URL": "https://gateway.example/v1",
    "VOUCHER_TOKEN_URL": "https://login.example/token",
    "VOUCHER_INSECURE_HOSTS": "emulator, Till",
    "VOUCHER_CLIENT_TYPE": "pos",
    "VOUCHER_TRUST_ENV": "1",
    "VOUCHER_CLOSE_WAIT": "1.5",
    "VOUCHER_SETTLE_WINDOW": "30",
    "VOUCHER_SETTLE_FOR": "300",
    "VOUCHER_LIST_LAG": "5",
    "VOUCHER_BRAKE_AT": "0.5",
    "VOUCHER_LOOK_BEFORE_CHARGE": "yes",
    "VOUCHER_RECOVER_EVERY": "90",
    "VOUCHER_ORDER_NUMBER_FORMAT": "{order}~{ref}",
}
EXPLICIT: dict[str, Any] = {
    "client_id": "till",
    "client_secret": "another-secret",
    "base_url": "https://other.example/v1",
    "token_url": "https://other.example/token",
    "insecure_hosts": ("other",),
    "client_type": "shop",
    "scopes": ("use",),
    "timeout": Timeout(total=7.0),
    "max_connections": 3,
    "trust_env": False,
    "proxy": "http://till:pass@127.0.0.1:3128",
    "ssl": ssl.create_default_context(),
    "close_wait": 2.0,
    "settle_window": 20.0,
    "settle_for": 200.0,
    "list_lag": 4.0,
    "brake_at": 0.25,
    "look_before_charge": False,
    "recover_every": 30.0,
    "order_number_format": "{order}#{ref}",
}
CREDENTIALS: dict[str, Any] = {"client_id": "shop", "client_secret": SECRET, "environment": "sandbox"}


def test_every_variable_is_read() -> None:
    settings = VoucherClient.from_env(ENVIRON).settings
    assert settings.client_type == "pos"
    assert settings.insecure_hosts == ("emulator", "till")
    assert (settings.trust_env, settings.close_wait, settings.list_lag) == (True, 1.5, 5.0)
    assert (settings.brake_at, settings.look_before_charge) == (0.5, True)
    assert (settings.settle_window, settings.settle_for, settings.recover_every) == (30.0, 300.0, 90.0)
    assert settings.order_number_format == "{order}~{ref}"


def test_what_is_given_goes_before_its_variable_and_needs_none() -> None:
    both = VoucherClient.from_env(ENVIRON, **EXPLICIT).settings
    assert both == VoucherClient.from_env({}, **EXPLICIT).settings == VoucherClient(**EXPLICIT).settings
    assert {name: getattr(both, name) for name in EXPLICIT} == EXPLICIT


@pytest.mark.parametrize("name", [name for name in EXPLICIT if not name.endswith("_url")])
def test_none_stands_for_what_is_not_given(name: str) -> None:
    given: Any = {name: None}
    assert VoucherClient.from_env(ENVIRON, **given).settings == VoucherClient.from_env(ENVIRON).settings


@pytest.mark.parametrize("name", ["client_type", "close_wait", "settle_window", "order_number_format"])
def test_one_option_leaves_the_others_to_the_variables(name: str) -> None:
    changed = VoucherClient.from_env(ENVIRON, **{name: EXPLICIT[name]}).settings
    assert changed == attrs.evolve(VoucherClient.from_env(ENVIRON).settings, **{name: EXPLICIT[name]})


def test_the_environment_gives_a_client_whatever_its_constructor_takes() -> None:
    taken = set(inspect.signature(VoucherClient.__init__).parameters) - {"self", "settings"}
    assert taken == {*ClientOptions.__optional_keys__, *ClientOptions.__required_keys__}
    journal = MemoryJournal()
    client = VoucherClient.from_env(ENVIRON, journal=journal, journal_scope="all shops")
    ownership = client._joining.ownership
    assert (ownership.journal, ownership.scope) == (journal, "all shops")


def test_a_client_that_was_not_made_has_a_repr() -> None:
    assert repr(VoucherClient.__new__(VoucherClient)) == "<VoucherClient that was not made>"


def test_an_address_that_is_given_goes_before_all_variables_of_addresses() -> None:
    sandbox = VoucherClient.from_env(ENVIRON, environment="sandbox").settings
    assert sandbox.base_url == "https://vouchers-sbx.api.jtl-software.com/v1"
    assert sandbox.token_url == "https://vouchers-sbx.api.jtl-software.com/oauth/token"
    other = VoucherClient.from_env(ENVIRON, base_url="https://other.example/v1").settings
    assert other.token_url == "https://other.example/oauth/token"
    only_tokens = VoucherClient.from_env(ENVIRON, token_url="https://other.example/t").settings
    assert (only_tokens.base_url, only_tokens.token_url) == (
        "https://gateway.example/v1",
        "https://other.example/t",
    )


async def test_parts_are_taken_from_the_arguments_too() -> None:
    clock, told = ManualClock(), []

    class Lock:
        def hold(self, key: str) -> Any: ...

    class Told:
        def on_settled(self, event: object) -> None:
            told.append(event)

    client = VoucherClient.from_env(ENVIRON, clock=clock, voucher_lock=Lock(), hooks=[Told()])
    assert client._transport.clock is clock
    assert type(client._lifecycle.lock) is Lock
    assert client._transport.hooks.active
    with pytest.raises(ConfigurationError, match="has no method hold"):
        VoucherClient.from_env(ENVIRON, voucher_lock=object())  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["colour", "settings"])
def test_an_option_that_does_not_exist_is_refused_as_python_does(name: str) -> None:
    unknown: Any = {name: None}
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'"):
        VoucherClient.from_env(ENVIRON, **unknown)
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'"):
        Settings.make(**CREDENTIALS, **unknown)


@pytest.mark.parametrize("name", EXPLICIT)
def test_an_option_beside_settings_is_refused_and_named_and_not_shown(name: str) -> None:
    settings = Settings.make(**CREDENTIALS)
    with pytest.raises(ConfigurationError, match=f"beside settings was given: {name};") as caught:
        VoucherClient(settings=settings, **{name: EXPLICIT[name]})
    assert "another-secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["close_wait", "settle_window", "settle_for", "list_lag"])
@pytest.mark.parametrize(
    ("value", "rule"),
    [
        (0, "must be a positive number of seconds, got 0"),
        (-1.5, "must be a positive number of seconds, got -1.5"),
        (float("nan"), "must be a positive number of seconds, got nan"),
        (90_000, r"must be at most 86400 seconds \(a day\), got 90000"),
        ("5", "must be a number of seconds, not str"),
        (True, "must be a number of seconds, not bool"),
    ],
)
def test_a_time_span_that_cannot_be_is_refused_by_name(name: str, value: Any, rule: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} {rule}"):
        VoucherClient(**CREDENTIALS, **{name: value})


@pytest.mark.parametrize("name", ["CLOSE_WAIT", "SETTLE_WINDOW", "SETTLE_FOR", "LIST_LAG"])
@pytest.mark.parametrize(
    ("text", "rule"),
    [("soon", "must be a number of seconds"), ("-1", "must be a positive number of seconds, got -1")],
)
def test_a_variable_that_is_no_time_span_is_named(name: str, text: str, rule: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^VOUCHER_{name} {rule}"):
        VoucherClient.from_env({**ENVIRON, f"VOUCHER_{name}": text})


@pytest.mark.parametrize("value", [-1.5, True, "5", 90_000])
def test_recoveries_come_after_a_time_span_or_not_at_all(value: Any) -> None:
    assert VoucherClient(**CREDENTIALS).settings.recover_every == 60.0
    assert VoucherClient(**CREDENTIALS, recover_every=0).settings.recover_every == 0
    assert VoucherClient.from_env({**ENVIRON, "VOUCHER_RECOVER_EVERY": "0"}).settings.recover_every == 0
    with pytest.raises(ConfigurationError, match=r"^recover_every must be"):
        VoucherClient(**CREDENTIALS, recover_every=value)


def test_outcomes_are_looked_after_for_twice_a_longer_window() -> None:
    assert VoucherClient(**CREDENTIALS).settings.settle_for == 120.0
    assert VoucherClient(**CREDENTIALS, settle_window=10).settings.settle_for == 120.0
    assert VoucherClient(**CREDENTIALS, settle_window=300).settings.settle_for == 600.0
    assert VoucherClient(**CREDENTIALS, settle_window=86_000).settings.settle_for == 86_400.0
    assert VoucherClient(**CREDENTIALS, settle_window=300, settle_for=400).settings.settle_for == 400.0


@pytest.mark.parametrize("name", ["client_id", "client_secret"])
def test_a_credential_that_is_missing_is_named(name: str) -> None:
    given = {key: value for key, value in CREDENTIALS.items() if key != name}
    with pytest.raises(ConfigurationError, match=f"^{name} must be a text"):
        VoucherClient(**given)
    with pytest.raises(ConfigurationError, match=f"^not set in the environment: VOUCHER_{name.upper()}$"):
        VoucherClient.from_env({}, **given)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("{order}", "must hold {order} and {ref} once each"),
        ("{ref}", "must hold {order} and {ref} once each"),
        ("{order}~{ref}~{ref}", "must hold {order} and {ref} once each"),
        ("{order}~{order}~{ref}", "must hold {order} and {ref} once each"),
        ("{ref}~{order}", "must hold {order} before {ref}"),
        ("{order}{ref}", "must have a separator"),
        ("{order} {ref}", "must have a separator"),
        ("{order}x 1{ref}", "must have a separator"),
        ("{order}~{when}{ref}", "must hold no other braces"),
        ("{order}~{ref} ", "must not begin or end with white space"),
        ("{order}\u2013{ref}", "must be printable ASCII"),
        ("{order}\t{ref}", "must be printable ASCII"),
        ("", "must hold {order} and {ref} once each"),
        (5, "must be a text, not int"),
    ],
)
def test_a_format_that_cannot_work_is_refused_by_rule(text: Any, rule: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        VoucherClient(**CREDENTIALS, order_number_format=text)
    assert str(caught.value).startswith(f"order_number_format {rule}")
