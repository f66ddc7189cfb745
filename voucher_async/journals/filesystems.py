"""The file system that a file is on: SQLite's locks and shared memory work on those of one machine alone."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from voucher_async.errors import JournalFailed

__all__ = ["check_is_local", "type_of"]

_MOUNTS: Final = Path("/proc/self/mountinfo")
_NETWORK: Final = frozenset(
    {
        *("9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "gfs2", "glusterfs", "gpfs", "lustre"),
        *("ncpfs", "nfs", "nfs4", "ocfs2", "prl_fs", "smb2", "smb3", "smbfs", "vboxsf", "virtiofs"),
        *(f"fuse.{name}" for name in ("ceph", "davfs2", "gcsfuse", "glusterfs", "goofys", "juicefs")),
        *(f"fuse.{name}" for name in ("mount-s3", "nfs", "rclone", "s3fs", "smbnetfs", "sshfs")),
        *("fuse.ceph-fuse", "fuse.vmhgfs-fuse"),
    }
)
_OCTAL: Final = re.compile(r"\\([0-7]{3})")


def check_is_local(path: Path) -> None:
    """Refuse a file on a network file system.

    Args:
        path: the file, there or not.

    Raises:
        JournalFailed: its file system is one of a network; the message says which.
    """
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return  # not Linux
    found = type_of(path.resolve(), mounts)
    if found in _NETWORK:
        raise JournalFailed(
            f"the journal {path} is on a network file system ({found}), where SQLite loses writes: "
            "put it on a disk of this machine, or use PostgreSQL for workers on several"
        )


def type_of(path: Path, mounts: str) -> str | None:
    """The type of the file system of a path, as in `/proc/self/mountinfo`.

    Args:
        path: absolute, without symbolic links.
        mounts: the text of that file.
    """
    found: tuple[int, str] | None = None
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields, kinds = before.split(" "), after.split(" ")
        if len(fields) < 5 or not kinds[0]:  # noqa: PLR2004 - the fifth is the mount point
            continue
        point = _OCTAL.sub(lambda code: chr(int(code[1], 8)), fields[4])
        is_above = os.path.commonpath([point, path]) == point
        # of two at one place, the later one hides the other
        if is_above and (found is None or len(point) >= found[0]):
            found = len(point), kinds[0]
    if found is None or (found[1] == "9p" and found[0] == 1):
        return None  # the root of a sandbox such as gVisor is a disk of its own, whatever carries it
    return found[1]
