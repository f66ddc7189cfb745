"""`voucher-async worker`: runs a shop's workflows on DBOS."""

import importlib
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import App, Parameter

from voucher_async.cli.exits import Exit
from voucher_async.cli.terminal import Terminal
from voucher_async.errors import ConfigurationError

if TYPE_CHECKING:
    from voucher_async.integrations.dbos import Executor, VoucherWorkflows

__all__ = ["register"]

_LINE: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_LOOKS: Final = 0.2  # seconds between two looks for the end of the lease


def register(app: App) -> None:
    """Add the command to the program."""
    app.command(worker)


def worker(
    workflows: Annotated[str, Parameter(name="APP")],
    /,
    *,
    executor_id: Annotated[str | None, Parameter(env_var="VOUCHER_EXECUTOR_ID")] = None,
    database: Annotated[str, Parameter(env_var="VOUCHER_WORKFLOWS")] = "sqlite:///workflows.db",
    application_version: str = "1",
    lease: float = 15.0,
    limit: float = 30.0,
) -> int:
    """Run the workflows of a shop, and take over those of workers that are gone, until SIGTERM.

    The client has the settings of the process's variables, VOUCHER_JOURNAL among them: the journal has to
    outlive the process. SIGTERM, and Ctrl-C, let steps that move money come to their end, within the limit.
    All other workflows go on in the next worker, from their last step.

    Exit status 0: ended when told to. 2: it cannot work so, or another live worker has the executor id. 3: a
    step was still under way after the limit, and the next worker finds out how it ended. 5: the database does
    not answer, or other workers have taken this one for dead; start it again.

    Args:
        workflows: The shop's `VoucherWorkflows`, as `module:name`.
        executor_id: The name of this worker's slot, the same after a restart. Needed with PostgreSQL.
        database: The database of the workflows: `sqlite:///workflows.db` or `postgresql://...`.
        application_version: Workflows are gone on with by workers of the version that began them alone.
        lease: Seconds after which a worker that is not heard of is dead.
        limit: Seconds for steps that move money to end after SIGTERM.
    """
    from voucher_async.integrations.dbos import Executor, WorkflowsUnavailable  # noqa: PLC0415 - of an extra

    executor = Executor(
        _loaded(workflows),
        executor_id=executor_id,
        database=database,
        application_version=application_version,
        lease=lease,
        close_wait=limit,
    )
    try:
        return _run(executor, Terminal(), limit)
    except WorkflowsUnavailable as error:
        Terminal().say(f"error: {error}")
        return Exit.LATER


def _run(executor: "Executor", terminal: Terminal, limit: float) -> Exit:
    stopped = threading.Event()
    logging.basicConfig(format=_LINE)  # unless the shop's module has set up its logging
    with _told_to_stop(stopped):
        executor.open()
        terminal.say(f"Running workflows as {executor.executor_id}.")
        while not stopped.wait(_LOOKS) and not executor.lost.is_set():
            pass
        if not executor.lost.is_set():
            terminal.say(f"Stopping. Steps that move money are finished first, within {limit:g} seconds.")
        all_ended = executor.close()
    if executor.lost.is_set():
        terminal.say("Other workers have taken this one for dead, and have gone on with its workflows.")
        return Exit.LATER
    return Exit.DONE if all_ended else Exit.OPEN


def _loaded(path: str) -> "VoucherWorkflows":
    """The workflows that a path names.

    Raises:
        ConfigurationError: there are none.
    """
    from voucher_async.integrations.dbos import VoucherWorkflows  # noqa: PLC0415 - of an extra

    module, _, name = path.partition(":")
    if not name or not all(part.isidentifier() for part in module.split(".")):
        raise ConfigurationError(
            f"name the shop's workflows as module:name, such as shop:vouchers, not {path!r}"
        )
    if (here := os.getcwd()) not in sys.path:  # noqa: PTH109 - the import system has texts
        sys.path.insert(0, here)
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            traceback.print_exc()
            raise _not_imported(module, error) from error
        raise ConfigurationError(f"there is no module {module!r} here") from error
    except Exception as error:
        traceback.print_exc()
        raise _not_imported(module, error) from error
    if not isinstance(found, VoucherWorkflows):
        raise ConfigurationError(f"{path} is no VoucherWorkflows")
    return found


def _not_imported(module: str, error: Exception) -> ConfigurationError:
    return ConfigurationError(f"the module {module!r} cannot be imported: {type(error).__name__}: {error}")


@contextmanager
def _told_to_stop(stopped: threading.Event) -> Generator[None]:
    """SIGTERM and Ctrl-C stop the worker; a second one interrupts it."""

    def stop(_: int, __: FrameType | None) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
