"""Refusals of the emulator: the API's error envelope and OAuth's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FieldError", "OAuthRefusal", "Refusal", "conflict", "field_refusal", "not_found"]

_MESSAGES = {
    "required": "The {name} field is required.",
    "string": "The {name} must be a string.",
    "numeric": "The {name} must be a number.",
    "integer": "The {name} must be an integer.",
    "boolean": "The {name} field must be true or false.",
    "regex": "The {name} format is invalid.",
    "min": "The {name} must be at least {parameter}.",
    "max": "The {name} may not be greater than {parameter}.",
    "unique": "The {name} has already been taken.",
    "date": "The {name} is not a valid date.",
    "json": "The {name} must be a valid JSON string.",
    "valid_currency": "The {name} is not a valid currency.",
    "matches_voucher": "The {name} is not the one of the voucher.",
}


@attrs.frozen
class FieldError:
    """One broken rule of one property."""

    code: str
    property: str
    rule: str
    message: str

    @classmethod
    def of(cls, prefix: str, name: str, rule: str, parameter: str | None = None) -> FieldError:
        """The error for `<ENTITY>.<OPERATION>` (the prefix), a property and a rule."""
        full = rule if parameter is None else f"{rule}:{parameter}"
        last = name.rpartition(".")[2]
        message = _MESSAGES.get(rule, "The selected {name} is invalid.")
        text = message.format(name=last.replace("_", " "), parameter=parameter)
        return cls(
            f"{prefix}.{last.upper()}.{full.upper() if parameter is None else _code(rule, parameter)}",
            name,
            full,
            text,
        )


def _code(rule: str, parameter: str) -> str:
    return f"{rule.upper()}:{parameter}"


class Refusal(Exception):
    """A request that is not carried out.

    Args:
        status: the HTTP status of the answer.
        code: the machine-readable code.
        message: a sentence for people, without secrets.
        errors: the broken rules, for a 422.
        headers: headers that belong to the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        errors: tuple[FieldError, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors
        self.headers: dict[str, str] = dict(headers or {})

    def body(self) -> dict[str, object]:
        """The JSON body of the answer."""
        body: dict[str, object] = {"status": self.status, "code": self.code, "message": self.message}
        if self.errors:
            body["errors"] = [attrs.asdict(error) for error in self.errors]
        return body


class OAuthRefusal(Refusal):
    """A refused token request, in the words of RFC 6749 section 5.2."""

    def body(self) -> dict[str, object]:
        """The JSON body of the answer."""
        return {"error": self.code, "error_description": self.message}


def not_found(entity: str) -> Refusal:
    """There is no such voucher, reservation or charge."""
    return Refusal(404, f"{entity.upper()}.NOT_FOUND", f"The {entity.lower()} was not found.")


def conflict(status: int, code: str, message: str) -> Refusal:
    """A business rule stands against it; the API's own statuses for these are not public."""
    return Refusal(status, code, message)


def field_refusal(prefix: str, *errors: FieldError) -> Refusal:
    """Some properties break their rules."""
    return Refusal(422, f"{prefix}.UNPROCESSABLE_ENTITY", "The given data was invalid.", errors=errors)
