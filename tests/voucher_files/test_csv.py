"""The CSV of the Admin UI's import, read."""

from __future__ import annotations

import itertools
import pickle
from decimal import Decimal
from pathlib import Path

import pytest

from tests.frame_locals import shown_locals
from tests.voucher_files.made import columns, errors_of, text_of
from voucher_async import VoucherSpec
from voucher_async.voucher_files import InvalidVoucherFile, csv_line, load_vouchers, read_vouchers

FULL = (
    '"v-1";"GIFT ""1""";"4711";"XMAS";"25.00";"1";"7.0";"EUR";"active";"digital";"3";"years";"1000";""',
    '"";"";"";"";"10";"0";"";"EUR";"";"print";"";"";"";""',
)
SPECS = [
    VoucherSpec(
        id="v-1",
        code='GIFT "1"',
        pin="4711",
        batch="XMAS",
        amount="25.00",
        taxable=True,
        tax_rate="7",
        currency="EUR",
        activate=True,
        type="digital",
        validity_value=3,
        validity_interval="years",
        sku="1000",
    ),
    VoucherSpec(amount="10.00", taxable=False, currency="EUR", type="print"),
]


def test_the_layout_of_the_admin_ui_is_read() -> None:
    assert load_vouchers(text_of(*FULL)) == SPECS


def test_a_voucher_is_written_as_the_import_takes_it() -> None:
    assert csv_line(SPECS[0]) == FULL[0]


def test_a_code_that_a_spreadsheet_takes_for_a_formula_stays_as_it_is() -> None:
    specs = [VoucherSpec(code=f"{sign}1", amount="1.00", currency="EUR") for sign in "=+-@"]
    assert load_vouchers(text_of(*map(csv_line, specs))) == specs
    assert '"=1"' in csv_line(specs[0])


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "BOM"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_a_file_of_excel_is_read(tmp_path: Path, mark: bytes, end: bytes) -> None:
    lines = [
        "Currency; AMOUNT ;custom_id;SKU",
        "EUR;25.5;v-1;Grüße",
        ";;;",
        "",
        'EUR;1;"v""2";"a',
        'b;c"',
        "",
    ]
    path = tmp_path / "cards.csv"
    path.write_bytes(mark + end.join(line.encode() for line in lines))
    between = end.decode()
    assert load_vouchers(path) == [
        VoucherSpec(id="v-1", amount="25.50", currency="EUR", sku="Grüße"),
        VoucherSpec(id='v"2', amount="1.00", currency="EUR", sku=f"a{between}b;c"),
    ]
    assert [line.number for line in read_vouchers(str(path))] == [2, 5]


def test_fields_that_the_import_lacks_may_be_added() -> None:
    (spec,) = load_vouchers(columns(order_number="A-1", data='{"a": 1}'))
    assert (spec.order_number, spec.data) == ("A-1", '{"a": 1}')


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        *(
            ("amount", value, "a point")
            for value in ["25,00", "25.000", "1.234,00", "-1", "+1", "1e2", "٢", "x"]
        ),
        ("amount", "1000000", "a point"),
        ("amount", "", "is missing"),
        ("currency", "eur", "must match"),
        ("currency", "", "is missing"),
        ("taxable", "yes", "1 or 0"),
        ("tax_rate", "7,0", "percentage"),
        ("tax_rate", "101", "percentage"),
        ("tax_rate", "7", "only be given with taxable"),
        ("status", "blocked", "active or inactive"),
        ("type", "paper", "must be one of"),
        ("validity_value", "1.5", "whole number"),
        ("validity_value", "3", "needs validity_value and validity_interval"),
        ("validity_interval", "years", "needs validity_value and validity_interval"),
        ("valid_until", "2027-12-31T23:59:59+01:00", "follows from the validity"),
        ("batch", "b" * 31, "at most 30"),
        ("custom_id", "i" * 256, "at most 255"),
        ("custom_id", "..", "dot segment"),
        ("data", "no json", "JSON text"),
        ("note", "for Anna", "no field"),
    ],
)
def test_a_value_is_refused_with_its_place(column: str, value: str, rule: str) -> None:
    (error,) = errors_of(columns(**{column: value}))
    assert (error.line, error.column) == (2, column)
    assert rule in error.rule
    assert error.value is None or value[:20] in error.value


def test_all_errors_of_all_lines_are_told_before_there_is_a_voucher() -> None:
    lines = [
        *columns(batch="b" * 31, status="on", custom_id="v-1"),
        "\n",
        "25.00;EUR;x;active;v-2\n",
        "1,0;EUR;;;",
    ]
    with pytest.raises(InvalidVoucherFile) as caught:
        load_vouchers(lines)
    assert [(error.line, error.column) for error in caught.value.errors] == [
        *((2, "status"), (2, "batch"), (5, "amount"))
    ]
    assert "line 2, status: must be active or inactive (got 'on'); line 2, batch" in str(caught.value)
    assert (caught.value.field, caught.value.value) == ("status", "'on'")


def test_all_rules_that_a_line_breaks_are_told() -> None:
    errors = errors_of(columns(currency="eur", batch="b" * 31, custom_id="v-1"))
    assert [error.column for error in errors] == ["currency", "batch"]
    (error,) = errors_of(columns(validity_value="x", validity_interval="years"))
    assert error.column == "validity_value"


def test_a_validity_of_nothing_is_refused() -> None:
    (error,) = errors_of(columns(validity_value="0", validity_interval="days"))
    assert (error.column, error.rule) == ("validity_value", "must be at least 1")


@pytest.mark.parametrize("column", ["code", "pin"])
def test_a_code_or_pin_is_never_shown(column: str) -> None:
    (error,) = errors_of(columns(**{column: "SECRET" * 50}))
    assert (error.column, error.value) == (column, "***")
    (line,) = read_vouchers(columns(**{column: "SECRET"}))
    assert "SECRET" not in repr(line)


@pytest.mark.parametrize("cells", ['25.00;"EUR";SECRET', '25.00;"EUR";x;y;SECRET', "25.00"])
def test_a_line_with_too_few_or_many_values_shows_none(cells: str) -> None:
    (error,) = errors_of(["amount;currency;code;sku\n", cells])
    assert str(error) == f"line 2: has {cells.count(';') + 1} values, where the header has 4"


def test_a_column_may_be_ignored() -> None:
    (spec,) = load_vouchers(columns(Note="for Anna"), ignore=["NOTE"])
    assert spec.amount == Decimal("25.00")


@pytest.mark.parametrize(("column", "shown"), [("custom_id", "'SAME'"), ("code", "***")])
def test_a_number_or_code_that_comes_twice_is_refused(column: str, shown: str) -> None:
    first, row = columns(**{column: "SAME"})
    (error,) = errors_of([first, f"{row}\n", "1.00;EUR;other\n", row])
    assert str(error) == f"line 4, {column}: is that of line 2 (got {shown})"


def test_a_number_of_a_line_that_is_wrong_counts_too() -> None:
    errors = errors_of(["amount;currency;custom_id\n", "1,00;EUR;v-1\n", "1.00;EUR;v-1\n"])
    assert [(error.line, error.column) for error in errors] == [(2, "amount"), (3, "custom_id")]


@pytest.mark.parametrize(
    ("content", "line", "rule"),
    [
        (b"", 1, "is empty"),
        (b"\n \n", 1, "is empty"),
        (b"amount,currency,code\n1.00,EUR,SECRET\n", 1, "separated by commas"),
        (b'"amount","currency"\n"1.00","EUR"\n', 1, "separated by commas"),
        (b"\namount\tcurrency\n1.00\tEUR\n", 2, "separated by tabs"),
        (
            b"v-1;SECRET;25.00;EUR\n",
            1,
            "must be the header, and names no column amount and no column currency",
        ),
        (b"amount;currency;code;Code\n", 1, "names code twice"),
        ("amount;currency\n".encode("utf-16"), 1, "UTF-16"),
        (b"amount;currency;sku\n1.00;EUR;a\n1.00;EUR;Gr\xfc\xdfe SECRET\n", 3, "not UTF-8"),
        (b"amount;currency;sku\n1.00;EUR;a\0b\n", 2, "NUL"),
        (b'amount;currency;code\n1.00;EUR;"SECRET\n1.00;EUR;b\n', 2, "never closed"),
        (b'amount;currency;code\n1.00;EUR;"SEC"RET\n', 2, "is no CSV"),
        (b"amount;currency;code\r1.00;EUR;SECRET\r", 1, "lone CR"),
        (
            b"amount;currency;code\n1.00;EUR;SECRET\n1,00;;SECRET\n\xff",
            4,
            "a point.*currency: is missing.*UTF-8",
        ),
        (b"amount;currency;code\n1.00;EUR;" + b"S" * (1 << 20), 2, "longer than"),
        (b"amount;currency;code\n1.00;EUR;" + b"S" * (1 << 18), 2, "is no CSV: field larger"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_the_line(
    tmp_path: Path, content: bytes, line: int, rule: str
) -> None:
    path = tmp_path / "cards.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidVoucherFile, match=rule) as caught:
        load_vouchers(path)
    assert caught.value.errors[-1].line == line
    assert "SECRET" not in str([str(caught.value), *shown_locals(caught.value)])


def test_a_crash_report_shows_no_line() -> None:
    source = ["amount;currency;code\n", "1.00;EUR;SECRET\n", "1,00;EUR;SECRET\n"]
    with pytest.raises(InvalidVoucherFile) as caught:
        load_vouchers(source)
    assert "SECRET" not in str([str(caught.value), *shown_locals(caught.value)])


def test_an_error_travels_between_processes() -> None:
    (error,) = errors_of(columns(status="on"))
    copied = pickle.loads(pickle.dumps(InvalidVoucherFile([error])))
    assert (copied.errors, str(copied)) == ((error,), str(error))


def test_a_file_that_is_not_there_is_the_system_s_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_vouchers(tmp_path / "none.csv")


def test_lines_are_read_as_they_are_asked_for() -> None:
    endless = itertools.chain(["amount;currency\n"], itertools.repeat("1.00;EUR\n"))
    numbers = [line.number for line in itertools.islice(read_vouchers(endless), 3)]
    assert numbers == [2, 3, 4]
    assert next(endless) == "1.00;EUR\n"
