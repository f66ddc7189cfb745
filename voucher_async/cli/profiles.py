"""Profiles: the settings and credentials of a client on this machine, a file of variables each.

A profile is a file of lines such as `VOUCHER_CLIENT_ID=...`, which a shell can read, too. Only its owner may
read it. Variables of the process are never mixed with those of a profile: a secret of one environment would
be sent to another.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import attrs
import platformdirs

from voucher_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Profile", "ProfileFile", "find_profile", "new_profile", "profile_names", "to_lines"]

_VARIABLE: Final = "VOUCHER_PROFILE"
_DEFAULT: Final = "default"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_APP: Final = "voucher-async"
_ROOM: Final = 4096  # bytes, more than a profile takes: a disk that is full is found before the PIN is spent


@attrs.frozen(kw_only=True)
class Profile:
    """The variables a command works with, and where they are from.

    Attributes:
        name: its name; None where the variables are those of the process.
        variables: `VOUCHER_*`, as `VoucherClient.from_env` reads them; not shown in the repr.
        source: a file or "the environment", for people.
        journal: the URL of the journal of money calls.
    """

    name: str | None
    variables: Mapping[str, str] = attrs.field(repr=False)
    source: str
    journal: str = attrs.field(repr=False)


def find_profile(name: str | None, environ: Mapping[str, str]) -> Profile:
    """The profile of a command.

    That with the given name, or named by `VOUCHER_PROFILE`; else the variables of the process where they
    have credentials; else the profile `default`.

    Args:
        name: its name; None where none was given.
        environ: the variables of the process.

    Raises:
        ConfigurationError: there is no such profile, or it cannot be read.
    """
    name = name or environ.get(_VARIABLE) or None
    if name is None and "VOUCHER_CLIENT_ID" in environ:
        variables = {key: value for key, value in environ.items() if key.startswith("VOUCHER_")}
        return _profile(None, variables, "the environment")
    path = _path(name or _DEFAULT)
    if path.exists() and not path.is_file():  # reading a pipe would never end
        raise ConfigurationError(f"the profile {path} is no file")
    try:
        text = path.read_text(encoding="utf-8-sig")  # editors of Windows begin a file with a mark
    except FileNotFoundError:
        raise ConfigurationError(_unknown(name)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the profile {path} cannot be read: {error}") from None
    _check_private(path)
    return _profile(name or _DEFAULT, dict(_variables(text, path)), str(path))


def _profile(name: str | None, variables: Mapping[str, str], source: str) -> Profile:
    journal = variables.get("VOUCHER_JOURNAL") or _journal_of(name)
    return Profile(name=name, variables=variables, source=source, journal=journal)


def _unknown(name: str | None) -> str:
    known = ", ".join(profile_names())
    if name is not None:
        return f"there is no profile {name!r}; " + (f"there are: {known}" if known else "there is none yet")
    there = f"; the profiles {known} are chosen by --profile" if known else ""
    return (
        "no credentials: neither a profile nor VOUCHER_CLIENT_ID is there; "
        f"`voucher-async connect` makes a profile from a connection PIN{there}"
    )


def _variables(text: str, path: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            words = ["?", "?"]
        words = words[1:] if words[:1] == ["export"] else words
        if not words:
            continue
        key, is_assigned, value = words[0].partition("=")
        if len(words) > 1 or not is_assigned:  # never the line itself, which may hold the secret
            raise ConfigurationError(f"line {number} of the profile {path} must be NAME=VALUE")
        yield key, value


def _check_private(path: Path) -> None:
    mode = path.stat().st_mode & 0o077
    if os.name == "posix" and mode:
        raise ConfigurationError(f"others may read the profile {path}, which holds a secret: chmod 600 it")


def new_profile(name: str | None) -> Path:
    """The file of a profile that is to be made; None: that named by `VOUCHER_PROFILE`, or the default one.

    Raises:
        ConfigurationError: the name cannot be one of a profile.
    """
    return _path(name or os.environ.get(_VARIABLE) or _DEFAULT)


def _path(name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise ConfigurationError("a profile's name has letters, digits, dots, hyphens and underscores alone")
    return _folder() / f"{name}.env"


def _folder() -> Path:
    return Path(platformdirs.user_config_dir(_APP, appauthor=False, roaming=False))


def profile_names() -> tuple[str, ...]:
    """The names of the profiles on this machine."""
    with contextlib.suppress(OSError):
        return tuple(sorted(path.stem for path in _folder().glob("*.env")))
    return ()


def _journal_of(name: str | None) -> str:
    folder = Path(platformdirs.user_state_dir(_APP, appauthor=False))
    with contextlib.suppress(OSError):  # a command that needs the journal says so when it opens it
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return f"sqlite:///{folder}/{name or 'environment'}.db"


def to_lines(variables: Mapping[str, str]) -> str:
    """The text of a file with variables, which a shell and `find_profile` read alike."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())


class ProfileFile:
    """A file with credentials that is there, and can be written, before there are any.

    Whoever spends a connection PIN has to be sure of that before. Use it as a context manager: left without
    `keep`, it leaves nothing behind.

    Args:
        path: where the file will be; one that is there already is replaced by `keep` alone.
        replace: replace one that is there; without it one that somebody else has made meanwhile is left.
    """

    def __init__(self, path: Path, *, replace: bool) -> None:
        self._path = path
        self._replace = replace
        self._temporary: Path | None = None

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)  # mode 0600
            self._temporary = Path(name)
            with os.fdopen(handle, "wb") as file:
                file.write(b"#" * _ROOM)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            self.__exit__()
            raise ConfigurationError(
                f"{self._path} cannot be written ({error.strerror}); the PIN was not used"
            ) from None
        return self

    def keep(self, variables: Mapping[str, str]) -> Path:
        """Write the variables, and put the file in its place at once.

        Returns:
            Its path.

        Raises:
            OSError: it cannot be written after all, or there is one meanwhile.
        """
        assert self._temporary is not None  # noqa: S101 - entered before
        with self._temporary.open("r+", encoding="utf-8") as file:
            file.write(to_lines(variables))
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        if self._replace or not self._linked(self._temporary):
            self._temporary.replace(self._path)
            self._temporary = None
        return self._path

    def _linked(self, temporary: Path) -> bool:
        """Give the file its name unless it is taken; False where the file system cannot."""
        try:
            self._path.hardlink_to(temporary)
        except FileExistsError:
            raise
        except (OSError, NotImplementedError):
            return False
        return True

    def __exit__(self, *_: object) -> None:
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)
