"""The URL of a journal: its forms, its password, and the file system that it names."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import pytest

from voucher_async import ConfigurationError, JournalFailed
from voucher_async.journals import filesystems
from voucher_async.journals.sql import SqlJournal
from voucher_async.journals.urls import address_of, shown

PASSWORD = "s3cret:@/word"


@pytest.mark.parametrize(
    ("url", "dialect", "place"),
    [
        ("sqlite:///file.db", "sqlite", "file.db"),
        ("sqlite:////var/lib/a b%20c.db", "sqlite", "/var/lib/a b%20c.db"),
        ("SQLite:///C:\\shop\\file.db", "sqlite", "C:\\shop\\file.db"),
        ("postgresql://host/db", "postgresql", "postgresql://host/db"),
        ("postgres://host/db", "postgresql", "postgres://host/db"),
    ],
)
def test_a_url_names_a_place(url: str, dialect: str, place: str) -> None:
    address = address_of(url)
    assert (address.dialect, address.place) == (dialect, place)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://user:s3cret@host/db", r"looks like .*not 'mysql://user:\*\*\*@host/db'"),
        ("vouchers.db", "looks like"),
        ("", "looks like"),
        ("sqlite://", "in memory"),
        ("sqlite:///", "in memory"),
        ("sqlite:////", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:///file::memory:?cache=shared", "in memory"),
        ("sqlite://host/file.db", "no file's URL"),
        ("sqlite://user:s3cret@host/file.db", "no file's URL"),
        ("sqlite:///file.db?timeout=3", "no file's URL"),
    ],
)
def test_what_names_no_place_is_refused(url: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        SqlJournal(url)
    said = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [frame for frame in said.stack if "voucher_async" in frame.filename]
    assert ours
    assert "s3cret" not in str(caught.value) + repr([frame.locals for frame in ours])


@pytest.mark.parametrize(
    ("url", "is_shown_as"),
    [
        ("postgresql://u:s3cret@host/db", "postgresql://u:***@host/db"),
        ("postgresql://u:s3@cr:et@host/db", "postgresql://u:***@host/db"),
        ("postgresql://u@host/db", "postgresql://u@host/db"),
        ("postgresql://host/db?user=u&password=s3cret&x=1", "postgresql://host/db?user=u&password=***&x=1"),
        ("postgresql://u:s3/cr?et@host/db", "postgresql://u:***@host/db"),
        ("sqlite:///file.db", "sqlite:///file.db"),
    ],
)
def test_a_password_is_masked(url: str, is_shown_as: str) -> None:
    assert shown(url) == is_shown_as
    assert repr(SqlJournal(url)) == f"SqlJournal({is_shown_as!r})"


@pytest.mark.parametrize(
    ("url", "is_shown_as"),
    [
        ("redis://s3cret@host:6379/0", "redis://***@host:6379/0"),
        ("rediss://s3@c/ret@host", "rediss://***@host"),
        ("redis://u:s3cret@host", "redis://u:***@host"),
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("rediss://host/0?ssl_password=s3cret&db=1", "rediss://host/0?ssl_password=***&db=1"),
        ("sqlite://s3cret", "sqlite://***"),
        ("SQLite://u:s3cret@host/file.db", "SQLite://***"),
    ],
)
def test_a_password_is_masked_where_no_user_is_named(url: str, is_shown_as: str) -> None:
    assert shown(url) == is_shown_as


@pytest.mark.parametrize(
    ("url", "library", "extra"),
    [
        ("sqlite:///file.db", "sqlalchemy", r"SQLite .*voucher-async\[sqlite\]"),
        ("postgresql://host/db", "asyncpg", r"PostgreSQL .*voucher-async\[postgresql\]"),
    ],
)
def test_an_extra_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, url: str, library: str, extra: str
) -> None:
    for name in [each for each in sys.modules if each.startswith("voucher_async.journals")]:
        monkeypatch.delitem(sys.modules, name)
    for name in [each for each in sys.modules if each.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ConfigurationError, match=extra):
        SqlJournal(url)


MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /mnt/share rw - nfs4 server:/export rw
31 30 8:2 / /mnt/share/disk rw - xfs /dev/sdb1 rw
32 22 0:41 / /mnt/two\\040words rw - cifs //server/x rw
33 22 0:42 / /over rw - nfs server:/y rw
34 22 8:3 / /over rw - ext4 /dev/sdc1 rw
"""


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/home/file.db", "ext4"),
        ("/mnt/share/file.db", "nfs4"),
        ("/mnt/shared/file.db", "ext4"),
        ("/mnt/share/disk/file.db", "xfs"),
        ("/mnt/two words/file.db", "cifs"),
        ("/over/file.db", "ext4"),
    ],
)
def test_the_file_system_of_a_path(path: str, found: str) -> None:
    assert filesystems.type_of(Path(path), MOUNTS) == found


@pytest.mark.parametrize(("mount", "found"), [("/", None), ("/mnt/c", "9p")])
def test_the_root_of_a_sandbox_is_no_network(mount: str, found: str | None) -> None:
    mounts = f"1 0 0:1 / {mount} rw - 9p none rw\nrubbish\n"
    assert filesystems.type_of(Path("/mnt/c/file.db"), mounts) == found


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph"])
async def test_a_network_file_system_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        f"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:1 / {tmp_path.resolve()} rw - {kind} x rw\n"
    )
    monkeypatch.setattr(filesystems, "_MOUNTS", mounts)
    journal = SqlJournal(f"sqlite:///{tmp_path}/journal.db")
    with pytest.raises(JournalFailed, match=rf"network file system \({kind}\).*PostgreSQL"):
        await journal.digest_key()
    assert not (tmp_path / "journal.db").exists()
    mounts.unlink()  # as where there is no such file
    assert len(await journal.digest_key()) == 32
    await journal.aclose()
