"""Whatever a server makes of a code that it gives back, it is recognised."""

from __future__ import annotations

import base64
import html
import json
import textwrap
import unicodedata
from collections.abc import Callable
from typing import Literal
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from voucher_async.masking import MASK, known, mask

CODES = [
    "GIFT-AB12-CD34",
    "gift ab12 cd34 ",
    "GÏFT/ß9-7QX2+1",
    "\uff27\uff29\uff26\uff34\uff0d\uff11\uff12\uff13\uff14",
    "日本-コード-7Q2X",
    "GIFTAB12CD34",
    "x~7Q2X99.81",
]


def bare(text: str) -> str:
    return "".join(filter(str.isalnum, text))


def joined(sign: str, step: int = 4) -> Callable[[str], str]:
    return lambda code: sign.join(textwrap.wrap(bare(code), step))


def php(code: str) -> str:
    return f"Array\n(\n    [code] => {code}\n    [amount] => 10.00\n)\n"


def normalized(form: Literal["NFC", "NFD", "NFKC", "NFKD"]) -> Callable[[str], str]:
    return lambda code: unicodedata.normalize(form, code)


def entities(form: str) -> Callable[[str], str]:
    return lambda code: "".join(form.format(ord(char)) for char in code)


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "stripped": str.strip,
    "with blanks around it": lambda code: f"  {code}\t",
    "upper": str.upper,
    "lower": str.lower,
    "swapped case": str.swapcase,
    "folded": str.casefold,
    "Turkish": lambda code: code.replace("I", "\u0131").replace("i", "\u0130"),
    "without separators": bare,
    "other separators": lambda code: code.replace("-", "_").replace(" ", "."),
    "spaces": joined(" "),
    "dashes": joined("-", 3),
    "dots": joined("."),
    "underscores": joined("_", 2),
    "zero width": joined("\u200b", 1),
    "word joiners and marks": joined("\u2060\u200e\ufeff", 2),
    "en dashes": joined("\u2013"),
    "soft hyphens": joined("\u00ad"),
    "no-break spaces": joined("\u00a0"),
    "slashes": joined(" / "),
    "lines": joined("\n", 5),
    "lines of Windows": joined("\r\n", 3),
    "lines with marks": joined("\n> ", 5),
    "NFC": normalized("NFC"),
    "NFD": normalized("NFD"),
    "NFKC": normalized("NFKC"),
    "NFKD": normalized("NFKD"),
    "full width": lambda code: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in code),
    "without accents": lambda code: (
        unicodedata.normalize("NFD", code).encode("ascii", "ignore").decode() or code
    ),
    "as Latin 1": lambda code: code.encode().decode("latin-1"),
    "html": html.escape,
    "named entities": lambda code: code.replace("-", "&hyphen;").replace("/", "&sol;").replace("+", "&plus;"),
    "decimal entities": entities("&#{};"),
    "hexadecimal entities": entities("&#x{:x};"),
    "padded entities": entities("&#{:05};"),
    "entities twice": lambda code: html.escape(entities("&#{};")(code)),
    "break opportunities": joined("<wbr>"),
    "marked up": lambda code: f"<b>{code[:4]}</b><span class='x'>{code[4:]}</span>",
    "percent": lambda code: quote(code, safe=""),
    "percent and plus": quote_plus,
    "percent in lower case": lambda code: quote(code, safe="").swapcase(),
    "all percent": lambda code: "".join(f"%{byte:02X}" for byte in code.encode()),
    "percent twice": lambda code: quote(quote(code, safe="")),
    "percent of JavaScript": lambda code: "".join(f"%u{ord(char):04x}" for char in code),
    "quoted printable": lambda code: code.encode().hex(" ").upper().replace(" ", "=").join(("=", "")),
    "JSON": json.dumps,
    "JSON twice": lambda code: json.dumps(json.dumps(code)),
    "JSON thrice": lambda code: json.dumps(json.dumps(json.dumps(code))),
    "JSON of PHP": lambda code: json.dumps(code).replace("/", "\\/").replace("-", "\\u002d"),
    "JSON units": lambda code: "".join(f"\\u{ord(char):04x}" for char in code),
    "JavaScript": lambda code: "".join(f"\\u{{{ord(char):x}}}" for char in code),
    "bytes of Python": lambda code: repr(code.encode()),
    "hexadecimal escapes": lambda code: "".join(f"\\x{byte:02x}" for byte in code.encode("utf-8")),
    "octal escapes": lambda code: "".join(f"\\{byte:03o}" for byte in code.encode("latin-1", "ignore")),
    "hexadecimal": lambda code: code.encode().hex(),
    "hexadecimal with colons": lambda code: code.encode().hex(":").upper(),
    "a dump": lambda code: code.encode().hex(" "),
    "base64": lambda code: base64.b64encode(code.encode()).decode(),
    "base64 without padding": lambda code: base64.b64encode(code.encode()).decode().rstrip("="),
    "base64 of a text": lambda code: base64.b64encode(f"the code {code}, please".encode()).decode(),
    "base64 of a text, one off": lambda code: base64.b64encode(f"a code {code}, please".encode()).decode(),
    "base64 of a text, two off": lambda code: base64.b64encode(f"no code {code}, please".encode()).decode(),
    "base64 for URLs": lambda code: base64.urlsafe_b64encode(f"?>~{code}~?>".encode()).decode(),
    "base64 in lines": lambda code: base64.encodebytes(f"{'x' * 50}{code}{'y' * 50}".encode()).decode(),
    "base64 in short lines": lambda code: "\n".join(
        textwrap.wrap(base64.b64encode(f"x{code}".encode()).decode(), 5)
    ),
    "base64 of another case": lambda code: base64.b64encode(code.swapcase().encode()).decode(),
    "base64 of the bare code": lambda code: base64.b64encode(bare(code).encode()).decode(),
    "base64 of JSON": lambda code: base64.b64encode(json.dumps({"code": code}).encode()).decode(),
    "base64 in percent": lambda code: quote(base64.b64encode(f"~~~{code}".encode()).decode(), safe=""),
    "a JSON Web Token": lambda code: (
        f"eyJhbGciOiJub25lIn0.{base64.urlsafe_b64encode(json.dumps({'sub': code}).encode()).decode()}."
    ),
    "print_r": php,
    "print_r in HTML": lambda code: html.escape(php(code)),
    "print_r in JSON": lambda code: json.dumps(php(code)),
    "var_dump": lambda code: f'array(1) {{\n  ["code"]=>\n  string({len(code)}) "{code}"\n}}',
    "backwards": lambda code: code[::-1],
    "XML": lambda code: f"<voucher><code><![CDATA[{code}]]></code></voucher>",
    "YAML": lambda code: f"code: {code}\namount: 10",
    "SQL": lambda code: f"SELECT * FROM v WHERE code = '{code}' LIMIT 1",
}


# two forms drop characters beyond ASCII or Latin-1: cases with too few left to be masked are left out
SAID = [(code, form) for form in FORMS for code in CODES if len(bare(FORMS[form](code))) >= 8]


@pytest.mark.parametrize(("code", "form"), SAID)
def test_a_code_is_masked_in_this_form(code: str, form: str) -> None:
    said = FORMS[form](code)
    masked = mask(f"before ({said}) after", [code])
    assert MASK in masked
    assert "before" in masked or "base64" in form
    rest = masked.replace(MASK, "").replace("before", "").replace("after", "")
    for part in filter(None, (bare(code)[i : i + 5] for i in range(max(len(bare(code)) - 4, 1)))):
        assert part.casefold() not in rest.casefold()


@pytest.mark.parametrize(
    "form", ["as it is", "lower", "dashes", "percent", "all percent", "JSON units", "hexadecimal", "html"]
)
def test_a_pin_is_masked_in_this_form(form: str) -> None:
    masked = mask(f"the pin ({FORMS[form]('4711' if form == 'hexadecimal' else '47-11')}) is wrong", ["4711"])
    assert MASK in masked
    assert "11" not in masked.replace(MASK, "")
    assert masked.startswith("the pin (")


@pytest.mark.parametrize("said", ["12", " 12", "\uff11\uff12", "&#49;&#50;", "%31%32", "\\u0031\\u0032"])
def test_a_very_short_pin_is_masked_as_a_word(said: str) -> None:
    assert (
        mask(f"pin '{said}', order 4123", ["12 "]) == f"pin '{said.replace(said.strip(), MASK)}', order 4123"
    )


CHARACTERS = st.characters(categories=["Lu", "Ll", "Nd", "Pd", "Po", "Zs", "Sm"], max_codepoint=0x24F)


@given(
    st.text(CHARACTERS, min_size=8, max_size=40), st.sampled_from(list(FORMS)), st.sampled_from(list(FORMS))
)
@example("AB12CD34", "JSON", "percent")
def test_two_forms_in_a_row_are_seen_through(code: str, first: str, second: str) -> None:
    if len(bare(code).encode("ascii", "ignore")) < 8 or bare(code) != bare(code.strip()):
        return
    said = f"({FORMS[second](FORMS[first](code))})"
    if bare(code).casefold() in said.casefold():
        assert bare(code).casefold() not in mask(said, [code]).casefold()


@pytest.mark.parametrize(
    "form",
    ["as it is", "decimal entities", "all percent", "JSON units", "base64 of a text", "hexadecimal", "dots"],
)
def test_a_form_that_is_cut_off_anywhere_leaves_no_beginning(form: str) -> None:
    code = "GIFT-AB12-CD34"
    said = FORMS[form](code)
    for end in range(len(said) + 1):
        masked = mask(f"no voucher {said[:end]}", [code], cut=True)
        rest = masked.removeprefix("no voucher ")
        most = len(said) * 8 / len(code) + 12
        assert rest == MASK or len(rest.replace(MASK, "")) < most, (end, masked)


def test_what_is_no_form_of_a_secret_stays_readable() -> None:
    text = (
        "HTTP 422: the amount 10.00 EUR is too large for order A-1 (page=2&per_page=25), 2026-01-01T00:00Z, "
        "v-5f0c7bfa-7c8e-4b1f-9e56-1df6f7b6a0a1, d41d8cd98f00b204e9800998ecf8427e, SGVsbG8sIHdvcmxkISBIb3c/"
    )
    assert mask(text, [*CODES, "4711", "12", "secret/with+signs"]) == text


def test_secrets_of_the_call_under_way_are_known_without_being_named() -> None:
    with known("GIFT-AB12", None, ""):
        with known("4711"):
            assert mask("GIFT-AB12 4711") == f"{MASK} {MASK}"
        assert mask("GIFT-AB12 4711") == f"{MASK} 4711"
    assert mask("GIFT-AB12") == "GIFT-AB12"
