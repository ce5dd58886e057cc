"""A lock goes with its process, and several runs share a checkout."""

from __future__ import annotations

import subprocess
import sys

import pytest
from wstal.base.process import this_process
from wstal.config.run_locks import delete_all_locks, delete_locks, install, read_locks, write_locks


@pytest.fixture
def said():
    return []


def held(folder, said):
    return sorted(read_locks(folder, said.append))


def write_as(folder, owner, kind, *files):
    path = write_locks(folder, kind, files)
    path.with_suffix(".owner").write_text(f"{owner}\n")
    return path


def test_a_running_process_keeps_its_locks_and_removes_them_alone(tmp_path, said):
    first = write_locks(tmp_path, "output", ["results/a.csv", "results/b c.csv"])
    second = write_locks(tmp_path, "output", ["results/d.csv"])
    assert {first.name, second.name} == {"0.output.lock", "1.output.lock"}
    assert write_locks(tmp_path, "input", []) is None
    files = ["results/a.csv", "results/b c.csv", "results/d.csv"]
    assert held(tmp_path, said) == [("output", file) for file in files]
    delete_locks([first])
    assert held(tmp_path, said) == [("output", "results/d.csv")] and not said
    delete_all_locks(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_locks_of_a_killed_process_go_with_one_line(tmp_path, said):
    write = (
        "import os, sys; from pathlib import Path; from wstal.config.run_locks import write_locks\n"
        "[write_locks(Path(sys.argv[1]), kind, ['x']) for kind in ('input', 'output')]\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", write, tmp_path])
    assert len(list(tmp_path.iterdir())) == 4
    kept = write_locks(tmp_path, "input", ["y"])
    assert held(tmp_path, said) == [("input", "y")]
    assert len(said) == 1 and "was killed" in said[0]
    assert {path.stem for path in tmp_path.iterdir()} == {kept.stem}


def test_a_lock_of_another_machine_or_without_an_owner_stays(tmp_path, said):
    write_as(tmp_path, this_process()._replace(machine="01234567"), "output", "x")
    (tmp_path / "1.output.lock").write_text("y\n")  # Snakemake's own
    assert held(tmp_path, said) == [("output", "x"), ("output", "y")] and not said
    assert write_locks(tmp_path, "output", ["z"]).name == "2.output.lock"


def test_an_owner_whose_lock_was_never_written_goes(tmp_path, said):
    gone = this_process()._replace(start=1)
    write_as(tmp_path, gone, "output", "x").unlink()
    assert held(tmp_path, said) == [] and list(tmp_path.iterdir()) == []


def test_the_end_of_one_run_leaves_the_lock_of_another(tmp_path, said):
    class Persistence:
        def __init__(self):
            self._lockdir, self._lockfile = str(tmp_path), {}

    install(Persistence, said.append, RuntimeError)
    first, second = Persistence(), Persistence()
    first._write_locks("input", ["x"])
    first._write_locks("output", ["a"])
    second._write_locks("input", ["x"])
    second._write_locks("output", ["b"])
    assert held(tmp_path, said) == [
        ("input", "x"),
        ("input", "x"),
        ("output", "a"),
        ("output", "b"),
    ]
    first._delete_locks()
    Persistence()._delete_locks()  # a run with nothing to do
    assert list(second._read_locks()) == [("input", "x"), ("output", "b")]
    second.cleanup_locks()
    assert list(second._read_locks()) == []


@pytest.mark.parametrize(
    ("inputs", "outputs", "refused"),
    [([], ["a"], True), (["a"], ["c"], True), ([], ["x"], True), (["x"], ["c"], False)],
)
def test_of_two_runs_that_start_together_the_second_is_refused(
    tmp_path, said, inputs, outputs, refused
):
    class Persistence:
        def __init__(self):
            self._lockdir, self._lockfile = str(tmp_path), {}

    install(Persistence, said.append, RuntimeError)
    first, second = Persistence(), Persistence()
    second._write_locks("input", inputs)  # both have looked, and found no lock
    first._write_locks("input", ["x"])
    first._write_locks("output", ["a"])
    if refused:
        with pytest.raises(RuntimeError):
            second._write_locks("output", outputs)
        second._delete_locks()
    else:
        second._write_locks("output", outputs)
    assert {("input", "x"), ("output", "a")} <= set(first._read_locks())
