"""A network of a process's own, whose only interface can be taken down."""

from __future__ import annotations

import fcntl
import functools
import shutil
import socket
import struct
import subprocess

__all__ = ["NoNamespaceError", "prefix", "set_loopback"]

_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 0x1


class NoNamespaceError(RuntimeError):
    """This machine makes no network namespaces."""


@functools.cache
def prefix() -> tuple[str, ...]:
    """The beginning of a command that runs the rest of it in a network namespace of its own.

    Raises:
        NoNamespaceError: it cannot be made, neither as root nor as a user.
    """
    unshare = shutil.which("unshare")
    if unshare is None:
        raise NoNamespaceError("`unshare` of util-linux is needed to take a network down")
    complaints: list[str] = []
    for command in ((unshare, "-n"), (unshare, "-rn")):
        tried = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
        if tried.returncode == 0:
            return command
        complaints.append(f"`{' '.join(command)}`: {tried.stderr.strip()}")
    raise NoNamespaceError(
        f"root or user namespaces are needed to take a network down; {'; '.join(complaints)}"
    )


def set_loopback(*, up: bool) -> None:
    """Bring the loopback interface up, or take it down; only for a process in a namespace of its own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14s", b"lo", 0, b"")
        flags = struct.unpack("16sh14s", fcntl.ioctl(any_socket, _GET_FLAGS, request))[1]
        flags = flags | _UP if up else flags & ~_UP
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh14s", b"lo", flags, b""))
