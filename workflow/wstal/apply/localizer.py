"""A finished run applied to new video files: the segments of each, its files and its table."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from wstal.apply.extraction import SPLIT, check_weights, prepare, provenance
from wstal.apply.run_folder import RunFolder, make_proposals, read_run, run_recipe
from wstal.base.array_store import safe_name
from wstal.base.device import device_name
from wstal.base.errors import WstalError, printable
from wstal.base.files import write_text
from wstal.base.settings import from_plain
from wstal.config.catalog import Catalog
from wstal.config.stages import changed_code
from wstal.evaluate.calibration import describe, read_calibration
from wstal.evaluate.detections import read_detections
from wstal.exchange.text_formats import cue_time
from wstal.features.pack import FeatureFile
from wstal.localize.proposals import COLUMNS, event_detections, write_proposals
from wstal.localize.scores import Scores
from wstal.methods.acn.localize import LocalizeSettings, fuse_proposals, fuse_scores
from wstal.methods.contract import localization_half
from wstal.plots.over_time import plot_timeline
from wstal.plots.style import save
from wstal.train import checkpoint
from wstal.train.scoring import score_checkpoint

LINES = 3  # classes shown at a time in subtitles; more would cover the picture
HEAD = ("class", "start", "end", "score")
PROBABILITIES = {"probability": "P(right)", "video_probability": "P(in video)"}  # and their heads


@dataclass(frozen=True)
class Localization:
    """Detections (video_id, t_start, t_end in seconds, label, score) and their origin.

    If the run has a calibration.json, detections also have probability, video_probability and rank.
    `row` is the video's row of a manifest, `run` the name of the run with its seed, `localize`
    the config that turned scores into detections.
    """

    id: str
    row: Mapping[str, Any]
    run: str
    scores: Scores
    detections: pd.DataFrame
    localize: Mapping[str, Any]

    def at_least(self, least: float | None) -> Localization:
        """Return the same without detections of a lower probability; None keeps all.

        A run without a calibration.json has no probabilities: then `least` is a score.
        """
        if least is None:
            return self
        name = "probability" if "probability" in self.detections else "score"
        return replace(self, detections=self.detections[self.detections[name] >= least])


def save_localization(
    found: Localization, folder: Path, picture: str = "svg", subtitled: bool = False
) -> None:
    """Write {id}.json, in ActivityNet's format, and {id}.{picture} (svg, png, none) atomically.

    `subtitled` adds {id}.srt.
    """
    name = safe_name(found.id)
    write_proposals(folder / f"{name}.json", found.detections, found.scores, found.localize)
    if subtitled:
        write_text(folder / f"{name}.srt", subtitles(found.detections))
    if picture != "none":
        truth = pd.DataFrame(columns=COLUMNS)
        figure = plot_timeline(found.id, found.scores, truth, found.detections, found.run)
        save(figure, folder / f"{name}.{picture}")


def subtitles(detections: pd.DataFrame) -> str:
    """Return detections (t_start, t_end in seconds, label, score) as SubRip text, "" for none.

    A cue is a stretch with the same classes: a line per class with its best score there, the
    best classes first.
    """
    starts = (detections["t_start"] * 1000).round().astype(int)
    ends = (detections["t_end"] * 1000).round().astype(int)
    cues: list[tuple[int, int, str]] = []
    for start, end in pairwise(sorted({*starts, *ends})):
        text = _cue(detections[(starts <= start) & (ends >= end)])
        if cues and cues[-1][1:] == (start, text):
            start = cues.pop()[0]
        if text:
            cues.append((start, end, text))
    return "\n".join(
        f"{number}\n{cue_time(start / 1000, ',')} --> {cue_time(end / 1000, ',')}\n{text}"
        for number, (start, end, text) in enumerate(cues, 1)
    )


def _cue(found: pd.DataFrame) -> str:
    best = found.groupby("label")["score"].max().sort_values(ascending=False, kind="stable")
    return "".join(f"{label} {score:z.2f}\n" for label, score in best.head(LINES).items())


def clock(seconds: float) -> str:
    """Return seconds as m:ss.s."""
    tenths = round(seconds * 10)
    return f"{tenths // 600}:{tenths % 600 / 10:04.1f}"


def segment_lines(found: Localization, top: int) -> list[str]:
    """Return a line about the video, then the `top` detections of highest score as a table."""
    count, length = len(found.detections), clock(float(found.row["duration"]))
    state = "" if found.row["status"] == "ok" else f", {found.row['status']}"
    shown = f", the best {top}" if count > top else ""
    noun = "segment" if count == 1 else "segments"
    head = f"{found.id} ({length}{state}), {found.run}: {count or 'no'} {noun}{shown}"
    return [head, *segment_table(found.detections, top), ""]


def segment_table(detections: pd.DataFrame, top: int) -> list[str]:
    """Return the `top` detections of highest score as aligned lines below a head; none for none.

    `detections` is a frame t_start, t_end (seconds), label, score, and maybe probabilities.
    """
    best = detections.sort_values("score", ascending=False, kind="stable").head(top)
    more = [name for name in PROBABILITIES if name in best]
    rows = [
        (
            *(str(row["label"]), clock(row["t_start"]), clock(row["t_end"])),
            *(f"{row['score']:z.3f}", *(f"{row[name]:.2f}" for name in more)),
        )
        for row in best.to_dict("records")
    ]
    if not rows:
        return []
    rows.insert(0, (*HEAD, *(PROBABILITIES[name] for name in more)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(_align(row, widths)) for row in rows]


def _align(row: tuple[str, ...], widths: list[int]) -> list[str]:
    """Align the class to the left, the figures to the right."""
    padded = [text.rjust(width) for text, width in zip(row, widths, strict=True)]
    return [row[0].ljust(widths[0]), *padded[1:]]


def apply_run(
    run: RunFolder, features: FeatureFile, device: torch.device
) -> tuple[Scores, pd.DataFrame]:
    """Return the scores and detections of all videos, as the DAG's last stages would.

    Detections are a frame video_id, t_start, t_end (seconds), label, score. A run without a
    localize config predicts a class for each second: stretches of a class are the detections.
    Raises WstalError if the features do not fit, or a score is not finite.
    """
    if run.parts:
        return _fused(run, features, device)
    scores = _scores(run, features, device)
    scores.require_finite()
    if run.localize is None:
        return scores, event_detections(scores)
    method = localization_half(run.about["config"]["method"])
    return scores, method.localize(scores, from_plain(method.settings, run.localize))


def _scores(run: RunFolder, features: FeatureFile, device: torch.device) -> Scores:
    upstream = _scores(run.upstream, features, device) if run.upstream else None
    return score_checkpoint(run.checkpoint, features, [SPLIT], device, upstream=upstream)


def _fused(
    run: RunFolder, features: FeatureFile, device: torch.device
) -> tuple[Scores, pd.DataFrame]:
    scores, proposals = {}, {}
    for stream, part in run.parts.items():
        scores[stream], detections = apply_run(part, features, device)
        # Through a file, as in the DAG: the times that are fused are rounded ones.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "proposals.json"
            write_proposals(path, detections, scores[stream], part.localize)
            proposals[stream] = read_detections(path)
    fusion = from_plain(LocalizeSettings, run.localize).fusion
    fused = fuse_proposals(proposals["flow"], proposals["rgb"], fusion)
    return fuse_scores(scores), fused


VIDEO = ("sha256", "duration", "fps", "width", "height", "status", "reason")


class Localizer:
    """Finds in video files the detections that the DAG would find in them.

    Raises WstalError, saying what to do, for a run that is not finished, that cannot start from
    videos, or whose recipe, weights or files are no longer those it was trained with. `root` is
    the checkout; `cache` the folder that keeps what the stages make; `options` are those of
    `Extraction`. `notes` tell the user what changed since the training.
    """

    def __init__(
        self,
        run: str | Path,
        catalog: Catalog,
        root: Path,
        cache: Path,
        device: torch.device,
        **options: Any,
    ) -> None:
        self.run, self.device = read_run(run), device
        with FeatureFile(self.run.features) as features:
            attrs, made = features.attrs, provenance(features)
        _check_task(self.run, catalog, attrs["dataset"])
        name = attrs["recipe"]
        recipe = run_recipe(catalog.features, name, attrs["recipe_digest"])
        streams, accepted = self.run.streams(), json.loads(attrs.get("accepted_code", "{}"))
        given = {"places": [self.run.results.parent], "accepted": accepted, **options}
        self._extraction = prepare(name, recipe, streams, root, cache, device, **given)
        check_weights(self._extraction.networks, made)
        used = {name: made.get(name, {}) for name in streams}
        self.notes = notes_on(attrs, used, self._extraction.codes)
        self.calibration = None
        if (self.run.path / "calibration.json").is_file():
            places = self.run.path / "calibration.json", self.run.path / "proposals.json"
            self.calibration = read_calibration(*places)
        self._about = {
            "run": "/".join(self.run.path.parts[-4:]),
            "checkpoints": self.run.checkpoints(),
            "recipe": {"name": name, "digest": attrs["recipe_digest"]},
            "device": device_name(device),
            "versions": checkpoint.versions(),
        }

    def __call__(self, video: str, path: Path) -> Localization:
        """Return what the run finds in the video file `path`, under the id `video`.

        Raises MediaError for a file without a usable picture, WstalError for other failures.
        """
        row = self._extraction.probe(video, path)
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "features.h5"
            self._extraction.extract(row, output)
            with FeatureFile(output) as features:
                scores, detections = apply_run(self.run, features, self.device)
                made = provenance(features)
                row["status"] = features.video_attrs(video)["status"]
        if self.calibration is not None:
            names = dict(zip(scores.classes, scores.videos[video].video_score, strict=True))
            detections = describe(detections, self.calibration, {video: names})
        about = {key: row[key] for key in VIDEO} | {"file": printable(path.name)}
        trained = {"training": scores.provenance, "inference": {**self._about, "features": made}}
        scores = replace(scores, provenance={**trained, "video": about})
        run = f"{self.run.name} {self.run.path.name}"
        return Localization(video, row, run, scores, detections, self.run.localize or {})


def localize_each(
    localizer: Callable[[str, Path], Localization],
    videos: Mapping[str, Path],
    failures: list[str],
) -> Iterator[Localization]:
    """Yield what is found in each video; one that fails adds a line to `failures` instead."""
    for video, path in videos.items():
        try:
            localization = localizer(video, path)
        except (WstalError, OSError) as error:
            failures.append(printable(f"{path}: nothing localized, {error}"))
        else:
            yield localization


def _check_task(run: RunFolder, catalog: Catalog, dataset: str) -> None:
    """Raise WstalError for a run without proposals if its dataset asks for them."""
    task = catalog.datasets.get(dataset, {}).get("task", "detection")
    if run.localize is None and task == "detection":
        raise WstalError(
            f"{run.path} has no proposals.json, which says how the run localizes; make it: "
            f"{make_proposals(run.path)}"
        )


def notes_on(
    attrs: Mapping[str, Any], made: Mapping[str, Mapping], codes: Mapping[str, str]
) -> list[str]:
    """Return what a user should know of a feature file's `attrs` and provenance (`made`)."""
    notes = []
    if attrs.get("weights") == "untrained":
        notes.append("the feature networks are untrained: segments mean nothing")
    if changed := changed_code(made, codes):
        notes.append(
            f"the code of {', '.join(changed)} was edited since the run's features were made; "
            "if results changed with it, train the run again"
        )
    return notes
