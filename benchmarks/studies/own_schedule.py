"""Choose and check the schedule that `fit:` of a method's YAML gives to own videos.

Eight simulated sets differ in the number of videos and classes and in duration. On four of them
settings are compared; the other four, and other seeds, are looked at once, with the settings as
they are in the YAML. A run is scored on the set's test videos after several numbers of updates, so
that the best of them is the tuned schedule: no rule can be better on its own set. A run whose rate
falls is trained once for each number.

Examples:
  python -m benchmarks.studies.own_schedule choose --methods tssam --rates 0.1 0.2 0.4 --dry-run
  python -m benchmarks.studies.own_schedule check --methods tssam untrimmednet acn cavf co2net
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from wstal.base.settings import from_plain
from wstal.config.catalog import load_catalog
from wstal.config.layers import merged
from wstal.datasets.annotations import Annotations, training_view
from wstal.demo.simulate import draw_annotations, simulate_features
from wstal.evaluate.average_precision import detection_map
from wstal.features.pack import FeatureFile
from wstal.localize.scores import Scores
from wstal.methods.acn.localize import fuse_proposals
from wstal.methods.contract import localization_half
from wstal.train.data import TrainingSet
from wstal.train.loop import Trainer, keep_freed_memory, run_config
from wstal.train.scoring import Scorer

from benchmarks.record import record_parser

CPU = torch.device("cpu")
TIOUS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]


@dataclass(frozen=True)
class OwnSet:
    """A simulated set of own videos: of each class `train` and `test` ones, of `seconds`."""

    classes: int
    train: int
    test: int
    seconds: float
    seed: int
    background: int = 0  # training videos without any class


CHOOSE = {
    "12 videos of 10 s, 2 classes": OwnSet(2, 6, 15, 10, 31),
    "40 videos of 40 s, 5 classes": OwnSet(5, 8, 8, 40, 32),
    "120 videos of 20 s, 20 classes": OwnSet(20, 6, 3, 20, 33),
    "300 videos of 60 s, 10 classes": OwnSet(10, 30, 5, 60, 34),
}
CHECK = {
    "10 videos of 30 s, 1 class, 5 of background": OwnSet(1, 10, 30, 30, 41, background=5),
    "24 videos of 10 min, 3 classes": OwnSet(3, 8, 8, 600, 42),
    "80 videos of 2 min, 8 classes": OwnSet(8, 10, 5, 120, 43),
    "500 videos of 6 s, 50 classes": OwnSet(50, 10, 2, 6, 44),
}
UPDATES = (25, 50, 100, 200, 400, 800, 1600)


def simulation(own: OwnSet) -> dict[str, Any]:
    """Return the section `simulate` of such a set: the evidence of `thumos14_sim`."""
    config = load_catalog().datasets["thumos14_sim"]["simulate"]
    length = min(4.0, own.seconds / 5)
    count = {"train": own.train, "test": own.test, "seconds": length}
    videos = {
        "classes": {f"c{number:02}": count for number in range(own.classes)},
        "twins": {},
        "partners": ["", ""],
        "mixed": {"train": [0, 0], "test": [0, 0]},
        "duration": own.seconds,
        "duration_sd": 0.4,
        "duration_range": [max(2.0, own.seconds / 3), own.seconds * 3],
        "instances": max(1.5, 0.25 * own.seconds / length),
    }
    return {**config, "seed": own.seed, "videos": {**config["videos"], **videos}}


def annotations_of(own: OwnSet) -> Annotations:
    """Return the set's videos; those of background are of a class that is then forgotten."""
    drawn = draw_annotations(simulation(own))
    if not own.background:
        return drawn
    extra = draw_annotations(simulation(OwnSet(1, own.background, 0, own.seconds, own.seed + 500)))
    nothing = {"labels": [], "annotations": []}
    more = {f"background_{video}": {**e, **nothing} for video, e in extra.database.items()}
    return Annotations(drawn.classes, {**drawn.database, **more})


class Bench:
    """A set's features and labels, and the runs that are trained and scored on them."""

    def __init__(self, own: OwnSet, dim: int, folder: Path) -> None:
        self.annotations = annotations_of(own)
        path = folder / f"{own.seed}_{dim}.h5"
        recipe = {"simulated": {"dims": {"rgb": dim, "flow": dim}}, "dtype": "float16"}
        simulate_features(
            path, self.annotations, simulation(own), recipe, dataset="own", recipe_name="sim"
        )
        self.features = FeatureFile(path)
        self.truth = self.annotations.ground_truth("test")
        counts = [int(self.annotations.database[v]["duration"] / 0.64) for v in self.ids("train")]
        self.median = int(np.median(counts))

    def ids(self, split: str) -> list[str]:
        """Return the videos of a split."""
        return self.annotations.ids(split)

    def value(self, found: Any) -> float:
        """Return the mean over tIoU 0.1 to 0.7 of mAP, in percent."""
        table = detection_map(self.truth, found, TIOUS, self.annotations.classes)
        return round(100 * float(np.mean(table["map"])), 2)

    def train(
        self,
        config: Mapping[str, Any],
        seed: int,
        updates: Sequence[int],
        upstream: Scores | None = None,
        splits: Sequence[str] = ("test",),
    ) -> tuple[dict[int, Scores], float]:
        """Train up to the last of `updates`; return the scores after each, and seconds of CPU."""
        config = {key: value for key, value in config.items() if key != "localize"}
        config["train"] = {**config["train"], "iterations": max(updates), "epochs": None}
        config["train"]["score_interval"] = max(updates)
        settings = run_config(config)
        labels = training_view(self.annotations)
        streams = settings.run.streams
        data = TrainingSet(self.features, labels, streams, settings.data, CPU, upstream)
        trainer = Trainer(settings, data, self.features.dims, seed, CPU)
        ids = [video for split in splits for video in self.features.ids(split)]
        scorer = Scorer(
            settings, self.features, ids, data.classes, data.standardization, CPU, upstream
        )
        found, spent = {}, 0.0
        for stop in sorted(updates):
            start = time.process_time()
            while trainer.iteration < stop:
                trainer.step()
            spent += time.process_time() - start
            found[stop] = scorer(trainer.model, stop)
        return found, spent


def localized(config: Mapping[str, Any], scores: Scores) -> Any:
    """Return the detections of a run's scores."""
    half = localization_half(config["method"])
    return half.localize(scores, from_plain(half.settings, config["localize"]))


def curve(
    bench: Bench, method: str, seed: int, updates: Sequence[int], changes: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the mAP after each number of `updates`, and the seconds of CPU of an update."""
    base = load_catalog().run_config("thumos14", method)
    if method == "cavf":  # no sound here
        base |= {"streams": ["rgb", "flow"], "audio": "flow"}
    config = merged(base, changes)
    spent, values = 0.0, {}
    if method == "acn":
        return joined_curve(bench, config, seed, updates)
    if config["train"]["schedule"] is None:
        found, spent = bench.train(config, seed, updates)
        values = {stop: bench.value(localized(config, scores)) for stop, scores in found.items()}
        return {"map": values, "seconds": round(spent / max(updates), 4)}
    for stop in updates:
        found, spent = bench.train(config, seed, [stop])
        values[stop] = bench.value(localized(config, found[stop]))
    return {"map": values, "seconds": round(spent / max(updates), 4)}


def joined_curve(
    bench: Bench, config: Mapping[str, Any], seed: int, updates: Sequence[int]
) -> dict[str, Any]:
    """Return the same of ACN: both streams, on the scores of UntrimmedNet."""
    base = load_catalog().run_config("thumos14", "untrimmednet")
    scores, _ = bench.train(base, seed, [UNTRIMMED_UPDATES], splits=("train", "test"))
    upstream, values, spent = scores[UNTRIMMED_UPDATES], {}, 0.0
    for stop in updates:
        parts = {}
        for stream, run in config["fuse_from"].items():
            own = merged(load_catalog().run_config("thumos14", run), {"train": config["train"]})
            found, spent = bench.train(own, seed, [stop], upstream)
            parts[stream] = localized(own, found[stop])
        half = localization_half("acn")
        settings = from_plain(half.settings, config["localize"])
        values[stop] = bench.value(fuse_proposals(parts["flow"], parts["rgb"], settings.fusion))
    return {"map": values, "seconds": round(spent / max(updates), 4)}


UNTRIMMED_UPDATES = 400


def main() -> None:
    parser = record_parser(__doc__)
    parser.add_argument("--sets", nargs="+", type=int, default=[0, 1, 2, 3])
    parser.add_argument("--methods", nargs="+", required=True)
    parser.add_argument("--rates", nargs="+", type=float, default=[0])
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--most", type=int, default=800)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--longest", type=int, default=250)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--changes", default="")
    args = parser.parse_args()
    import yaml

    keep_freed_memory()
    torch.set_num_threads(1)
    allsets = {**CHOOSE, **CHECK}
    names = [list(allsets)[n] for n in args.sets]
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            bench = Bench(allsets[name], args.dim, Path(folder))
            for method in args.methods:
                for rate in args.rates:
                    changes = {"data": {}, "train": {}}
                    if rate:
                        changes["train"]["lr"] = rate / (2 * args.dim)
                    if method not in ("acn", "untrimmednet"):
                        changes["data"]["length"] = max(8, min(bench.median, args.longest))
                    if method == "cavf":
                        changes["data"] |= {"batch": 10, "pairs": 3}
                    if args.batch:
                        changes["data"]["batch"] = args.batch
                    if args.changes:
                        changes = merged(changes, yaml.safe_load(args.changes))
                    t = time.process_time()
                    got = curve(
                        bench, method, args.seed, [u for u in UPDATES if u <= args.most], changes
                    )
                    print(
                        name,
                        "|",
                        method,
                        rate,
                        args.changes,
                        "T",
                        changes["data"].get("length"),
                        got,
                        "cpu %.0f" % (time.process_time() - t),
                        flush=True,
                    )


if __name__ == "__main__":
    main()
