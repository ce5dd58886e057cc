"""The limit of videos without features."""

import subprocess
import sys

import pytest
from wstal.atomic import write_csv
from wstal.errors import WstalError
from wstal.features.completeness import check_missing
from wstal.features.pack import COVERAGE
from wstal.manifest import read_rows

ROWS = [
    {"id": "a", "split": "train", "status": "ok", "rows": 4, "reason": ""},
    {"id": "b", "split": "test", "status": "missing", "rows": 0, "reason": "no file named b"},
]


def test_videos_are_counted_and_too_many_named():
    counts = {"videos": 2, "without_features": 1}
    assert check_missing(ROWS, 1) == counts | {"max_missing": 1}
    assert check_missing(ROWS) == counts | {"max_missing": "any"}
    message = (
        r"1 videos have no features, max_missing is 0: b \(missing: no file named b\)\. Supply"
    )
    with pytest.raises(WstalError, match=message):
        check_missing(ROWS, 0)


def test_the_script_writes_the_counts_or_ends_with_the_list(project, tmp_path):
    write_csv(tmp_path / "coverage.csv", COVERAGE, ROWS)
    command = [sys.executable, project / "scripts/check_completeness.py"]
    command += ["--coverage", tmp_path / "coverage.csv", "--output", tmp_path / "c.csv"]
    done = subprocess.run([*command, "--max-missing", "0"], text=True, capture_output=True)
    assert done.returncode and "no file named b" in done.stderr
    assert not (tmp_path / "c.csv").exists()
    done = subprocess.run(
        [*command, "--max-missing", "null"], check=True, text=True, capture_output=True
    )
    assert done.stdout == f"1 of 2 videos have no features; why: {tmp_path / 'coverage.csv'}\n"
    (row,) = read_rows(tmp_path / "c.csv")
    assert row == {"videos": "2", "without_features": "1", "max_missing": "any"}
