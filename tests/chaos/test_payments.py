"""The judge of payments that are asked for three times finds each lie, and nothing where there is none."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from tests.chaos.caller import Caller
from tests.chaos.judge import Kind, judge
from tests.chaos.plan import Call
from tests.chaos.records import Ended, Entry, Journal, Outcome, Record, Told, Turn
from tests.chaos.samples import AGAIN, CHARGED, HOOK_DONE, SETTLED_NOT_DONE, began, intent, told
from tests.chaos.turns import Turns
from tests.chaos.watcher import Watcher
from voucher_async import VoucherClient
from voucher_async.testing import VoucherEmulator

MADE = attrs.evolve(CHARGED, made=10.0)
ASKED = [attrs.evolve(began(f"1{'abc'[turn]}", payment="1a"), key="K", turn=turn) for turn in range(3)]
SENT = intent(call="1a")


def said(what: str, turn: int, at: float = 20.0, **fields: tuple[str, ...]) -> Told:
    return attrs.evolve(told(what, f"1{'abc'[turn]}", **fields), at=at)


NOT_CHARGED = Outcome(voucher="V", state="not charged")
STANDS = Outcome(voucher="V", state="charged", charge="c1")
DONE = [said("done", turn, charges=("c1",)) for turn in range(3)]


@pytest.mark.parametrize(
    ("records", "entries"),
    [
        pytest.param([SENT, *DONE], [MADE], id="all are told one charge"),
        pytest.param([SENT, said("unknown", 0), *DONE[1:]], [MADE], id="the first one had no time"),
        pytest.param([SENT, said("cancelled", 0), *DONE[1:]], [MADE], id="the first one left"),
        pytest.param([SENT, *(said("cancelled", turn) for turn in range(3))], [MADE], id="all left"),
        pytest.param([SENT, *(said("not done", turn) for turn in range(3))], [], id="none is done"),
        pytest.param([SENT, said("not done", 0, 9.0), *DONE[1:]], [MADE], id="it was made afterwards"),
        pytest.param(
            [SENT, *(attrs.evolve(said("not done", turn), outcomes=(STANDS,)) for turn in range(3))],
            [MADE],
            id="a checkout says which charge stands",
        ),
    ],
)
def test_nothing_is_wrong_with(records: list[Record], entries: list[Entry]) -> None:
    assert judge([*ASKED, *records], entries).violations == ()


@pytest.mark.parametrize(
    ("records", "entries", "kind"),
    [
        pytest.param([SENT, *DONE], [MADE, AGAIN], Kind.TWICE, id="two charges"),
        pytest.param(
            [SENT, *DONE[:2], said("done", 2, charges=("c2",))],
            [MADE, AGAIN],
            Kind.INVENTED,
            id="two are told different charges",
        ),
        pytest.param([SENT, *DONE[:2], said("not done", 2)], [MADE], Kind.DENIED, id="one was denied it"),
        pytest.param(
            [SENT, *(attrs.evolve(said("not done", turn), outcomes=(NOT_CHARGED,)) for turn in range(3))],
            [MADE],
            Kind.DENIED,
            id="a checkout denies a charge",
        ),
        pytest.param(
            [SENT, *(said("not done", turn, 9.0) for turn in range(3))],
            [MADE],
            Kind.DENIED,
            id="all were denied it before it was made",
        ),
        pytest.param([SENT, *DONE], [], Kind.INVENTED, id="nothing was made"),
        pytest.param(
            [SENT, *(said("cancelled", turn) for turn in range(3)), SETTLED_NOT_DONE],
            [MADE],
            Kind.DENIED,
            id="settled as not done",
        ),
        pytest.param(
            [SENT, *(said("cancelled", turn) for turn in range(3)), HOOK_DONE],
            [],
            Kind.INVENTED,
            id="a hook was told what is not there",
        ),
    ],
)
def test_what_is_wrong_is_found(records: list[Record], entries: list[Entry], kind: Kind) -> None:
    found = judge([*ASKED, *records], entries).violations
    assert kind in {violation.kind for violation in found}, found


@pytest.mark.parametrize("is_odd", [True, False])
def test_the_id_of_a_call_that_sent_nothing_is_open_for_as_long_as_its_payment(*, is_odd: bool) -> None:
    waited = attrs.evolve(said("unknown", 1, pendings=("p9",)), error="StillRunning")
    records: list[Record] = [*ASKED, SENT, said("unknown", 0, pendings=("p1",)), waited, Ended(open=("p9",))]
    verdict = judge(records, [MADE], Turns([Turn(at=0.0, habit="lists lag")] if is_odd else []))
    assert [each.kind for each in verdict.violations] == ([] if is_odd else [Kind.OPEN])


@pytest.mark.parametrize(("key", "what"), [("K", "unknown"), ("", "not done")])
async def test_who_cannot_read_the_journal_does_not_know_what_a_key_has_paid(
    voucher_emulator: VoucherEmulator, tmp_path: Path, key: str, what: str
) -> None:
    call = Call(
        id="1a", payment="1a", kind="redeem", order="A-1", vouchers=("V",), amounts=("1.00",), key=key
    )
    access, url = voucher_emulator.settings(), f"sqlite:///{tmp_path / 'nowhere' / 'journal.db'}"
    with Journal(tmp_path / "records.jsonl") as journal:
        async with VoucherClient(**access, journal=url) as client:
            assert await Caller(client, journal, Watcher(journal)).make(1, call) == what


def test_what_nobody_knows_in_the_end_is_counted() -> None:
    assert judge([*ASKED, SENT, *(said("cancelled", turn) for turn in range(3))], [MADE]).left_open == 1
    assert judge([*ASKED, SENT, *DONE], [MADE]).left_open == 0
