"""`voucher-async connect`: a connection PIN becomes a profile."""

import asyncio
import contextlib
import sys
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from cyclopts import App, Parameter

from voucher_async.cli.common import DEFAULT, Common
from voucher_async.cli.exits import Exit
from voucher_async.cli.profiles import ProfileFile, new_profile, to_lines
from voucher_async.cli.streams import is_lost
from voucher_async.cli.terminal import Terminal
from voucher_async.connecting import connect as connect_client
from voucher_async.errors import ConfigurationError
from voucher_async.outcomes import OutcomeUnknown

__all__ = ["register"]

_USED_UP: Final = "Make a new PIN in the Admin UI: this one may be used up."


def register(app: App) -> None:
    """Add the command to the program."""
    app.command(connect)


async def connect(
    pin: str | None = None,
    /,
    *,
    environment: Literal["sandbox", "production"] | None = None,
    base_url: str | None = None,
    insecure_hosts: str | None = None,
    replace: bool = False,
    to_stdout: Annotated[bool, Parameter(name="--print")] = False,
    common: Common = DEFAULT,
) -> int:
    """Turn a connection PIN into credentials, and keep them in a profile that you alone can read.

    The Admin UI shows the PIN of a client for 30 minutes, and it works once. So the file is made first: a PIN
    is never spent on credentials that cannot be kept. Needs no scope (operation `connectClient`).

    Args:
        pin: The connection PIN; `-` reads it from the standard input, and left out it is asked for.
        environment: The environment that the PIN is for.
        base_url: The address of another API, such as an emulator's, in place of --environment.
        insecure_hosts: Hosts of that address for which plain http will do, with commas between them.
        replace: Replace the credentials of a profile that is there.
        to_stdout: Print the variables for an env file, and make no profile.
        common: see `Common`.
    """
    terminal = common.terminal()
    if (environment is None) is (base_url is None):
        raise ConfigurationError("say --environment sandbox or --environment production, or give --base-url")
    where = _addresses(environment, base_url, insecure_hosts)
    with contextlib.ExitStack() as stack:
        file = None if to_stdout else stack.enter_context(_file(common.profile, replace=replace))
        given = terminal.secret("pin", pin)
        try:
            client = await connect_client(
                given or "",
                environment=environment,
                base_url=base_url,
                insecure_hosts=(insecure_hosts or "").split(",") if insecure_hosts else None,
                timeout=common.timeout,
            )
        except OutcomeUnknown as error:
            terminal.say(f"error: {error}")
            terminal.say(_USED_UP)
            return Exit.OPEN
        except asyncio.CancelledError:
            terminal.say(_USED_UP)
            raise
        variables = {"VOUCHER_CLIENT_ID": client.id, "VOUCHER_CLIENT_SECRET": client.secret, **where}
        status = _keep(terminal, file, variables)
    terminal.say(
        f"Connected as {client.name} ({client.id}), scopes: {', '.join(client.scopes) or 'none named'}."
    )
    return status


def _addresses(environment: str | None, base_url: str | None, insecure_hosts: str | None) -> dict[str, str]:
    named = {
        "VOUCHER_ENVIRONMENT": environment,
        "VOUCHER_BASE_URL": base_url,
        "VOUCHER_INSECURE_HOSTS": insecure_hosts,
    }
    return {name: value for name, value in named.items() if value is not None}


def _file(name: str | None, *, replace: bool) -> ProfileFile:
    path = new_profile(name)
    if path.exists() and not replace:
        raise ConfigurationError(
            f"there is a profile {path} already: --replace replaces its credentials, "
            "--profile NAME makes another one"
        )
    return ProfileFile(path, replace=replace)


def _keep(terminal: Terminal, file: ProfileFile | None, variables: Mapping[str, str]) -> Exit:
    """Keep the credentials: they exist nowhere else, so they are printed where nothing else is left."""
    status = Exit.DONE
    if file is not None:
        try:
            path = file.keep(variables)
        except OSError as error:
            terminal.say(
                f"error: the file cannot be written after all ({error.strerror}); keep what follows."
            )
            status = Exit.PARTLY
        else:
            terminal.say(f"Kept in {path}. `voucher-async check` tells whether all of it works.")
            return status
    sys.stdout.write(to_lines(variables))
    sys.stdout.flush()
    if is_lost(sys.stdout):
        terminal.say("error: the output could not be written; keep what follows.")
        terminal.say(to_lines(variables))
        status = Exit.PARTLY
    return status
