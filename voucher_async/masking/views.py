"""A text as it may be read: escapes resolved, markup left out, base64 decoded; and where each piece stood.

A server that gives a code back need not write it as it was sent. Instead of listing every way to write it,
the text is brought to a plain form, in which the secret's plain form is looked for.
"""

from __future__ import annotations

import binascii
import bisect
import contextlib
import functools
import html
import re
import sys
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["View", "inner_views", "skeleton", "views"]

_ROUNDS: Final = 3
_SHORTEST_BASE64: Final = 6

_ESCAPE: Final = re.compile(
    r"""\\u\{(?P<braced>[0-9a-fA-F]{1,6})\}
    |(?P<units>(?:\\u[0-9a-fA-F]{4})+)
    |\\(?:x(?P<byte>[0-9a-fA-F]{2})|U(?P<wide>[0-9a-fA-F]{8})|(?P<octal>[0-3][0-7]{2})|(?P<one>[^0-9A-Za-z]|[nrtbfav]))
    |&(?P<entity>\#\d{1,7}|\#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});?
    |(?P<percent>(?:%[0-9a-fA-F]{2})+)
    |%u(?P<unit>[0-9a-fA-F]{4})""",
    re.VERBOSE | re.DOTALL,
)
_QUOTED_PRINTABLE: Final = re.compile(r"(?P<soft>=\r?\n)|(?P<bytes>(?:=[0-9a-fA-F]{2})+)")
_TAG: Final = re.compile(r"</?[A-Za-z!][^<>]{0,200}>")
_SPACE: Final = re.compile(r"\s+")
_HIGH: Final = re.compile(r"[\x80-\xff]+")
_BASE64: Final = re.compile(rf"[A-Za-z0-9+/_-]{{{_SHORTEST_BASE64},}}={{0,2}}")
_RUN: Final = re.compile(r"[a-z0-9]+")
_CONTROLS: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "a": "\a", "v": "\v"}
_URLSAFE: Final = str.maketrans("-_", "+/")


class View:
    """One reading of a text.

    Args:
        chars: how it reads.
        parent: what it is a reading of; None for the text itself.
        pieces: gives where in the parent its parts come from: begin here, begin and end there, and whether it
            was copied, so that each character has a place of its own. In order, without gaps. It is called
            when a place is asked for, since most readings hold no secret.
    """

    __slots__ = ("_begins", "_parent", "_pieces", "_where", "chars")

    def __init__(
        self,
        chars: str,
        parent: View | None = None,
        pieces: Callable[[], list[tuple[int, int, int, bool]]] = list,
    ) -> None:
        self.chars: str = chars
        self._parent = parent
        self._where = pieces
        self._pieces: list[tuple[int, int, int, bool]] = []
        self._begins: list[int] | None = None

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Place in the text itself where a part of this reading, which is not empty, stands."""
        if self._parent is None:
            return start, end
        return self._parent.place(self._above(start)[0], self._above(end - 1)[1])

    def _above(self, index: int) -> tuple[int, int]:
        if self._begins is None:
            self._pieces = self._where()
            self._begins = [piece[0] for piece in self._pieces]
        begin, start, end, copied = self._pieces[bisect.bisect_right(self._begins, index) - 1]
        return (start + index - begin, start + index - begin + 1) if copied else (start, end)

    def replaced(self, pattern: re.Pattern[str], new: Callable[[re.Match[str]], str | None]) -> View:
        """The reading in which what is found is something else; this one when nothing is found.

        Args:
            pattern: what to look for.
            new: what it stands for; None when it stands for itself.
        """
        texts: list[str] = []
        pieces: list[tuple[int, int, int, bool]] = []
        done = length = 0
        for match in pattern.finditer(self.chars):
            plain = new(match)
            if plain is None:
                continue
            start, end = match.span()
            if start > done:
                pieces.append((length, done, start, True))
                texts.append(self.chars[done:start])
                length += start - done
            if plain:
                pieces.append((length, start, end, False))
                texts.append(plain)
                length += len(plain)
            done = end
        if not done:
            return self
        if done < len(self.chars):
            pieces.append((length, done, len(self.chars), True))
            texts.append(self.chars[done:])
        return View("".join(texts), self, lambda: pieces)

    def base64(self) -> Iterator[View]:
        """Contents of its runs of base64, one view for each way to group the characters in fours."""
        compact = self.replaced(_SPACE, lambda _: "")
        runs = [match.span() for match in _BASE64.finditer(compact.chars)]
        for offset in range(4) if runs else ():
            decoded = [_from_base64(compact.chars[start + offset : end]) for start, end in runs]
            pieces = functools.partial(_decoded_pieces, decoded, runs, offset)
            yield View("".join(f"{each}\n" for each in decoded), compact, pieces)


def _decoded_pieces(
    decoded: list[str], runs: list[tuple[int, int]], offset: int
) -> list[tuple[int, int, int, bool]]:
    pieces: list[tuple[int, int, int, bool]] = []
    length = 0
    for content, (start, end) in zip(decoded, runs, strict=True):
        for index in range(len(content)):
            first = start + offset + index * 8 // 6
            last = start + offset + (index * 8 + 7) // 6
            pieces.append((length + index, first, last + 1, False))
        length += len(content) + 1
        pieces.append((length - 1, end - 1, end, False))
    return pieces


def _from_base64(run: str) -> str:
    run = run.rstrip("=").translate(_URLSAFE)
    if len(run) % 4 == 1:
        run = run[:-1]
    # one character per byte keeps positions; the forms of a secret include that reading
    return binascii.a2b_base64(run + "=" * (-len(run) % 4)).decode("latin-1")


def views(text: str) -> Iterator[View]:
    """The readings of a text: as it is, and less and less encoded; not what base64 in them holds."""
    view = View(text)
    yield view
    if "=" in text:
        plain = view.replaced(_QUOTED_PRINTABLE, _from_quoted_printable)
        if plain is not view:
            yield plain
    for _ in range(_ROUNDS):
        plain = view.replaced(_ESCAPE, _unescaped)
        if plain is view:
            break
        view = plain
        yield view
    if "<" in view.chars:
        yield view.replaced(_TAG, lambda _: "")


def inner_views(view: View, *, utf8: bool) -> Iterator[View]:
    """The readings of what base64 in a reading holds.

    Args:
        view: the reading.
        utf8: other letters than those of ASCII matter.
    """
    for inner in view.base64():
        yield inner
        if "\\" in inner.chars:
            yield inner.replaced(_ESCAPE, _unescaped)
        if utf8:
            yield inner.replaced(_HIGH, lambda found: found[0].encode("latin-1").decode(errors="ignore"))


def _unescaped(match: re.Match[str]) -> str | None:
    kind = match.lastgroup or ""
    said = match[kind]
    if kind == "entity":
        plain = html.unescape(f"&{said};")
        return None if plain.startswith("&") and len(plain) > 1 else plain
    if kind == "percent":
        return _from_bytes(bytes.fromhex(said.replace("%", "")))
    if kind == "one":
        return _CONTROLS.get(said, said)
    if kind == "units":
        units = bytes.fromhex(said.replace("\\u", ""))
        return units.decode("utf-16-be", errors="surrogatepass" if _is_odd(units) else "strict")
    number = int(said, 8 if kind == "octal" else 16)
    return chr(number) if number <= sys.maxunicode else None


def _is_odd(units: bytes) -> bool:
    try:
        units.decode("utf-16-be")
    except UnicodeDecodeError:
        return True
    return False


def _from_quoted_printable(match: re.Match[str]) -> str:
    return "" if match["soft"] else _from_bytes(bytes.fromhex(match["bytes"].replace("=", "")))


def _from_bytes(content: bytes) -> str:
    with contextlib.suppress(UnicodeDecodeError):
        return content.decode()
    return content.decode("latin-1")


@functools.lru_cache(maxsize=4096)
def _folded(char: str) -> str:
    """A character without case, accents and width; empty for what is neither letter nor digit."""
    # the first normalization splits composed characters, the second those that case folding makes
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", char).casefold())
    return "".join(filter(str.isalnum, folded.replace("\u0131", "i")))


class skeleton:  # noqa: N801 - used like a text, of which it keeps each character's position
    """The letters and digits of a reading, without case, accents, width and whatever stands between them.

    Args:
        view: the reading.
    """

    __slots__ = ("_kept", "_view", "chars")

    def __init__(self, view: View) -> None:
        self._view = view
        self._kept: list[int] | None = None
        chars = view.chars
        self.chars: str = (
            "".join(_RUN.findall(chars.lower())) if chars.isascii() else "".join(map(_folded, chars))
        )

    def inside(self, start: int, end: int) -> tuple[int, int]:
        """Place in the reading where a part of the skeleton stands."""
        if self._kept is None:
            self._kept = [
                index for index, char in enumerate(self._view.chars) for _ in range(len(_folded(char)))
            ]
        return self._kept[start], self._kept[end - 1] + 1
