"""Time every TV-L1 backend against OpenCV, in turns, in one process, and measure the differences.

Frames are those of real clips (`--videos`, default $WSTAL_REFERENCE/data/videos) or, if there are
none, rendered ones. The ratio per core is OpenCV's processor time on one thread divided by ours, as
the median over the turns: other work on the machine changes wall time, but hardly processor time.
The efficiency of two threads is given by both clocks, as the minimum over the turns: wall time is
what counts on an idle machine, processor time shows what the threads cost each other in memory.
For GPUs use tvl1_gpu.py.

Examples:
  python -m benchmarks.speed.tvl1
  python -m benchmarks.speed.tvl1 --pairs 2 --turns 1 --sizes 340x256 --no-torch --dry-run
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import torch
from wstal.base.array_store import create_arrays, read_arrays
from wstal.flow import tvl1
from wstal.flow.codes import PAIRS, encode
from wstal.flow.definition import TVL1Parameters, check_frames
from wstal.flow.stage import write_flow
from wstal.flow.tvl1_backends.cpu import tvl1_cpu

from benchmarks.record import record_parser, write_record
from benchmarks.speed.flow_clips import Video, real_videos, rendered_videos

BYTES = 64  # per pixel iteration: ten planes read and six written, once each
TARGETS = {"cpu": "native", "cpu_avx2": "x86-64-v3", "cpu_baseline": "x86-64"}


def routes(use_torch: bool) -> dict[str, Callable[[Video], np.ndarray]]:
    """Return functions from a video to its flow, by `backend/threads`."""

    def opencv(threads: int) -> Callable[[Video], np.ndarray]:
        def run(video: Video) -> np.ndarray:
            cv2.setNumThreads(threads)
            return tvl1(video, "opencv")

        return run

    def compiled(target: str, threads: int) -> Callable[[Video], np.ndarray]:
        settings = {"threads": threads, "target": target}
        return lambda video: tvl1_cpu(check_frames(video), TVL1Parameters(), **settings)

    found = {f"{name}/1": compiled(target, 1) for name, target in TARGETS.items()}
    found |= {"cpu/2": compiled("native", 2), "opencv/1": opencv(1), "opencv/2": opencv(2)}
    return found | ({"torch/1": lambda video: tvl1(video, "torch")} if use_torch else {})


def measure(videos: list[Video], turns: int, use_torch: bool) -> dict[str, dict[str, float]]:
    """Return times in ms per pair and errors in px, by route."""
    pairs = sum(len(video) - 1 for video in videos)
    clocks, flows = {}, {}
    for turn in range(turns):
        for name, run in routes(use_torch and turn == 0).items():
            run(videos[0][:2, :64, :64])  # compile, load, start threads
            wall, cpu = time.perf_counter(), time.process_time()
            flows[name] = np.concatenate([run(video) for video in videos])
            spent = (time.perf_counter() - wall, time.process_time() - cpu)
            clocks.setdefault(name, []).append([1000 * s / pairs for s in spent])
    reference, out = clocks["opencv/1"], {}
    for name, times in clocks.items():
        error = np.linalg.norm(flows[name] - flows["opencv/1"], axis=-1).mean((1, 2))
        per_core = [theirs[1] / ours[1] for theirs, ours in zip(reference, times, strict=False)]
        out[name] = {
            "wall_ms": median(wall for wall, _ in times),
            "cpu_ms": median(cpu for _, cpu in times),
            "opencv_per_core_ratio": median(per_core),
            "epe_mean": error.mean(),
            "epe_median": np.median(error),
            "epe_worst": error.max(),
        }
    return out


def two_threads(videos: list[Video], turns: int) -> dict[str, float]:
    """Return the efficiency of two threads on all clips joined into one sequence.

    Each thread takes one pair at a time; with the few pairs of one clip, one would wait for the
    other at the end.
    """
    images, parameters = check_frames(np.concatenate(videos)), TVL1Parameters()
    spent: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    for _ in range(turns):
        for threads, times in spent.items():
            wall, cpu = time.perf_counter(), time.process_time()
            tvl1_cpu(images, parameters, threads=threads)
            times.append((time.perf_counter() - wall, time.process_time() - cpu))
    (wall_1, cpu_1), (wall_2, cpu_2) = (map(min, zip(*spent[n], strict=True)) for n in (1, 2))
    return {"efficiency_wall": wall_1 / wall_2 / 2, "efficiency_cpu": cpu_1 / cpu_2}


def iteration_floor(video: Video) -> dict[str, float]:
    """Return the time of the bare iteration, the bandwidth it implies, and that of a copy."""
    images = check_frames(video[:2])
    work = np.zeros(1, np.int64)
    setting = {"nscales": 1, "warps": 1, "median_filtering": 1, "epsilon": 0.0}
    spent = []
    for rounds in (1, 10):  # the difference is the iterations alone
        parameters = TVL1Parameters(outer_iterations=rounds, **setting)
        run = partial(tvl1_cpu, images, parameters, threads=1, work=work)
        spent.append(min(_seconds(run) for _ in range(5)))
    nanoseconds = (spent[1] - spent[0]) / (0.9 * work[0]) * 1e9
    source, target = np.ones((2, 16 * images[0].size // 2), np.float32)  # as large as the state
    copy = min(_seconds(lambda: np.copyto(target, source)) for _ in range(50))
    bandwidth, copied = BYTES / nanoseconds, 2 * source.nbytes / copy / 1e9
    return {
        "ns_per_pixel_iteration": nanoseconds,
        "gb_per_s": bandwidth,
        "copy_gb_per_s": copied,
        "fraction_of_copy": bandwidth / copied,
    }


def storage(flows: np.ndarray) -> dict[str, float]:
    """Return the size of a flow file and the rates of quantizing, writing and reading it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "flow.h5"

        def write() -> None:
            file = create_arrays(path, id="flow", stage="flow", key="", provenance={})
            with file as arrays:
                parts = (flows[k : k + PAIRS] for k in range(0, len(flows), PAIRS))
                write_flow(arrays, (encode(part, 20) for part in parts))

        wrote = min(_seconds(write) for _ in range(3))
        read = min(_seconds(lambda: read_arrays(path)) for _ in range(3))
        size = path.stat().st_size
    return {
        "kb_per_pair": size / len(flows) / 1000,
        "encode_and_write_pairs_per_s": len(flows) / wrote,
        "read_pairs_per_s": len(flows) / read,
    }


def _seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def main() -> None:
    """Measure every size, print and write benchmarks/results/tvl1_cpu.json."""
    arguments = record_parser(__doc__)
    add = arguments.add_argument
    add("--videos", type=Path, help="folder of the clips")
    add("--sizes", nargs="+", default=["340x256", "455x256"])
    add("--pairs", type=int, default=4, help="per clip")
    add("--turns", type=int, default=3)
    add("--no-torch", action="store_true")
    args = arguments.parse_args()
    folder = args.videos or Path(os.environ.get("WSTAL_REFERENCE", "")) / "data/videos"
    torch.set_num_threads(1)
    results = {}
    for size in args.sizes:
        width, height = map(int, size.split("x"))
        videos = real_videos(folder, args.pairs, width, height)
        kind = f"{len(videos)} real clips" if videos else "rendered"
        videos = videos or rendered_videos(args.pairs, width, height)
        results[size] = {"frames": kind, "iteration": iteration_floor(videos[0])}
        flow = np.concatenate([tvl1(video, "cpu") for video in videos])
        results[size] |= {"storage": storage(np.tile(flow, (4, 1, 1, 1)))}
        results[size] |= {"two_threads": two_threads(videos, 2 * args.turns)}
        results[size] |= {"routes": measure(videos, args.turns, not args.no_torch)}
        print(size, kind)
        for part in ("iteration", "storage", "two_threads"):
            print(" ", *(f"{key} {value:.3f}" for key, value in results[size][part].items()))
        for name, row in results[size]["routes"].items():
            print(f"  {name:15}", "  ".join(f"{key} {value:.3f}" for key, value in row.items()))
    if not args.dry_run:
        settings = {"pairs_per_clip": args.pairs, "turns": args.turns}
        print(write_record("tvl1_cpu", _plain(results), settings=settings))


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return round(float(value), 5) if isinstance(value, float | np.floating) else value


if __name__ == "__main__":
    main()
