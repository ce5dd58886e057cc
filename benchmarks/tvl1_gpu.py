"""Time TV-L1 on a GPU: Triton and torch, how far they are from OpenCV, what the memory would allow.

The floor is one sweep over the state per iteration at the bandwidth of a copy measured here, with
the iterations that the pairs need; several iterations per launch may pass it. Errors are against
OpenCV where its optflow module is installed, else the C++ backend; without a compiler torch's.
Clips are joined into one sequence: the pairs at the cuts are timed, and left out of the errors.
Needs torch, triton, numpy and opencv-python-headless.

Examples:
  PYTHONPATH=workflow python benchmarks/tvl1_gpu.py
  PYTHONPATH=workflow python benchmarks/tvl1_gpu.py --tune --sizes 340x256 --dry-run
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from flow_clips import real_videos, rendered_videos
from record import record_parser, write_record
from wstal.flow import tvl1
from wstal.flow.frames import check_frames
from wstal.flow.parameters import TVL1Parameters
from wstal.flow.quantize import encode
from wstal.flow.shared_library import NoCompiler
from wstal.flow.tvl1_cpu import tvl1_cpu
from wstal.flow.tvl1_torch import tvl1_torch
from wstal.flow.tvl1_triton import Launch, tvl1_triton

BYTES = 64  # per pixel iteration: ten planes read and six written, once each
COMPARED = 4  # pairs of each clip


def seconds(run: Callable[[], object], turns: int = 3) -> float:
    """The least time of `turns` runs after one more."""
    spent = []
    for _ in range(turns + 1):
        torch.cuda.synchronize()
        start = time.perf_counter()
        run()
        torch.cuda.synchronize()
        spent.append(time.perf_counter() - start)
    return min(spent[1:])


def copy_bandwidth() -> float:
    """Bytes per second that a copy within the GPU's memory reads and writes."""
    source = torch.ones(1 << 28, device="cuda")
    target = torch.empty_like(source)
    return 2 * source.nbytes / seconds(lambda: target.copy_(source), 10)


def reference(videos: list[np.ndarray]) -> tuple[str, np.ndarray]:
    """Flow of the first pairs of each clip by the most trusted backend there is."""
    parts = [video[: COMPARED + 1] for video in videos]
    if hasattr(cv2, "optflow"):
        return "opencv", np.concatenate([tvl1(part, "opencv") for part in parts])
    try:
        return "cpu", np.concatenate([tvl1(part, "cpu") for part in parts])
    except NoCompiler:
        return "torch", np.concatenate([tvl1(part, "torch", device="cuda") for part in parts])


def pixel_iterations(frames: np.ndarray) -> float | None:
    """How many a pair needs on average; counted by the C++ backend."""
    work = np.zeros(len(frames) - 1, np.int64)
    try:
        tvl1_cpu(check_frames(frames), TVL1Parameters(), work=work)
    except NoCompiler:
        return None
    return float(work.mean())


def measure(videos: list[np.ndarray], bandwidth: float) -> dict[str, Any]:
    """Rates, errors and the floor."""
    frames = np.concatenate(videos)
    images = torch.as_tensor(check_frames(frames), device="cuda")
    parameters, pairs = TVL1Parameters(), len(frames) - 1
    runs = {
        "triton": lambda: tvl1_triton(images, parameters),
        "triton_cuda_semantics": lambda: tvl1_triton(images, parameters, "opencv_cuda"),
        "triton_frames_to_codes": lambda: encode(tvl1(frames, "triton", on_device=True), 20),
        "torch": lambda: tvl1_torch(images, parameters, device="cuda", batch=64),
    }
    rates = {name: pairs / seconds(run, 1 if name == "torch" else 3) for name, run in runs.items()}
    name, expected = reference(videos)
    starts = np.cumsum([0] + [len(video) for video in videos[:-1]])
    compared = np.concatenate([start + np.arange(COMPARED) for start in starts])
    errors = {}
    for backend in ("triton", "torch"):
        found = runs[backend]()[compared].cpu().numpy()
        error = np.linalg.norm(found - expected, axis=-1).mean((1, 2))
        errors[backend] = {
            "mean": float(error.mean()),
            "median": float(np.median(error)),
            "worst": float(error.max()),
        }
    result = {"pairs": pairs, "pairs_per_s": rates, "epe_against": name, "epe": errors}
    result["peak_memory_gb"] = torch.cuda.max_memory_allocated() / 1e9
    if (work := pixel_iterations(frames)) is not None:
        floor = bandwidth / (work * BYTES)
        result |= {"pixel_iterations_per_pair": work, "floor_pairs_per_s": floor}
        result["triton_fraction_of_floor"] = rates["triton"] / floor
    return result


def kernel_times(videos: list[np.ndarray]) -> dict[str, dict[str, float]]:
    """Of each kernel in one run by Triton: milliseconds on the device and number of launches."""
    images = torch.as_tensor(check_frames(np.concatenate(videos)), device="cuda")
    tvl1_triton(images, TVL1Parameters())  # compiled
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        tvl1_triton(images, TVL1Parameters())
        torch.cuda.synchronize()
    found = {
        each.key: {"ms": each.self_device_time_total / 1000, "launches": each.count}
        for each in profile.key_averages()
        if each.self_device_time_total
    }
    return dict(sorted(found.items(), key=lambda item: -item[1]["ms"])[:12])


def tune(videos: list[np.ndarray]) -> dict[str, float]:
    """Pairs per second of other ways to cut the work."""
    images = torch.as_tensor(check_frames(np.concatenate(videos)), device="cuda")
    shapes = {(64, 64): (8, 16, 32), (32, 64): (4, 8, 16), (32, 128): (16,)}
    cuts = [(tile, warps) for tile, each in shapes.items() for warps in each]
    choices = [Launch(tile=tile, warps=warps) for tile, warps in cuts]
    choices += [Launch(halo=halo) for halo in (2, 3, 4, 5, 6, 8, 10)]
    choices += [Launch(batch=b, graphs=g) for b, g in product((32, 64, 128, 256), (True, False))]
    rates = {}
    for launch in choices:
        spent = seconds(lambda x=launch: tvl1_triton(images, TVL1Parameters(), launch=x), 2)
        rates[str(launch)] = (len(images) - 1) / spent
        print(f"{rates[str(launch)]:8.0f} pairs/s  {launch}", flush=True)
    return rates


def main() -> None:
    """Measure every size, print, write benchmarks/results/tvl1_gpu.json."""
    arguments = record_parser(__doc__)
    add = arguments.add_argument
    add("--videos", type=Path, default=Path(), help="folder of the clips")
    add("--sizes", nargs="+", default=["340x256", "455x256"])
    add("--pairs", type=int, default=64, help="per clip; there are four")
    add("--tune", action="store_true", help="also try other ways to cut the work")
    add("--kernels", action="store_true", help="also say what each kernel takes")
    args = arguments.parse_args()
    bandwidth = copy_bandwidth()
    print(f"copy {bandwidth / 1e9:.0f} GB/s")
    results: dict[str, Any] = {"copy_gb_per_s": bandwidth / 1e9}
    for size in args.sizes:
        width, height = map(int, size.split("x"))
        clips = real_videos(args.videos, args.pairs, width, height)
        videos = clips or rendered_videos(args.pairs, width, height)
        kind = f"{len(clips)} real clips" if clips else "rendered"
        results[size] = {"frames": kind, **measure(videos, bandwidth)}
        print(size, *(f"\n  {key}: {value}" for key, value in results[size].items()), flush=True)
        if args.kernels:
            results[size]["kernels"] = kernel_times(videos)
            print(*(f"  {name}: {row}" for name, row in results[size]["kernels"].items()), sep="\n")
        if args.tune:
            results[size]["tune_pairs_per_s"] = tune(videos)
    if not args.dry_run:
        packages = ("torch", "triton", "numpy", "opencv-python-headless")
        settings = {"pairs_per_clip": args.pairs}
        print(write_record("tvl1_gpu", results, settings=settings, packages=packages))


if __name__ == "__main__":
    main()
