"""What a run says about itself: to the terminal that started it and to any other."""

import io
import json
import logging
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pandas as pd
import pytest
import snakemake_logger_plugin_wstal as plugin
import warm_python
from rich.console import Console
from wstal.base.errors import WstalError
from wstal.commands import watch
from wstal.commands.run import asks_for_own_words
from wstal.commands.show_map import headlines
from wstal.config import run_progress
from wstal.config.run_end import command_for, duration, headline_files, summary
from wstal.config.run_progress import FOLDER, RunProgress

NOW = 1_000_000.0
SNAKEFILE = """
import sys
from functools import partial
from wstal.config.run_end import Interrupt, report_failure
from wstal.config.run_progress import follow

if workflow.is_main_process and not workflow.output_settings.dryrun:
    Interrupt(logger, sys.argv, partial(print, file=sys.stderr, flush=True)).install()
    PROGRESS = follow(logger)

onstart:
    PROGRESS.plan(["both"], [(j.rule.name, j.wildcards_dict) for j in workflow.dag.needrun_jobs()])

onerror:
    tell = lambda t: logger.info(t, extra={"wstal": True})
    report_failure(PROGRESS.state["failed"], tell, PROGRESS.seconds() + 1)

rule both:
    input: "a.txt", "b.txt"

rule train:
    output: "{run}.txt"
    log: "{run}.log"
    shell: "BODY"
"""


def event(name, **fields):
    return logging.makeLogRecord({"levelno": logging.INFO, "event": name, **fields})


def started(number, rule, **names):
    log = [f"results/logs/{rule}{number}.log"]
    fields = {"rule_name": rule, "wildcards": names, "log": log, "output": []}
    return event("job_info", jobid=number, **fields)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Two flow shards, one of them done, and two trainings that run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(time, "time", lambda: NOW)
    manifest, logs = tmp_path / "results/d/manifest", tmp_path / "results/logs"
    manifest.mkdir(parents=True)
    logs.mkdir()
    rows = ["id,status,duration", "a,ok,1800", "b,no_audio,1800", "c,missing,"]
    for shard in (0, 1):
        (manifest / f"shard{shard}.csv").write_text("\n".join(rows) + "\n")
    progress = RunProgress()
    names = [{"dataset": "d", "recipe": "r", "shard": str(shard)} for shard in (0, 1)]
    seeds = [{"dataset": "d", "recipe": "r", "run": "m", "seed": str(seed)} for seed in range(3)]
    jobs = [*(("flow", each) for each in names), *(("train", each) for each in seeds)]
    progress.plan(["results/d/m_map.csv"], jobs)
    progress.handle(event("run_info", stats={"flow": 2, "train": 3, "total": 5}))
    progress.handle(started(1, "flow", **names[0]))
    monkeypatch.setattr(time, "time", lambda: NOW + 600)
    progress.handle(event("job_finished", job_id=1))
    progress.handle(started(2, "flow", **names[1]))
    progress.handle(started(3, "train", **seeds[0]))
    progress.handle(started(4, "train", **seeds[1]))
    (logs / "flow2.log").write_text("flow 1/2 a 9 s, 0.1 video/s\nflow b 100 of 900 frames\n")
    (logs / "train3.log").write_text("train 5/10 iteration 250, loss 0.41 9 s\n")
    monkeypatch.setattr(time, "time", lambda: NOW + 900)
    yield progress
    progress.close()


def test_stages_have_jobs_videos_and_hours_of_video_per_hour(run):
    flow, train = run_progress.stage_progress(run.snapshot(), NOW + 900)
    assert (flow.done, flow.total, flow.running, flow.videos) == (1, 2, 1, 3)
    assert flow.rate == pytest.approx(1.5 * 3600 / 900)  # half of the second shard counts
    assert (train.done, train.total, train.running, train.videos) == (0, 3, 2, 0)


def test_time_left_follows_each_jobs_own_speed_and_those_before(run):
    # Flow has half left: 300 s; the first training, too; of the others nothing is known.
    left, complete = run_progress.time_left(run.snapshot(), NOW + 900)
    at_once = (600 + 3 * 300) / 900
    assert left == pytest.approx(600 / at_once) and not complete
    run.handle(event("job_finished", job_id=3))  # after 300 s
    left, complete = run_progress.time_left(run.snapshot(), NOW + 900)
    assert left == pytest.approx((300 + 0 + 300) / at_once, rel=0.4) and complete


def test_what_jobs_took_is_known_to_the_next_run(run):
    run.handle(event("job_finished", job_id=3))
    run.close()
    later = RunProgress()
    later.plan([], [("train", {"dataset": "d", "recipe": "r", "run": "m", "seed": "9"})])
    assert run_progress.time_left(later.snapshot(), NOW + 900) == (pytest.approx(300), True)


def test_another_terminal_sees_the_running_jobs_however_long_their_logs_are_silent(run, tmp_path):
    run.write()
    for path in tmp_path.glob("results/logs/*.log"):
        os.utime(path, (NOW - 7200, NOW - 7200))
    text = "\n".join(watch.view(tmp_path / "results/logs", minutes=2))
    assert "results/d/m_map.csv on" in text and "1 of 5 jobs done, 3 running, at least" in text
    assert "flow 1/2, 3 videos, 6.0 h of video/h" in text
    assert "train d/r/m/seed0 (5 min): train 5/10 iteration 250, loss 0.41" in text
    assert "train d/r/m/seed1" in text and "100 of 900 frames" in text
    run.close()
    assert watch.view(tmp_path / "results/logs", minutes=2) == ["no run is working"]


@pytest.mark.parametrize(
    ("process", "silent", "seen"),
    [
        ("00000000:1:1", 0, True),  # another machine, heard of just now
        ("00000000:1:1", 120, False),
        (f"{run_progress.this_process().machine}:4194303:1", 0, False),  # killed
    ],
)
def test_a_run_elsewhere_is_there_while_it_writes(tmp_path, process, silent, seen):
    path = tmp_path / FOLDER / "a-1.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"process": process, "started": 0}))
    os.utime(path, (time.time() - silent,) * 2)
    assert bool(run_progress.running(tmp_path)) is seen


def test_an_event_that_cannot_be_read_ends_nothing(run):
    run.handle(event("run_info"))
    run.handle(event("job_finished", job_id=77))
    assert run.state["total"] == 5


def test_the_view_has_stages_jobs_and_the_time_left(run):
    console = Console(file=io.StringIO(), width=100)
    console.print(watch.panel(run.snapshot(), NOW + 900))
    text = console.file.getvalue()
    assert "1/2" in text and "6.0" in text and "iteration 250, loss 0.41" in text
    assert "1 of 5 jobs done, 3 running, at least" in text


def test_a_log_gets_lines_every_minute(run, monkeypatch, capsys):
    monkeypatch.setattr(run_progress, "_current", run)
    monkeypatch.setattr(plugin, "LOG_EVERY", 0.05)
    handler = plugin.LogHandler(SimpleNamespace(dryrun=False, nocolor=True), None)
    handler.terminal = False
    handler.emit(event("run_info", stats={}))
    time.sleep(0.3)
    handler.close()
    assert capsys.readouterr().err.count("1 of 5 jobs done, 3 running") >= 2


def workflow(folder, body, *options):
    (folder / "Snakefile").write_text(SNAKEFILE.replace("BODY", body))
    return [sys.executable, "-m", "snakemake", "--cores", "2", *options]


def test_a_failure_is_its_first_cause_in_three_lines_and_its_log(tmp_path):
    body = "echo 'clip.mp4 is broken; replace it' > {log}; exit 1"
    command = workflow(tmp_path, body, "--logger", "wstal", "--keep-going")
    done = warm_python.run(command, cwd=tmp_path)
    assert done.returncode == 1
    report = done.stderr[done.stderr.rindex("\nfailed: train of") :].strip().splitlines()
    assert report[0].startswith("failed: train of")
    assert report[1] == "  clip.mp4 is broken; replace it"
    assert report[2].startswith("  log: ") and report[3].startswith("  and 1 other job: ")
    first, other = report[0].split()[-1], report[3].split()[-1]
    assert {first, other} == {"a.txt", "b.txt"}
    assert report[4].startswith("It ended after ") and report[4].endswith(" s.")
    assert len(done.stderr.splitlines()) < 12 and "Traceback" not in done.stderr
    plain = warm_python.run(workflow(tmp_path, body), cwd=tmp_path)
    assert "\n  clip.mp4 is broken; replace it\n  log: " in plain.stderr


def test_quiet_stays_quiet(tmp_path):
    command = workflow(tmp_path, "touch {output}", "--quiet", "all")
    done = warm_python.run(command, cwd=tmp_path)
    assert done.returncode == 0 and not done.stdout + done.stderr
    assert not list((tmp_path / FOLDER).glob("*-*.json"))


@pytest.mark.parametrize("options", [(), ("--logger", "wstal")])
def test_ctrl_c_is_one_line_and_status_130(tmp_path, options):
    command = workflow(tmp_path, "touch {wildcards.run}.began; sleep 60; touch {output}", *options)
    done = subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    until = time.time() + 60
    while len(list(tmp_path.glob("*.began"))) < 2 and time.time() < until:
        time.sleep(0.1)
    time.sleep(0.3)
    os.killpg(done.pid, signal.SIGINT)
    text = done.communicate(timeout=60)[1]
    assert done.returncode == 130
    last = text.strip().splitlines()[-1]
    assert last.startswith("stopped: what is finished is kept; to go on: snakemake --cores 2")
    assert text.count("stopped:") == 1 and "Traceback" not in text and "Error" not in text
    assert not list(tmp_path.glob("*.txt"))


def test_the_end_has_the_headline_what_was_left_out_and_where_to_look(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results/d"
    (folder / "r").mkdir(parents=True)
    row = {"run": "m", "reading": "strict", "metric": "mAP@0.1:0.7", "mean": 41.25, "sd": 1.5}
    row |= {"n": 3, "coverage": "11/12", "protocol": "p", "note": "demo data"}
    row |= {"recipe": "r", "checkpoint": "last"}
    path = "results/d/m_map.csv"
    pd.DataFrame([row]).to_csv(path, index=False)
    splits = ["train,9", "train,0", "val,9", "test,9", "test,9"]
    coverage = "id,split,rows\n" + "".join(f"v{n},{each}\n" for n, each in enumerate(splits))
    (folder / "r/coverage.csv").write_text(coverage)
    counts = "videos,without_features,max_missing\n12,1,1\n"
    (folder / "r/completeness.csv").write_text(counts)
    made = headline_files([], ["results/d/m_map.csv", "results/d/m/viewer.html"])
    typed = ["-c", path, "--snakefile", "/x/Snakefile", "--config", "a={b: 1}", "--logger=wstal"]
    lines = summary(made, headlines, typed, 3725.4)
    assert "41.2" in lines[1] and "demo data" in lines[1]
    assert (
        lines[2]
        == "videos of m_map.csv: 1 to train on (train), 1 not used (val), 2 to score (test)"
    )
    assert lines[3] == "1 of 12 videos have no features; why: results/d/r/coverage.csv"
    assert lines[4] == "a page of it: wstal run results/d/m/viewer.html --config 'a={b: 1}'"
    report = f"a report: wstal run {path} --config 'a={{b: 1}}' --report results/report.html"
    assert lines[5] == report
    assert lines[6] == "It took 1 h 2 min."
    for file in ("results/d/m/viewer.html", "results/report.html"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    pd.DataFrame([row | {"checkpoint": "best_val"}]).to_csv(path, index=False)
    (tmp_path / "results/report.html").touch()
    lines = summary(made, headlines)
    assert "1 to choose the checkpoint (val)" in lines[2]
    place = tmp_path.as_uri()
    assert lines[4:] == [
        f"page: {place}/results/d/m/viewer.html",
        f"report: {place}/results/report.html",
    ]
    assert summary(headline_files(["results/d/r/features.h5"], []), headlines) == []
    assert headline_files(["a_map.csv"], ["b_map.csv"]) == ["a_map.csv"]


def test_a_page_that_is_older_than_what_it_shows_is_named(tmp_path, monkeypatch):
    """Not one that is older than a later seed or another recipe, which it does not show."""
    monkeypatch.chdir(tmp_path)
    row = {"run": "m", "reading": "strict", "metric": "mAP@0.1:0.7", "mean": 41.25, "recipe": "r"}
    row |= {"sd": 1.5, "n": 3, "coverage": "", "protocol": "p", "note": "", "checkpoint": "last"}
    ages = {"d/m_map.csv": 5, "d/m/viewer.html": 3, "d/m/operating.csv": 3}
    ages |= {"d/r/m/seed0/map.csv": 2, "d/r/m/seed1/map.csv": 5, "d/r/m/seed1/proposals.json": 1}
    ages |= {"d/other/m/seed0/map.csv": 9, "d/annotations.json": 1}

    def old(**changed):
        for name, at in (ages | changed).items():
            path = tmp_path / "results" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if not name.endswith("_map.csv"):
                path.touch()
                os.utime(path, (at, at))
        pd.DataFrame([row]).to_csv(tmp_path / "results/d/m_map.csv", index=False)
        lines = summary(["results/d/m_map.csv"], headlines, ["-c", "demo", "--cores", "4"])
        return [line for line in lines if "older than" in line]

    assert old() == []
    assert old(**{"d/r/m/seed0/map.csv": 4}) == [
        "results/d/m/viewer.html: older than these results; to renew: "
        "wstal run results/d/m/viewer.html --cores 4"
    ]
    assert old(**{"d/r/m/seed1/proposals.json": 4})[0].startswith("results/d/m/operating.csv: ")
    assert (
        "viewer.html and results/d/m/operating.csv"
        in (old(**{"d/r/m/seed0/map.csv": 4, "d/annotations.json": 4})[0])
    )


def test_a_run_without_jobs_says_what_there_is(tmp_path):
    """Snakemake then calls none of its hooks."""
    progress = RunProgress(tmp_path)
    said = []
    progress.when_nothing = lambda: said.append("table")
    for text in (
        "Building DAG of jobs...",
        "Nothing to be done (all requested files are present).",
    ):
        progress.emit(logging.LogRecord("x", logging.INFO, "", 0, text, None, None))
    assert said == ["table"]


def test_the_command_for_the_page_is_the_one_of_the_run_with_another_target():
    words = ["/bin/snakemake", "--cores", "2", "results/d/m_map.csv", "--configfile", "mine.yaml"]
    assert command_for(["p.html"], words) == "snakemake p.html --cores 2 --configfile mine.yaml"
    assert command_for(["p.html"], ["-c", "demo", "--cores", "4"]) == "wstal run p.html --cores 4"
    assert [duration(s) for s in (0.2, 48, 200, 7500)] == ["0 s", "48 s", "3 min 20 s", "2 h 5 min"]


@pytest.mark.parametrize(
    ("words", "own"),
    [
        (["demo"], False),
        (["demo", "--cores", "2", "--config", "device=cpu", "-k"], False),
        (["demo", "-n"], True),
        (["-np", "demo"], True),
        (["demo", "--quiet"], True),
        (["demo", "--logger=other"], True),
        (["--unlock"], True),
    ],
)
def test_the_view_is_for_runs_without_wishes_of_their_own(words, own):
    assert asks_for_own_words(words) is own


def test_curves_show_each_column_of_a_log_that_grows(tmp_path):
    rows = [f"{n},{1 / n},{0.5 if n < 5 else ''}" for n in range(1, 9)]
    (tmp_path / "log.part.csv").write_text("\n".join(["iteration,total,share", *rows, "9,0."]))
    head, total, share = watch.curves([tmp_path])
    assert head.endswith("8 rows, iteration 8")
    assert total.split()[:2] == ["total", "█▄▃▂▂▁▁▁"] and "1 -> 0.125 [0.125, 1]" in total
    assert share.split()[:2] == ["share", "▁▁▁▁"]
    (tmp_path / "log.part.csv").rename(tmp_path / "log.csv")
    assert len(watch.curves([tmp_path])) == 3
    with pytest.raises(WstalError, match="has no log.csv"):
        watch.curves([tmp_path / "seed1"])
    assert len(watch.sparkline(range(1000), 60)) == 60
