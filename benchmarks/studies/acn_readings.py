"""Measure the readings of ACN on a dataset of validation videos, to choose its settings.

Each reading changes some settings of both streams. Recorded are the mAP of the fused run and of
each stream, the loss on training videos, and how far boundaries move, in shares of their anchor.

Examples:
  snakemake --cores 2 results/demo_val/demo_i3d/features.h5 results/demo_val/annotations.json
  python -m benchmarks.studies.acn_readings --dataset demo_val --seeds 0 1 2
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from wstal.base.settings import from_plain
from wstal.config.catalog import load_catalog
from wstal.config.layers import merged
from wstal.datasets.annotations import read_annotations
from wstal.evaluate import detection_map
from wstal.features.pack import FeatureFile
from wstal.localize.scores import Scores
from wstal.methods.acn.localize import LocalizeSettings, fuse_proposals, localize
from wstal.methods.contract import Batch
from wstal.train.data import TrainingSet
from wstal.train.loop import Trainer, run_config
from wstal.train.scoring import Scorer

from benchmarks.record import record_parser, write_record

CPU, TIOUS = torch.device("cpu"), [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
QUANTILES = (0.25, 0.5, 0.75)
# What every reading has unless it says otherwise: the settings from which the defaults were chosen.
BASE = {
    "model": {"width": 64},
    "loss": {"discard_rule": "location"},
    "localize": {"discard_rule": "location", "attention": {"mode": "none"}},
}
# By name: what the reading changes in the config of either stream.
READINGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "fusion mapped": {"localize": {"fusion": {"score": "mapped"}}},
    **{
        f"gate at the training quantile {q:g}": {
            "localize": {"attention": {"mode": "quantile", "quantile": q}}
        }
        for q in QUANTILES
    },
    "gate as printed": {"localize": {"attention": {"mode": "absolute"}}},
    "end where the last snippet starts": {"localize": {"end": "last"}},
    "fused video score": {"model": {"video_score": "fused"}},
    "scores as inputs": {"model": {"inputs": "with_scores"}},
    "inflation P/4": {"model": {"inflation": "quarter"}},
    "discard contains": {
        "loss": {"discard_rule": "contains"},
        "localize": {"discard_rule": "contains"},
    },
    "dilation as a rate": {"model": {"dilation_rule": "rate"}},
    "classes scored": {"loss": {"classes": "scored"}},
    "mean over proposals": {"loss": {"average": "proposals"}},
    "momentum 0": {"train": {"momentum": 0}},
    "momentum and decay 0": {"train": {"momentum": 0, "weight_decay": 0}},
    "width 64": {"model": {"width": 64}},
    "width 256": {"model": {"width": 256}},
    "width 256, rate 0.01": {"model": {"width": 256}, "train": {"lr": 0.01}},
    "rate 0.1": {"train": {"lr": 0.1}},
    "3 epochs": {"train": {"epochs": 3, "score_interval": 3}},
    "3 epochs, width 256": {"train": {"epochs": 3, "score_interval": 3}, "model": {"width": 256}},
}
SPLITS = ("train", "test")


class Study:
    """One seed on one dataset: UntrimmedNet is trained once, then a stream for each reading."""

    def __init__(self, folder: Path, dataset: str, seed: int) -> None:
        self.catalog, self.dataset, self.seed = load_catalog(), dataset, seed
        recipe = self.catalog.datasets[dataset]["recipe"]
        self.features = FeatureFile(folder / dataset / recipe / "features.h5")
        self.labels = read_annotations(folder / dataset / "training_labels.json")
        self.truth = read_annotations(folder / dataset / "annotations.json").ground_truth("test")
        self.ids = self.features.ids("test")
        self.trained: dict[str, tuple[Scores, dict[str, Any]]] = {}
        config = self.catalog.run_config(dataset, "untrimmednet")
        trainer = self._train(config, None)
        ids = [video for split in SPLITS for video in self.features.ids(split)]
        self.upstream = self._score(trainer, ids, None)

    def measure(self, reading: Mapping[str, Any]) -> dict[str, Any]:
        """Return mAPs of the fused run and of each stream, and what training did."""
        found, about = {}, {}
        for stream in ("rgb", "flow"):
            base = self.catalog.run_config(self.dataset, f"acn-{stream}")
            config = merged(base, BASE, reading)
            settings = from_plain(LocalizeSettings, config.pop("localize"))
            key = json.dumps(config, sort_keys=True)
            if key not in self.trained:
                trainer = self._train(merged(config, {"localize": base["localize"]}), self.upstream)
                self.trained[key] = self._score(trainer, self.ids, self.upstream), moved(trainer)
            scores, about[stream] = self.trained[key]
            found[stream] = localize(scores, settings)
        found["fused"] = fuse_proposals(found["flow"], found["rgb"], settings.fusion)
        maps = {name: self._map(frame) for name, frame in found.items()}
        return {"map": maps, "training": about}

    def detector(self) -> dict[str, float]:
        """Return the mAP of UntrimmedNet's own detector."""
        from wstal.methods.untrimmednet.localize import LOCALIZATION

        config = self.catalog.run_config(self.dataset, "untrimmednet")
        settings = from_plain(LOCALIZATION.settings, config["localize"])
        videos = {video: self.upstream.videos[video] for video in self.ids}
        return self._map(LOCALIZATION.localize(replace(self.upstream, videos=videos), settings))

    def _train(self, plain: Mapping[str, Any], upstream: Scores | None) -> Trainer:
        config = run_config(plain)
        streams = config.run.streams
        data = TrainingSet(self.features, self.labels, streams, config.data, CPU, upstream)
        trainer = Trainer(config, data, self.features.dims, self.seed, CPU)
        while trainer.iteration < trainer.iterations:
            trainer.step()
        return trainer

    def _score(self, trainer: Trainer, ids: list[str], upstream: Scores | None) -> Scores:
        about = (self.labels.classes, trainer.data.standardization, CPU, upstream)
        return Scorer(trainer.config, self.features, ids, *about)(trainer.model, 0)

    def _map(self, found: Any) -> dict[str, float]:
        values = detection_map(self.truth, found, TIOUS)["map"]
        return {"0.1:0.7": 100 * float(np.mean(values)), "0.5": 100 * float(values[4])}


@torch.no_grad()
def moved(trainer: Trainer) -> dict[str, Any]:
    """Return means over the training videos: L, and the boundaries' shifts in units of P."""
    data, model = trainer.data, trainer.model.eval()
    losses, shifts = [], []
    for video, (first, length) in enumerate(zip(data.offsets, data.lengths, strict=True)):
        rows, one = slice(first, first + length), slice(video, video + 1)
        upstream = {name: x[None, rows] for name, x in data.upstream_rows.items()}
        upstream |= {name: x[one] for name, x in data.upstream_videos.items()}
        batch = Batch(data.rows[None, rows], data.labels[one], 0, None, upstream)
        output = trainer.config.method.forward(model, batch.features, None, upstream)
        losses.append(trainer.config.method.loss(output, batch, trainer.config.loss)[0].item())
        shifts.append(output.extra["shifts"][0].abs().mean((1, 2)) / model.anchors)
    return {"loss": float(np.mean(losses)), "moved": torch.stack(shifts).mean(0).tolist()}


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return each figure's mean over the seeds, its standard deviation, and its lowest."""
    result: dict[str, Any] = {}
    for name in rows[0]["map"]:
        values = {t: [row["map"][name][t] for row in rows] for t in ("0.1:0.7", "0.5")}
        main = values["0.1:0.7"]
        spread = float(np.std(main, ddof=1)) if len(main) > 1 else None
        about = {"mean": float(np.mean(main)), "sd": spread, "lowest": min(main)}
        result[name] = about | {"mean at 0.5": float(np.mean(values["0.5"]))}
    for stream in rows[0].get("training", {}):
        parts = [row["training"][stream] for row in rows]
        result[f"{stream} training"] = {
            "loss": float(np.mean([part["loss"] for part in parts])),
            "moved": np.mean([part["moved"] for part in parts], axis=0).tolist(),
        }
    return result


def main() -> None:
    """Measure every reading with every seed, and record means and spreads."""
    parser = record_parser(__doc__)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--readings", nargs="+", choices=READINGS, default=list(READINGS))
    parser.add_argument("--results", type=Path, default=Path("results"))
    args = parser.parse_args()
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in (*args.readings, "untrimmednet")}
    for seed in args.seeds:
        study = Study(args.results, args.dataset, seed)
        rows["untrimmednet"].append({"map": {"fused": study.detector()}})
        for name in args.readings:
            rows[name].append(study.measure(READINGS[name]))
            maps = {part: round(each["0.1:0.7"], 1) for part, each in rows[name][-1]["map"].items()}
            print(f"seed {seed} {name:36} {maps}", flush=True)
    results = {name: summary(each) for name, each in rows.items()}
    for name, each in results.items():
        fused = each["fused"]
        print(f"{name:36} {fused['mean']:.1f} ± {fused['sd'] or 0:.1f}, from {fused['lowest']:.1f}")
    if not args.dry_run:
        settings = {"dataset": args.dataset, "seeds": args.seeds, "metric": "mAP"}
        name = f"acn_readings_{args.dataset}"
        print(f"wrote {write_record(name, results, settings=settings)}")


if __name__ == "__main__":
    main()
