"""The papers' tables and the comparison of methods on a dataset."""

from __future__ import annotations

import sys

import pandas as pd
import pytest
import warm_python
from wstal.base.errors import WstalError
from wstal.config.check import checked_tree
from wstal.tables.paper import (
    COLUMNS,
    TableSettings,
    as_markdown,
    build_table,
    headline,
    methods_frame,
    methods_markdown,
    metric_name,
)

TABLE = {
    "method": "co2net",
    "table": 3,
    "title": "Losses",
    "paper": "p.csv",
    "metrics": [],
    "rows": [
        {"variant": "all", "dataset": "thumos14", "run": "co2net"},
        {"variant": "mil", "dataset": "thumos14", "run": "co2net-loss_mil", "reading": "strict"},
        {"variant": "all again", "dataset": "thumos14", "run": "co2net"},
    ],
}
PAPER = pd.DataFrame(
    [
        ("other", "THUMOS14", "mAP@0.5", 20.0, "quoted_weak", None),
        ("all", "THUMOS14", "mAP@0.5", 38.3, "own", None),
        ("all", "THUMOS14", "AVG(0.1:0.7)", 44.6, "own", None),
        ("mil", "THUMOS14", "AVG(0.1:0.7)", 38.1, "ablation", "stated in the text"),
        ("all again", "THUMOS14", "AVG(0.1:0.7)", 44.6, "own", None),
    ],
    columns=["variant", "dataset", "metric", "value", "group", "note"],
)


def result(run, values, dataset="thumos14", note="", recipe="i3d_tvl1"):
    rows = [
        (dataset, recipe, run, reading, "th14_212", "last", metric, value, 0.5, 3, 1.0, note)
        for reading, metric, value in values
    ]
    columns = "dataset recipe run reading protocol checkpoint metric mean sd n coverage note"
    return pd.DataFrame(rows, columns=columns.split())


RESULTS = {
    ("thumos14", "co2net"): result(
        "co2net",
        [
            ("strict", "mAP@0.50", 37.3),
            ("strict", "mAP@0.1:0.7", 43.0),
            ("paper", "mAP@0.50", 38.5),
        ],
    ),
    ("thumos14", "co2net-loss_mil"): result("co2net-loss_mil", [("strict", "mAP@0.1:0.7", 38.6)]),
}


def test_a_table_has_the_papers_number_ours_and_the_difference():
    table = build_table(TABLE, PAPER, RESULTS)
    assert list(table.columns) == COLUMNS

    def line(variant, metric, reading):
        same = (table.variant == variant) & (table.metric == metric) & (table.reading == reading)
        return table[same].iloc[0]

    assert line("all", "mAP@0.50", "strict")["delta"] == -1.0
    assert line("all", "mAP@0.50", "paper")["delta"] == pytest.approx(0.2)
    assert line("mil", "mAP@0.1:0.7", "strict")["note"] == "stated in the text"
    assert table[table.variant == "mil"].reading.tolist() == ["strict"]
    absent = line("all", "mAP@0.1:0.7", "paper")
    assert pd.isna(absent["ours_mean"]) and "not a metric" in absent["note"]
    quoted = table[table.variant == "other"].iloc[0]
    assert quoted["paper"] == 20.0 and pd.isna(quoted["ours_mean"]) and pd.isna(quoted["run"])


I3D = {"recipe": "i3d_tvl1", "networks": "I3D"}
UNT = {"recipe": "autoloc_unt", "networks": "UntrimmedNet"}


def with_features(ours, theirs):
    rows = [{**row, "features": ours, "paper_features": theirs} for row in TABLE["rows"]]
    return {**TABLE, "rows": rows}


def test_a_difference_is_shown_only_between_features_of_the_same_networks():
    other = build_table(with_features(I3D, UNT), PAPER, RESULTS)
    ours = other[other["run"].notna()]
    assert ours["delta"].isna().all() and ours["ours_mean"].notna().any()
    wanted = "features: ours I3D (i3d_tvl1), the paper's UntrimmedNet (as autoloc_unt)"
    assert ours["note"].str.contains(wanted, regex=False).all()
    same = build_table(with_features(I3D, {**I3D, "recipe": "wtalc_i3d"}), PAPER, RESULTS)
    pd.testing.assert_series_equal(same["delta"], build_table(TABLE, PAPER, RESULTS)["delta"])
    assert same["note"].str.contains("I3D, ours i3d_tvl1, the paper's as wtalc_i3d").any()
    text = as_markdown(other, "Losses")
    assert "- all, mil, all again: " not in text  # their other notes differ
    assert "- all, all again: features: ours I3D" in text and "(-1.0)" not in text


def test_every_note_of_a_row_is_shown_and_a_number_that_is_not_printed_has_no_difference():
    paper = PAPER.copy()
    paper.loc[paper["variant"] == "all", "note"] = ["a misprint", "read off a figure"]
    paper.loc[(paper["variant"] == "all") & (paper["metric"] == "AVG(0.1:0.7)"), "value"] = None
    built = build_table(TABLE, paper, RESULTS)
    row = built[(built["variant"] == "all") & (built["reading"] == "strict")].set_index("metric")
    assert row.loc["mAP@0.50", "note"] == "a misprint"
    assert row.loc["mAP@0.1:0.7", "note"] == "read off a figure"
    assert row.loc["mAP@0.1:0.7", "ours_mean"] == 43.0
    assert pd.isna(row.loc["mAP@0.1:0.7", "paper"]) and pd.isna(row.loc["mAP@0.1:0.7", "delta"])
    text = as_markdown(built, "Losses")
    assert "- all: a misprint" in text and "- all: read off a figure" in text


def test_elsewhere_the_papers_numbers_stay_empty():
    values = [("strict", "mAP@0.50", 70.0), ("strict", "mAP@0.1:0.7", 80.0)]
    results = {
        ("demo", run): result(run, values, "demo", "demo data", "demo_i3d")
        for run in ("co2net", "co2net-loss_mil")
    }
    table = build_table(TABLE, PAPER, results, "demo")
    assert table["paper"].isna().all() and table["delta"].isna().all()
    assert set(table["dataset"]) == {"demo"} and "other" not in set(table["variant"])
    assert table["note"].str.contains("demo data").any()
    text = as_markdown(table, "Losses on demo (demo data)")
    assert "demo data" in text.splitlines()[0] and "38.3" not in text and "80.0 ± 0.5" in text


def test_markdown_reads_paper_then_ours_and_labels_what_is_chosen_on_test():
    ours = RESULTS["thumos14", "co2net"]
    paper = ours[ours["reading"] == "paper"]
    more = [paper.assign(reading=name) for name in ("best_seed", "best_test")]
    more[1]["checkpoint"] = "best_test"
    results = {**RESULTS, ("thumos14", "co2net"): pd.concat([ours, *more])}
    table = build_table(TABLE, PAPER, results)
    of_all = table[table.variant == "all"]["reading"].drop_duplicates()
    assert of_all.tolist() == ["strict", "paper", "best_test", "best_seed"]
    text = as_markdown(table, "Losses")
    assert "38.3 / 37.3 ± 0.5 (-1.0)" in text and "quoted" in text
    assert "| paper |" in text and "| strict |" in text
    for name in ("best_test", "best_seed"):
        assert f"| {name} (chosen on test) |" in text


def test_a_row_that_is_not_in_the_paper_is_an_error():
    table = {**TABLE, "rows": [{"variant": "nowhere", "dataset": "thumos14", "run": "co2net"}]}
    with pytest.raises(WstalError, match=r"'nowhere', 'thumos14'.* not rows of p.csv"):
        build_table(table, PAPER, RESULTS)


def test_a_variant_on_two_datasets_is_two_rows_and_one_elsewhere():
    paper = pd.DataFrame(
        [
            ("full", "AVE", "accuracy", 75.0, "own", None),
            ("full", "THUMOS14", "mAP@0.5", 38.3, "own", None),
        ],
        columns=PAPER.columns,
    )
    rows = [{"variant": "full", "dataset": name, "run": "cavf"} for name in ("ave", "thumos14")]
    table = {**TABLE, "method": "cavf", "rows": rows}
    results = {
        ("ave", "cavf"): result("cavf", [("strict", "accuracy", 74.0)], "ave"),
        ("thumos14", "cavf"): result("cavf", [("strict", "mAP@0.50", 37.0)]),
        ("demo", "cavf"): result("cavf", [("strict", "mAP@0.50", 90.0)], "demo"),
    }
    built = build_table(table, paper, results)
    strict = built[built["reading"] == "strict"].set_index("dataset")
    assert strict.loc["ave", "delta"] == -1.0
    assert strict.loc["thumos14", "delta"] == pytest.approx(-1.3)
    assert built["n"].dtype == "Int64"
    elsewhere = build_table(table, paper, results, "demo")
    assert len(elsewhere[elsewhere["reading"] == "strict"]) == 1
    with pytest.raises(WstalError, match="listed twice"):
        build_table({**table, "rows": rows + rows[:1]}, paper, results)


def test_one_seed_has_no_spread_in_the_markdown():
    lines = RESULTS["thumos14", "co2net"].assign(sd=float("nan"), n=1)
    text = as_markdown(build_table(TABLE, PAPER, {**RESULTS, ("thumos14", "co2net"): lines}), "x")
    assert "nan" not in text and "38.3 / 37.3 (-1.0)" in text


def test_a_sweep_is_checked_with_its_table(catalog):
    table = dict(catalog.tables["tssam_table3"])
    for wrong, words in (
        ({"a_swoop_b": table["sweeps"]["tssam_sweep_beta"]}, "cannot name a sweep"),
        ({"a_sweep_b": {"setting": "x", "metric": "m", "points": []}}, "points"),
    ):
        with pytest.raises(WstalError, match=words):
            checked_tree(TableSettings, {**table, "sweeps": wrong}, "tssam.yaml")
    runs = [point["run"] for sweep in table["sweeps"].values() for point in sweep["points"]]
    assert set(runs) <= set(catalog.runs())
    for name in ("alpha", "beta", "lambda"):
        points = table["sweeps"][f"tssam_sweep_{name}"]["points"]
        key = {"alpha": "smt", "beta": "gui", "lambda": "ct"}[name]
        weights = {p["run"]: p["value"] for p in points}
        for run, value in weights.items():
            assert catalog.run_config("thumos14", run)["loss"]["weights"][key] == value


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("mAP@0.5", "mAP@0.50"),
        ("mAP@0.75", "mAP@0.75"),
        ("AVG(0.1:0.7)", "mAP@0.1:0.7"),
        ("AVG(0.5:0.05:0.95)", "mAP@0.5:0.95"),
        ("mAP@0.1:0.5", "mAP@0.1:0.5"),
        ("accuracy(weakly supervised)", "accuracy"),
        ("MFLOPs(per snippet)", "mmacs"),
    ],
)
def test_metrics_have_one_spelling(text, name):
    assert metric_name(text) == name


def test_unknown_metric_is_refused():
    with pytest.raises(WstalError, match="'map50' has an unknown spelling"):
        metric_name("map50")


def test_every_metric_of_the_papers_is_understood(project):
    for path in (project / "workflow/reference/paper_tables").glob("*_table*.csv"):
        table = pd.read_csv(path)
        assert all(metric_name(metric) for metric in table["metric"])
        read_off = table["note"].astype(str).str.contains("read off a figure")
        assert (table["value"].isna() == read_off).all(), path.name


def headlines(run, mean, constant, **changes):
    rows = [
        ("strict", run, "mAP@0.50", mean - 9),
        ("strict", run, "mAP@0.1:0.5", mean + 5),
        ("strict", run, "mAP@0.1:0.7", mean),
        ("paper", run, "mAP@0.1:0.7", mean + 1),
        ("baseline", "random_segments", "mAP@0.1:0.7", 3.5),
        ("baseline", "constant_attention", "mAP@0.1:0.7", constant),
    ]
    frame = pd.DataFrame(rows, columns=["reading", "run", "metric", "mean"])
    known = {"dataset": "mine", "recipe": "r", "protocol": "own", "checkpoint": "last", "sd": 0.5}
    return frame.assign(**known | {"n": 3, "coverage": "9/9 videos", "note": "demo data"} | changes)


@pytest.fixture
def maps():
    return [headlines("a", 40.0, 20.0), headlines("b", 50.0, 30.0), headlines("c", 45.0, 20.0)]


def test_the_best_comes_first_and_baselines_of_the_data_once(maps):
    frame = methods_frame(maps)
    assert list(frame.columns) == list(maps[0].columns)
    strict = frame[frame["reading"] == "strict"]
    assert list(strict["run"]) == ["b"] * 3 + ["c"] * 3 + ["a"] * 3
    assert list(frame[frame["reading"] == "paper"]["run"]) == ["b", "c", "a"]
    last = frame[frame["reading"] == "baseline"]
    assert list(last["run"]) == ["random_segments"] and list(last["mean"]) == [3.5]
    assert frame["reading"].drop_duplicates().tolist() == ["strict", "paper", "baseline"]


@pytest.mark.parametrize("constants", [[20.0], [20.0, 20.0], [20.0, 30.0]])
def test_a_baseline_of_one_run_is_left_out_however_many_runs_there_are(constants):
    maps = [headlines(f"m{n}", 40.0 + n, each) for n, each in enumerate(constants)]
    frame = methods_frame(maps)
    assert list(frame[frame["reading"] == "baseline"]["run"]) == ["random_segments"]


def test_what_methods_are_ordered_by():
    names = ["mAP@0.50", "mAP@0.1:0.5", "mAP@0.1:0.7"]
    assert headline(pd.DataFrame({"metric": names})) == "mAP@0.1:0.7"
    assert headline(pd.DataFrame({"metric": ["accuracy"]})) == "accuracy"
    assert headline(pd.DataFrame({"metric": ["mAP@0.50", "mAP@0.3:0.7"]})) == "mAP@0.3:0.7"
    assert headline(pd.DataFrame({"metric": ["video_mAP"]})) == "video_mAP"


def test_markdown_names_readings_spread_and_what_is_left_out(maps):
    left = {"cavf": "takes audio, which recipe r has not", "a": ""}
    text = methods_markdown(methods_frame(maps), "Methods on mine", left)
    lines = text.splitlines()
    assert lines[0] == "# Methods on mine"
    assert (
        lines[2] == "run | reading | mAP@0.50 | mAP@0.1:0.5 | mAP@0.1:0.7 | n | coverage | protocol"
    )
    assert lines[4] == "b | strict | 41.0 ± 0.5 | 55.0 ± 0.5 | 50.0 ± 0.5 | 3 | 9/9 videos | own"
    assert "b | paper |  |  | 51.0 ± 0.5 | 3 | 9/9 videos | own" in lines
    assert "- cavf is left out: it takes audio, which recipe r has not." in lines
    assert lines.count("- demo data") == 1 and not any("- a is" in line for line in lines)


def test_the_script_lists_the_methods(maps, tmp_path, project):
    paths = []
    for frame in maps:
        paths.append(tmp_path / f"{frame['run'][0]}_map.csv")
        frame.to_csv(paths[-1], index=False)
    out = tmp_path / "methods.csv"
    call = [sys.executable, project / "scripts/list_methods.py", "--maps", *paths]
    call += ["--output", out, "--markdown", tmp_path / "methods.md"]
    warm_python.run(call, check=True)
    pd.testing.assert_frame_equal(pd.read_csv(out), methods_frame(maps), check_dtype=False)
    assert (tmp_path / "methods.md").read_text().startswith("# Methods\n")
