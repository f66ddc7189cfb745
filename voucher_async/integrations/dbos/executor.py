"""An executor: a process that runs workflows, and takes over those of executors that are gone."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Final, Self, cast

from dbos import DBOS, DBOSConfig

from voucher_async.errors import ConfigurationError, VoucherError
from voucher_async.integrations.dbos.leases import ExecutorTaken, Leases, WorkflowsUnavailable, check_slot
from voucher_async.integrations.dbos.workflows import QUEUE, VoucherWorkflows
from voucher_async.masking import conceal

__all__ = ["Executor"]

_BEATS: Final = 5  # of a lease
_POLLING: Final = 0.25  # seconds between two looks into the queue

_logger: Final = logging.getLogger("voucher_async")
_dbos_logger: Final = logging.getLogger("dbos")


class Executor:
    """Runs workflows in this process, for as long as `with` or `async with` lasts.

    It holds a lease on its executor id, tells every few seconds that it lives, and takes over the workflows
    of executors that do not any more. A process has one.

    Args:
        vouchers: the workflows.
        executor_id: names the slot of this process, the same again after a restart, such as `shop-1`; needed
            with PostgreSQL.
        database: that of the workflows: `sqlite:///workflows.db` (default) for the processes of one machine,
            `postgresql://...` for many.
        application_version: executors take over workflows of their own version alone; see docs/dbos.md.
        lease: seconds after which a process that is not heard of is dead.
        close_wait: seconds for which closing waits for steps that move money.
        config: further settings of DBOS, such as `{"log_level": "WARNING"}`.

    Attributes:
        lost: set when others have taken this process for dead, as after a long pause: end it. No step with
            vouchers begins any more.
    """

    def __init__(
        self,
        vouchers: VoucherWorkflows,
        *,
        executor_id: str | None = None,
        database: str = "sqlite:///workflows.db",
        application_version: str = "1",
        lease: float = 15.0,
        close_wait: float = 30.0,
        config: DBOSConfig | None = None,
    ) -> None:
        self._database = conceal(database)
        self._leases = Leases(database, _seconds("lease", lease, least=0.1))
        self._slot = check_slot(executor_id, database)
        if not application_version:
            raise ConfigurationError(
                "application_version must not be empty: DBOS would make one up for each change"
            )
        self._version = application_version
        self._steps = vouchers.steps
        self._close_wait = _seconds("close_wait", close_wait, least=0.0)
        self._config = config or {}
        self._executor_id: str | None = None
        self._is_launched = False
        self._ending = threading.Event()
        self._takes_over = threading.Event()
        self._beating: threading.Thread | None = None
        self.lost: threading.Event = threading.Event()

    @property
    def executor_id(self) -> str | None:
        """The id of this life of the process: the slot and a random text; None while closed."""
        return self._executor_id

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.open)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.close)
        # DBOS gives each loop that awaits it its own threads, and has just ended them
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(thread_name_prefix="asyncio"))

    def open(self) -> None:
        """Take the lease, launch DBOS, and take over what others have left.

        It waits for the lease of a process of the same slot that was killed, 15 seconds at most.

        Raises:
            ExecutorTaken: another live process has the executor id.
            ConfigurationError: the client's journal does not outlive the process, a setting is missing, or an
                event loop runs in this thread.
            WorkflowsUnavailable: the database does not answer.
        """
        if _runs_a_loop():
            raise ConfigurationError("an event loop runs here, which opening would hold up: use `async with`")
        self._ending.clear()
        self.lost.clear()
        try:
            self._steps.open()
            self._leases.open()
            self._executor_id = self._taken()
            self._beating = threading.Thread(target=self._beat, name="voucher-executor", daemon=True)
            self._beating.start()
            self._launch(self._executor_id)
            self._leases.forget(self._take_over())
            self._takes_over.set()
        except BaseException:
            self.close()
            raise

    def close(self) -> bool:
        """End: wait for steps that move money, then leave all workflows that have not ended to others.

        Returns:
            False when a step was still under way after `close_wait`; whoever takes it over finds its charge.
        """
        self._takes_over.clear()
        self._steps.gate.shut()
        all_ended = self._steps.gate.wait(self._close_wait)
        self._ending.set()
        if self._beating is not None:
            self._beating.join()
        if self._is_launched:
            DBOS.destroy()
            self._is_launched = False
        self._steps.close()
        if self._executor_id is not None:
            executor_id, self._executor_id = self._executor_id, None
            try:
                self._leases.end(executor_id)
            except VoucherError as error:
                _logger.warning("the lease of %s ends by itself: %s", executor_id, error)
        self._leases.close()
        return all_ended

    def _taken(self) -> str:
        end = time.monotonic() + self._leases.seconds + 1.0
        while True:
            try:
                return self._leases.take(self._slot)
            except ExecutorTaken:
                if time.monotonic() > end:
                    raise
            self._ending.wait(0.25)

    def _launch(self, executor_id: str) -> None:
        settings: dict[str, Any] = {
            "name": "voucher-async",
            "system_database_url": str(self._database),
            "log_level": "WARNING",
            **self._config,
            "application_version": self._version,
            "executor_id": executor_id,
        }
        self._is_launched = True
        if not _dbos_logger.handlers:  # or DBOS takes the console, and leaves the application's handlers out
            _dbos_logger.addHandler(logging.NullHandler())
        DBOS(config=cast("DBOSConfig", settings))
        try:
            # without an event loop here workflows run on DBOS's own, which a busy handler cannot hold up
            DBOS.launch()
            DBOS.register_queue(QUEUE, polling_interval_sec=_POLLING)
        except Exception as error:
            raise WorkflowsUnavailable(f"DBOS did not start: {type(error).__name__}") from error

    def _beat(self) -> None:
        """Tell that this process lives, and look for those that do not."""
        while not self._ending.wait(self._leases.seconds / _BEATS):
            try:
                if not self._leases.renew(str(self._executor_id)):
                    self._lose()
                    return
                if self._takes_over.is_set():
                    self._take_over()
            except Exception as error:  # noqa: BLE001 - the next beat tries again
                _logger.warning("executor %s could not renew its lease: %s", self._slot, error)

    def _lose(self) -> None:
        self._steps.gate.shut()
        self.lost.set()
        _logger.error("executor %s was taken for dead, and others have its workflows: end it", self._slot)

    def _take_over(self) -> set[str]:
        """Hand the workflows of executors that are gone to the queue, each at most once.

        Returns:
            The executors that had none.
        """
        dead = self._leases.dead()
        if not dead:
            return set()
        left = DBOS.list_workflows(status="PENDING", executor_id=dead, load_input=False, load_output=False)
        of_others = {str(each.app_version) for each in left} - {self._version}
        if of_others:
            _logger.warning(
                "workflows wait for an executor of application version %s", ", ".join(sorted(of_others))
            )
        if any(each.app_version == self._version for each in left):
            # its update names the dead executor, so of two processes that do this one gets a workflow
            DBOS._recover_pending_workflows(dead)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        return set(dead) - {str(each.executor_id) for each in left}


def _seconds(name: str, value: float, *, least: float) -> float:
    if not (math.isfinite(value) and value >= least):
        raise ConfigurationError(f"{name} must be a number of seconds, at least {least:g}, not {value}")
    return value


def _runs_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
