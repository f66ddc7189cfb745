"""Keeping secrets out of whatever is shown, logged or raised.

Here are secrets as values: texts and bytes that do not show themselves, and those that a call was given. How
they are found in a text is in the other modules, which are loaded when something has to be masked.

Crash reporters write down the `repr` of every local variable of every frame of a traceback. So a secret is
made one of these types on the first line of the first function that gets it, before anything can fail, and
bound to the name it came with.
"""

from __future__ import annotations

import functools
import unicodedata
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, SupportsIndex, TypeVar, cast, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextvars import Token
    from types import TracebackType

__all__ = [
    "MASK",
    "Members",
    "Secret",
    "SecretBytes",
    "Variables",
    "conceal",
    "conceals",
    "given",
    "known",
    "mask",
    "visible",
]

MASK: Final = "***"

C = TypeVar("C", bound=type[Any])

_INVISIBLE: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
_VARIATIONS: Final = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))

_given: Final[ContextVar[tuple[str, ...]]] = ContextVar("voucher_async.given", default=())


class Secret(str):
    """A text whose `repr` is masked; in every other way the text that it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"'{MASK}'"


class SecretBytes(bytes):
    """Bytes whose `repr` is masked, and that of their slices."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"b'{MASK}'"

    @overload
    def __getitem__(self, key: SupportsIndex) -> int: ...
    @overload
    def __getitem__(self, key: slice) -> bytes: ...
    def __getitem__(self, key: SupportsIndex | slice) -> int | bytes:
        """One byte; or a slice, which aiohttp takes of each body and keeps in its frames."""
        return SecretBytes(super().__getitem__(key)) if isinstance(key, slice) else super().__getitem__(key)


_CONCEALED: Final = frozenset({Secret, type(None)})


class _Unfit:
    """Stand-in for a secret of a wrong type, such as a list that holds the code."""

    __slots__ = ()

    def __repr__(self) -> str:
        return MASK


@overload
def conceal(value: None) -> None: ...
@overload
def conceal(value: str) -> str: ...
@overload
def conceal(value: str | None) -> str | None: ...
def conceal(value: Any) -> Any:
    """The same text, not shown by its `repr`.

    Args:
        value: a secret as a caller gave it. None stays None. What is no text becomes an object that is
            nothing but the name of its class, for the error that refuses it.
    """
    if isinstance(value, str):
        return value if type(value) is Secret else Secret(value)
    if value is None or isinstance(value, _Unfit):
        return value
    return type(type(value).__name__, (_Unfit,), {"__slots__": ()})()


def conceals(*names: str) -> Callable[[C], C]:
    """A class decorator: secrets among the keyword arguments are concealed before anything looks at them.

    A converter would be too late: the `__init__` that attrs makes keeps the argument in its frame.

    Args:
        names: the arguments.
    """

    def decorate(cls: C) -> C:
        made: Any = cls.__init__

        @functools.wraps(made)
        def init(self: object, **values: Any) -> None:
            for name in names:
                if name in values and type(values[name]) not in _CONCEALED:
                    values[name] = conceal(values[name])
            made(self, **values)

        setattr(cls, "__init__", init)  # noqa: B010 - to a type checker each class has its own
        return cls

    return decorate


class Members:
    """The members of a JSON object that holds secrets, not shown.

    Args:
        content: what was read; something else than an object has no members.
    """

    __slots__ = ("_content",)

    def __init__(self, content: object) -> None:
        self._content = content

    @property
    def are_some(self) -> bool:
        """True when it is an object."""
        return isinstance(self._content, dict)

    def get(self, name: str, default: object = None) -> Any:
        """One member, or the default."""
        return cast("dict[str, object]", self._content).get(name, default) if self.are_some else default


class Variables:
    """Environment variables, not shown: a secret among them may have any name.

    Args:
        values: the variables.
    """

    __slots__ = ("_get",)

    def __init__(self, values: Mapping[str, str] | Variables) -> None:
        self._get: Callable[[str], str | None] = values.get

    def get(self, name: str) -> str | None:
        """One variable; None when it is not set or empty."""
        return conceal(self._get(name) or None)


class known:  # noqa: N801 - used like a function; a generator-based context manager is slower
    """Inside `with`: these secrets are masked in whatever is said, in every task that is begun there, too.

    Args:
        secrets: what a call was given; None and empty ones are left out.
    """

    __slots__ = ("_secrets", "_token")

    def __init__(self, *secrets: str | None) -> None:
        self._secrets = secrets
        self._token: Token[tuple[str, ...]] | None = None

    def __enter__(self) -> None:
        secrets = _given.get()
        for each in self._secrets:
            if isinstance(each, str) and each and each not in secrets:
                secrets = (*secrets, each)
        self._token = _given.set(secrets)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is None:
            return
        try:  # noqa: SIM105 - on the path of every call, where `suppress` is slower
            _given.reset(self._token)
        except ValueError:
            pass  # an abandoned coroutine is closed in another context, which has no secrets to forget


def given() -> tuple[str, ...]:
    """The secrets that the call under way was given."""
    return _given.get()


def visible(text: str) -> str:
    r"""The text with whatever does not show, or steers a terminal, written as an escape such as `\x1b`.

    It can be encoded as UTF-8, stays on one line and reads in the order in which it is written.

    Args:
        text: what somebody else said.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_visible, text))


def _visible(char: str) -> str:
    if char in _INVISIBLE or any(ord(char) in variations for variations in _VARIATIONS):
        shows = False
    else:
        shows = char.isprintable() or unicodedata.category(char) == "Zs"
    return char if shows else char.encode("unicode_escape").decode()


def mask(text: str, secrets: Iterable[str] = (), *, keep_error_codes: bool = False, cut: bool = False) -> str:
    """Replace secrets in a text by `***`.

    Args:
        text: what is about to be shown.
        secrets: values known to be secret, besides those that the call under way was given; replaced in
            whichever form they stand there, short ones as whole words only.
        keep_error_codes: leave a `"code"` that reads like `VOUCHER.NOT_FOUND`.
        cut: the text may have been cut off: the beginning of a secret at its end is replaced, too.
    """
    from voucher_async.masking.text import Masker  # noqa: PLC0415 - see the top

    return Masker(secrets).mask(text, keep_error_codes=keep_error_codes, cut=cut)
