"""Record ACN's loss on training videos under several optimizers, to choose its learning rate.

Only videos of the training set and their video-level labels are read. No localization is scored.

Examples:
  snakemake --cores 2 results/demo/demo_i3d/untrimmednet/seed0/scores_train.h5
  python -m benchmarks.studies.acn_rates --dataset demo
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from wstal.config.catalog import load_catalog
from wstal.config.layers import merged
from wstal.datasets.annotations import read_annotations
from wstal.features.pack import FeatureFile
from wstal.localize.scores import read_scores
from wstal.methods.contract import Batch
from wstal.train.data import TrainingSet
from wstal.train.loop import Trainer, run_config

from benchmarks.record import record_parser, write_record

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {
    "sgd 1e-3, no momentum": {"optimizer": "sgd", "lr": 1e-3, "momentum": 0},
    "sgd 1e-3": {"optimizer": "sgd", "lr": 1e-3, "momentum": 0.9},
    "sgd 1e-1": {"optimizer": "sgd", "lr": 1e-1, "momentum": 0.9},
    "adam 1e-4": {"optimizer": "adam", "lr": 1e-4},
    "adam 1e-3": {"optimizer": "adam", "lr": 1e-3},
}


@torch.no_grad()
def measured(trainer: Trainer) -> dict[str, Any]:
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
    model.train()
    return {"loss": np.mean(losses), "moved": torch.stack(shifts).mean(0).tolist()}


def main() -> None:
    """Train with each optimizer and record the losses."""
    parser = record_parser(__doc__, dry_run=False)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--streams", nargs="+", default=["rgb", "flow"])
    parser.add_argument("--results", type=Path, default=Path("results"))
    args = parser.parse_args()
    catalog = load_catalog()
    recipe = catalog.datasets[args.dataset]["recipe"]
    folder = args.results / args.dataset
    features = FeatureFile(folder / recipe / "features.h5")
    labels = read_annotations(folder / "training_labels.json")
    upstream = read_scores(folder / recipe / "untrimmednet/seed0/scores_train.h5")
    results, cpu = {}, torch.device("cpu")
    for stream in args.streams:
        base = catalog.run_config(args.dataset, f"acn-{stream}")
        found = results[stream] = {}
        for name, change in {"start": {}, **SETTINGS}.items():
            config = run_config(merged(base, {"train": change}))
            data = TrainingSet(features, labels, [stream], config.data, cpu, upstream)
            trainer = Trainer(config, data, features.dims, 0, cpu)
            while name != "start" and trainer.iteration < trainer.iterations:
                trainer.step()
            found[name] = measured(trainer)
            print(f"{stream:5} {name:24} {found[name]['loss']:.4f}", flush=True)
    settings = {"dataset": args.dataset, "recipe": recipe, "seed": 0}
    print(f"wrote {write_record(f'acn_rates_{args.dataset}', results, settings=settings)}")


if __name__ == "__main__":
    main()
