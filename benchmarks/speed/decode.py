"""Measure frames per second and memory of the frame reader against decord and OpenCV, in turns.

Each reader decodes every frame of a clip with one decoder thread and converts it to gray. Times
are wall time and the processor time of all threads. Memory is what a slow consumer (one second
after the first frame) costs above the imported program, on a rendered 60 s clip of 1280x720.

Examples:
  python -m benchmarks.speed.decode --clips one.mp4 other.mp4
  python -m benchmarks.speed.decode --clips one.mp4 --repeats 3 --dry-run
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import av
import cv2
import decord
import numpy as np
from wstal.media.frames import read_frames, read_timeline

from benchmarks.record import record_parser, write_record

PACKAGES = ("av", "decord", "opencv-contrib-python-headless", "numpy")


def ours(decoder: str) -> Callable[[str, int], int]:
    """Return the project's reader with a decoder."""

    def read(path: str, frames: int) -> int:
        chunks = read_frames(path, np.arange(frames), pixels="gray", decoder=decoder)
        return sum(len(chunk) for chunk in chunks)

    return read


def decord_batches(path: str, frames: int) -> int:
    """Decode with decord as its users do: batches of RGB, then gray."""
    reader = decord.VideoReader(path, num_threads=1)
    done = 0
    for first in range(0, frames, 64):
        batch = reader.get_batch(range(first, min(frames, first + 64))).asnumpy()
        done += len([cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in batch])
    return done


def opencv(path: str, frames: int) -> int:
    """Decode with OpenCV's VideoCapture, then convert to gray."""
    capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    done = 0
    while done < frames and (read := capture.read())[0]:
        cv2.cvtColor(read[1], cv2.COLOR_BGR2GRAY)
        done += 1
    return done


READERS = {
    "wstal_pyav": ours("pyav"),
    "wstal_decord": ours("decord"),
    "decord": decord_batches,
    "opencv": opencv,
}


def speeds(path: str, repeats: int) -> dict[str, dict[str, float]]:
    """Return each reader's frames per second on a clip and its ratio to decord, as medians."""
    frames = read_timeline(path, 25).frames
    wall: dict[str, list[float]] = {name: [] for name in READERS}
    processor: dict[str, list[float]] = {name: [] for name in READERS}
    for _ in range(repeats):
        for name, read in READERS.items():
            began, used = time.perf_counter(), time.process_time()
            if read(path, frames) != frames:
                sys.exit(f"{path}: {name} did not read all {frames} frames")
            wall[name].append(time.perf_counter() - began)
            processor[name].append(time.process_time() - used)
    return {
        name: {
            "frames_per_s": round(frames / median(wall[name])),
            "frames_per_processor_s": round(frames / median(processor[name])),
            "times_decord_wall": _ratio(wall["decord"], wall[name]),
            "times_decord_processor": _ratio(processor["decord"], processor[name]),
        }
        for name in READERS
    }


def _ratio(theirs: list[float], own: list[float]) -> float:
    return round(median(a / b for a, b in zip(theirs, own, strict=True)), 2)


MEMORY = """
import sys, time
from pathlib import Path
import decord, numpy as np
from wstal.media.frames import read_frames
from wstal.media.frames import load_decoder
name, path, frames = sys.argv[1], sys.argv[2], int(sys.argv[3])
def peak():  # ru_maxrss would include the memory of the parent process
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
if name == "decord":
    base = peak()
    reader = decord.VideoReader(path, num_threads=1)
    for number in range(frames):
        reader.next()
        time.sleep(number == 0)
else:
    load_decoder(name.removeprefix("wstal_"))
    base = peak()
    decoder = name.removeprefix("wstal_")
    for number, _ in enumerate(read_frames(path, np.arange(frames), short_side=256,
                                           decoder=decoder)):
        time.sleep(number == 0)
print(peak() - base)
"""


def memory(frames: int) -> dict[str, int]:
    """Return each reader's peak memory with a slow consumer, in MiB above the bare imports."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "long.mp4")
        with av.open(path, "w") as file:
            options = {"preset": "ultrafast", "g": "60"}
            stream = file.add_stream("libx264", rate=25, options=options)
            stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
            for number in range(frames):
                picture = np.full((720, 1280, 3), number % 200, np.uint8)
                file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            file.mux(stream.encode())
        return {
            name: round(float(subprocess.check_output([*run, name, path, str(frames)])))
            for run in [[sys.executable, "-c", MEMORY]]
            for name in ("wstal_pyav", "wstal_decord", "decord")
        }


def main() -> None:
    """Time all readers, measure their memory and record both."""
    arguments = record_parser(__doc__)
    arguments.add_argument("--clips", type=Path, nargs="+", required=True)
    arguments.add_argument("--repeats", type=int, default=9)
    arguments.add_argument("--frames", type=int, default=1500, help="of the clip for memory (1500)")
    args = arguments.parse_args()
    cv2.setNumThreads(1)
    results = {
        "speed": {path.name: speeds(str(path), args.repeats) for path in args.clips},
        "memory_mib": memory(args.frames),
    }
    for name, rows in results["speed"].items():
        print(name, *(f"\n  {reader}: {row}" for reader, row in rows.items()))
    print("memory over the imported program, MiB:", results["memory_mib"])
    if not args.dry_run:
        settings = {"repeats": args.repeats, "memory_clip": f"{args.frames} frames of 1280x720"}
        print(write_record("decode", results, settings=settings, packages=PACKAGES))


if __name__ == "__main__":
    main()
