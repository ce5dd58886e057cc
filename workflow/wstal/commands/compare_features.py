"""Compare two sets of features video by video, and name likely causes.

Each is a features.h5 or a folder of arrays {video}_{stream}.npy (also {video}-{stream}.npy, or
{video}.npy for RGB). Features of other layouts are imported first: docs/datasets.md.

Prints a summary; `--output` has a row per video: lengths, best rate and shift in time, cosine,
centred cosine and scale per stream, likely causes (frame rate, stride, shift, order of streams,
ReLU, L2, scale, crop).

Examples:
  wstal compare-features results/thumos14/i3d_tvl1/features.h5 \\
      results/thumos14/wtalc_i3d/features.h5 --output comparison.csv --plot comparison.svg
  wstal compare-features features/features.h5 published_arrays
"""

import argparse
from pathlib import Path

import pandas as pd

from wstal.base.files import write_frame
from wstal.commands.console import Add, Program, track
from wstal.features.compare import (
    ArrayFolder,
    compare_files,
    open_features,
    summarize_comparison,
)
from wstal.features.pack import FeatureFile
from wstal.plots.diagnosis import plot_comparison
from wstal.plots.style import save


def add_arguments(add: Add) -> None:
    add("a", type=Path, help="features.h5, or a folder of arrays")
    add("b", type=Path, help="features.h5, or a folder of arrays, of the same videos")
    add("--output", type=Path, help="CSV with a row per video")
    add("--plot", type=Path, help="figure, .svg or .png")


def compare(args: argparse.Namespace) -> None:
    with open_features(args.a) as a, open_features(args.b) as b:
        rows = compare_files(a, b, track("compare"))
        names = tuple(_name(file) for file in (a, b))
        for label, file in (("a", a), ("b", b)):
            print(f"{label}: {file.path}, {len(file.ids())} videos{_grid(file)}")
    figures = summarize_comparison(rows)
    width = max(len(name) for name, _ in figures)
    print("\n".join(f"{name:<{width}}  {value}" for name, value in figures))
    if args.output:
        write_frame(args.output, pd.DataFrame(rows), float_format="%.6g")
    if args.plot:
        save(plot_comparison(rows, names), args.plot)


def _name(file: FeatureFile | ArrayFolder) -> str:
    return f"{file.attrs['dataset']} {file.attrs['recipe']}" if file.attrs else file.path.name


def _grid(file: FeatureFile | ArrayFolder) -> str:
    if not file.attrs:
        return ""
    return f", every {file.attrs['step']:.4g} s ({file.attrs['fps']:g} fps)"


COMMAND = Program(__doc__, add_arguments, compare)
