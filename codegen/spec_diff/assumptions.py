"""The assumptions of our specification, and which of its facts each one covers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codegen.spec_diff.document import mapping, walk
from codegen.spec_diff.node import EXISTENCE, WHOLE

if TYPE_CHECKING:
    from codegen.spec_diff.document import Document

__all__ = [
    "BEYOND",
    "PLACES",
    "assumed_of_parameter",
    "assumed_of_response",
    "assumed_of_schema",
    "assumptions",
]

# where the reason is about another fact than the one that would be taken for it
_BY_PLACE: dict[str, tuple[str, ...]] = {
    "#/components/schemas/CreateVoucherRequest/properties/currency": ("required",),
    "#/components/schemas/SetStatusRequest/properties/comment": ("minLength", "maxLength"),
    "#/components/schemas/TokenRequest/properties/scope": (EXISTENCE,),
    "#/components/schemas/OAuthError": (WHOLE,),
}
PLACES = frozenset(_BY_PLACE)
WORDS = "words"
# the reason says more than structures can show: no program confirms it
BEYOND = frozenset(
    {
        "#/paths/~1reservations~1{id}~1charge/post",
        "#/paths/~1charges~1{id}~1refund/post",
        "#/components/schemas/Charge/properties/order_number",
    }
)
_COVERED = ("nullable", "minProperties", "enum", "pattern", "minimum", "minLength")


def assumptions(document: Document) -> dict[str, str]:
    """The reason of each assumption, by its JSON pointer."""
    nodes = ((place, mapping(value)) for place, value in walk(document.content))
    return {
        place: " ".join(str(node.get("x-assumed-reason", "")).split())
        for place, node in nodes
        if node.get("x-assumed")
    }


def assumed_of_schema(schema: dict[str, Any], place: str, *, answer: bool) -> tuple[str, ...]:
    """The facts of a schema that its assumption covers; `words` when only words could tell."""
    if place in _BY_PLACE:
        return tuple("always present" if answer and name == "required" else name for name in _BY_PLACE[place])
    return next(((keyword,) for keyword in _COVERED if keyword in schema), (WORDS,))


def assumed_of_parameter(parameter: dict[str, Any]) -> tuple[str, ...]:
    """The facts that the assumption of a parameter covers: of one in the path its length."""
    return ("minLength", "maxLength") if parameter.get("in") == "path" else (EXISTENCE,)


def assumed_of_response(status: str) -> tuple[str, ...]:
    """The facts that the assumption of an answer covers: of a success its status, of a refusal everything."""
    return ("status",) if status.startswith("2") else (WHOLE,)
