"""Time backbones per snippet: our extraction beside a plain loop as model cards show it, in turns.

Frames are in memory, so decoding is aside. The plain loop gives one snippet after another to the
library's own processor and its vectors to the network; ours is what `wstal extract` does after
decoding. A snippet has 16 frames and the next one begins 8 frames later. Networks have their full
size and random weights, so times are those of published weights. Where the time of a snippet goes
is measured alone: pictures prepared by the library and by us, and the network.

Lower precision and torch.compile are timed in the same turns; `first_call_s` is what the first call
of a job costs, which compiles.

`videomae_base_by_batch` has the time per snippet by the number of snippets that pass a network of
one layer at a time. `times_plain` is the median over the turns. Beside wall time the record has the
processor time of all threads, which depends less on the load of the machine.

Examples:
  OMP_NUM_THREADS=1 python -m benchmarks.speed.backbones
  python -m benchmarks.speed.backbones --only videomae_base --turns 3 --dry-run
"""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor
from wstal.config.catalog import load_catalog
from wstal.features.backbone_stage import BATCH, fitted, fitted_chunks
from wstal.features.frame_vectors import frame_means
from wstal.features.rows import RowGrid
from wstal.features.snippets import as_taken, snippet_features
from wstal.networks.backbone import (
    BackboneEntry,
    SnippetNetwork,
    backbone_entries,
    load_backbone,
)
from wstal.networks.backbones.transformers import import_transformers

from benchmarks.record import Figures, record_parser, write_record

ROWS = RowGrid(25, window=16, stride=8)
SIZE = (256, 340)  # px, of the decoded pictures
MODES = {  # ours: as it is by default, and as the recipe may ask for
    "wstal": {},
    "bf16": {"precision": "bf16"},
    "compiled": {"compiled": True},
    "bf16_compiled": {"precision": "bf16", "compiled": True},
}
CHUNK = 64  # pictures that the decoder yields at a time
CPU = torch.device("cpu")


def clip_processor(entry: BackboneEntry) -> Callable[[np.ndarray], Tensor]:
    """Return CLIP's own way from pictures to the network's input `[T, 3, S, S]`."""
    processor = import_transformers().CLIPImageProcessor(**_normalised(entry))
    return lambda frames: processor(list(frames), return_tensors="pt")["pixel_values"]


def videomae_processor(entry: BackboneEntry) -> Callable[[np.ndarray], Tensor]:
    """Return VideoMAE's own way from pictures to the network's input `[1, 3, T, S, S]`."""
    processor = import_transformers().VideoMAEImageProcessor(**_normalised(entry))

    def prepare(frames: np.ndarray) -> Tensor:
        return processor(list(frames), return_tensors="pt")["pixel_values"].transpose(1, 2)

    return prepare


def _normalised(entry: BackboneEntry) -> dict[str, Any]:
    """Return how the repository of the weights configures its processor."""
    return {"image_mean": list(entry.mean), "image_std": list(entry.std)}


PROCESSORS = {
    "clip_base": clip_processor,
    "videomae_base": videomae_processor,
}


def moving_textures(count: int) -> np.ndarray:
    """Return smooth pictures with noise, uint8 `[count, *SIZE, 3]`."""
    torch.manual_seed(0)
    coarse = torch.randn(1, 3, 4, SIZE[0] // 16, SIZE[1] // 16)
    x = torch.nn.functional.interpolate(coarse, size=(count, *SIZE), mode="trilinear")[0]
    x = (x + 0.2 * torch.randn_like(x)).clamp(-1, 1).permute(1, 2, 3, 0)
    return np.ascontiguousarray((x * 127.5 + 127.5).byte().numpy())


def plain_loop(
    network: SnippetNetwork, prepare: Callable[[np.ndarray], Tensor], pictures: np.ndarray
) -> Callable[[int], Tensor]:
    """Return the function from a number of rows to their vectors, one snippet after another."""

    def one(row: int) -> Tensor:
        x = prepare(pictures[ROWS.frames(row)])
        if network.is_framewise:
            x = x.transpose(0, 1)[None]  # `over_frames` undoes it
        return network._vector(network.network, x)

    return lambda count: torch.cat([one(row) for row in range(count)])


def extraction(
    network: SnippetNetwork, entry: BackboneEntry, pictures: np.ndarray
) -> Callable[[int], Tensor]:
    """Return the function from a number of rows to their vectors, as the stage makes them."""
    make = frame_means if network.is_framewise else snippet_features
    options = {"crop": None, "batch": BATCH["cpu"], "device": CPU}

    def run(count: int) -> Tensor:
        seen = pictures[: ROWS.needed(count, len(pictures))]
        chunks = (seen[first : first + CHUNK] for first in range(0, len(seen), CHUNK))
        return torch.from_numpy(make(network, fitted_chunks(chunks, entry), count, ROWS, **options))

    return run


def clocks(run: Callable[[], Any]) -> tuple[float, float, Any]:
    """Return wall and processor seconds of a call, and what it returned."""
    wall, processor = time.perf_counter(), time.process_time()
    found = run()
    return time.perf_counter() - wall, time.process_time() - processor, found


@torch.inference_mode()
def compare(name: str, entry: BackboneEntry, args: Namespace) -> dict[str, Any]:
    """Return seconds per snippet of all ways, their ratios, their parts and their distances."""
    pictures = moving_textures(ROWS.needed(args.rows, 10**6))
    plain = load_backbone(name, entry, "untrained", ROWS.window)
    networks = {
        mode: load_backbone(name, entry, "untrained", ROWS.window).channels_last().computes(**how)
        for mode, how in MODES.items()
        if mode in args.modes
    }
    prepare = PROCESSORS[name](entry)
    ours = {mode: extraction(network, entry, pictures) for mode, network in networks.items()}
    ways = {"plain": plain_loop(plain, prepare, pictures), **ours}
    first = {mode: clocks(lambda run=run: run(args.rows))[0] for mode, run in ours.items()}
    spent: dict[str, list] = {way: [] for way in ways}
    found = {}
    for _ in range(args.turns):
        for way, run in ways.items():
            *seconds, found[way] = clocks(lambda run=run: run(args.rows))
            spent[way].append(seconds)
    walls, processors = ({way: [s[i] for s in spent[way]] for way in ways} for i in (0, 1))

    def times_plain(way: str, spent: dict[str, list[float]]) -> float:
        return round(median(a / b for a, b in zip(spent["plain"], spent[way], strict=True)), 2)

    def error(way: str) -> float:
        distance = (found[way] - found["plain"]).norm() / found["plain"].norm()
        return float(f"{distance.item():.1e}")

    clip = pictures[ROWS.frames(0)]
    own = pictures[: ROWS.stride]  # of overlapping snippets each prepares its new pictures only
    plain._vector = lambda _, x: x  # what the network gets

    def prepared() -> Tensor:
        x = torch.from_numpy(fitted(own, entry))[None]
        return plain.features(as_taken(plain, x))

    parts = {"plain": lambda: prepare(clip), "wstal": prepared}
    return {
        **{f"{way}_s": round(median(walls[way]) / args.rows, 3) for way in ways},
        **{f"{way}_processor_s": round(median(processors[way]) / args.rows, 3) for way in ways},
        **{f"{way}_snippets_per_s": round(args.rows / median(walls[way]), 4) for way in ways},
        "times_plain": {mode: times_plain(mode, walls) for mode in ours},
        "times_plain_processor": {mode: times_plain(mode, processors) for mode in ours},
        "first_call_s": {mode: round(seconds, 1) for mode, seconds in first.items()},
        **{
            f"{way}_preparing_processor_s": round(median(clocks(run)[1] for _ in range(5)), 4)
            for way, run in parts.items()
        },
        "relative_error": {mode: error(mode) for mode in ours},
    }


@torch.inference_mode()
def by_batch(name: str, entry: BackboneEntry, args: Namespace) -> dict[str, float]:
    """Return processor seconds per snippet of a network of one layer, by snippets at a time."""
    shallow = replace(entry, config={**entry.config, "num_hidden_layers": 1})
    network = load_backbone(name, shallow, "untrained", ROWS.window).channels_last()
    shape = (3, ROWS.window, entry.crop, entry.crop)
    snippets = {size: torch.rand(size, *shape) * 2 - 1 for size in args.batches}
    spent: dict[int, list[float]] = {size: [] for size in snippets}
    for _ in range(args.turns + 1):
        for size, x in snippets.items():
            spent[size].append(clocks(lambda x=x: network.features(x))[1] / size)
    return {str(size): round(median(times), 3) for size, times in spent.items()}


def main() -> None:
    """Time the backbones one by one, print and record them."""
    arguments = record_parser(__doc__)
    add = arguments.add_argument
    add("--only", nargs="+", choices=PROCESSORS, default=list(PROCESSORS))
    add("--modes", nargs="+", choices=MODES, default=list(MODES))
    add("--rows", type=int, default=2, help="snippets in a turn")
    add("--turns", type=int, default=1)
    add("--batches", type=int, nargs="+", default=[1, 2])
    args = arguments.parse_args()
    entries = backbone_entries(load_catalog().backbones)
    settings = {"window": ROWS.window, "stride": ROWS.stride, "size": SIZE, **vars(args)}
    settings = {key: value for key, value in settings.items() if key != "dry_run"}
    packages = ("torch", "numpy", "torchvision", "transformers")

    def record(results: dict) -> None:
        if not args.dry_run:
            write_record("backbones", dict(results), settings=settings, packages=packages)

    figures = Figures(record)
    for name in args.only:
        figures.take(name, lambda name=name: compare(name, entries[name], args))
    name = "videomae_base"
    figures.take(f"{name}_by_batch", lambda: by_batch(name, entries[name], args))
    sys.exit(bool(figures.failed))


if __name__ == "__main__":
    main()
