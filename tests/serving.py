"""An application behind a real server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import uvicorn

__all__ = ["served"]


@contextlib.asynccontextmanager
async def served(app: Any, *, grace: int = 5) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an ASGI application that uvicorn serves on a loopback port, its lifespan included.

    Args:
        app: the application.
        grace: seconds that handlers have once the server stops; they are cancelled then.
    """
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_level="warning", lifespan="on", timeout_graceful_shutdown=grace)
    )
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:
            assert not serving.done(), "the server did not start"
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            yield client
    finally:
        server.should_exit = True
        await serving
