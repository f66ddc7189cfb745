"""Records as JSON: whole, kept by workers that do not know all of it, and refused where they are wrong."""

from __future__ import annotations

import copy
import datetime as dt
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.journals.records import NOW, begun, done, everything, sent
from voucher_async import JournalFailed
from voucher_async.fates import Fate, Proof
from voucher_async.models import Charge, ChargeType, Reservation
from voucher_async.outcomes import PendingOutcome
from voucher_async.payments.call import CallRecord, CallState, Failure, Parameters, Planned, Transition
from voucher_async.payments.stored import FORMAT, from_json, to_json

TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
ZONES = st.sampled_from([dt.UTC, dt.timezone(dt.timedelta(hours=5, minutes=30)), dt.timezone.max])
MOMENTS = st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(9000, 1, 1), timezones=ZONES)  # noqa: DTZ001
AMOUNTS = st.decimals(0, "999999.99", places=2)
KINDS = st.sampled_from(list(ChargeType)) | TEXTS.map(ChargeType)
NUMBERS = st.integers(1, 10**6)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def few(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(strategy, max_size=2).map(tuple)


BY_NAME = {
    "id": TEXTS,
    **dict.fromkeys(("amount", "asked"), AMOUNTS),
    "state": st.sampled_from(CallState),
    "type": KINDS,
    "version": NUMBERS,
    "sends": NUMBERS,
    "proof": maybe(st.sampled_from(Proof)),
    "status": maybe(NUMBERS),
    "retry_after": maybe(st.floats(0, 1e6)),
    "known": maybe(few(TEXTS)),
    **dict.fromkeys(("told", "known_whole", "answered", "echoed", "voucher_taxable"), st.booleans()),
    **dict.fromkeys(("at", "begun_at", "changed_at", "created_at", "updated_at", "valid_until"), MOMENTS),
    **dict.fromkeys(("sent_at", "since", "until"), maybe(MOMENTS)),
}


def values_of(cls: type[Any], **others: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Every value that a class of records can have."""
    names = [field for field in attrs.fields(cls) if field.name != "unknown"]
    return st.builds(cls, **{**{each.name: strategy_of(each) for each in names}, **others})


def strategy_of(field: Any) -> st.SearchStrategy[Any]:
    strategy = BY_NAME.get(field.name, TEXTS)
    return maybe(strategy) if field.default is None else strategy


CHARGES = values_of(Charge)
RECORDS = values_of(
    CallRecord,
    parameters=values_of(Parameters),
    pending=maybe(values_of(PendingOutcome)),
    charge=maybe(CHARGES),
    refunds=few(CHARGES),
    failure=maybe(values_of(Failure)),
    plan=few(values_of(Planned, reservation=values_of(Reservation))),
    transitions=few(values_of(Transition)),
)
NEWS = st.dictionaries(
    TEXTS.map("new {}".format), st.none() | NUMBERS | TEXTS | st.lists(NUMBERS), min_size=1, max_size=2
)


@given(RECORDS)
def test_a_record_is_read_back_whole(record: CallRecord) -> None:
    text = to_json(record)
    assert json.loads(text)["format"] == FORMAT
    again = from_json(text)
    assert again == record
    assert from_json(text.encode()) == record
    assert to_json(again) == text


@given(RECORDS, st.data())
def test_what_a_newer_minor_version_has_added_is_kept_where_it_was(record: CallRecord, data: Any) -> None:
    content = json.loads(to_json(record))
    content["format"] = "1.7"
    for part in parts_of(content):
        part.update(data.draw(NEWS))
    text = json.dumps(content)
    again = from_json(text)
    assert attrs.evolve(again, unknown={}) == record
    assert json.loads(to_json(again)) == content
    assert from_json(to_json(again)) == again


def parts_of(content: Any) -> list[dict[str, Any]]:
    """The objects of a structure, the whole first."""
    if isinstance(content, list):
        return [part for each in content for part in parts_of(each)]
    if not isinstance(content, dict):
        return []
    return [content, *(part for each in content.values() for part in parts_of(each))]


def newer() -> CallRecord:
    content = json.loads(to_json(everything()))
    content.update(format="1.1", colour={"red": [1, {"deep": None}]}, unknown=7)
    content["parameters"]["region"] = "EU"
    content["transitions"][1]["request"] = "abc"
    content["failure"]["hint"] = "again"
    return from_json(json.dumps(content))


def test_a_changed_record_keeps_what_this_version_does_not_know() -> None:
    record = newer()
    charge = done(begun(), "c-9").charge
    changed = record.step(CallState.DONE, at=NOW, by="owner-2", charge=charge, failure=None, pending=None)
    content = json.loads(to_json(changed))
    assert content["format"] == "1.1"
    assert (content["colour"], content["unknown"]) == ({"red": [1, {"deep": None}]}, 7)
    assert content["parameters"]["region"] == "EU"
    assert [step.get("request") for step in content["transitions"]] == [None, "abc", None, None]
    assert content["failure"] is None  # the failure's text may contain it
    assert from_json(json.dumps(content)).charge == charge


def test_what_is_shrunk_keeps_it_too_and_what_is_erased_does_not() -> None:
    from voucher_async.payments.erasing import erased

    shrunk = json.loads(to_json(newer().shrunk()))
    assert (shrunk["colour"], shrunk["transitions"]) == ({"red": [1, {"deep": None}]}, [])
    assert erased(newer(), b"key").unknown == {}  # an order number may be in an unknown field


def test_members_that_an_older_version_cannot_have_are_not_kept() -> None:
    content = {**json.loads(to_json(everything())), "colour": "red", "unknown": {"a": 1}}
    record = from_json(json.dumps(content))
    assert record.unknown == {}
    assert set(json.loads(to_json(record))) == {*content} - {"colour", "unknown"}


def without(name: str) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        *path, last = name.split(".")
        for step in path:
            content = content[int(step)] if step.isdigit() else content[step]
        del content[last]

    return change


def with_(name: str, value: Any) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        *path, last = name.split(".")
        for step in path:
            content = content[int(step)] if step.isdigit() else content[step]
        content[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without("format"), 'format: expected a version such as "1.0"'),
        (with_("format", 1.0), 'format: expected a version such as "1.0"'),
        (with_("format", "1"), 'format: expected a version such as "1.0"'),
        (with_("format", "2.0"), "format: 2.0 is of another major version than 1.0"),
        (with_("format", "0.9"), "format: 0.9 is of another major version than 1.0"),
        *((without(name), f"{name}: missing") for name in ("id", "scope", "owner", "state", "version")),
        *((with_(name, None), f"{name}: missing") for name in ("id", "state", "version")),
        (without("pending.id"), "pending.id: missing"),
        (with_("plan.0.record", None), "plan.record: missing"),
        (without("charge.id"), "charge.id: missing"),
        (with_("version", "3"), "version: expected `int | null`"),
        (with_("state", "gone"), "state: invalid enum value"),
        (with_("transitions.0.proof", "trust me"), "transitions[0].proof: invalid enum value"),
        (with_("parameters.amount", 10), "parameters.amount: expected `str | null`"),
        (with_("parameters.amount", "NaN"), 'parameters.amount: expected an amount such as "10.00"'),
        (with_("parameters", []), "parameters: expected `object`"),
        (with_("failure", "no"), "failure: expected `object | null`"),
        (with_("pending", "p-1"), "pending.id: missing"),
        (with_("begun_at", "2026-01-01T12:00:00"), "begun_at: expected `datetime` with a timezone"),
        (with_("told", "yes"), "told: expected `bool"),
    ],
)
def test_nonsense_is_refused_in_words(change: Callable[[Any], None], words: str) -> None:
    content = copy.deepcopy(json.loads(to_json(everything())))
    change(content)
    with pytest.raises(JournalFailed) as caught:
        from_json(json.dumps(content))
    assert str(caught.value).startswith("a record in the journal cannot be read: ")
    assert words.lower() in str(caught.value).lower()
    assert caught.value.fate is Fate.NOT_SENT
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '"1.0"', "{}", "\ud800", '{"format": "1.0"}', "[" * 99_999]
)
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(JournalFailed, match="a record in the journal cannot be read"):
        from_json(text)


@given(
    st.recursive(
        st.none() | st.booleans() | NUMBERS | TEXTS,
        lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    )
)
def test_no_json_is_anything_but_a_record_or_refused(content: Any) -> None:
    for said in (content, {"format": "1.0", "id": "x", "state": "done", "version": 1, "pending": content}):
        with pytest.raises(JournalFailed):
            from_json(json.dumps(said))


def test_half_of_a_surrogate_pair_cannot_be_stored() -> None:
    with pytest.raises(JournalFailed, match="half of a surrogate pair"):
        to_json(begun("\ud800"))


def test_the_text_of_today_can_be_read_for_ever() -> None:
    text = (
        '{"format":"1.0","id":"r1","scope":"s","key":"A-1","parameters":{"operation":"redeem","amount":"10.00",'
        '"currency":"EUR","order_number":"A-1","target":"d"},"owner":"o","state":"sent","version":2,'
        '"begun_at":"2026-01-01T12:00:00.123456+00:00","changed_at":"2026-01-01T12:00:00.123456+00:00",'
        '"sent_at":"2026-01-01T12:00:00.123456+00:00","pending":{"id":"r1","operation":"chargeReservation",'
        '"voucher_id":"v-1","amount":"10.00","sends":1},"refunds":[],"told":false,"plan":[],"transitions":['
        '{"state":"begun","at":"2026-01-01T12:00:00.123456+00:00","by":"o"},'
        '{"state":"sent","at":"2026-01-01T12:00:00.123456+00:00","by":"o","why":null,"proof":null}]}'
    )
    asked = attrs.evolve(begun("A-1", scope="s", owner="o", target="d"), id="r1")
    pending = PendingOutcome(
        id="r1", operation="chargeReservation", voucher_id="v-1", amount=asked.parameters.amount
    )
    assert from_json(text) == sent(asked, None, pending=pending)


def test_records_are_read_while_time_is_frozen() -> None:
    program = (
        "from freezegun import freeze_time\n"
        "from tests.journals.records import everything\n"
        "from voucher_async.payments.stored import from_json, to_json\n"
        "with freeze_time('2030-01-01'):\n"
        "    record = everything()\n"
        "    assert from_json(to_json(record)) == record\n"
        "assert from_json(to_json(record)) == record\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
