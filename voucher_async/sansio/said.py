"""Words of a server, fit to be shown: masked, visible, and no more of them than somebody may read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import attrs

from voucher_async import wire
from voucher_async.errors import FieldError
from voucher_async.masking import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from voucher_async.masking.text import Masker

__all__ = ["SAID", "Envelope", "excerpt_of", "quoted", "shorten"]

SAID: Final = 500
"""Characters of a server's words that stand in an error's text."""

_EXCERPT: Final = 200
_MESSAGE: Final = 65_536
_CODE: Final = 255
_LEAST: Final = 1024
_FIELDS: Final = 100
_FIELD_TEXTS: Final = (("code", _CODE), ("property", _CODE), ("rule", _CODE), ("message", SAID))
_SEARCHED: Final = 16_384


@attrs.frozen(kw_only=True)
class Envelope:
    """The content of an error answer, from whichever of the two known forms it has.

    Attributes:
        code: the API's code, or OAuth's.
        message: the server's own words.
        field_errors: the complaints about single fields, the first hundred at most.
        is_api: it is the API's own form: with a `code`, or with a `message` and the `status` of the answer.
    """

    is_api: bool = False
    code: str | None = None
    message: str | None = None
    field_errors: tuple[FieldError, ...] = ()

    @classmethod
    def read(cls, masker: Masker, body: bytes, status: int) -> Envelope:
        """Read what a body says; nothing when it is in neither form.

        Args:
            masker: knows the secrets.
            body: of the answer.
            status: of the answer; an object that tells another one is somebody else's.
        """
        try:
            content = wire.parse(body)
        except wire.WireError:
            return cls()
        if not isinstance(content, dict):
            return cls()

        def text(source: dict[str, object], name: str, limit: int = _CODE) -> str | None:
            value = source.get(name)
            return (
                masker.shown(value, limit, most=max(limit, _LEAST))
                if isinstance(value, str) and value
                else None
            )

        said = cast("dict[str, object]", content)
        return cls(
            is_api=_is_api(said, status),
            code=text(said, "code") or text(said, "error"),
            message=text(said, "message", _MESSAGE) or text(said, "error_description", _MESSAGE),
            field_errors=tuple(_field_errors(said.get("errors"), text)),
        )


def _is_api(said: dict[str, object], status: int) -> bool:
    """True when an object is in the API's own form; one that tells another status is somebody else's."""
    code, message, told = said.get("code"), said.get("message"), said.get("status")
    if told is not None and str(told) != str(status):
        return False
    return bool(isinstance(code, str) and code) or (told is not None and isinstance(message, str))


def _field_errors(
    errors: object, text: Callable[[dict[str, object], str, int], str | None]
) -> Iterator[FieldError]:
    """The complaints about fields, as many as somebody may read: masking them all would take its time."""
    items = cast("list[object]", errors) if isinstance(errors, list) else []
    size = 0
    for number, item in enumerate(items):
        if number == _FIELDS or size > _MESSAGE:
            yield FieldError(message=f"{len(items) - number} more were left out")
            return
        if isinstance(item, dict):
            said = cast("dict[str, object]", item)
            texts = {name: text(said, name, limit) for name, limit in _FIELD_TEXTS}
            size += sum(min(len(value), _LEAST) for value in said.values() if isinstance(value, str))
            yield FieldError(**texts)


def excerpt_of(masker: Masker, body: bytes, *, keep_error_codes: bool) -> str:
    """The beginning of a body, on one line.

    Args:
        masker: knows the secrets.
        body: of the answer.
        keep_error_codes: as for `mask`.
    """
    # masked before it is cut: a secret cut in half would not be recognised
    text = masker.mask(body[:_SEARCHED].decode(errors="replace"), keep_error_codes=keep_error_codes, cut=True)
    return shorten(visible(" ".join(text.split())), _EXCERPT)


def quoted(text: str) -> str:
    """In quotation marks; what does not show is escaped already, `repr` would do it twice."""
    return f"'{text}'"


def shorten(text: str, limit: int) -> str:
    """A text of so many characters at most, and three dots when something is missing."""
    return text if len(text) <= limit else f"{text[:limit]}..."
