"""The steps `token` and `scope`: who is let in, and to what."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.checking.checked import SECRET, Checked, checked
from tests.rawserver import RawServer, close, reply
from voucher_async.cli.checking import State
from voucher_async.cli.checking.scopes import PROBES
from voucher_async.testing import VoucherEmulator, faults

ALL = [str(operation.scope) for operation in PROBES]
NOT_FOUND = reply({"status": 404, "code": "VOUCHER.NOT_FOUND", "message": "no"}, 404)


async def tokens_from(server: RawServer, script: Any, **changes: Any) -> Checked:
    """A check whose tokens come from a script of a server."""
    server.scripts = [script, NOT_FOUND]
    return await checked(settings=server.settings(token_url=f"{server.url}/login", **changes))


def jwt(**claims: object) -> str:
    parts = [{"alg": "RS256"}, claims, "signature"]
    return ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts
    )


async def test_a_wrong_secret_is_named(emulator: VoucherEmulator) -> None:
    found = await checked({**emulator.environ(), "VOUCHER_CLIENT_SECRET": SECRET})
    finding = found.one("token")
    assert finding.state is State.FAILED
    assert finding.facts["problem"] == "wrong-credentials"
    assert "client secret is wrong" in finding.seen
    assert "VOUCHER_CLIENT_SECRET" in finding.advice
    assert {str(each.state) for each in found.all("scope")} == {"skipped"}


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        (reply(body=b"<html>log in here</html>"), "no-oauth"),
        (reply({"token": "t"}), "no-oauth"),
        (reply(body=b"<html>denied</html>", status=403), "refused-unread"),
        (reply({"error": "invalid_scope"}, 400), "wrong-scopes"),
        (reply({"error": "unsupported_grant_type"}, 400), "refused"),
        (reply(body=b"not here", status=404), "refused"),
        (reply({}, 503), "server-error"),
        (reply({}, 429), "busy"),
        (close, "no-answer"),
    ],
)
async def test_what_gives_no_token_is_told_apart(raw_server: RawServer, script: Any, problem: str) -> None:
    finding = (await tokens_from(raw_server, script)).one("token")
    assert finding.facts["problem"] == problem
    assert finding.state is State.FAILED


@pytest.mark.parametrize("scope", ALL)
async def test_a_missing_scope_is_named_and_no_other(emulator: VoucherEmulator, scope: str) -> None:
    client = emulator.add_client(scopes=[each for each in ALL if each != scope])
    found = await checked(emulator.environ(client))
    assert [each.about for each in found.all("scope") if each.facts["works"] is False] == [scope]
    assert [each.about for each in found.all("scope") if each.facts["works"]] == [
        each for each in ALL if each != scope
    ]
    finding = found.one("scope", scope)
    assert finding.facts["status"] == 403
    assert "missing" in finding.seen
    # without lists a lost answer stays open; the other scopes may not be wanted
    assert finding.state is (State.FAILED if scope == "read-lists" else State.WARNING)


async def test_a_scope_that_is_asked_for_has_to_be_there(raw_server: RawServer) -> None:
    refusal = reply({"status": 403, "code": "CLIENT.MISSING_SCOPE", "message": "no"}, 403)
    raw_server.scripts = [refusal]
    found = await checked(settings=raw_server.settings(scopes=("read", "use")))
    failed = [each.about for each in found.all("scope") if each.state is State.FAILED]
    assert failed == ["read-lists", "read", "use"]


async def test_the_scopes_that_a_jwt_names_are_facts(raw_server: RawServer) -> None:
    token = jwt(scopes=["read", "use"], exp=1_800_000_000)
    found = await tokens_from(raw_server, reply({"access_token": token, "expires_in": 31_536_000}))
    finding = found.one("token")
    assert finding.facts["scopes"] == ("read", "use")
    assert finding.facts["jwt_ends"] == "2027-01-15T08:00:00+00:00"
    assert finding.facts["lifetime_seconds"] == 31_536_000
    assert found.one("scope", "read").facts["is_sure"] is True
    # a 404 may come before the scope is looked at, so it does not outweigh the token's word
    assert found.one("scope", "update").state is State.WARNING
    assert "not named by the token" in found.one("scope", "update").seen


async def test_the_scopes_that_the_answer_names_come_first(raw_server: RawServer) -> None:
    given = {"access_token": "opaque", "scope": f"read {SECRET}", "expires_in": "20"}
    found = await tokens_from(raw_server, reply(given), scopes=("read", "manage"))
    finding = found.one("token")
    assert finding.facts["scopes"] == ("read", "***")
    assert "asked for, but not given: manage" in finding.seen
    assert finding.state is State.WARNING


async def test_a_403_of_a_firewall_is_not_taken_for_a_scope(raw_server: RawServer) -> None:
    raw_server.scripts = [reply(body=b"<html>blocked</html>", status=403)]
    found = await checked(settings=raw_server.settings())
    finding = found.one("scope", "manage")
    assert "perhaps not by the API" in finding.seen
    assert "firewall" in finding.advice


async def test_a_scope_that_the_token_names_and_that_is_refused_is_not_called_missing(
    raw_server: RawServer,
) -> None:
    refusal = reply({"status": 403, "code": "CLIENT.FORBIDDEN", "message": "no"}, 403)
    raw_server.scripts = [reply({"access_token": "t", "scope": "read"}), refusal]
    found = await checked(settings=raw_server.settings(token_url=f"{raw_server.url}/login"))
    assert "though the token names it" in found.one("scope", "read").seen
    assert "is missing" in found.one("scope", "use").seen


async def test_a_wrong_path_is_not_taken_for_a_voucher_that_does_not_exist(raw_server: RawServer) -> None:
    raw_server.scripts = [reply(body=b"<html>not found</html>", status=404)]
    found = await checked(settings=raw_server.settings(base_url=f"{raw_server.url}/v2"))
    assert {each.facts["works"] for each in found.all("scope")} == {None}
    assert "VOUCHER_BASE_URL" in found.one("scope", "read").advice


async def test_a_token_of_another_environment_is_told(raw_server: RawServer) -> None:
    raw_server.scripts = [reply({"message": "Unauthenticated."}, 401)]
    found = await checked(settings=raw_server.settings())
    assert "of one environment" in found.one("scope", "read").advice


async def test_a_server_that_is_busy_says_nothing_of_scopes(emulator: VoucherEmulator) -> None:
    emulator.faults.script("createReservation", faults.TooMany())
    emulator.faults.script("deleteVoucher", faults.ServerError())
    found = await checked(emulator.environ())
    assert [found.one("scope", each).state for each in ("use", "manage")] == [State.WARNING] * 2
    assert [found.one("scope", each).facts["works"] for each in ("use", "manage", "update")] == [
        None,
        None,
        True,
    ]


async def test_a_server_that_takes_what_is_invalid_is_told(raw_server: RawServer) -> None:
    raw_server.scripts = [reply()]
    found = await checked(settings=raw_server.settings())
    assert "took a request that is invalid" in found.one("scope", "recharge").seen
    assert found.one("scope", "recharge").state is State.WARNING


async def test_requests_that_could_change_something_name_no_voucher_and_no_amount(
    raw_server: RawServer,
) -> None:
    raw_server.scripts = [NOT_FOUND]
    await checked(settings=raw_server.settings())
    changes = [(head.split(" ")[:2], body) for head, body in raw_server.requests if head[:3] != "GET"]
    assert {body for _, body in changes} == {b"{}"}
    paths = [(method, path.partition("check-")[0]) for (method, path), _ in changes]
    assert paths == [
        ("POST", "/v1/reservations"),
        ("DELETE", "/v1/vouchers/"),
        ("PATCH", "/v1/vouchers/"),
        ("POST", "/v1/vouchers/recharge"),
    ]
