"""Time TV-L1 on a GPU with Triton and torch, its error, and the limit of the memory bandwidth.

The floor is one pass over the state per iteration at the bandwidth of a copy measured here, with
the iterations that the pairs need; several iterations per launch may beat it. Errors are relative
to OpenCV if its optflow module is installed, else to the C++ backend, else (without a compiler) to
torch. Clips are joined into one sequence: pairs at the cuts are timed, as in a film, but left out
of the errors. Every figure is written as soon as it is measured. Needs torch, triton, numpy and
opencv-python-headless.

Examples:
  PYTHONPATH=workflow python -m benchmarks.speed.tvl1_gpu
  PYTHONPATH=workflow python -m benchmarks.speed.tvl1_gpu --tune --sizes 340x256 --dry-run
"""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from wstal.flow import tvl1
from wstal.flow.codes import encode
from wstal.flow.definition import TVL1Parameters, check_frames
from wstal.flow.tvl1_backends.cpu import NoCompiler, tvl1_cpu
from wstal.flow.tvl1_backends.torch import tvl1_torch
from wstal.flow.tvl1_backends.triton import Launch, tvl1_triton

from benchmarks.record import Figures, record_parser, write_record
from benchmarks.speed.flow_clips import CLIPS, MORE, real_videos, rendered_videos
from benchmarks.speed.kernel_times import kernel_times

BYTES = 64  # per pixel iteration: ten planes read and six written, once each
COMPARED = 4  # pairs of each clip
PACKAGES = ("torch", "triton", "numpy", "opencv-python-headless")
DEFAULTS = TVL1Parameters()
# Strips, rows and registers. Two or three of the smaller blocks share an SM, so that one computes
# while another loads or waits; a block of 64x64 px fills it.
CUTS = ((8, 4, 128), (8, 3, 80), (16, 2, 64), (16, 4, None), (8, 8, None), (4, 8, None))


def rate(pairs: int, run: Callable[[], object], turns: int = 3) -> float:
    """Return pairs per second of the fastest of `turns` runs, after one run that compiles."""
    spent = []
    for _ in range(turns + 1):
        torch.cuda.synchronize()
        start = time.perf_counter()
        run()
        torch.cuda.synchronize()
        spent.append(time.perf_counter() - start)
    return pairs / min(spent[1:])


def copy_bandwidth() -> float:
    """Return the GB per second that a copy within the GPU's memory reads and writes."""
    source = torch.ones(1 << 28, device="cuda")
    target = torch.empty_like(source)
    return 2 * source.nbytes * rate(1, lambda: target.copy_(source), 10) / 1e9


def reference(parts: list[np.ndarray]) -> tuple[str, np.ndarray]:
    """Return the flow within each of `parts` by the most trusted backend available."""
    if hasattr(cv2, "optflow"):
        return "opencv", np.concatenate([tvl1(part, "opencv") for part in parts])
    try:
        return "cpu", np.concatenate([tvl1(part, "cpu") for part in parts])
    except (NoCompiler, OSError):
        return "torch", np.concatenate([tvl1(part, "torch", device="cuda") for part in parts])


def errors(found: np.ndarray, expected: np.ndarray) -> dict[str, float]:
    """Return mean, median and worst of the pairs' mean end-point errors in px."""
    error = np.linalg.norm(found - expected, axis=-1).mean((1, 2))
    middle = float(np.median(error))
    return {"mean": float(error.mean()), "median": middle, "worst": float(error.max())}


def floor(frames: np.ndarray, bandwidth: float) -> dict[str, float]:
    """Return the mean pixel iterations of a pair, counted by the C++ backend, and the floor."""
    work = np.zeros(len(frames) - 1, np.int64)
    tvl1_cpu(check_frames(frames), DEFAULTS, work=work)
    mean = float(work.mean())
    return {"pixel_iterations_per_pair": mean, "pairs_per_s": 1e9 * bandwidth / (mean * BYTES)}


def measure(figures: Figures, size: str, videos: list[np.ndarray], args: Namespace) -> None:
    """Measure rates, errors and the floor, the most important first."""
    frames, pairs = np.concatenate(videos), sum(map(len, videos)) - 1
    images = torch.from_numpy(frames).cuda().float()
    parts = [video[: COMPARED + 1] for video in videos]
    starts = np.cumsum([0] + [len(video) for video in videos[:-1]])
    compared = np.concatenate([start + np.arange(COMPARED) for start in starts])
    expected = cache(lambda: reference(parts))

    def epe(flows: Callable[[], np.ndarray]) -> dict[str, Any]:
        name, wanted = expected()
        return {"against": name, **errors(flows(), wanted)}

    def take(name: str, run: Callable[[], Any]) -> Any:
        return figures.take(f"{size}/{name}", run)

    def triton() -> torch.Tensor:
        return tvl1_triton(images, DEFAULTS)

    def codes() -> np.ndarray:
        return encode(tvl1(frames, "triton", on_device=True), 20)

    def torchs() -> np.ndarray:
        made = tvl1_torch(np.concatenate(parts), DEFAULTS, device="cuda").cpu().numpy()
        return np.delete(made, np.arange(1, len(parts)) * (COMPARED + 1) - 1, axis=0)

    take("triton/pairs_per_s", lambda: rate(pairs, triton))
    take("triton/peak_memory_gb", lambda: torch.cuda.max_memory_allocated() / 1e9)
    take("triton/epe", lambda: epe(lambda: triton()[compared].cpu().numpy()))
    take("triton/frames_to_codes_pairs_per_s", lambda: rate(pairs, codes))
    other = partial(tvl1_triton, images, DEFAULTS, "opencv_cuda")
    take("triton/opencv_cuda/pairs_per_s", lambda: rate(pairs, other))
    if bandwidth := figures.get("copy_gb_per_s"):
        found = take("floor", lambda: floor(frames, bandwidth))
        at = figures[f"{size}/triton/pairs_per_s"]
        take("triton/fraction_of_floor", lambda: at / found["pairs_per_s"])
    if args.kernels:
        take("triton/kernels", lambda: kernel_times(triton))
    few = partial(tvl1_torch, videos[0][:17], DEFAULTS, device="cuda")
    take("torch/pairs_per_s", lambda: rate(16, few, 1))
    take("torch/epe", lambda: epe(torchs))


def tune(figures: Figures, size: str, videos: list[np.ndarray]) -> None:
    """Measure pairs per second with other ways to split the work."""
    images = torch.from_numpy(np.concatenate(videos)).cuda().float()
    choices = [Launch(strips=s, rows=r, registers=g) for s, r, g in CUTS]
    choices += [Launch(halo=halo) for halo in (2, 4, 6, 8)]
    choices += [Launch(batch=b) for b in (128, 256, 512)] + [Launch(graphs=False)]
    for launch in choices:
        run = partial(tvl1_triton, images, DEFAULTS, launch=launch)
        figures.take(f"{size}/{launch}", lambda x=run: rate(len(images) - 1, x, 2))


def main() -> None:
    """Measure every size; print and write each figure to benchmarks/results/tvl1_gpu.json."""
    arguments = record_parser(__doc__)
    add = arguments.add_argument
    add("--videos", type=Path, default=Path(), help="folder of the clips")
    add("--sizes", nargs="+", default=["340x256", "455x256"])
    add("--pairs", type=int, default=128, help="per clip (default 128)")
    add("--tune", action="store_true", help="other ways to split the work (tvl1_tuning_gpu.json)")
    add("--kernels", action="store_true", help="also measure the time of each kernel")
    args = arguments.parse_args()
    name, settings = "tvl1_tuning_gpu" if args.tune else "tvl1_gpu", {"pairs_per_clip": args.pairs}
    write = partial(write_record, name, settings=settings, packages=PACKAGES)
    figures = Figures(None if args.dry_run else write)
    if not args.tune:
        figures.take("copy_gb_per_s", copy_bandwidth)
    for size in args.sizes:
        width, height = map(int, size.split("x"))
        clips = real_videos(args.videos, args.pairs, width, height, CLIPS + MORE)
        videos = clips or rendered_videos(args.pairs, width, height)
        figures[f"{size}/frames"] = f"{len(clips)} real clips" if clips else "rendered"
        if args.tune:
            tune(figures, size, videos)
        else:
            measure(figures, size, videos, args)
    sys.exit(bool(figures.failed))


if __name__ == "__main__":
    main()
