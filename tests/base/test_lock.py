"""One process at a time, also where the file system has no locks."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from wstal.base import lock as lock_module
from wstal.base.errors import WstalError
from wstal.base.lock import EXPIRY, only_process
from wstal.base.process import this_process

GONE = this_process()._replace(number=2**22 + 1)  # above the highest number of a process
ELSEWHERE = this_process()._replace(machine="0" * 8)


@pytest.fixture
def without_flock(monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(lock_module, "SETTLING", 0.0)


@pytest.fixture(params=["flock", "lease"])
def kind(request):
    if request.param == "lease":
        request.getfixturevalue("without_flock")
    return request.param


def test_a_second_holder_is_refused_and_told_who_holds_it(tmp_path, kind):
    path = tmp_path / "new/.lock"
    with only_process(path, "trains"):
        message = rf"process {os.getpid()} on .* trains since \d.*/\.lock.*\. Wait"
        with pytest.raises(WstalError, match=message), only_process(path, "trains"):
            pass
        assert json.loads(path.read_text())["process"] == str(this_process())
    assert not list(path.parent.iterdir())
    with pytest.raises(RuntimeError), only_process(path, "trains"):
        raise RuntimeError
    with only_process(path, "trains"):
        pass


@pytest.mark.parametrize(
    ("process", "age", "held"),
    [(GONE, 0, False), (ELSEWHERE, 0, True), (ELSEWHERE, EXPIRY + 60, False), ("", 0, True)],
)
def test_a_lease_ends_with_its_process_or_with_its_renewal(tmp_path, kind, process, age, held):
    path = tmp_path / ".lock"
    path.write_text(json.dumps({"process": str(process), "host": "node7", "since": "2030"}))
    before = path.stat().st_mtime - age
    os.utime(path, (before, before))
    if kind == "lease" and held:
        with pytest.raises(WstalError, match="trains"), only_process(path, "trains"):
            pass
        assert list(tmp_path.iterdir()) == [path]
    else:  # where there are locks, the text of a process that is gone says nothing
        with only_process(path, "trains"):
            assert json.loads(path.read_text())["process"] == str(this_process())


def test_a_lease_that_another_process_took_over_at_once_is_not_held(
    tmp_path, without_flock, monkeypatch
):
    path = tmp_path / ".lock"
    other = json.dumps({"process": str(ELSEWHERE), "host": "node7", "since": "2030"})
    monkeypatch.setattr(lock_module.time, "sleep", lambda _: path.write_text(other))
    with pytest.raises(WstalError, match="on node7 trains"), only_process(path, "trains"):
        pass
    assert path.read_text() == other


def test_a_lock_ends_with_its_process(tmp_path):
    program = (
        "import os, sys; from wstal.base.lock import only_process\n"
        "with only_process(sys.argv[1], 'trains'): os._exit(9)"
    )
    path = tmp_path / ".lock"
    package = str(Path(lock_module.__file__).parents[2])
    subprocess.run([sys.executable, "-c", program, path], env={"PYTHONPATH": package})
    assert path.is_file()
    with only_process(path, "trains"):
        pass
