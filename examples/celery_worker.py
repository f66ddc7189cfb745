"""Celery, prefork: `celery -A examples.celery_worker worker`, and `pay_order.delay("A-1")` in the shop."""

from contextlib import ExitStack

from anyio.from_thread import start_blocking_portal
from celery import Celery, signals

from examples.queue_payment import AskAgain, pay
from voucher_async import VoucherClient

app, process = Celery("shop"), ExitStack()  # CELERY_BROKER_URL, CELERY_RESULT_BACKEND
app.conf.update(task_acks_late=True, task_reject_on_worker_lost=True, worker_prefetch_multiplier=1)
signals.worker_process_shutdown.connect(lambda **_: process.close(), weak=False)


@signals.worker_process_init.connect
def open_client(**_: object) -> None:
    # after the fork, and on a loop that goes on between two tasks
    app.portal = process.enter_context(start_blocking_portal())
    app.client = process.enter_context(app.portal.wrap_async_context_manager(VoucherClient.from_env()))


@app.task(autoretry_for=(AskAgain,), retry_backoff=5, retry_backoff_max=20, max_retries=None)
def pay_order(number: str) -> str:
    return app.portal.call(pay, app.client, number)
