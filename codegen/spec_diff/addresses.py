"""Paths and servers, whatever prefix stands in which of them and whatever parameters are called."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from codegen.spec_diff.document import mapping, sequence

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["bases", "common_prefix", "template"]


def template(path: str) -> str:
    """A path without the names of its parameters and without a slash at its end."""
    return "/" + re.sub(r"\{[^}]*\}", "{}", path).strip("/")


def common_prefix(paths: Collection[str], known: Collection[str]) -> str:
    """The prefix of templates with which the most of them are known without it; the shortest such one."""
    prefixes = {"", *(path[: cut.start()] for path in paths for cut in re.finditer("/", path))}
    return min(prefixes, key=lambda prefix: (-_matching(paths, known, prefix), len(prefix), prefix))


def _matching(paths: Collection[str], known: Collection[str], prefix: str) -> int:
    return len({path.removeprefix(prefix) for path in paths if path.startswith(prefix)} & set(known))


def bases(servers: Any, prefix: str) -> dict[str, int]:
    """The addresses of the servers with the prefix of the paths, each with its index; none without a host."""
    urls = [str(mapping(server).get("url", "")) for server in sequence(servers)]
    return {url.rstrip("/") + prefix: index for index, url in enumerate(urls) if urlsplit(url).netloc}
