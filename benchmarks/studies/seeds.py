"""Measure what the seed alone changes, and choose settings: each seed's mAP and attention.

Trains the seeds of each run, those it builds on first, in this process from features.h5, and scores
the last iterate (with validation clips in the dataset: the best on validation) as the DAG does.
What is trained is kept in --folder and not trained again; `training_s` is its processor time.
`--candidates` compares settings: a YAML file that maps a name to what a --configfile would contain,
for example

  paper: {methods: {co2net: {datasets: {demo: {data: {standardize: none}}}}}}

Choose on validation videos: on `demo_val` and `thumos14_sim_val`, whose runs are those of `demo`
and `thumos14_sim`, or on a dataset's own with `--subset val`. With several runs, each is compared
with the first by a paired bootstrap.

A training fails if its attention sinks to 0 (nothing is detected) or is inverted (the background
is detected). The times of actions serve to describe what happened; nothing is chosen by them.

Examples:
  snakemake --cores 2 results/demo_val/demo_i3d/features.h5 results/demo_val/annotations.json
  python -m benchmarks.studies.seeds --dataset demo_val --runs co2net \\
      --candidates benchmarks/studies/candidates/co2net.yaml
  python -m benchmarks.studies.seeds --dataset demo --runs co2net co2net-fusion_add
  python -m benchmarks.studies.seeds --dataset demo_ave --subset val --runs cavf --seeds 3 --dry-run
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from wstal.base.code_digest import code_digest
from wstal.base.files import read_cached, write_json
from wstal.base.settings import from_plain
from wstal.config.catalog import Catalog, load_catalog
from wstal.config.layers import read_yaml
from wstal.config.protocols import read_protocol
from wstal.datasets.annotations import Annotations, read_annotations, training_view
from wstal.evaluate.bootstrap import compare, read_strict_runs
from wstal.evaluate.detections import read_detections
from wstal.evaluate.ground_truth import GroundTruth, read_ground_truth, read_usable
from wstal.evaluate.map_table import ALL, run_rows
from wstal.evaluate.protocols import Protocol
from wstal.features.pack import FeatureFile
from wstal.localize.proposals import write_proposals
from wstal.localize.scores import Scores, read_scores, write_scores
from wstal.methods.acn.localize import fuse_proposals, fuse_scores
from wstal.methods.contract import localization_half
from wstal.train import checkpoint
from wstal.train.data import merge_scores, teacher_scores
from wstal.train.run import RunFiles, train_run
from wstal.train.scoring import score_checkpoint

from benchmarks.record import record_parser, write_record
from benchmarks.studies.variants import plain

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")
COST = "processor_seconds.json"  # of a training, scorings on the way included
CONCORD = localization_half("concord")
LOW = 0.1  # below this, attention finds nothing


@dataclass(frozen=True)
class Study:
    """A dataset's features and labels, and how its runs are configured, trained and scored."""

    catalog: Catalog
    dataset: str
    features: FeatureFile
    annotations: Annotations
    truth: GroundTruth
    usable: set[str]
    protocol: Protocol
    metric: str
    folder: Path  # of what is trained
    recipe: str | None = None  # of the features; None: the dataset's
    keep: bool = False  # take what is trained there as it is, whatever code trained it

    def seed(self, run: str, seed: int) -> Path:
        """Train a seed, or join its streams; return the folder with scores and proposals."""
        folder = self.folder / run / f"seed{seed}"
        folder.mkdir(parents=True, exist_ok=True)
        if "+" in run:
            return self._ensemble(run.split("+"), seed, folder)
        config = self.catalog.run_config(self.dataset, run, self.recipe)
        localize, parts = config.pop("localize"), config.get("fuse_from")
        settings = from_plain(localization_half(config["method"]).settings, localize)
        if parts:
            folders = {stream: self.seed(part, seed) for stream, part in parts.items()}
            scores = fuse_scores({s: read_scores(f / "scores.h5") for s, f in folders.items()})
            flow, rgb = (read_detections(folders[s] / "proposals.json") for s in ("flow", "rgb"))
            found = fuse_proposals(flow, rgb, settings.fusion)
        else:
            scores = self._train(config, folder, seed)
            found = localization_half(config["method"]).localize(scores, settings)
        write_scores(folder / "scores.h5", scores)
        write_proposals(folder / "proposals.json", found, scores, localize)
        return folder

    def _ensemble(self, runs: Sequence[str], seed: int, folder: Path) -> Path:
        """Localize by the mean of what runs say, as Concord's targets take it; nothing is learned.

        Each run's evidence for a class, its attention times the class's probability, is divided by
        its maximum in the video.
        """
        joined = teacher_scores(
            {run: read_scores(self.seed(run, seed) / "scores.h5") for run in runs}
        )
        videos = {}
        for video, values in joined.videos.items():
            parts = []
            for run in runs:
                of_run = values.extra[f"cas_{run}"] * values.attentions[run][:, None]
                parts.append(of_run / of_run.max(0).clip(1e-9))
            videos[video] = replace(values, cas=np.mean(parts, axis=0), extra={})
        scores = replace(joined, videos=videos)
        settings = CONCORD.settings(segments="thresholds")
        write_scores(folder / "scores.h5", scores)
        write_proposals(
            folder / "proposals.json", CONCORD.localize(scores, settings), scores, {"mean_of": runs}
        )
        return folder

    def _train(self, config: Mapping[str, Any], folder: Path, seed: int) -> Scores:
        files = RunFiles(folder / "checkpoint.pt", folder / "log.csv", history(folder))
        upstream = initial = None
        if before := config["scores_from"]:
            rest = read_scores(self.seed(before, seed) / "scores.h5")
            upstream = merge_scores([self.training_scores(before, seed), rest])
        taught = {run: self.training_scores(run, seed) for run in config.get("teachers", ())}
        if config["init_from"]:
            initial = checkpoint.load(self.seed(config["init_from"], seed) / "checkpoint.pt")
        modules = [f"wstal.methods.{config['method']}.loss"]
        code = code_digest(ROOT / "scripts/train.py", ROOT / "workflow/wstal", modules)
        about = {"seed": seed, "code": code, "device": CPU, "upstream": upstream}
        about["teachers"] = teacher_scores(taught)
        labels = training_view(self.annotations)
        if not (self.keep and files.checkpoint.is_file()):
            start = time.process_time()
            notes = train_run(self.features, labels, config, files, initial=initial, **about)
            if not any(note.startswith("kept the finished run") for note in notes):
                write_json(folder / COST, time.process_time() - start)
        splits = ["val", "test"]
        return score_checkpoint(files.checkpoint, self.features, splits, CPU, upstream=upstream)

    def training_scores(self, run: str, seed: int) -> Scores:
        """Return the training videos' scores under a seed of a run, trained if it is not yet."""
        before = self.catalog.run_config(self.dataset, run, self.recipe)["scores_from"]
        upstream = self.training_scores(before, seed) if before else None
        weights = self.seed(run, seed) / "checkpoint.pt"
        return score_checkpoint(weights, self.features, ["train"], CPU, upstream=upstream)

    def row(self, folder: Path) -> dict[str, Any]:
        """Return a seed's metric in the strict reading, its attention and its last logged loss."""
        files = {"scores": folder / "scores.h5", "predictions": {}}
        if self.protocol.task == "events":
            files["score_history"] = history(folder)
        else:
            files["predictions"] = {"last": folder / "proposals.json"}
        rows = pd.DataFrame(run_rows(self.truth, self.protocol, usable=self.usable, **files))
        rows = rows[rows["class"] == ALL]
        chosen = "best_val" if "best_val" in set(rows["checkpoint"]) else "last"
        value = rows[rows["checkpoint"] == chosen].set_index("metric")["value"]
        means = attention(
            read_scores(folder / "scores.h5"),
            self.truth.frame,
            self.truth.ids(self.protocol.subsets),
        )
        streams = [name for name in means if name != "all"] or ["all"]
        row = {
            "seed": int(folder.name.removeprefix("seed")),
            "value": value[self.metric],
            "by_tiou": {name: value[name] for name in value.index if name.startswith("mAP@0.")},
            "inverted": means["all"]["within"] < LOW < means["all"]["outside"],
            "loss": None,
        }
        if (log := folder / "log.csv").is_file():
            row["loss"] = round(pd.read_csv(log)["total"].iloc[-1], 4)
        row["training_s"] = read_cached(folder / COST)
        sunk = [name for name in streams if max(means[name].values()) < LOW]
        return plain(row) | {"sunk": sunk, "attention": means}

    def comparison(self, names: Sequence[str], runs: Sequence[Sequence[Path]]) -> dict[str, Any]:
        """Return the difference of the first run to the second, with its 95 % interval."""
        given = [
            ([folder / "scores.h5" for folder in run], [history(folder) for folder in run])
            if self.protocol.task == "events"
            else ([folder / "proposals.json" for folder in run], [])
            for run in runs
        ]
        chosen, prepared = read_strict_runs(self.truth, self.protocol, self.usable, given)
        table = compare(*prepared, self.protocol, checkpoint=chosen, names=names)
        found = table.set_index("metric").loc[self.metric]
        return plain({key: found[key] for key in ("a", "b", "difference", "low", "high", "p")})


def history(folder: Path) -> Path:
    """Return where a seed's scores by iteration are."""
    return folder / "scores_by_iteration.h5"


def within_actions(scores: Scores, truth: pd.DataFrame, video: str) -> np.ndarray:
    """Return whether the middle of each snippet lies within an action: bool [T]."""
    middle = scores.t0 + scores.step * (np.arange(len(scores.videos[video].attention)) + 0.5)
    segments = truth[truth["video_id"] == video][["t_start", "t_end"]].to_numpy()
    return ((middle[:, None] >= segments[:, 0]) & (middle[:, None] < segments[:, 1])).any(1)


def attention(
    scores: Scores, truth: pd.DataFrame, videos: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Return mean attention within and outside actions, fused and of each stream."""
    videos = [video for video in videos if video in scores.videos]
    inside = np.concatenate([within_actions(scores, truth, video) for video in videos])
    found = [scores.videos[video] for video in videos]
    parts = [{"all": v.attention} | v.attentions for v in found]
    means = {}
    for name in parts[0]:
        values = np.concatenate([part[name] for part in parts])
        means[name] = {"within": values[inside].mean(), "outside": values[~inside].mean()}
    return {name: {k: round(float(v), 3) for k, v in each.items()} for name, each in means.items()}


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return mean, spread, range and failures of a run's seeds, and the seeds."""
    values = pd.Series([row["value"] for row in rows])
    about = {"n": len(rows), "mean": values.mean(), "sd": values.std(), "median": values.median()}
    about["by_tiou"] = pd.DataFrame([row["by_tiou"] for row in rows]).mean().to_dict()
    about |= {"lowest": values.min(), "highest": values.max()}
    about["training_s"] = pd.Series([row["training_s"] for row in rows], dtype=float).mean()
    failed = {"inverted": sum(row["inverted"] for row in rows)}
    failed["sunk"] = sum(bool(row["sunk"]) for row in rows)
    return plain(about) | failed | {"seeds": list(rows)}


def main() -> None:
    """Train and score the seeds of each run with each candidate's settings; record run by run."""
    parser = record_parser(__doc__)
    parser.add_argument("--dataset", default="demo")
    parser.add_argument("--runs", nargs="+", required=True, help="or co2net+tssam: their mean")
    parser.add_argument("--candidates", type=Path, help="YAML: settings by name (default: as is)")
    parser.add_argument("--only", nargs="+", help="of the candidates")
    parser.add_argument("--seeds", type=int, default=12, help="seeds 0 to N - 1 (default 12)")
    parser.add_argument("--subset", choices=["val", "test"], default="test", help="whose videos")
    parser.add_argument("--metric", default="mAP@0.1:0.7", help="or accuracy")
    parser.add_argument("--folder", type=Path, default=Path("results/seeds"), help="to train in")
    keep = "take what is trained there, whatever code trained it"
    parser.add_argument("--keep-trained", action="store_true", help=keep)
    parser.add_argument("--name", help="of the record: seeds_{method}_{dataset}, or settings_...")
    args = parser.parse_args()
    candidates = read_yaml(args.candidates) if args.candidates else {"": {}}
    candidates = {name: candidates[name] for name in args.only or candidates}
    settings = {"dataset": args.dataset, "metric": args.metric, "subset": args.subset}
    settings |= {"keep_trained": True} if args.keep_trained else {}
    method, kind = args.runs[0].partition("-")[0], "settings" if args.candidates else "seeds"
    record = args.name or f"{kind}_{method}_{args.dataset}"
    results: dict[str, Any] = {}
    for candidate, changes in candidates.items():
        catalog = load_catalog(changes)
        folder, about = Path("results") / args.dataset, catalog.datasets[args.dataset]
        protocol = replace(read_protocol(about["protocol"]), subsets=(args.subset,))
        truth = read_ground_truth(folder / "annotations.json")
        coverage = folder / about["recipe"] / "coverage.csv"
        scored = [video for video, subset in truth.subset.items() if subset in ("val", "test")]
        with FeatureFile(folder / about["recipe"] / "features.h5") as features:
            study = Study(
                catalog,
                args.dataset,
                features,
                read_annotations(folder / "annotations.json"),
                truth,
                read_usable(coverage, scored),
                protocol,
                args.metric,
                args.folder / args.dataset / (candidate or "as_configured"),
                keep=args.keep_trained,
            )
            folders: dict[str, list[Path]] = {}
            for run in args.runs:
                name = f"{candidate}: {run}" if candidate else run
                folders[run] = [study.seed(run, seed) for seed in range(args.seeds)]
                results[name] = summary([study.row(each) for each in folders[run]])
                print(name, {k: v for k, v in results[name].items() if k != "seeds"})
                print("   ", *(f"{row['value']:.1f}" for row in results[name]["seeds"]), flush=True)
                if run != (first := args.runs[0]):
                    pair = folders[first], folders[run]
                    results[name]["first_minus_this"] = study.comparison((first, run), pair)
                    print("   ", results[name]["first_minus_this"], flush=True)
                if changes:
                    results[name]["changes"] = changes
                if not args.dry_run:
                    write_record(record, results, settings=settings)


if __name__ == "__main__":
    main()
