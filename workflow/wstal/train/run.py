"""One run from features to files: train, score val and test videos on the way, resume if killed."""

from __future__ import annotations

import csv
import hashlib
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wstal.base.errors import WstalError
from wstal.base.files import atomic_path, read_cached, write_csv, write_json
from wstal.base.lock import only_process
from wstal.datasets.annotations import Annotations, data_digest
from wstal.features.pack import FeatureFile
from wstal.localize.scores import Scores, read_scores, write_iterations, write_scores
from wstal.train import checkpoint
from wstal.train.data import TrainingSet
from wstal.train.loop import Trainer, in_snippets, keep_freed_memory, run_config
from wstal.train.scoring import Scorer

Track = Callable[[Iterable], Iterable]
Row = Mapping[str, float]  # of log.csv


@dataclass
class Block:
    """Iterations start+1..stop, the unit of progress reports, with the last loss logged."""

    start: int
    stop: int
    loss: float | None = None

    @property
    def id(self) -> str:
        """Return the name of the block in a progress line."""
        return f"iteration {self.stop}" + ("" if self.loss is None else f", loss {self.loss:.4g}")


@dataclass(frozen=True)
class RunFiles:
    """Where a run writes. What it needs to resume lies beside the checkpoint until it ends."""

    checkpoint: Path
    log: Path
    scores: Path

    @property
    def outputs(self) -> tuple[Path, ...]:
        """The files of a finished run, the checkpoint last."""
        return self.log, self.scores, self.checkpoint

    @property
    def part(self) -> Path:
        """The checkpoint of an unfinished run."""
        return self.checkpoint.with_name(f"{self.checkpoint.stem}.part{self.checkpoint.suffix}")

    @property
    def live_log(self) -> Path:
        """The log of an unfinished run; Snakemake would remove its declared output."""
        return self.log.with_name(f"{self.log.stem}.part{self.log.suffix}")

    @property
    def lock(self) -> Path:
        """What only one process at a time holds."""
        return self.checkpoint.with_name(".lock")

    @property
    def score_parts(self) -> Path:
        """The folder of the scores written so far, one file per interval."""
        return self.scores.with_name(f"{self.scores.stem}.parts")

    @property
    def finished(self) -> Path:
        """The folder of the finished run's links: they outlive the outputs, which Snakemake
        removes before it starts a job again."""
        return self.checkpoint.with_name(".finished")

    def score_part(self, iteration: int) -> Path:
        """The scores of one interval of an unfinished run."""
        return self.score_parts / f"{iteration:08d}.h5"

    def remove_unfinished(self) -> None:
        """Remove what only an unfinished run needs."""
        self.part.unlink(missing_ok=True)
        self.live_log.unlink(missing_ok=True)
        shutil.rmtree(self.score_parts, ignore_errors=True)


def train_run(
    features: FeatureFile,
    annotations: Annotations,
    config: Mapping[str, Any],
    files: RunFiles,
    *,
    seed: int,
    code: str,
    device: torch.device,
    save_every: int | None = None,
    upstream: Scores | None = None,
    teachers: Scores | None = None,
    initial: Mapping[str, Any] | None = None,
    track: Track = iter,
    record: Callable[[Row], object] = lambda row: None,
) -> list[str]:
    """Train one seed of a run and write its checkpoint, log and scores by iteration.

    `config` is the run's resolved config, a checked plain tree. A run that was killed continues
    from its last save (every `save_every` iterations, by default at each scoring interval) if
    config, code, seed and data are the same, and ends in the same bytes; one that has finished is
    not trained again. Otherwise it starts anew. WstalError is raised if another process trains it.
    At each scoring interval and at the end the videos of val and test are scored, so that
    evaluation can choose an iteration on either; their labels are never read.

    `upstream` are all videos' scores under the run that `scores_from` names, `teachers` those of
    the training videos under the runs that a method learns from (`data.teacher_scores`), `initial`
    is the content of the checkpoint that `init_from` names. Each row of the log is in
    `files.live_log` and goes to `record` as soon as it is known; of a run that continues, first
    those before. Returns notes for the user, first how
    many seconds a training sequence has.
    """
    if device.type == "cpu":
        keep_freed_memory()
    step = float(features.attrs["step"])
    settings = run_config(config)
    streams = settings.run.streams
    learned = upstream if teachers is None else teachers
    data = TrainingSet(features, annotations, streams, settings.data, device, learned)
    settings = in_snippets(settings, step, data.lengths)
    data.length = settings.data.length
    trainer = Trainer(settings, data, features.dims, seed, device)
    start_notes = initialize(trainer.model, initial["model"]) if initial else []
    ids = features.ids("val") + features.ids("test")
    scorer = Scorer(settings, features, ids, data.classes, data.standardization, device, upstream)
    identity = {
        "config": dict(config),
        "code": code,
        "seed": seed,
        "classes": data.classes,
        "dims": {name: int(features.dims[name]) for name in data.streams},
        "features": {k: str(features.attrs.get(k)) for k in ("dataset", "recipe", "recipe_digest")},
        "training data": data.digest(),
        "scored videos": scorer.digest(),
        "initial weights": weights_digest(initial["model"]) if initial else "",
        "standardization": data.standardization._asdict(),
        "device": device.type,
        "versions": checkpoint.versions(),
    }
    notes = data.span(step) + data.notes + start_notes
    with only_process(files.lock, "trains this run and seed"):
        if restore_finished(files, identity):
            files.remove_unfinished()  # its process may have been killed before it did
            return [*notes, "kept the finished run: config, code, seed and data are the same"]
        notes += resume(trainer, files, identity)
        save_every, last = save_every or trainer.score_interval, trainer.iterations
        intervals = scored_iterations(trainer, last)
        live_log = LiveLog(files.live_log, record)
        live_log.add(trainer.log)
        for block in track(blocks(trainer.iteration, last, settings.train.log_interval)):
            for _ in range(block.start, block.stop):
                trainer.step()
                live_log.add(trainer.log)
                if trainer.iteration in intervals:
                    trainer.require_finite()
                    scores = scorer(trainer.model, trainer.iteration)
                    write_scores(files.score_part(trainer.iteration), scores)
                if trainer.iteration % save_every == 0 and trainer.iteration < last:
                    checkpoint.save(files.part, {**identity, **trainer.state()})
            block.loss = trainer.log[-1]["total"] if trainer.log else None
        finish(trainer, files, identity)
    return notes


class LiveLog:
    """The log of an unfinished run: a row is in the file as soon as it is known.

    A power cut may leave half a row at its end; a run that continues writes the file anew.
    """

    def __init__(self, path: Path, record: Callable[[Row], object]) -> None:
        self._path, self._record = path, record
        self._count, self._columns = 0, []
        path.unlink(missing_ok=True)

    def add(self, rows: Sequence[Row]) -> None:
        """Write those of a run's rows that are new."""
        new = rows[self._count :]
        if not new:
            return
        columns = log_columns(rows)
        if columns == self._columns:
            with self._path.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, columns, lineterminator="\n").writerows(new)
        else:
            write_csv(self._path, columns, rows)
        self._count, self._columns = len(rows), columns
        for row in new:
            self._record(row)


def log_columns(rows: Iterable[Row]) -> list[str]:
    """Return the names that the rows of a log have, in the order in which they first occur."""
    return list(dict.fromkeys(key for row in rows for key in row))


def scored_iterations(trainer: Trainer, last: int) -> list[int]:
    """Return the iterations up to `last` after which the videos are scored."""
    intervals = list(range(trainer.score_interval, last + 1, trainer.score_interval))
    return intervals if last < trainer.iterations or last in intervals else [*intervals, last]


def blocks(start: int, stop: int, size: int) -> list[Block]:
    """Split `start`..`stop` into blocks that end at multiples of `size`."""
    edges = [start, *range((start // size + 1) * size, stop, size), stop]
    return [Block(a, b) for a, b in zip(edges, edges[1:], strict=False) if b > a]


@torch.no_grad()
def initialize(model: nn.Module, weights: Mapping[str, Tensor]) -> list[str]:
    """Copy the weights that the model has under the same name and shape; name the others.

    Raises WstalError if there are none: the runs are of different kinds.
    """
    own = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    shared = {n: v for n, v in weights.items() if n in own and own[n].shape == v.shape}
    if not shared:
        raise WstalError(
            "init_from: no weight of that run has the name and shape of one of this run's; "
            "name a run of the same method and widths"
        )
    for name, value in shared.items():
        own[name].copy_(value)
    left = sorted(set(own) - set(shared))
    return [f"drawn anew, not in the run this one starts from: {', '.join(left)}"] if left else []


def weights_digest(weights: Mapping[str, Tensor]) -> str:
    """Return a digest of a model's weights."""
    return data_digest(
        part for name, value in weights.items() for part in (name, value.cpu().numpy())
    )


def resume(trainer: Trainer, files: RunFiles, identity: Mapping[str, Any]) -> list[str]:
    """Restore the trainer from an unfinished run of the same identity; return notes."""
    if not files.part.is_file():
        shutil.rmtree(files.score_parts, ignore_errors=True)
        return []
    try:
        saved = checkpoint.load(files.part)
    except WstalError as error:
        saved, changed = {}, [str(error)]
    else:
        changed = [key for key, value in identity.items() if not _same(saved.get(key), value)]
        scored = [] if changed else scored_iterations(trainer, saved["iteration"])
        changed = changed or _unreadable(files.score_part(iteration) for iteration in scored)
    if changed:
        shutil.rmtree(files.score_parts, ignore_errors=True)
        return [f"an unfinished run was not continued, because it differs in: {', '.join(changed)}"]
    trainer.restore(saved)
    for part in files.score_parts.glob("*.h5"):
        # A file that was being written when the run was killed does not have a number for a name.
        if not part.stem.isdigit() or int(part.stem) > trainer.iteration:
            part.unlink()
    return [f"continued at iteration {trainer.iteration}"]


def _unreadable(parts: Iterable[Path]) -> list[str]:
    """Name the scores of earlier intervals that cannot be read: the outputs would be incomplete."""
    faults = []
    for part in parts:
        try:
            read_scores(part)
        except (WstalError, OSError) as error:
            faults.append(f"{part.name} ({error})")
    return faults


def finish(trainer: Trainer, files: RunFiles, identity: Mapping[str, Any]) -> None:
    """Write the outputs, the checkpoint last, and remove what only an unfinished run needs.

    Raises WstalError if the scores of an interval are missing.
    """
    state = trainer.state()  # first: a run that diverged leaves no outputs
    parts = [files.score_part(n) for n in scored_iterations(trainer, trainer.iterations)]
    if absent := [part.name for part in parts if not part.is_file()]:
        raise WstalError(
            f"{files.score_parts}: the scores of {len(absent)} of {len(parts)} intervals are "
            f"missing ({', '.join(absent[:3])}); remove {files.part} and run again"
        )
    write_csv(files.log, log_columns(trainer.log), trainer.log)
    write_iterations(files.scores, (read_scores(part) for part in parts))
    checkpoint.save(files.checkpoint, {**identity, **state})
    link_finished(files)
    files.remove_unfinished()


def link_finished(files: RunFiles) -> None:
    """Keep the outputs under second names, with their digests; they take no space on the disk.

    A file system without hard links keeps nothing, and such a run trains again.
    """
    shutil.rmtree(files.finished, ignore_errors=True)
    with suppress(OSError):
        files.finished.mkdir()
        for path in files.outputs:
            (files.finished / path.name).hardlink_to(path)
        digests = {path.name: _sha256(path) for path in files.outputs}
        write_json(files.finished / "sha256.json", digests)


def restore_finished(files: RunFiles, identity: Mapping[str, Any]) -> bool:
    """Restore the outputs of a finished run of the same identity; return whether there is one.

    Each of them must have the digest that it had at its end.
    """
    digests = read_cached(files.finished / "sha256.json") or {}
    kept = {path: files.finished / path.name for path in files.outputs}
    try:
        if any(digests.get(path.name) != _sha256(path) for path in kept.values()):
            return False
        saved = checkpoint.load(kept[files.checkpoint])
        if not all(_same(saved.get(key), value) for key, value in identity.items()):
            return False
        for path, link in kept.items():
            with atomic_path(path) as temporary:
                temporary.hardlink_to(link)
    except (WstalError, OSError):
        return False
    return True


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _same(a: Any, b: Any) -> bool:
    """Equality that looks into mappings and compares tensors by value."""
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return torch.equal(a.cpu(), b.cpu())
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    return bool(a == b)
