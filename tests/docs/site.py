"""The documentation site, built once for all tests of it, and served on the loopback."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Iterator, Mapping
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from codegen.site.build import build
from codegen.site.html import BuiltPage
from codegen.site.places import ROOT

__all__ = ["ROOT", "pages", "served", "site"]


FOLDER: Final = ROOT / ".build" / "tested-site"


@functools.cache
def pages() -> Mapping[str, BuiltPage]:
    """The pages of the site, by their paths; `build` raises when anything is wrong with one."""
    return build(FOLDER, ROOT / ".build" / "tested-docs")


def site() -> Path:
    """The folder of the site."""
    pages()
    return FOLDER


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing of a request."""


@contextlib.contextmanager
def served() -> Iterator[str]:
    """The site's address on this machine, with a slash at its end."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Silent, directory=str(site())))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
