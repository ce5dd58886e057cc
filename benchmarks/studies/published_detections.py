"""Score the published detections of two papers under every protocol, beside what they print.

STPN and AutoLoc publish the detections behind their THUMOS14 tables (AutoLoc also those of
ActivityNet 1.2). On each paper's own ground truth, the evaluator must give what the paper prints
(`tests/golden/published_map.yaml`). On the dataset's published annotations, the same detections
show how much the choice of a protocol changes.

`--detections` is a folder with `stpn_thumos14_{detections,groundtruth}.json.gz`, as published, and
`autoloc_{thumos14,activitynet12}_{detections,groundtruth}.csv.gz`: video_id, t_start, t_end (shares
of the video), label (class number), and score. `--annotations` has THUMOS14's label files.

Examples:
  python -m benchmarks.studies.published_detections --detections detections \\
      --annotations data/thumos14/annotations
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from wstal.config.protocols import protocol_names, read_protocol
from wstal.datasets.annotations import write_annotations
from wstal.datasets.kinds import read_dataset
from wstal.evaluate.detections import read_detections
from wstal.evaluate.ground_truth import GroundTruth, read_ground_truth
from wstal.evaluate.map_table import ALL, run_rows, tie_span
from wstal.evaluate.protocols import prepare
from wstal.evaluate.summary import make_ledger

from benchmarks.record import record_parser, write_record

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/golden/published_map.yaml"
METRICS = ("mAP@0.50", "mAP@0.1:0.7")


def printed_values() -> dict[str, dict[str, Any]]:
    """Return paper, source, licence, protocol, tious and printed mAP (percent) by set."""
    return yaml.safe_load(GOLDEN.read_text())


def as_files(name: str, folder: Path, output: Path) -> tuple[Path, Path]:
    """Return ground truth and detections of a set in ActivityNet's format, written if need be.

    AutoLoc's times stay shares of the video: a tIoU does not depend on the unit.
    """
    truth, found = (folder / f"{name}_{what}.json.gz" for what in ("groundtruth", "detections"))
    if truth.exists():
        return truth, found
    instances = _read_table(folder / f"{name}_groundtruth.csv.gz")
    frame = _read_table(folder / f"{name}_detections.csv.gz")
    annotated, results = _by_video(instances), _by_video(frame)
    # Its detections in videos without instances count as false: the videos are part of the set.
    database = {
        v: {"subset": "test", "annotations": annotated.get(v, [])} for v in annotated | results
    }
    (output / "gt.json").write_text(json.dumps({"database": database}))
    (output / "found.json").write_text(json.dumps({"results": results}))
    return output / "gt.json", output / "found.json"


def _read_table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype={"video_id": str, "label": str})


def _by_video(frame: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    entries = frame.assign(segment=frame[["t_start", "t_end"]].to_numpy().tolist())
    kept = [name for name in ("segment", "label", "score") if name in entries]
    groups = entries.groupby("video_id", sort=False)
    return {str(video): rows[kept].to_dict("records") for video, rows in groups}


def own_map(name: str, folder: Path, protocol: str) -> dict[str, float]:
    """Return the mAP (percent) by metric on the paper's own ground truth."""
    with tempfile.TemporaryDirectory() as output:
        truth, found = as_files(name, folder, Path(output))
        rows = run_rows(
            read_ground_truth(truth), read_protocol(protocol), predictions={"given": found}
        )
    return {r["metric"]: float(r["value"]) for r in rows if r["class"] == ALL}


def tie_spans(name: str, folder: Path, protocol: str) -> list[dict[str, Any]]:
    """Return the worst and the best mAP over the orders of ties, with scores as written or rounded.

    `tied` counts the detections that share their score with another of their class.
    """
    with tempfile.TemporaryDirectory() as output:
        truth, found = as_files(name, folder, Path(output))
        truth, found = read_ground_truth(truth), read_detections(found)
    own, spans = read_protocol(protocol), []
    for decimals in (None, 2, 1):
        scores = found["score"] if decimals is None else found["score"].round(decimals)
        prepared = prepare(truth, found.assign(score=scores), own)
        tied = int(prepared.predictions.duplicated(["label", "score"], keep=False).sum())
        span = tie_span(prepared, own)["mAP@0.50"]
        worst, best = (round(value, 3) for value in span)
        spans.append({"decimals": decimals, "tied": tied, "worst": worst, "best": best})
    return spans


def thumos14_truth(annotations: Path) -> GroundTruth:
    """Return THUMOS14's ground truth, 213 test videos, from its published label files."""
    facts = yaml.safe_load((ROOT / "workflow/reference/datasets/thumos14.yaml").read_text())
    files = sorted(path for path in annotations.rglob("*") if path.is_file())
    read, _ = read_dataset("thumos14", {"kind": "thumos14"}, files, facts)
    with tempfile.TemporaryDirectory() as folder:
        write_annotations(Path(folder, "annotations.json"), read)
        return read_ground_truth(Path(folder, "annotations.json"))


def in_seconds(name: str, folder: Path, truth: GroundTruth) -> pd.DataFrame:
    """Return a set's THUMOS14 detections with the names and seconds of the annotations."""
    if (path := folder / f"{name}_detections.json.gz").exists():
        return read_detections(path)
    frame = _read_table(folder / f"{name}_detections.csv.gz")
    frame["video_id"] = "video_test_" + frame["video_id"]
    frame["label"] = [sorted(truth.classes)[int(number)] for number in frame["label"]]
    # The one video without instances has no duration either: its last ambiguous segment ends it.
    ends = truth.ambiguous.groupby("video_id")["t_end"].max()
    length = frame["video_id"].map(truth.duration).astype(float)
    length = length.fillna(frame["video_id"].map(ends))
    return frame.assign(t_start=frame["t_start"] * length, t_end=frame["t_end"] * length)


def protocol_table(truth: GroundTruth, found: pd.DataFrame) -> pd.DataFrame:
    """Return the ledger of all THUMOS14 protocols; differences are to th14_210."""
    names = sorted(n for n in protocol_names() if n.startswith("th14_") and "missing" not in n)
    names.sort(key=lambda name: name != "th14_210")
    return make_ledger(truth, [read_protocol(name) for name in names], [(found, {})], None)


def measure(folder: Path, annotations: Path) -> dict[str, Mapping[str, Any]]:
    """Return by set: mAP on the paper's own ground truth, and the ledger on THUMOS14's."""
    truth, results = thumos14_truth(annotations), {}
    for name, facts in printed_values().items():
        own = own_map(name, folder, facts["protocol"])
        results[name] = {"own_ground_truth": {k: round(v, 3) for k, v in own.items()}}
        results[name]["ties_at_0.5"] = tie_spans(name, folder, facts["protocol"])
        if name.endswith("thumos14"):
            ledger = protocol_table(truth, in_seconds(name, folder, truth))
            kept = ledger[ledger["metric"].isin(METRICS)].round(3)
            columns = ["protocol", "metric", "mean", "difference", "gt"]
            results[name]["protocols"] = kept[columns].to_dict("records")
    return results


def main() -> None:
    """Score both papers' detections, print the figures beside the printed ones, record them."""
    arguments = record_parser(__doc__)
    arguments.add_argument("--detections", type=Path, required=True)
    arguments.add_argument("--annotations", type=Path, required=True)
    args = arguments.parse_args()
    results = measure(args.detections, args.annotations)
    for name, facts in printed_values().items():
        own = results[name]["own_ground_truth"]
        print(name, "tIoU printed measured", sep="\n")
        for tiou, value in zip(facts["tious"], facts["printed"], strict=True):
            print(f"{tiou:.2f} {value:5.1f} {own[f'mAP@{tiou:.2f}']:7.3f}")
        print(pd.DataFrame(results[name]["ties_at_0.5"]))
        if "protocols" in results[name]:
            table = pd.DataFrame(results[name]["protocols"])
            print(table.pivot(index="protocol", columns="metric", values="difference"))
    if not args.dry_run:
        print(write_record("published_detections", results, packages=("numpy", "pandas")))


if __name__ == "__main__":
    main()
