"""Time raw video to features stage by stage: seconds of video per second, and memory.

Runs the scripts as the workflow does, one after the other, with the recipe i3d_tvl1 and untrained
weights (the amount of work is the same), on a short and a longer clip. If the peak memory of both
is equal, memory does not grow with a video's length. Rates are those of the longer clip's
additional seconds, null where these took less than one second. By default a moving texture of
640x360 with sound is rendered; --clips takes your own videos instead, the short one first.

Examples:
  OMP_NUM_THREADS=1 python -m benchmarks.speed.features
  python -m benchmarks.speed.features --clips short.mp4 long.mp4 --dry-run
  python -m benchmarks.speed.features --device cuda
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
from wstal.base.files import read_table
from wstal.config.catalog import load_catalog

from benchmarks.record import record_parser, write_record

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("torch", "numpy", "av", "soxr", "opencv-contrib-python-headless", "h5py")
STREAMS = ("i3d_rgb", "i3d_flow", "vggish")


def render(path: Path, seconds: int) -> None:
    """Render a moving texture with a chirp: H.264 and AAC, 25 frames per second."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (90, 160, 3)).astype(np.uint8)
    large = np.kron(coarse, np.ones((8, 8, 1), np.uint8))
    with av.open(str(path), "w") as file:
        video = file.add_stream("libx264", rate=25, options={"preset": "veryfast"})
        video.width, video.height, video.pix_fmt = 640, 360, "yuv420p"
        audio = file.add_stream("aac", rate=44_100, layout="mono")
        for number in range(seconds * 25):
            left = int(200 + 150 * np.sin(number / 20)), int(300 + 250 * np.sin(number / 33))
            picture = large[left[0] : left[0] + 360, left[1] : left[1] + 640]
            picture = np.ascontiguousarray(picture)
            file.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(video.encode())
        times = np.arange(seconds * 44_100) / 44_100
        sound = (0.3 * np.sin(2 * np.pi * (200 + 40 * (times % 7)) * times)).astype(np.float32)
        for first in range(0, len(sound), 1024):
            block = av.AudioFrame.from_ndarray(sound[None, first : first + 1024], "fltp", "mono")
            block.sample_rate, block.pts = 44_100, first
            file.mux(audio.encode(block))
        file.mux(audio.encode())


def stages(folder: Path, clip: Path, device: str) -> dict[str, list[str]]:
    """Return the command of each stage for a folder with one clip."""
    recipe = load_catalog().features["i3d_tvl1"]
    shard = {name: str(folder / name / "shard0.csv") for name in ("probe", "frames", "audio")}
    shard |= {name: str(folder / name / "shard0.csv") for name in ("flow", *STREAMS)}
    labels = folder / "labels.csv"
    # The labels need a video of each split; the test video does not exist and costs nothing.
    labels.write_text(f"video,labels,split\n{clip.stem},any,train\n-,any,test\n")

    def command(script: str, section: str, output: str, *inputs: str) -> list[str]:
        made = ["--recipe", json.dumps(recipe[section]), "--code", "benchmark"]
        return [f"scripts/{script}.py", *inputs, *made, "--output", shard[output]]

    frames, probe = ["--frames", shard["frames"]], ["--probe", shard["probe"]]
    network = [*frames, "--weights", "untrained", "--device", device]
    i3d = ["extract_i3d", "i3d"]
    sound = ["--audio", shard["audio"]]
    return {
        "probe": [
            "scripts/probe_videos.py",
            "--annotations",
            str(labels),
            "--videos",
            str(clip.parent),
            "--output",
            shard["probe"],
        ],
        "frames": command("decode_frames", "frames", "frames", *probe),
        "audio": command("decode_audio", "audio", "audio", *probe),
        "flow": command("extract_flow", "flow", "flow", *frames, "--device", device),
        "i3d_rgb": command(*i3d, "i3d_rgb", *network, "--stream", "rgb"),
        "i3d_flow": command(
            *i3d, "i3d_flow", *network, "--stream", "flow", "--flow", shard["flow"]
        ),
        "vggish": command("extract_vggish", "vggish", "vggish", *network, *sound),
    }


# A child process inherits its parent's peak in ru_maxrss; VmHWM is its own.
PROGRAM = """
import runpy, sys
from pathlib import Path
script, sys.argv = sys.argv[1], sys.argv[1:]
sys.path.insert(0, str(Path(script).parent))
try:
    runpy.run_path(script, run_name="__main__")
finally:
    lines = Path("/proc/self/status").read_text().splitlines()
    print(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
"""


def run(command: list[str]) -> tuple[float, float, float]:
    """Return wall seconds, processor seconds and peak MiB of a script; raise if it fails."""
    start, used = time.perf_counter(), os.times()
    call = [sys.executable, "-c", PROGRAM, *command]
    done = subprocess.run(call, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    wall, now = time.perf_counter() - start, os.times()
    processor = now.children_user + now.children_system - used.children_user - used.children_system
    return wall, processor, int(done.stdout.split()[-1]) / 1024


def measure(clip: Path, device: str) -> tuple[float, dict[str, tuple[float, float, float]]]:
    """Return the clip's duration in seconds and the costs of each stage."""
    with tempfile.TemporaryDirectory() as folder:
        spent = {name: run(command) for name, command in stages(Path(folder), clip, device).items()}
        rows = read_table(Path(folder) / "probe/shard0.csv", ("id",))
        row = next(row for row in rows if row["id"] == clip.stem)
        if row["status"] not in ("ok", "no_audio"):
            sys.exit(f"{clip}: {row['status']}: {row['reason']}")
        return float(row["duration"]), spent


def _row(seconds: float, less: Sequence[float], more: Sequence[float]) -> dict[str, object]:
    """Return seconds of video per second where the difference is long enough to be meaningful."""
    wall, processor = (more[k] - less[k] for k in (0, 1))
    return {
        "video_s_per_s": round(seconds / wall, 3) if wall > 1 else None,
        "video_s_per_processor_s": round(seconds / processor, 3) if processor > 1 else None,
        "processor_s": [round(less[1], 2), round(more[1], 2)],
        "peak_memory_mib": [round(less[2]), round(more[2])],
    }


def main() -> None:
    """Render the clips, time all stages and record the rates."""
    arguments = record_parser(__doc__)
    add = arguments.add_argument
    add("--clips", type=Path, nargs=2, help="a short one and a longer one")
    add("--seconds", type=int, nargs=2, default=(20, 60), help="of the rendered clips")
    add("--device", choices=("cpu", "cuda"), default="cpu")
    args = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clips = args.clips
        if not clips:
            clips = [Path(folder) / name / "clip.mp4" for name in ("short", "long")]
            for path, seconds in zip(clips, args.seconds, strict=True):
                path.parent.mkdir()
                render(path, seconds)
        (shorter, less), (longer, more) = (measure(clip.resolve(), args.device) for clip in clips)
    # Starting a process costs the same for both clips, so the difference is the cost of a second.
    seconds = longer - shorter
    results = {name: _row(seconds, less[name], more[name]) for name in more}
    total = ([sum(spent[name][k] for name in spent) for k in (0, 1, 2)] for spent in (less, more))
    results["end_to_end"] = _row(seconds, *total)
    del results["end_to_end"]["peak_memory_mib"]
    for name, row in results.items():
        print(f"{name}: {row}")
    if not args.dry_run:
        lengths = {"short_s": round(shorter, 2), "long_s": round(longer, 2)}
        settings = lengths | {"recipe": "i3d_tvl1", "device": args.device}
        name = "features" if args.device == "cpu" else f"features_{args.device}"
        print(write_record(name, results, settings=settings, packages=PACKAGES))


if __name__ == "__main__":
    main()
