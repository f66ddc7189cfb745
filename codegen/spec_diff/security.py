"""Security: which operations need a token, and with which scopes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codegen.spec_diff.document import mapping, pointer, sequence
from codegen.spec_diff.node import Node

if TYPE_CHECKING:
    from codegen.spec_diff.document import Document

__all__ = ["Security"]

_FLOWS = "#/components/securitySchemes"


class Security:
    """The security schemes of a document.

    Args:
        document: the document.
    """

    def __init__(self, document: Document) -> None:
        schemes = mapping(mapping(document.content.get("components")).get("securitySchemes"))
        self._schemes = {name: document.follow(raw, pointer(_FLOWS, name)) for name, raw in schemes.items()}
        self._flows = [
            (mapping(flow), pointer(place, "flows", kind))
            for scheme, place in self._schemes.values()
            for kind, flow in mapping(scheme.get("flows")).items()
        ]
        self.scopes = {name for flow, _ in self._flows for name in mapping(flow.get("scopes"))}
        self._everywhere = document.content.get("security")

    def declare(self, root: Node) -> None:
        """State the scopes that exist, and the address of tokens."""
        for flow, place in self._flows:
            for name, words in mapping(flow.get("scopes")).items():
                where = pointer(place, "scopes", name)
                root.parts[f"scope {name}"] = Node("scope", where, words=str(words))
            if "tokenUrl" in flow:
                root.say("token address", str(flow["tokenUrl"]))

    def describe(self, operation: dict[str, Any], node: Node) -> None:
        """State what an operation needs, unless the document only says the same of all of them.

        A requirement for the whole document, or for all scopes that exist, is what generators write where
        nobody has said anything about an operation.
        """
        own = "security" in operation
        requirements = sequence(operation["security"] if own else self._everywhere)
        if not own and not isinstance(self._everywhere, list):
            return
        alternatives = {self._scopes(mapping(requirement)) for requirement in requirements}
        catch_all = len(self.scopes) > 1 and frozenset(self.scopes) in alternatives
        if own or not catch_all:
            # an empty requirement among others makes the token optional
            needed = bool(requirements) and all(mapping(requirement) for requirement in requirements)
            node.say("authentication", "needed" if needed else "not needed")
        if not catch_all and requirements and self._is_scoped(requirements):
            node.say("scopes", sorted(" ".join(sorted(scopes)) or "none" for scopes in alternatives))

    def _scopes(self, requirement: dict[str, Any]) -> frozenset[str]:
        return frozenset(str(scope) for scopes in requirement.values() for scope in sequence(scopes))

    def _is_scoped(self, requirements: list[Any]) -> bool:
        names = {name for requirement in requirements for name in mapping(requirement)}
        return any(
            str(self._schemes[name][0].get("type")) in {"oauth2", "openIdConnect"}
            for name in names
            if name in self._schemes
        )
