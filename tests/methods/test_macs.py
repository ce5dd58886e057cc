"""Counts against CAVF's Table 4 and against products done by hand."""

from __future__ import annotations

import csv
import json
import sys

import pandas as pd
import pytest
import warm_python
from method_configs import method_config
from wstal.train import checkpoint
from wstal.train.loop import run_config
from wstal.train.scoring import count_macs

DIMS = {"audio": 128, "rgb": 1024, "flow": 1024}
CLASSES = 100


def network_of(plain):
    config = run_config(plain)
    return config.method.build(config.run, DIMS, CLASSES)


def count(project, run, length=1):
    plain = method_config(project, run, "activitynet12")
    return count_macs(network_of(plain), sum(DIMS[name] for name in plain["streams"]), length)


@pytest.fixture(scope="module")
def table(catalog):
    return catalog.tables["cavf_table4"]


def test_rows_of_the_paper_within_one_percent(project, table):
    with (project / "workflow/reference/paper_tables" / table["paper"]).open() as file:
        printed = {
            r["variant"]: float(r["value"]) for r in csv.DictReader(file) if "FLOP" in r["metric"]
        }
    counted = {row["variant"]: count(project, row["run"]).layers / 1e6 for row in table["rows"]}
    expected = {
        "visual-only dx=1024": 2.20, "1-stage dx=1024": 3.48, "2-stage dx=1024": 4.53,
        "visual-only dx=512": 1.10, "2-stage dx=512": 1.74,
    }  # fmt: skip
    assert counted == pytest.approx(expected, rel=0.003)
    for variant in ("1-stage dx=1024", "2-stage dx=512"):
        assert counted[variant] == pytest.approx(printed[variant], abs=0.05)
    # With a classifier 2 dx wide, as the paper's formula has it, the uni-modal rows agree too.
    for width, variant in ((1024, "visual-only dx=1024"), (512, "visual-only dx=512")):
        formula = (2048 * width + 2 * width * (CLASSES + 1)) / 1e6
        assert formula == pytest.approx(printed[variant], abs=0.05)
        note = next(row["note"] for row in table["rows"] if row["variant"] == variant)
        assert f"{formula:.2f}M" in note and f"{counted[variant]:.2f}M" in note
    note = next(row["note"] for row in table["rows"] if row["variant"] == "2-stage dx=1024")
    assert "4.53M" in note and abs(counted["2-stage dx=1024"] - 4.0) > 0.5


def test_attention_between_snippets_is_in_the_total_alone(project):
    short, long = (count(project, "cavf", length) for length in (1, 20))
    assert short.layers == long.layers == 2176 * 1024 + 2 * 1024**2 + 2048 * 101
    assert long.total - long.layers == 2 * 3 * 20 * 1024  # two stages of three products
    alone = count(project, "cavf-visual_only", 20)
    assert alone.total == alone.layers == 2048 * 1024 + 1024 * 101


def test_no_product_is_missed_where_a_model_takes_faster_routes(project):
    found = count(project, "co2net", 3).layers
    per_snippet = 2048 * 2048 * 4 + 2048 * (CLASSES + 1)  # joint and classifier
    per_snippet += 2 * (3 * 1024 * 512 + 3 * 512 * 512 + 512)  # attention units
    per_snippet += 2 * 1024 * 1024 * (1 / 3 + 3)  # global (once per video) and local descriptors
    assert found == pytest.approx(per_snippet)


def test_the_cost_of_a_run_joins_its_table(project, tmp_path):
    """count_macs.py and make_table.py as the rules call them."""
    config = method_config(project, "cavf-width_512", "activitynet12")
    model = network_of(config)
    content = {"config": config, "dims": DIMS, "classes": list(map(str, range(CLASSES)))}
    checkpoint.save(tmp_path / "c.pt", {**content, "model": model.state_dict()})
    names = {"dataset": "activitynet12", "recipe": "i3d_tvl1", "run": "cavf-width_512"}
    about = [part for key, value in names.items() for part in (f"--{key}", value)]
    run(project, "count_macs.py", "--checkpoint", tmp_path / "c.pt", *about,
        "--output", tmp_path / "macs.csv")  # fmt: skip
    columns = pd.read_csv(tmp_path / "macs.csv").columns
    score = {**names, "reading": "strict", "metric": "mAP@0.5:0.95", "mean": 20.0, "n": 3}
    pd.DataFrame([score], columns=columns).to_csv(tmp_path / "map.csv", index=False)
    row = {"variant": "2-stage dx=512", "dataset": "activitynet12", "run": "cavf-width_512"}
    table = {
        "method": "cavf",
        "table": 4,
        "title": "Cost",
        "paper": "p",
        "metrics": [],
        "rows": [row],
    }
    paper = project / "workflow/reference/paper_tables/cavf_table4.csv"
    run(project, "make_table.py", "--table", json.dumps(table), "--paper", paper, "--results",
        tmp_path / "map.csv", tmp_path / "macs.csv", "--output", tmp_path / "t.csv",
        "--markdown", tmp_path / "t.md")  # fmt: skip
    found = pd.read_csv(tmp_path / "t.csv")
    found = found[(found["run"] == "cavf-width_512") & (found["reading"] == "strict")]
    values = found.set_index("metric")["ours_mean"].to_dict()
    assert values == {"mmacs": 1.74, "mAP@0.5:0.95": 20.0}
    assert "with attention over 160 snippets" in found.set_index("metric").loc["mmacs", "note"]


def test_a_fixed_number_of_snippets_is_not_counted_for_a_video_of_another(project, tmp_path):
    """TS-SAM reads 75 snippets of any ActivityNet video: the cost is per snippet that it reads."""
    config = method_config(project, "tssam", "activitynet13", changes={"streams": ["audio"]})
    model = network_of(config)
    content = {"config": config, "dims": {"audio": 128}, "classes": list(map(str, range(CLASSES)))}
    checkpoint.save(tmp_path / "c.pt", {**content, "model": model.state_dict()})
    names = {"dataset": "activitynet13", "recipe": "i3d_tvl1", "run": "tssam"}
    about = [part for key, value in names.items() for part in (f"--{key}", value)]
    run(project, "count_macs.py", "--checkpoint", tmp_path / "c.pt", *about,
        "--output", tmp_path / "macs.csv")  # fmt: skip
    found = pd.read_csv(tmp_path / "macs.csv")["mean"].iloc[0] * 1e6
    per_snippet = 3 * 128 * 128 + 128 * 3 + 128 * (CLASSES + 1)  # block, attention, classifier
    pooled = 3 * 128 * (CLASSES + 1) / 75  # three features of the whole video
    assert found == pytest.approx(per_snippet + pooled, rel=1e-3)


def run(project, script, *arguments):
    command = [sys.executable, project / "scripts" / script, *map(str, arguments)]
    warm_python.run(command, check=True)
