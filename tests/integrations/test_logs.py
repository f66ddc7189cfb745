"""Structured logs: one line per event with plain fields, by the standard library and structlog."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
import structlog

from tests.secrets.search import forms
from voucher_async import (
    Charge,
    ConfigurationError,
    Happened,
    OutcomeUnknown,
    PendingOutcome,
    Settled,
    TokenRefresh,
    VoucherClient,
    VoucherError,
)
from voucher_async.clock import ManualClock
from voucher_async.hooks import Hook
from voucher_async.integrations.logs import LoggingHook, StructlogHook
from voucher_async.testing import VoucherEmulator
from voucher_async.testing.faults import BreakAfter, CutOff, ServerError, TooMany

PAYMENT: dict[str, Any] = {"amount": "10.00", "currency": "EUR"}
# what a record of the standard library, and structlog's events, have names for
RESERVED = {*vars(logging.makeLogRecord({})), "message", "asctime", "event", "level", "timestamp", "logger"}


class Lines:
    """A logger with a handler that writes JSON by structlog's formatter, and the lines it wrote."""

    def __init__(self, name: str) -> None:
        self.stream = io.StringIO()
        handler = logging.StreamHandler(self.stream)
        handler.setFormatter(
            structlog.stdlib.ProcessorFormatter(
                foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.ExtraAdder()],
                processors=[
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.JSONRenderer(),
                ],
            )
        )
        self.logger = logging.getLogger(name)
        self.logger.addHandler(handler)
        self.logger.setLevel(logging.DEBUG)
        self.logger.propagate = False

    def read(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def lines() -> Iterator[Lines]:
    made = Lines("tests.integrations.logs")
    yield made
    made.logger.handlers.clear()


def structured(stream: io.StringIO) -> Any:
    return structlog.wrap_logger(
        structlog.PrintLogger(stream),
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()],
        cache_logger_on_first_use=False,
    )


async def paid(hook: Hook) -> Charge:
    async with VoucherEmulator() as emulator, VoucherClient(**emulator.settings(), hooks=[hook]) as client:
        code = emulator.add_voucher(amount="25.00").code
        return await client.redeem(code=code, order_number="A-1", idempotency_key="k-1", **PAYMENT)


def checked(told: list[dict[str, Any]]) -> None:
    """The lines of a payment, however they were written."""
    assert [line["voucher_event"] for line in told if line["voucher_event"].startswith("call")] == [
        "call started",
        "call ended",
    ]
    ended = next(line for line in told if line["voucher_event"] == "call ended")
    assert (ended["call"], ended["how"], ended["amount"], ended["currency"]) == (
        "redeem",
        "done",
        "10.00",
        "EUR",
    )
    assert 0 < ended["elapsed"] < 60
    requests = [line for line in told if line["voucher_event"] == "request ended"]
    charged = next(line for line in requests if line["operation"] == "chargeReservation")
    assert (charged["status"], charged["attempt"], charged["order_number"]) == (200, 1, "A-1")
    assert {charged["call_id"], charged["key_digest"]} == {ended["call_id"], ended["key_digest"]}
    assert {line["level"] for line in told} == {"info"}
    values = [value for line in told for value in line.values()]
    assert {type(value) for value in values} <= {str, int, float, bool}
    assert "k-1" not in values


async def test_a_payment_is_told_with_its_facts_by_the_standard_library(lines: Lines) -> None:
    await paid(LoggingHook(lines.logger))
    checked(lines.read())


async def test_a_payment_is_told_with_the_same_facts_by_structlog(lines: Lines) -> None:
    stream = io.StringIO()
    await paid(StructlogHook(structured(stream)))
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    checked(told)
    assert [line["event"] for line in told] == [line["voucher_event"] for line in told]
    await paid(LoggingHook(lines.logger))
    assert [line.keys() for line in lines.read()] == [line.keys() for line in told]


async def test_a_line_says_the_main_facts_where_extras_are_not_shown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "voucher_async.events")
    await paid(LoggingHook())
    said = [record.getMessage() for record in caplog.records if record.name == "voucher_async.events"]
    assert said[0].startswith("call started: call=redeem order_number=A-1 call_id=")
    assert any(
        line.startswith("request ended: operation=chargeReservation order_number=A-1") for line in said
    )


async def test_a_level_that_is_off_costs_no_line(lines: Lines) -> None:
    lines.logger.setLevel(logging.WARNING)
    await paid(LoggingHook(lines.logger))
    assert lines.read() == []


PENDING = PendingOutcome(operation="chargeReservation", voucher_id="V-1", order_number="A-1")


@pytest.mark.parametrize("what", list(Happened))
def test_bad_news_about_money_is_never_below_a_warning(lines: Lines, what: Happened) -> None:
    error = VoucherError("refused")
    hook = LoggingHook(lines.logger, level=logging.DEBUG)
    hook.on_settled(Settled(what=what, operation="chargeReservation", pending=PENDING, error=error))
    (line,) = lines.read()
    bad = {"in doubt", "left open", "renewal failed"}, {"surplus left", "refund failed"}
    assert line["level"] == ("warning" if what in bad[0] else "error" if what in bad[1] else "debug")
    assert (line["what"], line["call_id"], line["voucher_id"]) == (what.value, PENDING.id, "V-1")
    assert (line["error_type"], line["error"]) == ("VoucherError", str(error))


def test_the_text_of_an_error_that_is_not_the_sdks_is_left_out(lines: Lines) -> None:
    event = Settled(what=Happened.RENEWAL_FAILED, operation="checkout", error=ValueError("s3cret"))
    LoggingHook(lines.logger).on_settled(event)
    assert lines.read()[0]["error_type"] == "ValueError"
    assert "s3cret" not in lines.stream.getvalue()


def test_a_token_that_is_not_refreshed_is_a_warning(lines: Lines) -> None:
    LoggingHook(lines.logger).on_token_refreshed(TokenRefresh(succeeded=False, background=True, elapsed=0.5))
    (line,) = lines.read()
    assert (line["voucher_event"], line["level"], line["succeeded"]) == (
        "token not refreshed",
        "warning",
        False,
    )


def test_no_field_is_called_like_one_of_a_record() -> None:
    from voucher_async import events

    kinds = [getattr(events, name) for name in events.__all__]
    names = {field.name for kind in kinds if attrs.has(kind) for field in attrs.fields(kind)}
    assert len(names) > 20
    assert names & RESERVED == {"name"}  # `call` in a line


def test_every_method_of_a_hook_writes_a_line() -> None:
    wanted = {name for name in vars(Hook) if name.startswith("on_")}
    assert all(getattr(LoggingHook, name) is not getattr(Hook, name) for name in wanted)
    assert len(wanted) >= 10


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: LoggingHook(structured(io.StringIO())), "for structlog: StructlogHook"),
        (lambda: StructlogHook(logging.getLogger("a")), "LoggingHook"),  # type: ignore[arg-type]
        (lambda: StructlogHook(object()), "has no method `log`"),  # type: ignore[arg-type]
        (lambda: LoggingHook(level="INFO"), "level must be a number"),  # type: ignore[arg-type]
        (lambda: LoggingHook(level=True), "level must be a number"),
    ],
)
def test_what_is_no_logger_or_level_is_refused(make: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        make()


async def test_the_sdks_own_lines_about_money_carry_the_id_of_the_call(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with VoucherEmulator() as emulator, VoucherClient(**emulator.settings()) as client:
        code = emulator.add_voucher(amount="25.00").code
        emulator.faults.script("chargeReservation", BreakAfter())
        emulator.faults.script("listCharges", *[ServerError()] * 99)
        with pytest.raises(OutcomeUnknown) as caught:
            await client.redeem(code=code, order_number="A-1", timeout=2.0, **PAYMENT)
        emulator.faults.clear()
    pending = caught.value.pending
    assert pending is not None
    told = [vars(record) for record in caplog.records if record.levelno >= logging.WARNING]
    assert told
    assert {(line["call_id"], line["operation"]) for line in told} == {(pending.id, "chargeReservation")}


async def test_no_line_of_a_storm_holds_a_secret(lines: Lines, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    stream = io.StringIO()
    hooks = [LoggingHook(lines.logger), StructlogHook(structured(stream)), LoggingHook()]
    secrets = [f"GIFT/planted+{number}=~ü" for number in range(12)]
    clock = ManualClock(skip_sleeps=120.0)
    async with VoucherEmulator(clock=clock) as emulator:
        settings = emulator.settings()
        emulator.faults.chance(
            0.3, seed=20, kinds=[BreakAfter(), ServerError(acted=True), CutOff(), TooMany()]
        )
        async with VoucherClient(**settings, clock=clock, hooks=hooks) as client:

            async def pay(number: int, code: str) -> None:
                emulator.add_voucher(amount="25.00", code=code, pin=f"{code}pin")
                payment = PAYMENT | ({"pin": f"{code}pin"} if number % 2 else {})
                # a till that takes the code for the number of the order
                order = f"order {code}" if number % 4 == 0 else f"A-{number}"
                with contextlib.suppress(VoucherError):
                    await client.redeem(code=code, order_number=order, idempotency_key=code, **payment)

            await asyncio.gather(*(pay(number, code) for number, code in enumerate(secrets)))
            assert emulator.faults.injected
    planted = [*secrets, settings["client_secret"]]
    said = lines.stream.getvalue() + stream.getvalue() + repr([vars(each) for each in caplog.records])
    assert said.count("call ended") >= 3 * len(secrets)
    assert "order ***" in said
    found = {form for secret in planted for form in forms(secret) if form in said}
    assert found == set()


def test_an_adapter_adds_its_extras_to_those_of_the_event(lines: Lines) -> None:
    adapter = logging.LoggerAdapter(lines.logger, {"tenant": "a"})
    LoggingHook(adapter).on_token_refreshed(TokenRefresh(succeeded=True, background=False, elapsed=0.5))
    (line,) = lines.read()
    assert (line["tenant"], line["voucher_event"], line["elapsed"]) == ("a", "token refreshed", 0.5)
