"""The request for an access token."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from voucher_async.masking import SecretBytes
from voucher_async.operations import REQUEST_TOKEN
from voucher_async.sansio import Request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voucher_async.models import Token

__all__ = ["token_request"]

_UNSAFE: Final = re.compile(rb"[^A-Za-z0-9_.~-]")


def token_request(
    client_id: str, client_secret: str, *, scopes: Sequence[str] | None = None, client_type: str | None = None
) -> Request[Token]:
    """The request for an access token.

    Args:
        client_id: the OAuth client id.
        client_secret: the OAuth client secret.
        scopes: the scopes to ask for; without any, no scope is named.
        client_type: free text for the vendor's statistics.
    """
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret}
    if client_type:
        form["client_type"] = client_type
    if scopes:
        form["scope"] = " ".join(scopes)
    return Request(
        operation=REQUEST_TOKEN,
        path=REQUEST_TOKEN.path,
        body=_form(form),
        content_type="application/x-www-form-urlencoded",
        secrets=(client_secret,),
    )


def _form(values: dict[str, str]) -> SecretBytes:
    """The values as a form. The standard library's function leaves them in its frames."""
    return SecretBytes(b"&".join(b"%s=%s" % (_encoded(name), _encoded(values[name])) for name in values))


def _encoded(text: str) -> bytes:
    return SecretBytes(_UNSAFE.sub(lambda found: b"%%%02X" % found[0][0], text.encode()))
