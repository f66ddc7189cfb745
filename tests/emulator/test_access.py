"""The token endpoint, scopes, connect and disconnect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from voucher_async.testing import ALL_SCOPES, VoucherEmulator
from voucher_async.testing._engine import Call

if TYPE_CHECKING:
    from collections.abc import Callable

    from voucher_async.testing import ManualClock

NEEDED = {
    "read": {"getVoucher", "getCharge"},
    "read-lists": {"listVouchers", "listCharges"},
    "read-secrets": {"getCompleteVoucher"},
    "use": {"setVoucherStatus", "createReservation", "chargeReservation", "refundCharge"},
    "manage": {"createVoucher", "deleteVoucher"},
    "update": {"updateVoucher"},
    "recharge": {"rechargeVoucher"},
}


def test_a_token_answer_is_rfc_6749s(api: Any) -> None:
    answer = api.token_answer()
    assert answer.status == 200
    assert answer.body.keys() == {"access_token", "token_type", "expires_in"}
    assert (answer.body["token_type"], answer.body["expires_in"]) == ("Bearer", 3600)
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_token_ends_with_its_lifetime(api_of: Callable[[VoucherEmulator], Any], clock: ManualClock) -> None:
    api = api_of(VoucherEmulator(clock=clock, token_lifetime=60))
    clock.advance(59)
    assert api("GET", "/vouchers").status == 200
    clock.advance(1)
    answer = api("GET", "/vouchers")
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_a_lifetime_may_stay_unsaid(api_of: Callable[[VoucherEmulator], Any], clock: ManualClock) -> None:
    api = api_of(VoucherEmulator(clock=clock, token_lifetime=None))
    assert "expires_in" not in api.token_answer().body
    clock.advance(3600)
    assert api("GET", "/vouchers").status == 401


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"client_id": ""}, 400, "invalid_request"),
        ({"client_secret": ""}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"client_secret": "wrong ü"}, 401, "invalid_client"),
        ({"scope": "read everything"}, 400, "invalid_scope"),
        ({"client_type": "x" * 33}, 400, "invalid_request"),
    ],
)
def test_a_token_request_is_refused_in_rfc_6749s_words(
    api: Any, fields: dict[str, str], status: int, error: str
) -> None:
    answer = api.token_answer(**fields)
    assert (answer.status, answer.body["error"]) == (status, error)


def test_a_client_type_of_32_characters_is_fine(api: Any) -> None:
    assert api.token_answer(client_type="x" * 32).status == 200


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        (None, b""),
        ("application/x-www-form-urlencoded", b"grant_type=%ff"),
        ("application/x-www-form-urlencoded", b"\xff"),
        ("application/x-www-form-urlencoded", b"grant_type=a&grant_type=b"),
    ],
)
def test_a_form_that_is_none_is_an_invalid_request(api: Any, content_type: str | None, body: bytes) -> None:
    answer = api.send(Call(method="POST", raw_path="/oauth/token", content_type=content_type, body=body))
    assert (answer.status, answer.body["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer wrong", "Basic {token}", "{token}"])
def test_without_a_good_token_there_is_only_a_401(api: Any, header: str | None) -> None:
    header = header and header.format(token=api.token)
    answer = api.send(Call(method="GET", raw_path="/v1/vouchers", authorization=header))
    assert (answer.status, answer.body["code"]) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize("scope", ALL_SCOPES)
def test_a_token_of_one_scope_opens_the_operations_of_that_scope_only(api: Any, scope: str) -> None:
    api.token = api.new_token(scope=scope)
    opened = set()
    for route in VoucherEmulator.routes:
        if route.public or route.scope is None:
            continue
        path = route.path.removeprefix("/v1").format(id="x", charge_id="x")
        answer = api(route.method, path)
        if answer.status == 403:
            assert answer.body["code"] == "CLIENT.MISSING_SCOPE"
            assert route.scope in answer.body["message"]
        else:
            opened.add(route.operation_id)
    assert opened == NEEDED[scope]


def test_a_client_has_the_scopes_of_its_group_and_asks_for_no_more(api: Any) -> None:
    client = api.emulator.add_client(scopes=["read"])
    credentials = {"client_id": client.id, "client_secret": client.secret}
    assert api.token_answer(**credentials, scope="read use").body["error"] == "invalid_scope"
    api.token = api.new_token(**credentials)
    assert api("GET", "/vouchers").status == 403
    assert api("GET", "/vouchers/x").status == 404


def test_a_connect_pin_turns_into_credentials_once(api: Any) -> None:
    pin = api.emulator.new_connect_pin(scopes=["read", "use"], name="Till 1")
    api.token = "none"
    client = api("POST", "/clients/connect", {"pin": pin}).body
    assert (client["name"], client["type"], client["scopes"]) == ("Till 1", "pos", ["read", "use"])
    assert client["connected_at"] == "2026-01-01T12:00:00+00:00"
    assert api.token_answer(client_id=client["id"], client_secret=client["secret"]).status == 200
    again = api("POST", "/clients/connect", {"pin": pin})
    assert (again.status, again.codes) == (422, {"CLIENT.CONNECT.PIN.USED"})


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ({}, "REQUIRED"),
        ({"pin": 1}, "STRING"),
        ({"pin": "1" * 256}, "MAX:255"),
        ({"pin": "no such pin"}, "EXISTS"),
    ],
)
def test_a_connects_broken_rule_is_named(api: Any, body: object, rule: str) -> None:
    assert f"CLIENT.CONNECT.PIN.{rule}" in api("POST", "/clients/connect", body).codes


def test_a_connect_pin_is_good_for_half_an_hour(api: Any, clock: ManualClock) -> None:
    early, late = api.emulator.new_connect_pin(), api.emulator.new_connect_pin()
    clock.advance(30 * 60 - 1)
    assert api("POST", "/clients/connect", {"pin": early}).status == 200
    clock.advance(1)
    assert api("POST", "/clients/connect", {"pin": late}).codes == {"CLIENT.CONNECT.PIN.EXPIRED"}


def test_a_disconnected_client_is_locked_out(api: Any) -> None:
    assert api("POST", "/clients/disconnect").status == 204
    assert api("POST", "/clients/disconnect").status == 401
    assert api.token_answer().body["error"] == "invalid_client"


def test_revoked_tokens_are_refused_and_the_next_is_good(api: Any) -> None:
    other = api.emulator.add_client()
    others = api.new_token(client_id=other.id, client_secret=other.secret)
    api.emulator.revoke_tokens(api.emulator.client_id)
    assert api("GET", "/vouchers").status == 401
    api.token = others
    assert api("GET", "/vouchers").status == 200
    api.emulator.revoke_tokens()
    assert api("GET", "/vouchers").status == 401
    api.token = api.new_token()
    assert api("GET", "/vouchers").status == 200
