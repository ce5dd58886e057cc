"""Compare two sets of features video by video, and name likely causes.

Each is a features.h5 or a folder of arrays {video}_{stream}.npy (also {video}-{stream}.npy, or
{video}.npy for RGB). Features of other layouts are imported first: docs/datasets.md.

Prints a summary; `--output` has a row per video: lengths, best rate and shift in time, cosine,
centred cosine and scale per stream, likely causes (frame rate, stride, shift, order of streams,
ReLU, L2, scale, float16, input) with a confidence. What rows alone cannot tell, as the order of
colours, the sign of flow or the crop, `--video` can: some snippets of one video are computed with
each fault by the networks of `--recipe`, and the fault that gives the rows of b is named.

Examples:
  wstal compare-features results/thumos14/i3d_tvl1/features.h5 \\
      results/thumos14/wtalc_i3d/features.h5 --output comparison.csv --plot comparison.svg
  wstal compare-features features/features.h5 published_arrays
  wstal compare-features features/features.h5 published_arrays --video clips/x.mp4
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from wstal.commands.console import WEIGHTS, Add, Program, track
from wstal.base.errors import WstalError
from wstal.base.files import write_frame
from wstal.config.catalog import own_catalog
from wstal.config.installation import ROOT, work_folder
from wstal.features.compare import (
    ALIKE,
    ArrayFolder,
    compare_files,
    open_features,
    summarize_comparison,
)
from wstal.features.pack import FeatureFile
from wstal.plots.diagnosis import plot_comparison
from wstal.plots.style import save

Features = FeatureFile | ArrayFolder


def add_arguments(add: Add) -> None:
    add("a", type=Path, help="features.h5, or a folder of arrays")
    add("b", type=Path, help="features.h5, or a folder of arrays, of the same videos")
    add("--output", type=Path, help="CSV with a row per video")
    add("--plot", type=Path, help="figure, .svg or .png")
    add("--video", type=Path, help="file of one of the videos, to name faults of the input")
    add("--id", help="which video that is (default: the file's name)")
    add("--snippets", type=int, default=8, help="of that video, to compute (default: 8)")
    add("--recipe", help="with Inception-I3D, whose networks compute (default: that of a)")


def compare(args: argparse.Namespace) -> None:
    with open_features(args.a) as a, open_features(args.b) as b:
        rows = compare_files(a, b, track("compare"))
        faults = _examine(args, a, b, rows) if args.video else {}
        names = tuple(_name(file) for file in (a, b))
        for label, file in (("a", a), ("b", b)):
            print(f"{label}: {file.path}, {len(file.ids())} videos{_grid(file)}")
    figures = summarize_comparison(rows)
    width = max(len(name) for name, _ in figures)
    print("\n".join(f"{name:<{width}}  {value}" for name, value in figures))
    for stream, finding in faults.items():
        print(f"{stream} of {args.video.name}: {finding}")
    if args.output:
        write_frame(args.output, pd.DataFrame(rows), float_format="%.6g")
    if args.plot:
        save(plot_comparison(rows, names), args.plot)


def _examine(
    args: argparse.Namespace, a: Features, b: Features, rows: list[dict]
) -> dict[str, object]:
    """Return which fault explains the rows of `b` for the video of `--video`, by stream."""
    from wstal.apply.extraction import load_networks
    from wstal.apply.run_folder import video_recipe
    from wstal.config.stages import stage_settings
    from wstal.features.doctor import examine
    from wstal.networks.weights import read_sources

    video = args.id or args.video.stem
    row = next((each for each in rows if each["id"].removeprefix("v_") == video), None)
    if row is None:
        raise WstalError(f"video {video!r} is not in both files; name it with --id")
    alike = np.mean([value for key, value in row.items() if key.startswith("match_")])
    aligned = alike >= ALIKE
    if aligned and row["rate"] != 1:
        raise WstalError(
            f"the rows of {video} have another rate; correct it first: {row['causes']}"
        )
    name = args.recipe or a.attrs.get("recipe", "i3d_tvl1")
    recipe = video_recipe(own_catalog().features, name)
    settings = stage_settings("i3d_rgb", recipe)
    known = next(each for each in b.ids() if each.removeprefix("v_") == video.removeprefix("v_"))
    streams = [name for name in ("rgb", "flow") if name in b.streams]
    theirs = {
        name: np.roll(b.read(known, [name]), -row["shift"] * aligned, axis=0) for name in streams
    }
    if aligned and row["swapped"]:
        theirs = {"rgb": theirs["flow"], "flow": theirs["rgb"]}
    if unknown := [
        stream for stream in streams if theirs[stream].shape[1] != 1024 * settings.width
    ]:
        raise WstalError(
            f"{unknown[0]} of {b.path} is not as wide as the rows of recipe {name}; choose the "
            "recipe with the network that made them (--recipe)"
        )
    sources = read_sources(WEIGHTS / "sources.yaml")
    loaded = load_networks(recipe, streams, sources, [work_folder(), ROOT])
    networks = {name: loaded[f"i3d_{name}"].network for name in streams}
    fps = recipe["frames"]["fps"]
    size = {"short_side": settings.short_side, "crop": settings.crop, "rows": args.snippets}
    return examine(args.video, theirs, networks, fps=fps, **size)


def _name(file: Features) -> str:
    return f"{file.attrs['dataset']} {file.attrs['recipe']}" if file.attrs else file.path.name


def _grid(file: Features) -> str:
    if not file.attrs:
        return ""
    return f", every {file.attrs['step']:.4g} s ({file.attrs['fps']:g} fps)"


COMMAND = Program(__doc__, add_arguments, compare)
