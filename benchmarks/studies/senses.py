"""Measure the upper bound that picture, sound and both give on a set of audio-visual events.

A small network is trained with the label of every second, which no weakly supervised method may
see. Its accuracy shows what the set allows by eye, by ear and with both, and so how much fusion can
gain.

Examples:
  snakemake --cores 2 results/demo_ave/demo_i3d_16fps/features.h5
  python -m benchmarks.studies.senses
  python -m benchmarks.studies.senses --recipe demo_i3d_16fps --seeds 1 --dry-run
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn
from wstal.datasets.annotations import Annotations, read_annotations
from wstal.evaluate.events import event_labels
from wstal.features.pack import FeatureFile
from wstal.train.data import Standardization

from benchmarks.record import record_parser, write_record

STEPS, BATCH, WIDTH = 200, 200, 128


def seconds(
    features: FeatureFile, annotations: Annotations, split: str, streams: list[str]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the seconds of a split: features [N, D] and classes [N], background last."""
    ids = features.ids(split)
    rows = np.concatenate([features.read(video, streams) for video in ids])
    truth = annotations.ground_truth(split)
    labels = event_labels(truth, ids, annotations.classes, len(rows) // len(ids))
    return torch.from_numpy(rows), torch.from_numpy(labels.ravel())


def share_right(train: tuple, test: tuple, classes: int, seed: int) -> np.ndarray:
    """Train on labelled seconds; return test accuracy, then the recall of each class."""
    torch.manual_seed(seed)
    scale = Standardization.of(train[0], "train")
    width = train[0].shape[1]
    network = nn.Sequential(
        nn.Linear(width, WIDTH), nn.ReLU(), nn.Dropout(), nn.Linear(WIDTH, classes + 1)
    )
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3)
    for _ in range(STEPS):
        drawn = torch.randint(len(train[1]), (BATCH,))
        loss = nn.functional.cross_entropy(network(scale(train[0][drawn])), train[1][drawn])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        right = (network.eval()(scale(test[0])).argmax(1) == test[1]).numpy()
    own = [right[test[1].numpy() == c].mean() for c in range(classes + 1)]
    return np.array([right.mean(), *own])


def main() -> None:
    """Train with picture, sound and both, and record the accuracies."""
    arguments = record_parser(__doc__)
    arguments.add_argument("--dataset", default="demo_ave")
    arguments.add_argument("--recipe", default="demo_i3d_16fps")
    arguments.add_argument("--seeds", type=int, default=3)
    args = arguments.parse_args()
    folder = Path("results") / args.dataset
    annotations = read_annotations(folder / "annotations.json")
    features = FeatureFile(folder / args.recipe / "features.h5")
    seen = [stream for stream in features.dims if stream != "audio"]
    names, results = ["all", *annotations.classes, "background"], {}
    for sense, streams in (("eye", seen), ("ear", ["audio"]), ("both", [*seen, "audio"])):
        train, test = (seconds(features, annotations, s, streams) for s in ("train", "test"))
        count = len(annotations.classes)
        found = [share_right(train, test, count, seed) for seed in range(args.seeds)]
        mean = 100 * np.mean(found, axis=0)
        results[sense] = dict(zip(names, mean.round(1).tolist(), strict=True))
        results[sense]["sd"] = round(100 * float(np.std(found, axis=0, ddof=1)[0]), 1)
        print(f"{sense}: {results[sense]}")
    if not args.dry_run:
        settings = {"dataset": args.dataset, "recipe": args.recipe, "seeds": args.seeds}
        settings |= {"steps": STEPS, "batch": BATCH, "width": WIDTH}
        print(write_record("senses", results, settings=settings))


if __name__ == "__main__":
    main()
