"""The token endpoint (RFC 6749, client credentials) and the check of a bearer token."""

from __future__ import annotations

import datetime as dt
import hmac
from http import HTTPStatus
from typing import TYPE_CHECKING

from voucher_async.testing._records import ClientRecord, TokenRecord
from voucher_async.testing._refusals import OAuthRefusal, Refusal
from voucher_async.testing._state import Outcome

if TYPE_CHECKING:
    from voucher_async.testing._state import Command, State

__all__ = ["authenticate", "request_token"]

_UNSAID_LIFETIME = 3600  # seconds that a token lives when the answer gives no lifetime
_LONGEST_TYPE = 32
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def authenticate(state: State, authorization: str | None, now: dt.datetime) -> TokenRecord:
    """The token that the `Authorization` header carries; raises a 401 `Refusal`."""
    scheme, _, value = (authorization or "").partition(" ")
    token = state.tokens.get(value.strip()) if scheme.lower() == "bearer" else None
    if token is None or now >= token.valid_until:
        raise Refusal(401, "UNAUTHENTICATED", "Unauthenticated.", headers={"WWW-Authenticate": "Bearer"})
    return token


def request_token(command: Command) -> Outcome:
    """An access token for a client's credentials."""
    _check_grant(command)
    client = _client(command)
    lifetime = command.options.token_lifetime
    seconds = _UNSAID_LIFETIME if lifetime is None else lifetime
    token = TokenRecord(
        token=command.mint.secret(),
        client_id=client.id,
        scopes=_scopes(command, client),
        valid_until=command.now + dt.timedelta(seconds=seconds),
    )
    body: dict[str, object] = {"token_type": "Bearer", "access_token": token.token}
    if lifetime is not None:
        body["expires_in"] = lifetime
    return Outcome(body=body, headers=_NO_STORE, changes=(token,))


def _field(command: Command, name: str) -> str | None:
    value = command.body.get(name)
    return value if isinstance(value, str) and value else None


def _check_grant(command: Command) -> None:
    for name in ("grant_type", "client_id", "client_secret"):
        if _field(command, name) is None:
            raise _refused("invalid_request", f"The parameter {name} is missing.")
    if _field(command, "grant_type") != "client_credentials":
        raise _refused("unsupported_grant_type", "Only client_credentials is supported.")
    if len(_field(command, "client_type") or "") > _LONGEST_TYPE:
        raise _refused("invalid_request", f"client_type may have {_LONGEST_TYPE} characters.")


def _client(command: Command) -> ClientRecord:
    client = command.state.clients.get(_field(command, "client_id") or "")
    secret = (_field(command, "client_secret") or "").encode(errors="replace")
    if client is None or client.secret is None or not hmac.compare_digest(secret, client.secret.encode()):
        raise _refused("invalid_client", "Client authentication failed.", status=401)
    return client


def _scopes(command: Command, client: ClientRecord) -> tuple[str, ...]:
    asked = _field(command, "scope")
    if asked is None:
        return client.scopes
    scopes = tuple(asked.split())
    if not set(scopes) <= set(client.scopes):
        raise _refused("invalid_scope", "A requested scope is not one of the client's.")
    return scopes


def _refused(code: str, message: str, *, status: int = 400) -> OAuthRefusal:
    headers = {**_NO_STORE, **({"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {})}
    return OAuthRefusal(status, code, message, headers=headers)
