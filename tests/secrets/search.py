"""The planted secrets, and the search for them."""

from __future__ import annotations

import base64
import json
import logging
import pickle
import traceback
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus

import attrs
import pytest

from tests.secrets.frames import shown_of, shown_of_stack
from voucher_async import VoucherError

CLIENT_SECRET = "client/planted+sécret1&="
TOKEN = "token/planted+1=~"
CODE = "code/planted+gïft 1"
PIN = "pin/planted+ü1"
CONNECT_PIN = "connect/planted+ö1"
PLANTED = (CLIENT_SECRET, TOKEN, CODE, PIN, CONNECT_PIN)


def forms(secret: str) -> set[str]:
    """A secret as it may be written: plain, percent-encoded, in JSON, in base64 at each of its offsets."""
    secret = str(secret)  # a plain text: the SDK's secret types mask themselves
    escaped = json.dumps(secret)[1:-1]
    found = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), escaped}
    found |= {escaped.replace("/", "\\/"), repr(secret)[1:-1], ascii(secret)[1:-1]}
    found |= {repr(secret.encode())[2:-1], repr(secret.encode("latin-1", "replace"))[2:-1]}
    for offset in range(3):
        text = base64.b64encode(b"x" * offset + secret.encode()).decode().rstrip("=")
        # at both ends base64 depends on the neighbours
        middle = text[(0, 2, 3)[offset] : -2]
        found |= {middle, middle.replace("+", "-").replace("/", "_")}
    return found


class Search:
    """Gathers whatever is shown somewhere, and looks for secrets in it."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog
        self.texts: list[str] = []
        self.variables: list[tuple[str, str]] = []

    def on_attempt_started(self, event: object) -> None:
        self.show(event)
        self.variables += shown_of_stack()

    on_attempt_ended = on_repeating = on_token_refreshed = on_settled = on_intent = on_attempt_started

    def on_call_started(self, event: object) -> None:
        self.show(event)

    on_call_ended = on_doubt_ended = on_turn_waited = on_closed = on_call_started

    def show(self, *things: object) -> None:
        for thing in things:
            self.texts += [repr(thing), str(thing), f"{thing}"]
            if isinstance(thing, BaseException):
                self.variables += shown_of(thing)
                self._error(thing, set())
            elif attrs.has(type(thing)):
                self._errors_in(thing)

    def _errors_in(self, thing: Any) -> None:
        for field in attrs.fields(type(thing)):
            value = getattr(thing, field.name)
            if isinstance(value, BaseException):
                self._error(value, set())

    def _error(self, error: BaseException, seen: set[int]) -> None:
        if id(error) in seen:
            return
        seen.add(id(error))
        self.texts += traceback.format_exception(error)
        self.texts += [repr(error), str(error), repr(error.args), repr(vars(error))]
        self.texts += getattr(error, "__notes__", [])
        if isinstance(error, VoucherError):
            self.texts.append(pickle.dumps(error, protocol=0).decode("latin-1"))
            self.texts.append(pickle.dumps(error).decode("utf-8", errors="replace"))
            self.texts.append(str(pickle.loads(pickle.dumps(error))))
        for value in vars(error).values():
            for item in value if isinstance(value, tuple) else (value,):
                self.show(item)
        for other in (error.__cause__, error.__context__):
            if other is not None:
                self._error(other, seen)

    def _records(self) -> Iterator[str]:
        formatter = logging.Formatter()
        for record in self._caplog.records:
            yield formatter.format(record)
            yield f"{record.args!r} {record.msg!r} {record.stack_info}"

    def leaked(self, secrets: tuple[str, ...]) -> list[tuple[str, str]]:
        texts = [*self.texts, *self._records()]
        for record in self._caplog.records:
            # the test's own server writes to a connection that the client has destroyed
            is_of_the_server = "Fatal write error" in record.getMessage()
            if record.exc_info and record.exc_info[1] and not is_of_the_server:
                self.variables += shown_of(record.exc_info[1])
        shown = [("", text) for text in dict.fromkeys(texts)] + list(dict.fromkeys(self.variables))
        return [
            (form, f"{place} {text}")
            for secret in secrets
            for form in forms(secret)
            for place, text in shown
            if form in text
        ]
