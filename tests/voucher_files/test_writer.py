"""A file that takes vouchers as they are issued."""

from __future__ import annotations

import csv
import errno
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.frame_locals import shown_locals
from tests.voucher_files.made import voucher
from voucher_async import ConfigurationError, models
from voucher_async.voucher_files import CSV_HEADER, InvalidVoucherFile, VoucherWriter, csv_line, json_line

UNQUOTED = csv_line(voucher(3)).replace('"', "")
ROOT = Path(__file__).resolve().parents[2]


def written(path: Path, *numbers: int, **changes: Any) -> int:
    with VoucherWriter(path) as writer:
        return writer.write(*(voucher(number, **changes) for number in numbers))


def content(*numbers: int) -> str:
    return "".join(f"{line}\n" for line in [CSV_HEADER, *(csv_line(voucher(number)) for number in numbers)])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cards.csv"


def test_each_voucher_is_in_the_file_once(path: Path) -> None:
    with VoucherWriter(path) as writer:
        assert [writer.write(voucher(1)), writer.write(voucher(1)), writer.write(voucher(2), voucher(1))] == [
            *(1, 0, 1)
        ]
        assert (len(writer), "v-1" in writer, "v-3" in writer) == (2, True, False)
        assert path.read_text() == content(1, 2)
    assert written(path, 1, 2, 3) == 1
    assert path.read_text() == content(1, 2, 3)


def test_the_file_is_its_owner_s_alone(path: Path) -> None:
    path.touch(0o644)
    written(path, 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    other = path.with_name("new.csv")
    before = os.umask(0)
    try:
        written(other, 1)
    finally:
        os.umask(before)
    assert stat.S_IMODE(other.stat().st_mode) == 0o600


def test_json_lines_have_what_the_csv_lacks(tmp_path: Path) -> None:
    path = tmp_path / "cards.jsonl"
    written(path, 1, order_number="A-1")
    with path.open("a") as file:
        file.write(json_line(voucher(2))[:-1])
    assert written(path, 1, 2, order_number="A-1") == 1
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["id"], line["order_number"]) for line in lines] == [("v-1", "A-1"), ("v-2", "A-1")]


def test_a_file_cut_anywhere_is_continued(path: Path) -> None:
    odd = {"sku": 'a;"\nb', "valid_until": None, "pin": None}
    written(path, 1)
    written(path, 2, **odd)
    whole = path.read_bytes()
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        with VoucherWriter(path) as writer:
            writer.write(voucher(1), voucher(2, **odd))
        assert path.read_bytes() == whole, length


def test_zeros_at_the_end_after_a_power_failure_are_cut_off(path: Path) -> None:
    path.write_bytes(content(1).encode() + bytes(512))
    assert written(path, 1, 2) == 1
    assert path.read_text() == content(1, 2)


def test_a_file_that_a_spreadsheet_has_saved_is_continued(path: Path) -> None:
    rows = list(csv.reader(content(1, 2).splitlines(), delimiter=";"))
    saved = "\ufeff" + "\r\n".join(";".join(row) for row in rows)
    path.write_text(saved, encoding="utf-8", newline="")
    with VoucherWriter(path) as writer:
        assert "v-2" in writer
        writer.write(voucher(3))
        assert path.read_bytes().decode().endswith(f"\n{csv_line(voucher(3))}\n")
    assert written(path, 1, 2, 3) == 2
    assert path.read_text(encoding="utf-8-sig").splitlines()[1:] == content(1, 2, 3).splitlines()[1:]


def test_a_voucher_that_has_changed_takes_the_place_of_its_line(path: Path) -> None:
    written(path, 1, 2, 3)
    with VoucherWriter(path) as writer:
        assert writer.write(voucher(2, status="inactive")) == 1
        assert writer.write(voucher(4)) == 1
        assert path.read_text() == content(1, 2, 3, 4)
    assert path.read_text() == content(1, 2, 3, 4).replace(
        csv_line(voucher(2)), csv_line(voucher(2, status="inactive"))
    )
    assert [each.name for each in path.parent.iterdir()] == ["cards.csv"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_latest_change_counts_and_ends_of_lines_are_none(path: Path) -> None:
    path.write_text(content(1), newline="\r\n")
    assert written(path, 1) == 0
    with VoucherWriter(path) as writer:
        assert [writer.write(voucher(1, status=status)) for status in ("inactive", "active")] == [1, 1]
    assert path.read_text() == content(1)


def test_a_voucher_without_its_code_replaces_no_line(path: Path) -> None:
    written(path, 1)
    full = voucher(1, status="inactive").to_dict()
    bare = models.Voucher.from_dict({name: full[name] for name in full if name not in {"code", "pin"}})
    with VoucherWriter(path) as writer:
        assert writer.write(bare) == 0
    assert path.read_text() == content(1)
    other = path.with_name("bare.csv")
    with VoucherWriter(other) as writer:
        assert writer.write(bare) == 1
    assert other.read_text().splitlines()[1].startswith('"v-1";"";"";')


@pytest.mark.parametrize("is_link", [True, False])
def test_what_lies_in_the_place_of_the_new_file_never_gets_a_code(path: Path, *, is_link: bool) -> None:
    written(path, 1)
    beside = path.with_name(f".{path.name}.new")
    spy = path.with_name("spy") if is_link else beside
    spy.touch(mode=0o644)
    if is_link:
        beside.symlink_to(spy)
    with spy.open() as reader, VoucherWriter(path) as writer:
        writer.write(voucher(1, status="inactive"))
        writer.close()
        assert reader.read() == ""
    assert "inactive" in path.read_text()
    assert (path.is_symlink(), stat.S_IMODE(path.stat().st_mode)) == (False, 0o600)


def test_a_link_stays_a_link(path: Path) -> None:
    link = path.with_name("link.csv")
    link.symlink_to(path)
    written(path, 1)
    written(link, 1, status="inactive")
    assert link.is_symlink()
    assert path.read_text() == content(1).replace('"active"', '"inactive"')


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a shopping list\n", 1),
        ("custom_id;code\nv-1;SECRET\n", 1),
        (content(1).split("\n", 1)[1], 1),
        (f"{content(1)}v-2;SECRET\n", 3),
        (f"{content(1)}{csv_line(voucher(2))}x\n", 3),
        (f"{content(1)}v-2;SECRET", 3),
        (f'{content(1)}"v-2";"SEC"RET', 3),
        (f'{content(1)}"v-2;SECRET\n{csv_line(voucher(3))}\n', 3),
        (f'{content(1)}"v-2";SECRET\n{UNQUOTED}\n', 3),
        (f'{content(1)}"v-2;SECRET\n{UNQUOTED}\n', 3),
    ],
)
def test_a_file_of_something_else_is_left_as_it_is(path: Path, text: str, line: int) -> None:
    path.write_text(text)
    path.chmod(0o640)
    with pytest.raises(InvalidVoucherFile, match=f"line {line}: is no line of vouchers") as caught:
        VoucherWriter(path)
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == (text, 0o640)
    assert "SECRET" not in str([str(caught.value), *shown_locals(caught.value)])


def test_other_json_is_left_as_it_is(path: Path) -> None:
    path.write_text('["v-1"]\n')
    with pytest.raises(InvalidVoucherFile, match="line 1: is no voucher as a JSON object"):
        VoucherWriter(path, layout="jsonl")
    assert path.read_text() == '["v-1"]\n'


def test_two_writers_of_one_file_are_one_too_many(path: Path) -> None:
    with VoucherWriter(path), pytest.raises(ConfigurationError, match="is being written"):
        VoucherWriter(path)
    assert written(path, 1) == 1


def test_what_is_no_regular_file_is_refused(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(ConfigurationError, match="no regular file"):
        VoucherWriter(path)


def test_closing_again_does_nothing_and_writing_then_is_refused(path: Path) -> None:
    writer = VoucherWriter(path)
    writer.close()
    writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.write(voucher(1))


class FullDisk:
    """Takes so many bytes more, and then fails as a full disk does, or otherwise."""

    def __init__(self, room: int, error: type[BaseException] = OSError) -> None:
        self.room = room
        self.error = error

    def write(self, write: Any, part: memoryview) -> int:
        if not self.room:
            raise self.error(errno.ENOSPC, "No space left on device")
        count = int(write(part[: self.room]))
        self.room -= count
        return count


def limited(writer: VoucherWriter, disk: FullDisk) -> Any:
    file = writer._file

    class Limited:
        def __getattr__(self, name: str) -> Any:
            return getattr(file, name)

        def write(self, part: memoryview) -> int:
            return disk.write(file.write, part)

    return Limited()


def test_a_full_disk_leaves_whole_lines_and_the_voucher_can_be_written_again(path: Path) -> None:
    with VoucherWriter(path) as writer:
        writer.write(voucher(1))
        disk = FullDisk(room=20)
        writer._file = limited(writer, disk)
        with pytest.raises(OSError, match="No space left") as caught:
            writer.write(voucher(2), voucher(3))
        assert path.read_text() == content(1)
        assert ("v-2" in writer, len(writer)) == (False, 1)
        assert "CODE-00002" not in " ".join(shown_locals(caught.value))
        disk.room = 10_000
        assert writer.write(voucher(2), voucher(3)) == 2
    assert path.read_text() == content(1, 2, 3)


def test_ctrl_c_within_a_line_takes_it_back(path: Path) -> None:
    with VoucherWriter(path) as writer:
        writer._file = limited(writer, FullDisk(20, KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            writer.write(voucher(1))
        assert path.read_text() == content()
    assert written(path, 1) == 1
    assert path.read_text() == content(1)


def test_a_file_that_may_not_grow_keeps_its_lines(path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with VoucherWriter(path) as writer:
        writer.write(voucher(1))
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, limits[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                writer.write(voucher(2))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert path.read_text() == content(1)
        assert writer.write(voucher(2)) == 1
    assert path.read_text() == content(1, 2)


def test_when_the_line_cannot_be_taken_back_at_once_it_is_before_the_next(path: Path) -> None:
    with VoucherWriter(path) as writer:
        disk = FullDisk(room=20)
        file = writer._file
        broken = limited(writer, disk)
        broken.truncate = lambda _: disk.write(None, memoryview(b""))
        writer._file = broken
        with pytest.raises(OSError, match="No space left"):
            writer.write(voucher(1))
        assert path.read_text() != content()
        writer._file = file
        writer.write(voucher(2))
    assert path.read_text() == content(2)


def test_when_changed_lines_cannot_be_written_the_file_stays(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(path, 1)

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    writer = VoucherWriter(path)
    writer.write(voucher(1, status="inactive"))
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="Input/output") as caught:
        writer.close()
    assert "CODE" not in " ".join(shown_locals(caught.value))
    assert path.read_text() == content(1)
    assert [each.name for each in path.parent.iterdir()] == ["cards.csv"]


def test_threads_may_share_a_writer(path: Path) -> None:
    with VoucherWriter(path) as writer:
        threads = [
            threading.Thread(target=lambda: [writer.write(voucher(number)) for number in range(8)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(path.read_text().splitlines()) == sorted(content(*range(8)).splitlines())


@pytest.mark.parametrize("after", [1, 30])
def test_a_killed_run_loses_nothing_that_was_written(path: Path, after: int) -> None:
    told = 0
    for _ in range(2):
        command = [sys.executable, "-m", "tests.voucher_files.killed", str(path)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(after):
                told = max(told, int(process.stdout.readline()))
            os.kill(process.pid, signal.SIGKILL)
    with VoucherWriter(path) as writer:
        assert len(writer) > told
        last = len(writer)
        writer.write(*map(voucher, range(last + 10)))
    assert path.read_text() == content(*range(last + 10))
