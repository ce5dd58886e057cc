"""Detections that two papers publish: the command gives the mAP that they print."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pandas as pd
import pytest
from evaluation_cases import DATABASE
from wstal.base.errors import WstalError
from wstal.commands.evaluate import COMMAND
from wstal.evaluate.ground_truth import read_ground_truth

from benchmarks.studies.published_detections import (
    as_files,
    in_seconds,
    printed_values,
    protocol_table,
    thumos14_truth,
)

PRINTED = printed_values()
ROOT = Path(__file__).resolve().parents[2]
RECORD = json.loads((ROOT / "benchmarks/results/published_detections.json").read_text())["results"]


@pytest.mark.parametrize("name", PRINTED)
def test_wstal_evaluate_gives_every_printed_figure(reference, tmp_path, name):
    truth, found = as_files(name, reference / "data/detections", tmp_path)
    facts, output = PRINTED[name], tmp_path / "map.csv"
    words = ["--ground-truth", truth, "--predictions", found, "--protocol", facts["protocol"]]
    with pytest.raises(SystemExit) as done:
        COMMAND.run([*map(str, words), "--output", str(output)])
    assert not done.value.code
    table = pd.read_csv(output)
    value = table[table["class"] == "all"].set_index("metric")["value"]
    printed = {f"mAP@{t:.2f}": v for t, v in zip(facts["tious"], facts["printed"], strict=True)}
    printed |= {f"mAP@{key}": mean for key, mean in facts.get("averages", {}).items()}
    assert {k: v for k, v in printed.items() if abs(value[k] - v) > 0.1} == {}
    golden = pd.Series(RECORD[name]["own_ground_truth"])
    assert (value[golden.index] - golden).abs().max() < 0.001


@pytest.fixture(scope="module")
def annotated(reference):
    return thumos14_truth(reference / "data/annotations/thumos14")


@pytest.mark.parametrize("name", [name for name in PRINTED if name.endswith("thumos14")])
def test_every_protocol_gives_what_the_record_says(reference, annotated, name):
    found = in_seconds(name, reference / "data/detections", annotated)
    table = protocol_table(annotated, found).set_index(["protocol", "metric"])
    for row in RECORD[name]["protocols"]:
        measured = table.loc[(row["protocol"], row["metric"])]
        assert abs(measured["mean"] - row["mean"]) < 0.001 and measured["gt"] == row["gt"], row


def test_the_docs_have_the_recorded_differences():
    page = (ROOT / "docs/evaluation.md").read_text()
    tables = [
        pd.DataFrame(RECORD[name]["protocols"]) for name in PRINTED if "protocols" in RECORD[name]
    ]
    rows = dict(re.findall(r"^\| `(th14_\w+)` \|((?: [+-]?\d\.\d\d? \|){4})$", page, re.MULTILINE))
    protocols = set(tables[0]["protocol"]) - {"th14_210"}
    assert set(rows) == protocols
    for name, cells in rows.items():
        values = [
            table.set_index(["protocol", "metric"]).loc[(name, metric), "difference"]
            for table in tables
            for metric in ("mAP@0.50", "mAP@0.1:0.7")
        ]
        shown = [float(cell) for cell in cells.split("|")[:4]]
        assert shown == pytest.approx(values, abs=0.0051), name


def test_ground_truth_may_be_gzipped(tmp_path):
    whole = gzip.compress(json.dumps({"database": DATABASE}).encode())
    path = tmp_path / "gt.json.gz"
    path.write_bytes(whole)
    assert set(read_ground_truth(path).subset) == set(DATABASE)
    path.write_bytes(whole[:-12])
    with pytest.raises(WstalError, match=r"gt\.json\.gz is not complete gzip"):
        read_ground_truth(path)
