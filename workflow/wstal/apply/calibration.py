"""What this machine needs for a second of video, and for an update of a run: measured and kept.

A rendered clip goes through the stages of a recipe, with untrained networks, which compute as much
as trained ones; a run makes a few updates on drawn features. Measured are seconds of processor on
a CPU, which other work on the machine hardly changes, and of the clock on a GPU. The results are
kept in the user's cache folder, for each machine, version of the code, recipe and run.
"""

from __future__ import annotations

import hashlib
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

from wstal.apply.extraction import Extraction, load_networks
from wstal.base.code_digest import code_digest
from wstal.base.files import canonical_json, read_cached, write_cached
from wstal.base.settings import to_plain
from wstal.config.installation import ROOT
from wstal.config.stages import numbers_part, stage_code, stages_before
from wstal.datasets.annotations import Annotations
from wstal.demo.videos import write_mp4
from wstal.features.pack import FeatureFile
from wstal.flow.tvl1_backends.cpu import cache_folder
from wstal.localize.scores import Scores
from wstal.train.checkpoint import versions
from wstal.train.data import TrainingSet
from wstal.train.loop import SHORTEST, Trainer, keep_freed_memory, run_config
from wstal.train.scoring import Scorer

SHORT, LONG = 0.66, 3.22  # s, of two clips: of one snippet and of five
SIZE = (640, 360)  # of the clip, where that of the videos is not known
RATE = 25  # frames per second of it
LONGEST = 48  # snippets of a timed update; longer ones take proportionally longer
UPDATES = 2  # timed, after one more


@dataclass(frozen=True)
class RecipeCost:
    """Of a recipe: seconds of each stage per second of video, and what the machine needs besides.

    `setup` are the seconds that a job's first video takes longer than others, `videos` those of a
    video whatever its length, `dims` the widths of the streams.
    """

    stages: Mapping[str, float]
    setup: Mapping[str, float]
    videos: Mapping[str, float]
    dims: Mapping[str, int]
    memory: float  # bytes, the most that this process had


@dataclass(frozen=True)
class StartCost:
    """Seconds in which a job with torch begins, and one without."""

    heavy: float
    light: float


@dataclass(frozen=True)
class RunCost:
    """Of a run: seconds of an update, and of scoring a row of features; bytes of its weights.

    `setup` are the seconds before the first update, and those that first calls take longer.
    """

    update: float
    row: float
    weights: float
    setup: float


def start_cost(*, measure: bool = True) -> StartCost | None:
    """Return what jobs cost before they work; None if unknown and not to `measure`."""
    modules = ("wstal.train.run", "wstal.evaluate.map_table")  # each beside what all jobs import
    key = _key("start", torch.device("cpu"))
    return _kept(key, StartCost, measure, lambda: StartCost(*map(_import_seconds, modules)))


def recipe_cost(
    recipe: Mapping[str, Any],
    device: torch.device,
    size: tuple[int, int] = SIZE,
    *,
    measure: bool = True,
) -> RecipeCost | None:
    """Return what a recipe costs for videos of `size`; None if unknown and not to `measure`."""
    codes = {stage: stage_code(stage, ROOT, {}, recipe=recipe) for stage in _stages(recipe)}
    key = _key("recipe", device, numbers_part(recipe), recipe["flow"], size, codes)
    return _kept(key, RecipeCost, measure, lambda: _measure_recipe(recipe, codes, device, size))


def run_cost(
    config: Mapping[str, Any],
    dims: Mapping[str, int],
    classes: int,
    snippets: int,
    device: torch.device,
    *,
    measure: bool = True,
) -> RunCost | None:
    """Return what training a run costs here; None if unknown and not to `measure`.

    `config` is its resolved config, `dims` the widths of its streams, `snippets` those of a
    typical video.
    """
    module = [f"wstal.methods.{config['method']}.loss"]
    code = code_digest(ROOT / "scripts/train.py", ROOT / "workflow/wstal", module)
    key = _key("run", device, {**config, "localize": None}, dict(dims), classes, snippets, code)
    return _kept(
        key, RunCost, measure, lambda: _measure_run(config, dims, classes, snippets, device)
    )


def _kept(key: str, kind: type, measure: bool, cost: Callable[[], Any]) -> Any:
    path = cache_folder() / "calibration" / f"{key}.json"
    found = read_cached(path)
    if found is None and measure:
        found = to_plain(cost())
        write_cached(path, found)
    return None if found is None else kind(**found)


def _key(kind: str, device: torch.device, *parts: Any) -> str:
    """Return a digest of what a measurement holds for: machine, versions and the `parts`."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    machine = [platform.node(), platform.machine(), platform.processor(), os.cpu_count(), name]
    own = Path(__file__).read_text(encoding="utf-8")
    text = canonical_json([kind, machine, versions(), av.__version__, own, *parts])
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _stages(recipe: Mapping[str, Any]) -> list[str]:
    return stages_before(dict.fromkeys(recipe["streams"].values()), recipe)


def _clock(device: torch.device) -> Callable[[], float]:
    if device.type != "cuda":
        return time.process_time

    def now() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return now


# A recipe.


def _measure_recipe(
    recipe: Mapping[str, Any],
    codes: Mapping[str, str],
    device: torch.device,
    size: tuple[int, int],
) -> RecipeCost:
    now, seconds = _clock(device), dict.fromkeys(codes, 0.0)
    untrained = _without_weights(recipe)
    streams = list(recipe["streams"])

    def timed(stage: str) -> Callable[[Iterable], Iterator]:
        def videos(items: Iterable) -> Iterator:
            start = now()
            yield from items
            seconds[stage] = now() - start

        return videos

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        extraction = Extraction(
            "calibration", untrained, streams, load_networks(untrained, streams, {}, [ROOT]),
            codes, folder / "made", device, keep_flow=recipe["flow"]["cache_flow"], threads=1,
            tracks=timed,
        )  # fmt: skip
        # Of the first one everything is done for the first time, as in every job: networks are
        # prepared, modules imported. The difference of the others is what a second of video costs.
        spent = []
        for name, length in (("first", SHORT), ("short", SHORT), ("long", LONG)):
            render_clip(folder / f"{name}.mp4", length, size)
            start = now()
            row = extraction.probe(name, folder / f"{name}.mp4")
            seconds["probe"] = now() - start
            extraction.extract(row, folder / "features.h5")
            spent.append(dict(seconds))
        with FeatureFile(folder / "features.h5") as features:
            dims = {stream: int(features.dims[stream]) for stream in streams}
    first, short, long = spent
    rates = {
        stage: (long[stage] - short[stage]) / (LONG - SHORT)
        if long[stage] > short[stage]
        else long[stage] / LONG  # the difference is less than the noise
        for stage in codes
    }
    return RecipeCost(
        stages=rates,
        setup={stage: max(first[stage] - short[stage], 0.0) for stage in codes},
        videos={stage: max(short[stage] - SHORT * rates[stage], 0.0) for stage in codes},
        dims=dims,
        memory=_peak_memory(),
    )


def _without_weights(recipe: Mapping[str, Any]) -> dict[str, Any]:
    changed = dict(recipe)
    for section, settings in recipe.items():
        weights = settings.get("weights") if isinstance(settings, Mapping) else None
        if weights:
            names = dict.fromkeys(weights, "untrained") if isinstance(weights, Mapping) else ""
            changed[section] = {**settings, "weights": names or "untrained"}
    return changed


def render_clip(path: Path, seconds: float, size: tuple[int, int] = SIZE) -> None:
    """Write a textured square that moves before a still picture, with a tone: H.264 and AAC."""
    rng = np.random.default_rng(0)
    width, height = (length // 2 * 2 for length in size)
    coarse = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    still = np.kron(coarse, np.ones((8, 8, 1), np.uint8))[:height, :width]
    side = min(width, height) // 3

    def picture(number: int) -> np.ndarray:
        shown, left = still.copy(), round((width - side) * (0.5 + 0.4 * np.sin(number / 25)))
        shown[side : 2 * side, left : left + side] = still[:side, :side]
        return shown

    pictures = map(picture, range(round(seconds * RATE)))
    tone = np.sin(np.arange(round(seconds * 44_100)) * 0.05).astype(np.float32) * 0.3
    write_mp4(path, pictures, Fraction(RATE), (width, height), sound=tone)


def _peak_memory() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else peak << 10)


def _import_seconds(module: str) -> float:
    """Return the seconds of processor of a new Python that imports a module, from start to end.

    Its end counts: with torch it is a tenth of them.
    """
    command = [sys.executable, "-c", f"import wstal.commands.console, {module}"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent if done.returncode == 0 else 0.0


# A run.


class DrawnFeatures:
    """Features of no video: what training and scoring ask of a FeatureFile.

    A video for training and one for testing of each class, of `snippets` rows each.
    """

    def __init__(self, dims: Mapping[str, int], classes: int, snippets: int) -> None:
        self.dims, self.path = dict(dims), Path("drawn features")
        self.attrs = {"t0": 0.0, "step": 0.64}
        self._rng, self._rows = np.random.default_rng(0), snippets
        self.annotations = Annotations(
            [f"class{number:03}" for number in range(classes)],
            {
                f"{split}{number:03}": {
                    "subset": split,
                    "duration": 0.64 * snippets,
                    "labels": [f"class{number % classes:03}"],
                    "annotations": [],
                }
                for split in ("train", "test")
                for number in range(2 * min(classes, 8))
            },
        )

    def ids(self, split: str) -> list[str]:
        """Return the ids of a split."""
        return self.annotations.ids(split)

    def read(self, video: str, streams: Sequence[str]) -> np.ndarray:
        """Return rows, not always the same: float32 `[T, sum of D]`."""
        width = sum(self.dims[name] for name in streams)
        return self._rng.random((self._rows, width), np.float32)

    def step_of(self, video: str) -> None:
        """Return nothing: all videos have the same step."""


def _measure_run(
    config: Mapping[str, Any],
    dims: Mapping[str, int],
    classes: int,
    snippets: int,
    device: torch.device,
) -> RunCost:
    if device.type == "cpu":
        keep_freed_memory()
    given = config["data"]["length"]
    length = given or snippets
    if config["data"].get("fit_length"):
        length = min(length, max(SHORTEST, snippets))
    rows = min(length, LONGEST)
    drawn = {"length": given and rows, "fit_length": False}
    limited = {**config, "data": {**config["data"], **drawn}}
    # The time of an update does not depend on how many there are; at the end nothing is scored.
    limited["train"] = {**config["train"], "iterations": 1000, "epochs": None}
    settings, now = run_config(limited), _clock(device)
    features = DrawnFeatures(dims, classes, min(snippets, LONGEST))
    upstream = _upstream(config, features)
    start = now()
    data = TrainingSet(
        features, features.annotations, settings.run.streams, settings.data, device, upstream
    )
    trainer = Trainer(settings, data, dims, 0, device)
    trainer.step()  # of the first one much is for the first time
    setup, start = now() - start, now()
    for _ in range(UPDATES):
        trainer.step()
    timed = (now() - start) / UPDATES
    ids = features.ids("test")[:2]
    score = Scorer(settings, features, ids, data.classes, data.standardization, device, upstream)
    scored = []
    for _ in range(2):
        start = now()
        score(trainer.model, 0)
        scored.append(now() - start)
    first, second = scored
    size = sum(weight.numel() * weight.element_size() for weight in trainer.model.parameters())
    return RunCost(
        update=timed * length / rows,
        row=second / (len(ids) * min(snippets, LONGEST)),
        weights=float(size),
        setup=max(setup - timed, 0.0) + max(first - second, 0.0),
    )


def _upstream(config: Mapping[str, Any], features: DrawnFeatures) -> Scores | None:
    """Return drawn scores of the run that a run builds on."""
    if not config["scores_from"]:
        return None
    from wstal.config.catalog import own_catalog

    before = own_catalog().run_config("thumos14", config["scores_from"])
    settings = run_config(before)
    cpu = torch.device("cpu")
    data = TrainingSet(features, features.annotations, settings.run.streams, settings.data, cpu)
    trainer = Trainer(settings, data, features.dims, 0, cpu)
    ids = [*features.ids("train"), *features.ids("test")]
    return Scorer(settings, features, ids, data.classes, data.standardization, cpu)(
        trainer.model, 0
    )
