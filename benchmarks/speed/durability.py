"""Time what flushing to the disk, checksums and digests add to the files of the demo.

As many files as a run of the demo writes (two runs of three seeds), of about their sizes, are
written and read by the stages' own functions: with flushing and checksums, and without them, in
turns. What is added, processor seconds and the wait for the disk, is set beside the seconds of the
whole demo in `results/demo.json`.

Examples:
  OMP_NUM_THREADS=1 python -m benchmarks.speed.durability
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from unittest.mock import patch

import h5py
import hdf5plugin
import numpy as np
from wstal.base import array_store, files
from wstal.base.array_store import Record, create_arrays, read_arrays, read_attrs
from wstal.features import pack as packing
from wstal.features.pack import FeatureFile, Stream, grid_attrs, pack
from wstal.features.snippets import read_flow
from wstal.localize import scores as score_files
from wstal.localize.scores import (
    ScoreHistory,
    Scores,
    VideoScores,
    read_scores,
    write_iterations,
    write_scores,
)

from benchmarks.record import FOLDER, record_parser, write_record

VIDEOS, TEST, CLASSES = 36, 12, 6
FRAMES, SIZE, RATE = 500, (112, 150), 16000  # of a video of 20 s
SNIPPETS, WIDTH = FRAMES // 16, 256
RUNS, INTERVALS, CHECKPOINT = 6, 3, 4 << 20  # trainings, scorings of each, bytes
SMALL = 150  # tables, JSON files and figures


@contextmanager
def without() -> Iterator[None]:
    """Write as before: no flush, no checksum, no digest of attributes and of scores."""
    create = h5py.Group.create_dataset

    def plain(self, *args, fletcher32=False, **options):
        return create(self, *args, **options)

    with ExitStack() as stack:
        stack.enter_context(patch.object(files, "replace_durably", Path.replace))
        stack.enter_context(patch.object(h5py.Group, "create_dataset", plain))
        for module in (array_store, packing):
            stack.enter_context(patch.object(module, "seal", lambda file: None))
            stack.enter_context(patch.object(module, "require_seal", lambda file: None))
        stack.enter_context(patch.object(score_files, "_digest", lambda group, videos: ""))
        stack.enter_context(patch.object(packing, "read_content", _unchecked))
        yield


def _unchecked(path, key, sha256):
    return read_arrays(path, ["features"]), read_attrs(path)


def handle_files(folder: Path, flow: np.ndarray) -> None:
    """Write and read the files of a demo below `folder`."""
    rng = np.random.default_rng(0)
    stages = {name: folder / name for name in ("frames", "audio", "flow", "i3d_rgb", "i3d_flow")}
    records: dict[str, dict[str, Record]] = {"i3d_rgb": {}, "i3d_flow": {}}
    for number in range(VIDEOS):
        video = f"video_{number:03d}"
        for stage, place in stages.items():
            path = place / f"{video}.h5"
            with create_arrays(
                path, id=video, stage=stage, key="k", provenance={"s": stage}
            ) as file:
                if stage == "frames":
                    file.write("frame_index", np.arange(FRAMES))
                    file.write("times", np.arange(FRAMES) / 25)
                elif stage == "audio":
                    file.write("sound", rng.integers(-3000, 3000, 20 * RATE).astype(np.int16))
                elif stage == "flow":
                    options = {"chunk_rows": 16, **hdf5plugin.Zstd(1)}
                    stream = file.stream("flow", flow.shape[1:], np.int8, **options)
                    for start in range(0, len(flow), 16):
                        stream.append(flow[start : start + 16])
                else:
                    file.write("features", rng.random((SNIPPETS, WIDTH), np.float32))
            for _ in range(2):  # a stage reads the attributes of what it has made, and the next one
                attrs = read_attrs(path)
            if stage in records:
                records[stage][video] = Record(
                    video, "ok", SNIPPETS, attrs["sha256"], path.name, "k"
                )
            elif stage == "flow":
                for _ in read_flow(path):
                    pass
            else:
                read_arrays(path)
    rows = [
        {"id": video, "split": "test" if n < TEST else "train", "duration": "20"}
        | {"status": "ok", "reason": ""}
        for n, video in enumerate(records["i3d_rgb"])
    ]
    about = grid_attrs("demo", "demo_i3d", 25, "d" * 64, untrained=False, accepted={})
    streams = [Stream(name[4:], stages[name], made) for name, made in records.items()]
    pack(folder / "features.h5", rows, streams, attrs=about)
    for run in range(RUNS):
        train_and_score(folder / f"run{run}", folder / "features.h5", rng)
    for number in range(SMALL):
        files.write_text(folder / f"tables/{number}.csv", "metric,value\n" * 100)


def train_and_score(folder: Path, features: Path, rng: np.random.Generator) -> None:
    """Write and read what a training and its scoring do."""
    with FeatureFile(features) as packed:
        for video in packed.ids():
            packed.read(video, ["rgb", "flow"])
        ids = packed.ids("test")
    parts = []
    for iteration in range(INTERVALS):
        videos = {
            video: VideoScores(
                rng.random((SNIPPETS, CLASSES + 1), np.float32),
                rng.random(SNIPPETS, np.float32),
                rng.random(CLASSES, np.float32),
            )
            for video in ids
        }
        parts.append(folder / f"parts/{iteration:08d}.h5")
        classes = [f"class {n}" for n in range(CLASSES)]
        write_scores(parts[-1], Scores(classes, videos, iteration=iteration))
        with files.atomic_path(folder / "checkpoint.pt") as temporary:
            temporary.write_bytes(bytes(CHECKPOINT))
    write_iterations(folder / "scores_by_iteration.h5", map(read_scores, parts))
    write_scores(folder / "scores.h5", read_scores(parts[-1]))
    for _ in range(2):  # localization and evaluation
        read_scores(folder / "scores.h5")
        list(ScoreHistory(folder / "scores_by_iteration.h5"))


def measure(flow: np.ndarray, place: Path | None) -> tuple[float, float]:
    """Return processor seconds of one pass in a new folder in `place`, and those spent flushing."""
    flush, waited = os.fsync, 0.0

    def timed(number: int) -> None:
        nonlocal waited
        start = time.perf_counter()
        flush(number)
        waited += time.perf_counter() - start

    with tempfile.TemporaryDirectory(dir=place) as folder, patch.object(os, "fsync", timed):
        used = time.process_time()
        handle_files(Path(folder), flow)
        return time.process_time() - used, waited


def main() -> None:
    """Time both in turns and record them."""
    parser = record_parser(__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="of each, in turns (default 5)")
    parser.add_argument("--folder", type=Path, help="on the disk to measure; default: /tmp")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    # Something moves in front of a still background: 2.3 KB a pair, as in the demo.
    smooth = np.cumsum(rng.normal(size=(FRAMES, 64, 80, 2)), axis=2) / 4
    flow = np.zeros((FRAMES, *SIZE, 2), np.int8)
    flow[:, 24:88, 32:112] = np.clip(np.rint(smooth), -127, 127)
    measured: dict[str, list[tuple[float, float]]] = {"with": [], "without": []}
    for _ in range(args.repeats):
        measured["with"].append(measure(flow, args.folder))
        with without():
            measured["without"].append(measure(flow, args.folder))
    pairs = zip(measured["with"], measured["without"], strict=True)
    processor = round(median(a[0] - b[0] for a, b in pairs), 2)
    waiting = round(median(each[1] for each in measured["with"]), 2)
    demo = json.loads((FOLDER / "results/demo.json").read_text())["results"]["seconds"]["whole DAG"]
    results = {
        "processor seconds": {
            name: round(median(each[0] for each in runs), 2) for name, runs in measured.items()
        },
        "added processor seconds": processor,
        "seconds of flushing": waiting,  # longer where other programs keep the machine busy
        "demo seconds": demo,
        "share of the demo": round((processor + waiting) / demo, 4),
    }
    json.dump(results, sys.stdout, indent=1)
    print()
    if not args.dry_run:
        settings = {"repeats": args.repeats, "videos": VIDEOS, "runs": RUNS}
        write_record("durability", results, settings=settings)


if __name__ == "__main__":
    main()
