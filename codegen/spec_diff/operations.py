"""Brings the operations of a document into one form."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from codegen.spec_diff.addresses import bases, common_prefix, template
from codegen.spec_diff.assumptions import assumed_of_parameter, assumed_of_response
from codegen.spec_diff.document import mapping, pointer, sequence
from codegen.spec_diff.node import EXISTENCE, REQUIRED_BODY, Node
from codegen.spec_diff.schemas import REQUIRED, Schemas
from codegen.spec_diff.security import Security

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from codegen.spec_diff.document import Document

__all__ = ["Operations", "templates"]

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")
# OpenAPI has these described elsewhere, and ignores them as parameters
_IGNORED_HEADERS = {"accept", "authorization", "content-type"}
# an answer with this status has no body, whatever is declared
_WITHOUT_BODY = {"204", "205", "304"}


def templates(document: Document) -> set[str]:
    """The templates of a document's paths."""
    return {template(path) for path in mapping(document.content.get("paths"))}


class Operations:
    """The operations of a document.

    Args:
        document: the document.
        known: the templates of the paths that it is compared with.
    """

    def __init__(self, document: Document, known: Collection[str]) -> None:
        self._document = document
        self._schemas = Schemas(document)
        self._security = Security(document)
        self._known = known
        self._responses = dict[tuple[str, str], Node]()
        self._prefix = common_prefix(sorted(templates(document)), known)

    def read(self) -> Node:
        """The document, with an operation for each method of each path."""
        root = Node("document", "#")
        self._security.declare(root)
        self._add_servers(root, self._document.content.get("servers"), self._prefix, "#")
        for path, raw in mapping(self._document.content.get("paths")).items():
            item, place = self._document.follow(raw, pointer("#/paths", path))
            key, prefix = self._key(template(path))
            for method in _METHODS:
                if isinstance(item.get(method), dict):
                    node = self._operation(method, path, item, place, prefix)
                    name = f"{method.upper()} {key}"
                    # a second path of the same form is an operation of its own
                    root.parts[f"{method.upper()} {path}" if name in root.parts else name] = node
        for name, raw in mapping(self._document.content.get("webhooks")).items():
            words = str(self._document.follow(raw, "#")[0].get("description", ""))
            root.parts[f"webhook {name}"] = Node("webhook", pointer("#/webhooks", name), words=words)
        return root

    def _key(self, path: str) -> tuple[str, str]:
        """The template by which a path is known, and what stands before it."""
        stripped = path.removeprefix(self._prefix)
        if path.startswith(self._prefix) and stripped in self._known:
            return stripped, self._prefix
        return path, ""

    def _add_servers(self, node: Node, servers: Any, prefix: str, place: str) -> None:
        for base, index in bases(servers, prefix).items():
            where = pointer(place, "servers", str(index))
            server = mapping(sequence(servers)[index])
            part = node.parts[f"server {base}"] = Node(
                "server", where, words=str(server.get("description", ""))
            )
            if server.get("x-assumed"):
                part.assumed[EXISTENCE] = where

    def _operation(self, method: str, path: str, item: dict[str, Any], place: str, prefix: str) -> Node:
        raw, where = mapping(item[method]), pointer(place, method)
        node = Node("operation", where, words=str(raw.get("description") or raw.get("summary") or ""))
        if raw.get("deprecated") is True:
            node.say("deprecated", value=True)
        self._security.describe(raw, node)
        if raw.get("x-assumed"):
            node.assumed["scopes"] = where
        servers = raw.get("servers") or item.get("servers")
        if servers or prefix != self._prefix:
            servers_place = where if raw.get("servers") else place
            self._add_servers(node, servers or self._document.content.get("servers"), prefix, servers_place)
        lists = [(item, place), (raw, where)]
        for name, parameter in self._parameters(lists, re.findall(r"\{([^}]*)\}", path)):
            node.parts[name] = parameter
        if "requestBody" in raw:
            node.parts["request"] = self._request(raw["requestBody"], pointer(where, "requestBody"))
        for status, response in mapping(raw.get("responses")).items():
            part = self._response(status, response, pointer(where, "responses", status))
            node.parts[f"response {status.upper()}"] = part
        return node

    def _parameters(
        self, lists: list[tuple[dict[str, Any], str]], in_path: list[str]
    ) -> Iterator[tuple[str, Node]]:
        for owner, place in lists:
            for index, entry in enumerate(sequence(owner.get("parameters"))):
                raw, where = self._document.follow(entry, pointer(place, "parameters", str(index)))
                kind, name = str(raw.get("in")), str(raw.get("name"))
                if kind == "header" and name.lower() in _IGNORED_HEADERS:
                    continue
                node = self._parameter(raw, where)
                if kind == "path":
                    # a parameter of the path has to be given, and its place says which one it is
                    number = in_path.index(name) + 1 if name in in_path else name
                    yield f"path parameter {number}", node
                elif node.facts.get("type") == "object" and node.parts and raw.get("style") == "deepObject":
                    yield from _spread(name, node)
                else:
                    yield f"{kind} parameter {name.lower() if kind == 'header' else name}", node

    def _parameter(self, raw: dict[str, Any], where: str) -> Node:
        media = next(iter(mapping(raw.get("content")).values()), None)
        schema = mapping(media).get("schema") if media else raw.get("schema")
        node = self._schemas.read(schema, where, answer=False)
        node.sort, node.words = "parameter", str(raw.get("description") or node.words)
        if raw.get("required") is True and raw.get("in") != "path":
            node.say(REQUIRED, value=True)
        if raw.get("deprecated") is True:
            node.say("deprecated", value=True)
        if raw.get("x-assumed"):
            node.assumed |= dict.fromkeys(assumed_of_parameter(raw), where)
        return node

    def _request(self, entry: Any, place: str) -> Node:
        raw, where = self._document.follow(entry, place)
        node = Node("request", where, words=str(raw.get("description", "")))
        if raw.get("required") is True:
            node.say(REQUIRED_BODY, value=True)
        self._add_media(node, raw, where, answer=False)
        return node

    def _response(self, status: str, entry: Any, place: str) -> Node:
        """An answer; one that many operations refer to is read once."""
        if mapping(entry).keys() != {"$ref"}:
            return self._read_response(status, entry, place)
        key = (status, str(entry["$ref"]))
        if key not in self._responses:
            self._responses[key] = self._read_response(status, entry, place)
        return self._responses[key]

    def _read_response(self, status: str, entry: Any, place: str) -> Node:
        raw, where = self._document.follow(entry, place)
        node = Node("response", where, words=str(raw.get("description", "")))
        if re.fullmatch(r"2\d\d", status):
            node.say("status", status)
        if raw.get("x-assumed"):
            node.assumed |= dict.fromkeys(assumed_of_response(status), where)
        if status not in _WITHOUT_BODY:
            self._add_media(node, raw, where, answer=True)
        return node

    def _add_media(self, node: Node, raw: dict[str, Any], place: str, *, answer: bool) -> None:
        for name, media in mapping(raw.get("content")).items():
            where = pointer(place, "content", name)
            part = self._schemas.read(mapping(media).get("schema"), pointer(where, "schema"), answer=answer)
            part.sort = "body"
            node.parts[f"body {name.partition(';')[0].strip().lower()}"] = part


def _spread(name: str, node: Node) -> Iterator[tuple[str, Node]]:
    for key, part in node.parts.items():
        part.sort = "parameter"
        yield f"query parameter {name}[{key.removeprefix('property ')}]", part
