"""`wstal reproduce`: what it plans, where it stops and what its report says."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from wstal.base.errors import WstalError
from wstal.commands import reproduce
from wstal.commands.reproduce import (
    OFF,
    OK,
    SKIP,
    Outcome,
    Plan,
    check_weights,
    compare_published,
    judge_table,
    make_plan,
    write_report,
)

PLAN = Plan("co2net", "thumos14", "i3d_tvl1", "co2net_table1.csv")


@pytest.mark.parametrize(
    ("paper", "dataset", "table"),
    [
        ("co2net", "thumos14", "co2net_table1.csv"),
        ("co2net", "activitynet12", "co2net_table2.csv"),
        ("co2net", "demo", "co2net_table1.on_demo.csv"),
        ("cavf", "ave", None),
        ("tssam", "thumos14", None),
        ("acn", "thumos14", None),
    ],
)
def test_the_plan_has_the_table_with_the_papers_own_run(catalog, paper, dataset, table):
    plan = make_plan(catalog, paper, dataset)
    assert plan.recipe == catalog.datasets[dataset]["recipe"]
    assert plan.targets()["training"] == f"results/{dataset}/{paper}_map.csv"
    assert table in (None, plan.table)
    rows = catalog.tables[plan.table.split(".")[0]]["rows"]
    assert any(row["run"] == paper for row in rows)
    assert plan.comparable == any(r["run"] == paper and r["dataset"] == dataset for r in rows)


def test_an_unknown_paper_or_dataset_is_refused(catalog):
    with pytest.raises(WstalError, match="'untrimmednet' is not known; known: acn, cavf, co2net"):
        make_plan(catalog, "untrimmednet", "thumos14")
    with pytest.raises(WstalError, match="dataset 'thumos' is not known"):
        make_plan(catalog, "co2net", "thumos")


def table_of(*rows):
    names = ["run", "dataset", "metric", "reading", "paper", "ours_mean", "ours_sd", "delta"]
    return pd.DataFrame([("co2net", "thumos14", *row) for row in rows], columns=names)


GAP = "# From the paper's number to ours\n\n## Not measured\n\n- features' source\n"


def test_a_reading_within_a_point_or_two_sd_reproduces_the_paper():
    strict = ("mAP@0.1:0.7", "strict", 44.6, 41.0, 0.5, -3.6)
    for paper in (
        ("mAP@0.1:0.7", "paper", 44.6, 44.0, 0.1, -0.6),
        ("mAP@0.1:0.7", "paper", 44.6, 42.8, 1.0, -1.8),
    ):
        found = judge_table(PLAN, table_of(strict, paper), GAP)
        assert found.status == OK and "| reproduced |" in found.figures
    assert "| mAP@0.1:0.7 | strict | 44.60 | 41.00 | -3.60 | off |" in found.figures
    assert "#### Not measured\n\n- features' source" in found.figures


def test_a_gap_is_off_and_says_where_to_look():
    found = judge_table(PLAN, table_of(("mAP@0.1:0.7", "strict", 44.6, 41.0, 0.5, -3.6)), GAP)
    assert found.status == OFF and "causes that the page above lists" in found.meaning


@pytest.mark.parametrize("reading", ["best_test", "best_seed"])
def test_a_reading_that_chooses_on_test_is_shown_but_reproduces_nothing(reading):
    strict = ("mAP@0.1:0.7", "strict", 44.6, 41.0, 0.5, -3.6)
    near = ("mAP@0.1:0.7", reading, 44.6, 44.6, 0.5, 0.0)
    found = judge_table(PLAN, table_of(strict, near), GAP)
    assert found.status == OFF and f"| mAP@0.1:0.7 | {reading} | 44.60 | 44.60 |" in found.figures


def test_numbers_on_features_of_another_kind_are_not_compared():
    row = table_of(("mAP@0.1:0.7", "strict", 24.2, 20.0, 1.0, np.nan))
    found = judge_table(PLAN, row.assign(note="the paper's UntrimmedNet: not comparable"), GAP)
    assert found.status == SKIP and "- no number is compared: the paper's Untr" in found.figures


def test_numbers_elsewhere_are_not_compared():
    plan = Plan("co2net", "thumos14", "sim", "co2net_table1.on_thumos14.csv")
    row = ("mAP@0.1:0.7", "strict", np.nan, 90.0, 1.0, np.nan)
    found = judge_table(plan, table_of(row), GAP)
    assert found.status == OK and "| 90.00 |  | not comparable |" in found.figures


def test_the_demos_weights_are_identified(recipes):
    found = check_weights(recipes["demo_i3d"], None)
    assert found.status == OK
    assert "demo_i3d_rgb: demo_i3d_rgb.safetensors, the published file" in found.figures
    assert "demo_vggish" in found.figures and "nothing published to verify" in found.figures


def test_features_are_compared_with_published_ones(tmp_path):
    rng = np.random.default_rng(0)
    rows, other = rng.random((2, 40, 16)).astype(np.float32)
    for folder, array in (("ours", rows), ("same", rows), ("other", other)):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "v_rgb.npy", array)
    assert compare_published(tmp_path / "ours", None).status == SKIP
    assert compare_published(tmp_path / "ours", tmp_path / "same").status == OK
    found = compare_published(tmp_path / "ours", tmp_path / "other")
    assert found.status == OFF and "not those that were published" in found.meaning


def test_a_missing_video_is_named_and_a_failed_seed_is_off(tmp_path, monkeypatch):
    monkeypatch.setattr(reproduce, "work_folder", lambda: tmp_path)
    monkeypatch.setattr(reproduce, "_make", lambda target, args: None)
    args = argparse.Namespace()
    folder = tmp_path / "results/thumos14/i3d_tvl1"
    folder.mkdir(parents=True)
    (folder / "coverage.csv").write_text("id,rows,status,reason\na,9,ok,\nb,0,broken,cut off\n")
    found = reproduce.run_features(PLAN.targets()["features"], args)
    assert "1 of 2 videos have features" in found.figures and "b: broken, cut off" in found.figures
    head = "run,reading,protocol,metric,mean,sd,n,coverage,note\n"
    row = "co2net,strict,th14_212,mAP@0.1:0.7,{},1,3,212/212 videos,{}\n"
    path = tmp_path / "results/thumos14/co2net_map.csv"
    path.write_text(head + row.format(44, ""))
    assert reproduce.run_training(PLAN.targets()["training"], PLAN, args).status == OK
    path.write_text(head + row.format(30, '"a seed fell behind: 44.0, 2.0"'))
    found = reproduce.run_training(PLAN.targets()["training"], PLAN, args)
    assert found.status == OFF and "log.csv" in found.meaning


def run(monkeypatch, tmp_path, **outcomes):
    """Run the command on steps with given outcomes; return exit status, steps run and report."""
    done = []

    def steps(catalog, plan, args):
        for name, outcome in outcomes.items():

            def step(name=name, outcome=outcome):
                done.append(name)
                if isinstance(outcome, Exception):
                    raise outcome
                return outcome

            yield name, step

    monkeypatch.setattr(reproduce, "steps", steps)
    with pytest.raises(SystemExit) as code:
        reproduce.COMMAND.run(["co2net", "--output", str(tmp_path / "report.md")])
    return code.value.code, done, (tmp_path / "report.md").read_text()


def test_all_steps_give_one_report(monkeypatch, tmp_path, capsys):
    passed = Outcome(OK, "- figures of the step")
    code, done, report = run(monkeypatch, tmp_path, weights=passed, table=passed)
    assert code == 0 and done == ["weights", "table"]
    assert report.startswith("# co2net on thumos14\n\nRecipe i3d_tvl1, commit ")
    assert report.count("- figures of the step") == 2 and "## table: ok" in report
    assert "The report:" in capsys.readouterr().out


@pytest.mark.parametrize(
    "reason", [Outcome(OFF, "- a figure", "What it means."), WstalError("no file")]
)
def test_the_first_thing_that_is_off_stops_it(monkeypatch, tmp_path, capsys, reason):
    passed = Outcome(OK, "-")
    code, done, report = run(monkeypatch, tmp_path, weights=passed, features=reason, table=passed)
    assert code == 1 and done == ["weights", "features"]
    assert "## features: off" in report and "table" not in report
    out = capsys.readouterr().out
    assert ("What it means." if isinstance(reason, Outcome) else "no file") in out


def test_the_steps_come_in_their_order(catalog, tmp_path):
    args = argparse.Namespace(golden=None, published=None)
    names = [name for name, _ in reproduce.steps(catalog, PLAN, args)]
    assert names == ["weights", "features", "golden", "training", "table"]
    write_report(tmp_path / "deep/report.md", make_plan(catalog, "co2net", "demo"), [])
    assert "not comparable" in Path(tmp_path / "deep/report.md").read_text()
