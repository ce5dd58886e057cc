"""The frame of commands and jobs: JSON arguments, progress, errors as messages."""

from __future__ import annotations

import argparse
import importlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import tomllib

import numpy as np
import pytest
from wstal.commands.console import EXTRAS, ROOT, Program
from wstal.base.errors import WstalError
from wstal.base.files import read_frame
from wstal.base.job_environment import STARTED_BY
from wstal.base.process import this_process
from wstal.commands import console
from wstal.commands.runtime import COLUMNS, show, stage_costs
from wstal.networks.torchvision_import import import_torchvision


def add_path(add):
    add("path")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (WstalError("labels.csv: no column video"), "labels.csv: no column video"),
        (FileNotFoundError(2, "No such file or directory", "a.json"), "No such file"),
    ],
)
def test_an_expected_error_is_a_message_and_status_1(error, message):
    def fail(args):
        raise error

    with pytest.raises(SystemExit, match=message):  # a text is printed to stderr, with status 1
        console.Program("Help.", add_path, fail).run(["a.json"])


def test_a_mistake_in_the_code_keeps_its_traceback():
    def fail(args):
        raise KeyError(args.path)

    with pytest.raises(KeyError):
        console.Program("Help.", add_path, fail).run(["a.json"])


def test_only_a_program_that_passes_words_on_takes_any_option(capsys):
    def words(args):
        return 0 if args.words == ["x", "--cores", "2"] else 1

    program = console.Program("Help.", add_path, words, passes_on=True)
    with pytest.raises(SystemExit, match="0"):
        program.run(["x", "--cores", "2"])
    with pytest.raises(SystemExit, match="0"):
        program.run(["--help"], "wstal run")
    assert "usage: wstal run" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        console.Program("Help.", add_path, words).run(["x", "--cores", "2"])


def test_json_arguments_are_text_or_a_file(tmp_path):
    (tmp_path / "a.json").write_text('{"x": 1}')
    assert (
        console.json_argument('{"x": 1}')
        == console.json_argument(f"@{tmp_path}/a.json")
        == {"x": 1}
    )
    with pytest.raises(argparse.ArgumentTypeError, match="is not JSON"):
        console.json_argument("{x")
    with pytest.raises(argparse.ArgumentTypeError, match="No such file"):
        console.json_argument("@nowhere.json")


def test_a_log_gets_one_rate_line_per_item(capsys):
    assert list(console.track("flow")(range(3))) == [0, 1, 2]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and lines[-1].startswith("flow 3/3") and lines[-1].endswith("video/s")


def test_a_long_video_says_how_far_it_is_before_its_end(capsys, monkeypatch):
    clock = iter([0.0, 4.0, 12.0, 15.0, 24.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    chunks = [range(40)] * 4
    assert list(console.within("flow", every=10)("v 1", iter(chunks), 200)) == chunks
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "flow v 1 80 of 200 frames, 6.7 frames/s, 18 s left",
        "flow v 1 160 of 200 frames, 6.7 frames/s, 6 s left",
    ]


def test_a_short_video_adds_no_line(capsys):
    list(console.within("flow")("v", [range(9)], 9))
    assert capsys.readouterr().err == ""


def test_at_a_terminal_a_bar_counts_frames(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(console.sys, "stderr", Terminal())
    list(console.within("flow")("v", [range(5)] * 2, 10))
    assert "v: " in console.sys.stderr.getvalue() and "/10" in console.sys.stderr.getvalue()


@pytest.mark.parametrize(("count", "bar"), [(1, False), (2, True)])
def test_a_bar_is_for_more_than_one_item(monkeypatch, count, bar):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(console.sys, "stderr", terminal)
    assert list(console.track("localize")(iter(range(count)))) == list(range(count))
    assert (f"{count}/{count}" in terminal.getvalue()) is bar


@pytest.mark.parametrize("lines", [20_000, 3])  # written at once, or at the end
def test_a_pipe_that_closes_is_no_error(tmp_path, lines):
    script = tmp_path / "many.py"
    body = f"    for number in range({lines}):\n        print(number)\n    time.sleep(0.3)\n"
    script.write_text(
        "import time\nfrom wstal.commands.console import Program\n"
        f"def main(args):\n{body}"
        "Program('x', lambda add: None, main).run()\n"
    )
    command = f"{sys.executable} {script} | head -n 0; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], text=True, capture_output=True)
    assert (done.stdout.strip(), done.stderr) == (str(128 + signal.SIGPIPE), "")


# Time and memory are summed by stage.

HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def write(path, seconds, memory, cpu):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{HEAD}{seconds}\t0:00:01\t{memory}\t1\t1\t1\t0\t0\t1\t{cpu}\n")


def test_jobs_are_summed_by_stage_and_the_largest_memory_kept(tmp_path):
    write(tmp_path / "r/flow/shard0.tsv", 10, 100, 9)
    write(tmp_path / "r/flow/shard1.tsv", 20, 300, 18)
    write(tmp_path / "r/co2net/train.seed0.tsv", 5, 50, 5)
    write(tmp_path / "render.tsv", 40, "-", "-")
    table = stage_costs(tmp_path).set_index("stage")
    assert list(table.index) == ["render", "flow", "train"]
    assert table.loc["flow"].tolist() == [2, 30, 20, 27, 300]
    assert table.loc["train", "jobs"] == 1


def test_no_measurements_is_an_empty_table(tmp_path):
    assert list(stage_costs(tmp_path).columns) == COLUMNS[:6] and stage_costs(tmp_path).empty


def test_what_jobs_took_of_gpus_stands_beside_their_time(tmp_path, capsys):
    costs, logs = tmp_path / "results/benchmarks/demo", tmp_path / "results/logs/demo"
    write(costs / "pack.tsv", 1, 10, 1)
    for path, megabytes in (("seed0", 900), ("seed1", 1100)):
        write(costs / f"co2net/train.{path}.tsv", 5, 50, 5)
        (logs / path).mkdir(parents=True)
        use = json.dumps({"gpu_memory_mb": megabytes, "gpu_percent": 50, "gpu_energy_kj": 2})
        (logs / path / "train.log").write_text(f"train 1/1\ngpu use: {use}\n")
    show(argparse.Namespace(benchmarks=costs, logs=None, output=tmp_path / "table.csv"))
    table = read_frame(tmp_path / "table.csv").set_index("stage")
    assert list(table.loc["train"][COLUMNS[-3:]]) == [1100, 50, 4]
    assert table.loc["pack"][COLUMNS[-3:]].isna().all()
    assert "gpu_memory_mb" in capsys.readouterr().out
    show(argparse.Namespace(benchmarks=costs, logs=tmp_path / "none", output=None))
    assert "gpu" not in capsys.readouterr().out  # nothing on a CPU


# A program is stopped: one line, a status of its own, nothing left.

PROGRAM = """
import os, signal, sys, time
from pathlib import Path
from wstal.base.files import atomic_path
from wstal.commands.console import Program, Stop

Stop.AGAIN = 0.05

class Dropped:
    def __del__(self):
        os.kill(os.getpid(), int(sys.argv[1]))
        time.sleep(0)

def main(args):
    with atomic_path("out.txt") as path:
        path.write_text("half")
        {body}
        time.sleep(60)

Program("Help.", lambda add: add("signal"), main).run()
"""
BODIES = {
    "at once": "os.kill(os.getpid(), int(args.signal))",
    "where Python drops it": "Dropped()",
    "where it becomes another error": (
        "try: os.kill(os.getpid(), int(args.signal)); time.sleep(60)\n"
        "        except KeyboardInterrupt: raise ImportError('numpy failed')"
    ),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_program_prints_one_line_and_leaves_nothing(tmp_path, number, body):
    command = [sys.executable, "-c", PROGRAM.format(body=body), str(int(number))]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (128 + number, "stopped\n")
    assert list(tmp_path.iterdir()) == []


def test_an_ignored_signal_stays_ignored(tmp_path):
    program = PROGRAM.format(body="os.kill(os.getpid(), 2); return 'ran on'")
    program = program.replace("import os", "import signal; signal.signal(2, 1)\nimport os", 1)
    done = subprocess.run([sys.executable, "-c", program, "2"], cwd=tmp_path, capture_output=True)
    assert (done.returncode, done.stderr) == (1, b"ran on\n")  # as after nohup


def test_a_job_ends_with_the_snakemake_that_started_it(tmp_path):
    gone = str(this_process()._replace(start=1))
    command = [sys.executable, "-c", PROGRAM.format(body=""), "2"]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {STARTED_BY: gone}, capture_output=True, timeout=30
    )
    assert (done.returncode, done.stderr) == (143, b"stopped\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [("-m", "wstal", "localize", "a.mp4", "--run", "x"), (ROOT / "scripts/train.py", "--help")],
    ids=["command", "job"],
)
def test_ctrl_c_during_imports_ends_in_a_line(tmp_path, words):
    slow = "import time\ntry: time.sleep(60)\nexcept BaseException: pass\n"  # as torch may
    (tmp_path / "torch.py").write_text("print('importing', flush=True)\n" + slow)
    own = {"PYTHONPATH": f"{tmp_path}:{ROOT / 'workflow'}"}
    command = [sys.executable, *words]
    with subprocess.Popen(
        command, env=os.environ | own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as running:  # fmt: skip
        assert running.stdout.readline() == "importing\n"
        running.send_signal(signal.SIGINT)
        assert running.stderr.read() == "stopped\n"
    assert running.returncode == 130


def count_macs():
    from torch import nn
    from wstal.train.scoring import count_macs

    count_macs(nn.Linear(2, 2), 2, 3)


def resample():
    from wstal.media.sound import RESAMPLERS

    RESAMPLERS["resampy"](48000, 16000)(np.zeros(480, np.float32), True)


def build_i3d_r50():
    importlib.import_module("wstal.networks.backbones.pytorchvideo")._i3d_r50()


NEEDS = {  # what needs each package of an extra
    "decord": lambda: importlib.import_module("wstal.media.decoders.decord"),
    "torchvision": lambda: import_torchvision(),
    "pytorchvideo": build_i3d_r50,
    "fvcore": count_macs,
    "resampy": resample,
}


@pytest.mark.parametrize("package", NEEDS)
def test_a_missing_package_is_named_with_its_extra(package, monkeypatch):
    for name in [*sys.modules]:
        if name.partition(".")[0] == package or name == "wstal.media.decoders.decord":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    import_torchvision.cache_clear()
    with pytest.raises(SystemExit) as caught:
        Program("", lambda add: None, lambda args: NEEDS[package]()).run([])
    assert f"pip install 'wstal[{EXTRAS[package]}]'" in str(caught.value)


def test_the_packages_of_extras_are_those_of_pyproject():
    content = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for package, extra in EXTRAS.items():
        name, items = package.replace("_", "-"), content["optional-dependencies"][extra]
        listed = [re.split(r"[>;]", item)[0].removesuffix("-torch") for item in items]
        assert name in listed  # open_clip is published as open-clip-torch
        assert not any(item.startswith(name) for item in content["dependencies"])


def test_every_command_starts_without_the_extras():
    code = f"""
import importlib, runpy, sys
sys.modules.update(dict.fromkeys({list(EXTRAS)}))
from wstal.__main__ import summaries
for name in summaries():
    importlib.import_module("wstal.commands." + name.replace("-", "_"))
sys.path.insert(0, "scripts")
for path in {[str(path) for path in sorted((ROOT / "scripts").glob("*.py"))]}:
    runpy.run_path(path, run_name="job")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True)
    assert not done.returncode, done.stderr
