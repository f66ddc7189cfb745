"""Places in a text where the known secrets stand, in whichever form a server may give them back."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

from voucher_async.masking.views import View, inner_views, skeleton, views

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Finder"]

_SHORT: Final = 4
_LONG: Final = 6
_TAIL: Final = 1536  # characters at a text's end among which a secret may have been cut
_CUT_ESCAPE: Final = re.compile(
    r"(?:&[#\w]{0,9}|%u?[0-9a-fA-F]{0,3}|\\[uUx]?[0-9a-fA-F{]{0,7}|=[0-9a-fA-F]?)\Z"
)


def _bare(text: str) -> str:
    return skeleton(View(text)).chars


class _Known:
    """One secret, and what gives it away.

    Args:
        secret: the secret, not empty.
    """

    __slots__ = ("before", "behind", "exact", "forms", "word")

    def __init__(self, secret: str) -> None:
        text = secret.strip() or secret
        bare = _bare(text)
        self.exact: tuple[str, ...] = tuple(each for each in {secret, text} if len(each) >= _SHORT)
        self.word: str = bare if len(bare) < _SHORT else ""
        self.forms: frozenset[str] = frozenset(
            form for form in _forms(text, bare) if len(form) >= _SHORT and len(bare) >= _SHORT
        )
        # punctuation of the secret itself, around its letters and digits
        inner = [index for index, char in enumerate(text) if _bare(char)]
        self.before: str = text[: inner[0]] if inner else ""
        self.behind: str = text[inner[-1] + 1 :] if inner else ""


def _forms(text: str, bare: str) -> Iterator[str]:
    yield bare
    yield bare[::-1]
    if not text.isascii():
        # the secret decoded with a wrong encoding, or without its letters beyond ASCII
        yield from (_bare(_misread(text)), _bare(_misread(text, "cp1252")))
        for kept in (text, unicodedata.normalize("NFD", text)):
            yield _bare(kept.encode("ascii", "ignore").decode())
    plain = "".join(filter(str.isalnum, text))
    for spelling in {text, text.upper(), text.lower(), plain, plain.upper(), plain.lower()}:
        yield spelling.encode(errors="surrogatepass").hex()


def _misread(text: str, encoding: str = "latin-1") -> str:
    return text.encode(errors="surrogatepass").decode(encoding, errors="replace")


class Finder:
    """Finds some secrets in any number of texts.

    Args:
        secrets: what must not be shown; empty ones are left out.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._known = [_Known(secret) for secret in dict.fromkeys(filter(None, secrets))]
        self._forms = {form for known in self._known for form in known.forms}
        self._utf8 = any(not exact.isascii() for known in self._known for exact in known.exact)
        self._exact = {exact for known in self._known for exact in known.exact}

    def places(self, text: str, *, cut: bool = False) -> list[tuple[int, int]]:
        """Places where the secrets stand, in order; places may overlap.

        Args:
            text: where to look.
            cut: the text may have been cut off: the beginning of a secret at its end counts, too.
        """
        if not self._known or not text:
            return []
        found: list[tuple[int, int]] = []
        for view in views(text):
            found += self._in_view(view, _SHORT)
            for inner in inner_views(view, utf8=self._utf8):
                # decoded bytes match a short secret by chance
                found += self._in_view(inner, _LONG)
                if cut:
                    found += self._at_the_end(inner, len(text))
            if cut:
                found += self._at_the_end(view, len(text))
        return sorted(found)

    def _in_view(self, view: View, loose: int) -> Iterator[tuple[int, int]]:
        """Places in one reading; forms shorter than `loose` count only in one piece."""
        bare = skeleton(view)
        lower = view.chars.lower()
        for known in self._known:
            for exact in known.exact:
                spans = (
                    _all(lower, exact.lower()) if len(lower) == len(view.chars) else _all(view.chars, exact)
                )
                yield from (view.place(*span) for span in spans)
            for form in known.forms:
                for start, end in (bare.inside(*span) for span in _all(bare.chars, form)):
                    if len(form) >= loose or end - start == len(form):
                        yield view.place(*_wider(view.chars, start, end, known))
            if known.word and loose == _SHORT:
                yield from (view.place(*span) for span in _words(view.chars, bare, known.word))

    def _at_the_end(self, view: View, end: int) -> Iterator[tuple[int, int]]:
        """The beginning of a secret at the end of the text, and what is left of an escape behind it."""
        tail = view.chars[-_TAIL:]
        offset = len(view.chars) - len(tail)
        whole = len(tail)
        for chars in {tail, _CUT_ESCAPE.sub("", tail), tail.rstrip()}:
            bare = skeleton(View(chars))
            starts = [
                bare.inside(len(bare.chars) - length, len(bare.chars))[0]
                for length in self._lengths(self._forms, bare.chars)
            ]
            starts += [len(chars) - length for length in self._lengths(self._exact, chars)]
            for start in starts:
                yield view.place(offset + start, offset + whole)[0], end

    @staticmethod
    def _lengths(forms: Iterable[str], chars: str) -> Iterator[int]:
        """Length of the part of each form that the text ends with."""
        for form in forms:
            start = chars.find(form[:_SHORT], max(len(chars) - len(form) + 1, 0))
            while start >= 0 and not form.startswith(chars[start:]):
                start = chars.find(form[:_SHORT], start + 1)
            if start >= 0:
                yield len(chars) - start


def _all(text: str, form: str) -> Iterator[tuple[int, int]]:
    start = text.find(form)
    while start >= 0:
        yield start, start + len(form)
        start = text.find(form, start + 1)


def _wider(chars: str, start: int, end: int, known: _Known) -> tuple[int, int]:
    """Place widened by those signs around it that belong to the secret."""
    for sign in reversed(known.before):
        if start == 0 or chars[start - 1] != sign:
            break
        start -= 1
    for sign in known.behind:
        if end == len(chars) or chars[end] != sign:
            break
        end += 1
    return start, end


def _words(chars: str, bare: skeleton, word: str) -> Iterator[tuple[int, int]]:
    """Places where a short secret is a word of its own, in one piece."""
    for span in _all(bare.chars, word):
        start, end = bare.inside(*span)
        if end - start == len(word) and not _is_in_word(chars, start - 1) and not _is_in_word(chars, end):
            yield start, end


def _is_in_word(chars: str, index: int) -> bool:
    return 0 <= index < len(chars) and (chars[index].isalnum() or chars[index] == "_")
