"""Files and tables are complete or unchanged."""

from __future__ import annotations

import csv
import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from wstal.base.errors import DiskFullError, MediaError, WstalError
from wstal.base.files import (
    MIN_FREE,
    atomic_path,
    copy_file,
    from_sheet,
    read_cached,
    read_frame,
    read_table,
    remove_left_over,
    require_ids,
    sheet_text,
    write_cached,
    write_csv,
    write_frame,
    write_json,
)


def test_file_appears_only_when_the_block_succeeds(tmp_path):
    target = tmp_path / "deep" / "file.txt"
    with atomic_path(target) as temporary:
        temporary.write_text("new")
        assert not target.exists()
        assert temporary.suffix == ".txt" and temporary.parent == target.parent
    assert target.read_text() == "new"


def test_failure_keeps_the_old_file_and_leaves_nothing_behind(tmp_path):
    target = tmp_path / "file.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("killed")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.fixture
def disk(monkeypatch):
    """What is asked of the disk, in order: (`fsync` of which file, or `rename` to which)."""
    asked, flush, rename = [], os.fsync, os.rename

    def fsync(number):
        asked.append(("fsync", Path(f"/proc/self/fd/{number}").readlink().name))
        flush(number)

    def replace(source, target):
        asked.append(("rename", Path(target).name))
        rename(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    return asked


def test_bytes_are_on_the_disk_before_the_name_and_the_name_before_the_end(tmp_path, disk):
    with atomic_path(tmp_path / "scores.h5") as temporary:
        temporary.write_text("whole")
    assert disk == [("fsync", temporary.name), ("rename", "scores.h5"), ("fsync", tmp_path.name)]
    disk.clear()
    copy_file(tmp_path / "scores.h5", tmp_path / "copy.h5")
    assert [step for step, _ in disk] == ["fsync", "rename", "fsync"]
    assert (tmp_path / "copy.h5").read_text() == "whole"


def test_a_disk_that_does_not_take_the_bytes_keeps_the_old_file(tmp_path, monkeypatch):
    def refuse(_):
        raise OSError(28, "No space left on device")

    (tmp_path / "a.csv").write_text("old")
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(DiskFullError, match="the disk is full"):
        write_csv(tmp_path / "a.csv", ["a"], [])
    assert (tmp_path / "a.csv").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_a_file_system_that_cannot_flush_folders_is_used_as_it_is(tmp_path, monkeypatch):
    flush = os.fsync

    def refuse(number):
        if Path(f"/proc/self/fd/{number}").is_dir():
            raise OSError(22, "Invalid argument")
        flush(number)

    monkeypatch.setattr(os, "fsync", refuse)
    write_csv(tmp_path / "a.csv", ["a"], [])
    assert (tmp_path / "a.csv").read_text() == "a\n"


def test_a_cache_waits_for_no_disk_and_may_be_lost(tmp_path, disk):
    write_cached(tmp_path / "kept.json", {"a": 1})
    assert disk == [("rename", "kept.json")]
    (tmp_path / "kept.json").write_text("")  # what a power cut leaves
    assert read_cached(tmp_path / "kept.json") is None


def test_json_refuses_nan_and_keeps_text(tmp_path):
    write_json(tmp_path / "a.json", {"name": "Ärger", "x": [1, 2]})
    assert json.loads((tmp_path / "a.json").read_text())["name"] == "Ärger"
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert json.loads((tmp_path / "a.json").read_text())["x"] == [1, 2]


def test_csv_refuses_unknown_columns(tmp_path):
    write_csv(tmp_path / "a.csv", ["a", "b"], [{"a": 1, "b": 'x,"y"'}])
    assert (tmp_path / "a.csv").read_text() == 'a,b\n1,"x,""y"""\n'
    with pytest.raises(ValueError, match="fields not in fieldnames"):
        write_csv(tmp_path / "a.csv", ["a"], [{"c": 1}])


def test_what_a_killed_writer_left_goes_at_the_next_write_in_its_folder(tmp_path):
    write = (
        "import os, sys; from wstal.base.files import atomic_path\n"
        "with atomic_path(sys.argv[1]) as path: path.write_text('half'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", write, tmp_path / "a b.h5"])
    assert [path.name.startswith(".a b.") for path in tmp_path.iterdir()] == [True]
    write_json(tmp_path / "other.json", 1)
    assert [path.name for path in tmp_path.iterdir()] == ["other.json"]


def test_what_a_running_or_unseen_writer_has_begun_stays_for_a_day(tmp_path):
    with atomic_path(tmp_path / "a b.h5") as temporary:
        temporary.touch()
        own, elsewhere = temporary.name, ".b.0123456700000a0001.h5"
        others = [".hidden.h5", "e.0123456700000a0001.h5", ".c.01234567.h5"]
        for name in (elsewhere, *others):
            (tmp_path / name).touch()
        remove_left_over(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {own, elsewhere, *others}
        for path in tmp_path.iterdir():
            os.utime(path, (time.time() - 90000,) * 2)
        remove_left_over(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == set(others)
        temporary.touch()
    remove_left_over(tmp_path / "absent")


def test_a_table_is_whole_or_what_it_was(tmp_path):
    path, frame = tmp_path / "new/map.csv", pd.DataFrame({"run": ["a"], "value": [1 / 3]})
    write_frame(path, frame, float_format="%.2f")
    assert path.read_text() == "run,value\na,0.33\n"
    with pytest.raises(ValueError, match="format"):
        write_frame(path, frame, float_format="%q")
    assert path.read_text() == "run,value\na,0.33\n" and len(list(path.parent.iterdir())) == 1


@pytest.mark.parametrize("content", [None, b"", b'a,b\n"1,2\n', b"\xff\xfe"])
def test_a_file_that_is_no_table_is_named(tmp_path, content):
    path = tmp_path / "map.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WstalError, match=r"map\.csv.*remove it and run again"):
        read_frame(path)


TABLE = "id,rows,reason\na,4,\nb,0,no file\n"


def test_rows_of_a_table_are_read_as_written(tmp_path):
    path = tmp_path / "shard0.csv"
    odd = 'x\u2028y, "z"\n'  # a line separator ends no row
    write_csv(path, ["id", "rows"], [{"id": odd, "rows": 1}])
    assert read_table(path, ("rows",)) == [{"id": odd, "rows": "1"}]
    path.write_text("a,b\n")
    assert read_table(path, ("a", "b"), key=None) == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "has no column id, rows in its first line .it is empty"),
        ("a,4,\nb,0,\n", "has no column id, rows in its first line .a,4,"),
        (TABLE.replace("rows", "row"), "has no column rows"),
        (TABLE[: TABLE.index("no file") - 3], "line 3: 1 cells in 3 columns"),
        (TABLE[:-1], "line 3: the line does not end"),
        (TABLE.replace("b,", "a,"), "line 3: id 'a' is repeated"),
        (TABLE.replace("b,", ","), "line 3: id is empty"),
        (TABLE.replace("no file", '"no file'), "is not a CSV table"),
    ],
)
def test_a_table_that_is_not_whole_is_named(tmp_path, content, problem):
    path = tmp_path / "shard0.csv"
    path.write_text(content)
    with pytest.raises(WstalError, match=rf"shard0\.csv,? {problem}.*remove it and run again"):
        read_table(path, ("id", "rows"))


def test_a_frame_that_is_cut_short_is_named(tmp_path):
    """pandas fills what is missing of the last row, and a mean leaves it out."""
    path = tmp_path / "map.csv"
    path.write_text("metric,value\nmAP@0.50,71.25\nmAP@0.60")
    with pytest.raises(WstalError, match=r"map\.csv, line 3: 1 cells in 2 columns"):
        read_frame(path)
    path.write_text("metric,val\n")
    with pytest.raises(WstalError, match=r"map\.csv has no column value"):
        read_frame(path, ("metric", "value"))


def test_ids_without_a_row_are_named():
    require_ids("a.csv", {"a": 1, "b": 2}, "ab")
    with pytest.raises(WstalError, match=r"a\.csv has no row for 4 of the .*\(b, c, d, \.\.\.\)"):
        require_ids("a.csv", {"a"}, "abcde")


def test_a_table_reads_back(tmp_path):
    frame = pd.DataFrame({"run": ["a", "b"], "value": [1.5, None]})
    write_frame(tmp_path / "map.csv", frame)
    pd.testing.assert_frame_equal(read_frame(tmp_path / "map.csv"), frame)


def test_broken_media_is_a_kind_of_bad_input():
    """A stage catches MediaError; a script catches both as errors for the user."""
    with pytest.raises(WstalError, match="holds no frames"):
        raise MediaError("x.mp4 holds no frames")
    assert not issubclass(WstalError, MediaError)


# A full disk: one line that names the file, whatever the library calls it.


def refuse_hdf5():
    raise RuntimeError("Unable to flush (errno = 28, error message = 'No space left on device')")


def refuse_torch():
    try:
        raise OSError(errno.ENOSPC, "No space left on device")
    finally:
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 704 vs 598")


def refuse_by_quota():
    raise OSError(errno.EDQUOT, "Disk quota exceeded")


@pytest.mark.parametrize("fail", [refuse_hdf5, refuse_torch, refuse_by_quota])
def test_a_full_disk_is_one_error_that_names_the_file(tmp_path, fail):
    (tmp_path / "a.h5").write_text("old")
    with pytest.raises(DiskFullError, match=r"a\.h5: the disk is full .* same command again"):  # noqa: SIM117
        with atomic_path(tmp_path / "a.h5"):
            fail()
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_jobs_leave_some_of_the_disk_free(tmp_path, monkeypatch):
    monkeypatch.setenv(MIN_FREE, "1e18")
    with pytest.raises(DiskFullError, match=r"b\.json.*`min_free` keeps 1e\+09 GB"):
        write_json(tmp_path / "b.json", 1)
    write_cached(tmp_path / "kept.json", 1)  # may be lost
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv(MIN_FREE, "1")
    write_json(tmp_path / "b.json", 1)


FORMULAS = [
    "=cmd()",
    '=HYPERLINK("http://a","b")',
    "@SUM(1)",
    "+1+cmd|'/C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "\t=1",
    "'=quoted",
    "=1\n=2",
]
PLAIN = ["-dQw4w9WgXcQ", "-0.5", "+3", "'tis", "a=b", "", "v_=x", "(=)"]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_is_a_formula_and_every_cell_reads_back(text, tmp_path):
    write_csv(tmp_path / "a.csv", ("id", "n"), [{"id": text, "n": -1}])
    write_frame(tmp_path / "b.csv", pd.DataFrame({"id": [text], "n": [-1.0]}))
    for name in ("a.csv", "b.csv"):
        with (tmp_path / name).open(newline="") as file:
            (row,) = csv.DictReader(file)
        assert row["id"] == f"'{text}" and float(row["n"]) == -1
        assert read_table(tmp_path / name, ("id",))[0]["id"] == text
        assert read_frame(tmp_path / name)["id"].tolist() == [text]


def test_other_cells_are_written_as_they_are(tmp_path):
    assert [sheet_text(text) for text in PLAIN] == PLAIN
    assert [from_sheet(text) for text in PLAIN] == PLAIN
    assert sheet_text(-1.5) == -1.5


def test_what_hdf5_could_not_write_while_it_freed_an_object_is_a_full_disk(tmp_path, capfd):
    class Freed:
        def __del__(self):
            refuse_hdf5()

    with pytest.raises(DiskFullError), atomic_path(tmp_path / "a.h5") as temporary:
        temporary.write_text("half")
        Freed()
    assert not list(tmp_path.iterdir()) and capfd.readouterr().err == ""
