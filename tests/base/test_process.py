"""A process is known again, and known to be gone."""

from __future__ import annotations

import os
import subprocess
import sys

from wstal.base.process import ELSEWHERE, GONE, RUNS, is_running, read_process, this_process


def test_a_process_runs_until_it_ends_and_its_number_is_not_another_ones():
    own = this_process()
    assert own.number == os.getpid() and own.state() == RUNS
    assert own._replace(start=own.start + 1).state() == GONE  # the number was used again
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert is_running(child.pid)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not is_running(child.pid)  # though a zombie still has the number
    assert not is_running(child.pid)


def test_a_process_of_another_machine_cannot_be_seen():
    assert this_process()._replace(machine="01234567").state() == ELSEWHERE


def test_a_process_is_read_back_and_other_text_is_none():
    assert read_process(str(this_process()) + "\n") == this_process()
    assert read_process("") is read_process("a:b:c") is read_process("1:2") is None
