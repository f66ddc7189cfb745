"""A PostgreSQL server as it is installed, in a process of its own.

    python -m tests.bench.postgres

Says its version. Every line on its standard input is the name of a database, which is made when it is new,
and is answered by a line of JSON: its URL, and how many transactions of the server have changed something so
far. It stops when its standard input is closed.
"""

from __future__ import annotations

import sys

from tests.bench.calls import say
from tests.journals.postgres import Server

# the numbers of transactions are given to those that write, one each
WRITTEN = "SELECT pg_snapshot_xmax(pg_current_snapshot())"


def serve(server: Server) -> None:
    made: set[str] = set()
    say(server.run("SHOW server_version"))
    for line in sys.stdin:
        name = line.strip()
        if name not in made:
            made.add(name)
            server.run(f"CREATE DATABASE {name}")
        say({"url": server.url(name), "written": int(server.run(WRITTEN))})


def main() -> None:
    server = Server(settings="")
    try:
        serve(server)
    finally:
        server.close()


if __name__ == "__main__":
    main()
