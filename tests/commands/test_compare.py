"""Two finished runs against one another: on the screen, as CSV and on one page."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pandas as pd
import pytest
from scored_runs import write_scored_runs
from wstal.base.errors import WstalError
from wstal.commands.compare import COMMAND
from wstal.commands.finished_run import find_run

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_scored_runs(tmp_path_factory.mktemp("runs"), seeds=2)


def call(*words):
    return COMMAND.main(COMMAND.parser().parse_args([str(word) for word in words]))


@pytest.fixture(scope="module")
def page(dataset):
    call(dataset / "co2net", dataset / "cavf_map.csv", "--resamples", 200, "--page")
    return dataset / "compare_co2net_vs_cavf.html"


def content(page):
    text = page.read_text()
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])


def test_the_table_has_both_values_the_difference_and_its_interval(dataset, tmp_path, capsys):
    call(dataset / "i3d/co2net", dataset / "i3d/cavf", "--output", tmp_path / "c.csv")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["class", "metric", "co2net", "cavf", "difference", "low", "high"]
    table = pd.read_csv(tmp_path / "c.csv").set_index("metric")
    row = table.loc["mAP@0.1:0.7"]
    assert (row["a"], row["b"], row["seeds_a"], row["note"]) == ("co2net", "cavf", 2, "made up")
    assert row["low"] > 0 and row["difference"] == pytest.approx(row["a_value"] - row["b_value"])
    shown = {tuple(line.split()[:2]): line.split()[2:] for line in lines[1:]}
    assert float(shown["all", "mAP@0.1:0.7"][2]) == pytest.approx(row["difference"], abs=0.01)
    assert {("clap", "AP@0.1:0.7"), ("spin", "AP@0.1:0.7"), ("wave", "AP@0.1:0.7")} <= set(shown)


def test_a_page_has_both_runs_of_every_video(page):
    data = content(page)
    assert (data["about"]["run"], data["other"]["about"]["run"]) == ("co2net", "cavf")
    assert data["about"]["note"] == "made up" and len(data["videos"]) == 12
    for video in data["videos"]:
        one, other = video, video["other"]
        assert one["activation"] != other["activation"] and other["snippets"] == one["snippets"]
        spans = [[(i["start"], i["end"]) for i in side["instances"]] for side in (one, other)]
        assert spans[0] == spans[1]
    rows = {row["class"]: row for row in data["differences"]["rows"]}
    assert {"all", "clap", "spin", "wave"} == set(rows) and rows["all"]["low"] > 0
    assert "co2net 2, cavf 2" in data["differences"]["note"]
    assert "2 not annotated left out" in data["differences"]["note"]


@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on this machine")
def test_the_page_draws_both_runs(page, tmp_path):
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"]
    command = [BROWSER, *options, "--virtual-time-budget=2000", "--dump-dom", page.as_uri()]
    text = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    assert "co2net against cavf" in text
    for name in ("co2net", "cavf"):
        assert re.search(rf"<b>(clap|spin|wave) · {name}</b>", text)
        assert f"<b>attention · {name}</b>" in text and f"Proposals · {name}: " in text
        assert f"<dt>result · {name}</dt>" in text
    assert re.search(r"\d/2 · \d/2", text)  # the list
    assert text.count('class="range') == 7 and "runs differ" in text


def test_few_videos_give_no_interval(tmp_path, capsys):
    folder = write_scored_runs(tmp_path, test=6)
    call(folder / "co2net", folder / "cavf", "--page", tmp_path / "p.html")
    data = content(tmp_path / "p.html")
    assert all(row["low"] is None for row in data["differences"]["rows"])
    assert "4 videos are too few" in data["differences"]["note"]
    assert f"page: {(tmp_path / 'p.html').as_uri()}" in capsys.readouterr().err


def test_what_cannot_be_compared_is_refused(dataset, tmp_path):
    with pytest.raises(WstalError, match="1 runs are named; name two"):
        call(dataset / "co2net")
    with pytest.raises(WstalError, match="name two runs, or give files .*--ground-truth"):
        call("--a", "x.json")
    with pytest.raises(WstalError, match="no finished run; expected results/DATASET/RUN"):
        call(dataset / "co2net", dataset / "acn")
    for option in ("--output", "--page"):
        with pytest.raises(WstalError, match=f"{option} .*cavf_map.csv is an input"):
            call(dataset / "co2net", dataset / "cavf_map.csv", option, dataset / "cavf_map.csv")
    with pytest.raises(WstalError, match="is named twice"):
        call(dataset / "co2net", dataset / "i3d/co2net")
    elsewhere = write_scored_runs(tmp_path)
    with pytest.raises(WstalError, match="different datasets"):
        call(dataset / "co2net", elsewhere / "co2net")


def test_a_run_is_its_folder_a_seed_or_its_headline(dataset):
    for path in ("co2net", "co2net_map.csv", "i3d/co2net"):
        run = find_run(dataset / path)
        assert (run.name, run.recipe.name, run.dataset) == ("co2net", "i3d", dataset)
        assert [seed.name for seed in run.seeds] == ["seed0", "seed1"]
    assert [seed.name for seed in find_run(dataset / "i3d/co2net/seed1").seeds] == ["seed1"]
    with pytest.raises(WstalError, match=r"none\.h5 is missing; make it: wstal run /"):
        run.require("none.h5")
