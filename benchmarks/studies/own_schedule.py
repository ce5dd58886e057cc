"""Choose and check the schedule that `fit:` of a method's YAML gives to own videos.

Each method is trained on sets that differ in the number of videos and classes and in duration, and
scored on their test videos after several numbers of updates: the best of them is the tuned
schedule. On the sets of CHOOSE a rule is chosen, `root` x sqrt(training videos) or `per_class` x
classes, at least `least`: the one that loses least to the best on average. On those of CHECK a run
is trained as the rule says. Simulated sets are made anew; the rendered ones are read from results/
(targets: results/demo/demo_i3d/features.h5, results/demo_val/demo_i3d/features.h5). A value is the
mean over --seeds; seconds are processor time. What is not measured keeps what the record has of it,
with its commit and its seeds.
With --dim the simulated features are wider, the record is one of its own, and the YAML's rule is
checked.

Examples:
  OMP_NUM_THREADS=1 python -m benchmarks.studies.own_schedule
  python -m benchmarks.studies.own_schedule --methods tssam --minutes 2 --dry-run
  python -m benchmarks.studies.own_schedule --methods acn cavf --add --minutes 60
  python -m benchmarks.studies.own_schedule --add --seeds 5 --sets demo
  python -m benchmarks.studies.own_schedule --dim 1024 --sets "24 videos of 2 min, 3 classes"
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from wstal.base.settings import from_plain
from wstal.config.catalog import load_catalog
from wstal.config.layers import merged
from wstal.config.own_schedule import RULES, fitted_updates
from wstal.datasets.annotations import Annotations, read_annotations, training_view
from wstal.demo.simulate import draw_annotations, simulate_features
from wstal.evaluate.average_precision import detection_map
from wstal.features.pack import FeatureFile
from wstal.localize.scores import Scores
from wstal.methods.acn.localize import fuse_proposals
from wstal.methods.contract import localization_half
from wstal.train.loop import keep_freed_memory

from benchmarks.record import FOLDER, commit, record_parser, write_record
from benchmarks.runs import Run

RECORD = "own_schedule"
DIM = 128  # of each simulated stream
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
    "120 videos of 20 s, 20 classes": OwnSet(20, 6, 2, 20, 33),
    "300 videos of 60 s, 10 classes": OwnSet(10, 30, 3, 60, 34),
    "15 videos of 30 s, 1 class, 5 of background": OwnSet(1, 10, 20, 30, 41, background=5),
    "24 videos of 2 min, 3 classes": OwnSet(3, 8, 5, 120, 42),
    "demo_val": "demo_val",
}
CHECK = {
    "20 videos of 60 s, 2 classes": OwnSet(2, 10, 10, 60, 47),
    "32 videos of 30 s, 4 classes": OwnSet(4, 8, 8, 30, 48),
    "200 videos of 6 s, 20 classes": OwnSet(20, 10, 2, 6, 44),
    "500 videos of 10 s, 50 classes": OwnSet(50, 10, 2, 10, 45),
    "12 videos of 10 min, 2 classes": OwnSet(2, 6, 6, 600, 46),
    "demo": "demo",
}
UPDATES = {
    "tssam": (50, 100, 200, 400),
    "untrimmednet": (100, 200, 400, 800),
    "acn": (50, 100, 200, 400),
    "cavf": (100, 200, 400, 800),
    "co2net": (200, 400, 800, 1600),
}
ROOTS, PER_CLASS = (0, 8, 16, 32, 64), (10, 20, 40, 80)
UPSTREAM_UPDATES = 400  # of UntrimmedNet, which ACN starts from


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

    def __init__(self, own: OwnSet | str, folder: Path, dim: int) -> None:
        if isinstance(own, str):
            made = FOLDER.parent / "results" / own
            self.annotations = read_annotations(made / "annotations.json")
            self.features = FeatureFile(made / "demo_i3d/features.h5")
        else:
            self.annotations = annotations_of(own)
            path = folder / f"{own.seed}.h5"
            recipe = {"simulated": {"dims": {"rgb": dim, "flow": dim}}, "dtype": "float16"}
            simulate_features(
                path, self.annotations, simulation(own), recipe, dataset="own", recipe_name="sim"
            )
            self.features = FeatureFile(path)
        self.labels = training_view(self.annotations)
        self.truth = self.annotations.ground_truth("test")
        self.videos, self.classes = len(self.features.ids("train")), len(self.annotations.classes)
        self._upstream: dict[int, Scores] = {}

    def value(self, found: Any) -> float:
        """Return the mean over tIoU 0.1 to 0.7 of mAP, in percent."""
        table = detection_map(self.truth, found, TIOUS, self.annotations.classes)
        return round(100 * float(np.mean(table["map"])), 2)

    def config(self, run: str) -> dict[str, Any]:
        """Return a run's settings on THUMOS14, without sound where the set has none."""
        config = load_catalog().run_config("thumos14", run)
        if run == "cavf" and "audio" not in self.features.dims:
            config |= {"streams": ["rgb", "flow"], "audio": "flow"}
        return config

    def run(self, config: Mapping[str, Any], seed: int, upstream: Scores | None = None) -> Run:
        """Return what trains a run of a config."""
        return Run(config, self.features, self.labels, seed, upstream)

    def train(
        self,
        config: Mapping[str, Any],
        seed: int,
        updates: Sequence[int],
        upstream: Scores | None = None,
        splits: Sequence[str] = ("test",),
    ) -> tuple[dict[int, Scores], float]:
        """Train up to the last of `updates`; return the scores after each, and seconds."""
        last = {"iterations": max(updates), "epochs": None, "score_interval": max(updates)}
        run = self.run(merged(config, {"train": last}), seed, upstream)
        trainer, scorer = run.trainer, run.scorer(*splits, upstream=upstream)
        found, spent = {}, 0.0
        for stop in sorted(updates):
            start = time.process_time()
            while trainer.iteration < stop:
                trainer.step()
            spent += time.process_time() - start
            found[stop] = scorer(trainer.model, stop)
        return found, spent

    def upstream(self, seed: int) -> Scores:
        """Return UntrimmedNet's scores of all videos, which ACN starts from."""
        if seed not in self._upstream:
            splits, base = ("train", "test"), self.config("untrimmednet")
            found, _ = self.train(base, seed, [UPSTREAM_UPDATES], splits=splits)
            self._upstream[seed] = found[UPSTREAM_UPDATES]
        return self._upstream[seed]


def localized(config: Mapping[str, Any], scores: Scores) -> Any:
    """Return the detections of a run's scores."""
    half = localization_half(config["method"])
    return half.localize(scores, from_plain(half.settings, config["localize"]))


def fit_of(method: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the method's section `fit` that depend on nothing, and `changes`."""
    fit = load_catalog().methods[method]["fit"]
    return merged({key: part for key, part in fit.items() if key not in RULES}, changes)


def curve(
    bench: Bench, method: str, seed: int, updates: Sequence[int], changes: Mapping[str, Any]
) -> tuple[dict[int, float], float]:
    """Return the mAP after each number of `updates`, and the seconds of an update.

    A run whose rate falls is trained anew for each number.
    """
    config = merged(bench.config(method), fit_of(method, changes))
    if method == "acn":
        return joined_curve(bench, config, seed, updates, changes)
    together = config["train"]["schedule"] is None
    values, spent, done = {}, 0.0, 0
    for stops in [updates] if together else [[stop] for stop in updates]:
        found, seconds = bench.train(config, seed, stops)
        values |= {stop: bench.value(localized(config, scores)) for stop, scores in found.items()}
        spent, done = spent + seconds, done + max(stops)
    return values, spent / done


def joined_curve(
    bench: Bench,
    config: Mapping[str, Any],
    seed: int,
    updates: Sequence[int],
    changes: Mapping[str, Any],
) -> tuple[dict[int, float], float]:
    """Return the same of ACN: both streams, on the scores of UntrimmedNet."""
    half = localization_half("acn")
    fusion = from_plain(half.settings, config["localize"]).fusion
    values, spent = {}, 0.0
    for stop in updates:
        parts = {}
        for stream, run in config["fuse_from"].items():
            own = merged(bench.config(run), fit_of("acn", changes))
            found, seconds = bench.train(own, seed, [stop], bench.upstream(seed))
            parts[stream] = localized(own, found[stop])
            spent += seconds
        values[stop] = bench.value(fuse_proposals(parts["flow"], parts["rgb"], fusion))
    return values, spent / sum(updates)


def thumos14_cost(bench: Bench, method: str) -> dict[str, float]:
    """Return the updates of THUMOS14's schedule on this set, and the seconds of one."""
    joined = bench.config(method).get("fuse_from") if method == "acn" else None
    updates, seconds = 0, 0.0
    for run in (joined or {"": method}).values():
        upstream = bench.upstream(0) if joined else None
        trainer = bench.run(bench.config(run), 0, upstream).trainer
        times = []
        for _ in range(2):
            start = time.process_time()
            trainer.step()
            times.append(time.process_time() - start)
        updates, seconds = trainer.iterations, seconds + min(times)
    return {"updates": updates, "seconds": round(updates * seconds, 1)}


def between(curve: Mapping[Any, float], updates: float) -> float:
    """Return a curve's value at a number of updates: linear over its logarithm."""
    known = np.log([int(each) for each in curve])  # in a record they are text
    return float(np.interp(math.log(updates), known, list(curve.values())))


def choice(method: str, curves: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the rule that loses least to the best of each curve on average.

    Of rules within a tenth of a point the one with fewer updates. Past its end a curve is taken for
    flat; `most` lies beyond what any of these sets asks for.
    """
    grid, found = UPDATES[method], []
    growth = [{"root": root} for root in ROOTS] + [{"per_class": each} for each in PER_CLASS]
    for grows in growth:
        for least in grid:
            rule = {**grows, "least": least, "most": 4 * grid[-1]}
            counts = {
                name: fitted_updates(rule, of["videos"], of["classes"])
                for name, of in curves.items()
            }
            lost = {
                name: round(max(of["map"].values()) - between(of["map"], counts[name]), 2)
                for name, of in curves.items()
            }
            mean = float(np.mean(list(lost.values())))
            found.append((round(mean, 1), sum(counts.values()), rule, counts, lost))
    mean, _, rule, counts, lost = min(found, key=lambda each: each[:2])
    return {"rule": rule, "mean_lost": mean, "updates": counts, "lost": lost}


TITLES = {"tssam": "TS-SAM", "untrimmednet": "UntrimmedNet", "acn": "ACN", "cavf": "CAVF"}
TITLES |= {"co2net": "CO2-Net"}


def rows_of_page(results: Mapping[str, Any]) -> list[str]:
    """Return the rows of the table in docs/own_data.md: what each method's rule gives on CHECK."""
    rows = []
    for method, found in results.items():
        if "changes" in found:
            continue
        for name, of in found.get("check", {}).items():
            if "rule" not in of:
                continue
            rule, slow = of["rule"], of["thumos14"]
            cells = [TITLES[method], name.replace(" videos", ""), of["seeds"], rule["updates"]]
            cells += [f"{rule['map']:.1f}", f"{rule['lost']:.1f}"]
            cells += [duration(rule["seconds"]), duration(slow["seconds"])]
            rows.append(f"| {' | '.join(map(str, cells))} |")
    return rows


def duration(seconds: float) -> str:
    """Return seconds in the unit that a reader takes in at once."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s"


def main() -> None:
    parser = record_parser(__doc__)
    parser.add_argument("--rows", action="store_true", help="print the page's table of the record")
    parser.add_argument("--methods", nargs="+", choices=UPDATES, default=list(UPDATES))
    parser.add_argument("--minutes", type=float, default=14, help="then no further set is begun")
    sets = list({**CHOOSE, **CHECK})
    parser.add_argument("--sets", nargs="+", choices=sets, default=sets, help="default: all")
    parser.add_argument(
        "--add", action="store_true", help="keep what the record has of so many seeds"
    )
    parser.add_argument("--dim", type=int, default=DIM, help="channels of each simulated stream")
    parser.add_argument("--changes", type=json.loads, default={}, help="JSON laid over `fit`")
    parser.add_argument("--suffix", default="", help="of a method's name in the record")
    parser.add_argument("--seeds", type=int, default=3, help="seeds 0 to N - 1 (default 3)")
    args = parser.parse_args()
    if args.rows:
        print(*rows_of_page(recorded(FOLDER / "results" / f"{RECORD}.json")), sep="\n")
        return
    keep_freed_memory()
    torch.set_num_threads(1)
    name_of_record = RECORD if args.dim == DIM else f"{RECORD}_{args.dim}"
    path = FOLDER / "results" / f"{name_of_record}.json"
    known = recorded(path) if args.add else {}
    entries = {f"{method}{args.suffix}": method for method in args.methods}
    results = {entry: known.get(entry, {}) for entry in entries}

    def record() -> None:
        if not args.dry_run:
            settings = {
                "roots": ROOTS,
                "per_class": PER_CLASS,
                "updates": UPDATES,
                "dim": args.dim,
            }
            # Read anew: two programs may measure two methods at once.
            write_record(name_of_record, {**recorded(path), **results}, settings=settings)

    with tempfile.TemporaryDirectory() as folder:
        benches = Benches(Path(folder), args.dim)
        for entry, found in results.items():
            trial = Trial(entries[entry], args.seeds, args.changes)
            found |= {"left_out": []} | ({"changes": args.changes} if args.changes else {})
            for name in sets:
                of = found.setdefault("choose" if name in CHOOSE else "check", {}).get(name)
                if of and (of["seeds"] >= args.seeds or name not in args.sets):
                    continue
                if name not in args.sets or time.process_time() > 60 * args.minutes:
                    found["left_out"] += [] if of else [name]
                    continue
                measure(benches[name], trial, name, found)
                print(entry, name, found, f"{time.process_time():.0f} s", flush=True)
                record()
            if found["choose"]:
                found["choice"] = choice(trial.method, found["choose"])
            own = load_catalog().methods[trial.method]["fit"]["updates"]
            rule = found.get("choice", {}).get("rule", own) if args.dim == DIM else own
            record()
            for name, of in found["check"].items():
                check(benches, name, trial, rule, of)
                print(entry, name, of.get("rule"), f"{time.process_time():.0f} s", flush=True)
                record()


class Trial(NamedTuple):
    """A method to measure, with what is laid over its `fit`."""

    method: str
    seeds: int  # 0 to seeds - 1
    changes: Mapping[str, Any]

    def curve(self, bench: Bench, updates: Sequence[int]) -> tuple[dict[str, Any], float]:
        """Return `map`, the mean after each number, and `range` over the seeds; seconds."""
        found = [curve(bench, self.method, s, updates, self.changes) for s in range(self.seeds)]
        every = {count: [values[count] for values, _ in found] for count in updates}
        values = {count: round(float(np.mean(each)), 2) for count, each in every.items()}
        spread = {count: [min(each), max(each)] for count, each in every.items()}
        seconds = float(np.mean([spent for _, spent in found]))
        return {"seeds": self.seeds, "map": values, "range": spread}, seconds


def recorded(path: Path) -> dict[str, Any]:
    """Return what a record has of each method."""
    return json.loads(path.read_text())["results"] if path.exists() else {}


class Benches(dict[str, Bench]):
    """The sets by name, each made when it is first asked for."""

    def __init__(self, folder: Path, dim: int) -> None:
        super().__init__()
        self.folder, self.dim = folder, dim

    def __missing__(self, name: str) -> Bench:
        self[name] = Bench({**CHOOSE, **CHECK}[name], self.folder, self.dim)
        return self[name]


def measure(bench: Bench, trial: Trial, name: str, results: dict[str, Any]) -> None:
    """Add a set's curve to a method's results."""
    found, seconds = trial.curve(bench, UPDATES[trial.method])
    of = {"commit": commit(), "videos": bench.videos, "classes": bench.classes, **found}
    of["seconds"] = round(seconds, 4)
    of["thumos14"] = thumos14_cost(bench, trial.method)
    results["choose" if name in CHOOSE else "check"][name] = of


def check(
    benches: Benches, name: str, trial: Trial, rule: Mapping[str, float], of: dict[str, Any]
) -> None:
    """Train as the rule says on a set of CHECK, unless the curve or the record has that run."""
    updates = fitted_updates(rule, of["videos"], of["classes"])
    if of.get("rule", {}).get("updates") == updates:
        return
    known = {int(count): value for count, value in of["map"].items()}
    if updates not in known:
        ours, _ = trial._replace(seeds=of["seeds"]).curve(benches[name], [updates])
        known |= ours["map"]
    lost = round(max(of["map"].values()) - known[updates], 2)
    of["rule"] = {"updates": updates, "map": known[updates], "lost": lost}
    of["rule"]["seconds"] = round(updates * of["seconds"], 1)


if __name__ == "__main__":
    main()
