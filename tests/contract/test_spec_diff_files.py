"""The files that are compared: what they may hold, what cannot be read, what the command says."""

from __future__ import annotations

import json
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from codegen.spec_diff.__main__ import OURS as FILE
from codegen.spec_diff.__main__ import main
from codegen.spec_diff.document import Document, Unreadable, load
from codegen.spec_diff.report import Ours, Report
from codegen.spec_diff.text import lines
from tests.seeds import drawing
from tests.specification import SPEC

OURS = Ours(Document(SPEC))
JUNK: list[Any] = [None, True, 3, "x", [], {}, [None], {"x": [1]}, {"$comment": "x"}]


def upstream() -> dict[str, Any]:
    made: dict[str, Any] = deepcopy(SPEC)
    return made


def against(made: dict[str, Any]) -> Report:
    return OURS.against(Document(made))


def named_in(place: str, text: Any) -> dict[str, list[str]]:
    made = upstream()
    node: Any = made
    *names, last = place.split(" ")
    for name in names:
        node = node[name]
    node[last] = text
    return against(made).codes


RECHARGE = "paths /vouchers/recharge post"
EXAMPLE = {"status": 409, "code": "RESERVATION.CHARGE.GONE", "message": "It is over."}


@pytest.mark.parametrize(
    ("place", "value", "codes"),
    [
        (
            f"{RECHARGE} description",
            "Or `VOUCHER.RECHARGE.LIMIT`.",
            {"VOUCHER.RECHARGE.LIMIT": ["POST /vouchers/recharge"]},
        ),
        (
            "paths /vouchers post x-codes",
            ["VOUCHER.CREATE.PIN.MIN:4"],
            {"VOUCHER.CREATE.PIN.MIN:4": ["POST /vouchers"]},
        ),
        (
            f"{RECHARGE} x-codes",
            {"RECHARGE_OFF": "", "A.B": "It is off."},
            {"A.B": ["POST /vouchers/recharge"]},
        ),
        (
            "paths /reservations/{id}/charge post x-example",
            EXAMPLE,
            {"RESERVATION.CHARGE.GONE": ["POST /reservations/{}/charge"]},
        ),
        (
            "components x-notes",
            "CLIENT.CONNECT.PIN.USED",
            {"CLIENT.CONNECT.PIN.USED": ["POST /clients/connect"]},
        ),
        ("info description", "LIST.TOO_LONG: see RFC.", {"LIST.TOO_LONG": []}),
        (
            f"{RECHARGE} x-error",
            {"code": "TOO_LATE", "message": "."},
            {"TOO_LATE": ["POST /vouchers/recharge"]},
        ),
        ("info description", "`<ENTITY>.<OPERATION>.<PROPERTY>` of ISO 4217. EUR, v1.8", {}),
    ],
)
def test_a_new_error_code_is_found_wherever_it_stands(
    place: str, value: Any, codes: dict[str, list[str]]
) -> None:
    assert named_in(place, value) == codes


def test_new_error_codes_are_lines_to_paste_where_their_operation_has_its_own() -> None:
    made = upstream()
    made["info"]["description"] = "VOUCHER.CREATE.PIN.MIN:4"
    text = list(lines(against(made)))
    line = "        - VOUCHER.CREATE.PIN.MIN:4"
    assert text[text.index(line) - 1].split() == ["POST", "/vouchers"]
    (neighbour,) = {
        entry for entry in FILE.read_text(encoding="utf-8").splitlines() if "CREATE.PIN.STRING" in entry
    }
    assert len(neighbour) - len(neighbour.lstrip()) == len(line) - len(line.lstrip())
    assert yaml.safe_load(line) == ["VOUCHER.CREATE.PIN.MIN:4"]


def test_a_code_of_ours_that_is_not_named_is_told_and_is_no_difference() -> None:
    made = upstream()
    made["paths"]["/vouchers"]["post"]["x-known-codes"].remove("VOUCHER.CREATE.SKU.STRING")
    result = against(made)
    assert result.unnamed == ["VOUCHER.CREATE.SKU.STRING"]
    assert not result.differs


def test_a_schema_that_holds_itself_is_read() -> None:
    made = upstream()
    made["components"]["schemas"]["Charge"]["properties"]["of"] = {"$ref": "#/components/schemas/Charge"}
    (finding,) = against(made).findings
    assert finding.what == "property of"
    assert not Ours(Document(made)).against(Document(made)).differs


@pytest.mark.parametrize("run", range(6))
def test_no_file_makes_it_fail_otherwise_than_as_unreadable(run: int) -> None:
    draw = drawing(f"junk {run}")
    made = upstream()
    nodes = [made]
    for node in nodes:
        nodes += [item for item in node.values() if isinstance(item, dict)]
    for node in draw.sample([node for node in nodes[1:] if node], 25):
        node[draw.choice(list(node))] = draw.choice(JUNK)
        node["x-unheard-of"] = draw.choice(JUNK)
    try:
        result = against(made)
    except Unreadable as error:
        assert "refers" in str(error)  # noqa: PT017 - either is right
    else:
        assert list(lines(result))
        assert json.dumps(result.to_dict(), default=str)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no document of openapi 3"),
        ("[]", "no document of openapi 3"),
        ("{", "expect"),
        ("a: [", "expect"),
        ("swagger: '2.0'\npaths: {}", "of openapi 3 but of swagger 2.0"),
        ("openapi: 3.0.3\npaths: {/vouchers: {$ref: '#/nowhere'}}", "does not hold: #/nowhere"),
        ("openapi: 3.0.3\npaths: {/vouchers: {$ref: 'paths.yaml'}}", "another file: paths.yaml"),
        ("openapi: 3.0.3\npaths: {/vouchers: {$ref: '#/paths/~1vouchers'}}", "in a circle"),
        ("openapi: 3.0.3\npaths: &p {a: *p}", "recurs"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_and_is_no_difference(
    text: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "voucher.json"
    path.write_text(text, encoding="utf-8")
    assert main([str(path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert reason in said.err.lower()


def test_a_file_that_is_not_there_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "voucher.json")]) == 2
    assert "No such file" in capsys.readouterr().err


def test_the_command_tells_a_difference_to_people_and_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "voucher.json"
    made = upstream()
    made["components"]["schemas"]["Money"]["maxLength"] = 8
    path.write_text(json.dumps(made), encoding="utf-8")
    assert main([str(path)]) == 1
    text = capsys.readouterr().out
    assert "Changed (1)\n  maxLength: 9 -> 8\n" in text
    assert "Something differs." in text
    assert main([str(path), "--json"]) == 1
    shown = json.loads(capsys.readouterr().out)
    assert shown["differs"] is True
    (finding,) = shown["findings"]
    assert (finding["kind"], finding["what"], finding["ours"], finding["theirs"]) == (
        "changed",
        "maxLength",
        9,
        8,
    )
    assert "GET /vouchers/{} > response 200 > amount" in finding["places"]


def test_as_a_program_ours_does_not_differ_from_itself() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "codegen.spec_diff", str(FILE)],
        cwd=FILE.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("Nothing differs.\n")


def test_json_and_yaml_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "voucher.json"
    path.write_text("\ufeff" + json.dumps(SPEC), encoding="utf-8")
    assert Ours(load(FILE)).against(load(path)) == against(SPEC)
