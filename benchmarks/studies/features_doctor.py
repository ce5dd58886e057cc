"""Simulate known faults of features and see whether `wstal compare-features` names them.

Faults of rows and of time are made from the published rows of a THUMOS14 video. Faults of the
network's input need a network: they are made from the frames of the same video with the demo's
networks, decoded by OpenCV and computed by this program alone.

`--video` is the folder of the published video: {id}_frames.tar, {id}.npy and {id}-flow.npy.

Examples:
  OMP_NUM_THREADS=1 python -m benchmarks.studies.features_doctor --video thumos14_video
"""

from __future__ import annotations

import re
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from wstal.features.compare import Streams, compare_video
from wstal.features.doctor import NONE, examine
from wstal.flow import tvl1
from wstal.flow.codes import encode
from wstal.networks.i3d.network import InceptionI3D, load_i3d

from benchmarks.record import record_parser, write_record

ROOT = Path(__file__).resolve().parents[2]
ID = "video_validation_0000051"
BOUND, LEVELS = 20, 127


class Case(NamedTuple):
    """A fault, the text that names it, and what was said with which confidence."""

    fault: str
    source: str
    expected: str
    said: str
    confidence: float

    @property
    def named(self) -> bool:
        """Whether the fault is named."""
        return self.expected in self.said


def published_rows(folder: Path) -> dict[str, np.ndarray]:
    """Return the published rows of the video, `[265, 1024]` each."""
    return {"rgb": np.load(folder / f"{ID}.npy"), "flow": np.load(folder / f"{ID}-flow.npy")}


def row_faults(rows: Streams) -> Iterator[Case]:
    """Yield the comparison of published rows with faulty copies of them."""

    def each(change: Callable[[np.ndarray], np.ndarray]) -> dict[str, np.ndarray]:
        return {name: change(array) for name, array in rows.items()}

    unit = each(lambda x: x / np.linalg.norm(x, axis=1, keepdims=True))
    faults = {
        "shifted by one row": ("b is 1 rows early", each(lambda x: x[1:])),
        "30 in place of 25 frames per second": ("a had 25 and b 30", each(_faster)),
        "float16": ("float16", each(lambda x: x.astype(np.float16).astype(np.float32))),
        "streams swapped": ("stream order", {"rgb": rows["flow"], "flow": rows["rgb"]}),
        "rows of length 1": ("L2", unit),
    }
    for fault, (expected, other) in faults.items():
        found = compare_video(rows, other)
        yield Case(fault, "published rows", expected, found["causes"], found["confidence"])


def _faster(rows: np.ndarray) -> np.ndarray:
    """Rows as if taken at 30 frames per second: 1.2 for one, linear in between."""
    count = int(len(rows) * 1.2)
    places = (np.arange(count) + 0.5) / 1.2 - 0.5
    low = np.clip(np.floor(places).astype(int), 0, len(rows) - 2)
    share = np.clip(places - low, 0, 1)[:, None].astype(np.float32)
    return (1 - share) * rows[low] + share * rows[low + 1]


def write_video(folder: Path, output: Path, count: int) -> Path:
    """Write the first `count` published frames as a video, by the code of docs/other_data.md."""
    (output / "frames").mkdir()
    with tarfile.open(folder / f"{ID}_frames.tar") as archive:
        for member in archive:
            number = re.search(r"img_(\d+)\.jpg$", member.name)
            if number and int(number[1]) <= count:
                data = archive.extractfile(member).read()
                (output / "frames" / f"{number[1]}.jpg").write_bytes(data)
    page = (ROOT / "docs/other_data.md").read_text()
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    code = code.replace('"frames"', repr(str(output / "frames")))
    exec(code.replace('"clip.mkv"', repr(str(output / "clip.mkv"))), {})
    return output / "clip.mkv"


def demo_networks() -> dict[str, InceptionI3D]:
    """Return the demo's networks of both streams."""
    weights = ROOT / "workflow/reference/weights"
    return {
        name: load_i3d(weights / f"demo_i3d_{name}.safetensors", channels, 0.25)
        for name, channels in (("rgb", 3), ("flow", 2))
    }


class Inputs(NamedTuple):
    """Pictures of a video as this program cuts them: RGB uint8 and flow in pixels."""

    rgb: np.ndarray  # [N, H, W, 3]
    flow: np.ndarray  # [N - 1, H, W, 2]


def read_inputs(video: Path, short_side: int, interpolation: int = cv2.INTER_AREA) -> Inputs:
    """Decode a square video with OpenCV, resize it and compute its flow.

    The recipe resizes bilinearly: by areas, there is a harmless difference beside each fault.
    """
    reader, pictures, grays = cv2.VideoCapture(str(video)), [], []
    while (frame := reader.read())[0]:
        size = (short_side, short_side)
        gray = cv2.cvtColor(frame[1], cv2.COLOR_BGR2GRAY)
        grays.append(cv2.resize(gray, size, interpolation=interpolation))
        pictures.append(cv2.resize(frame[1], size, interpolation=interpolation)[..., ::-1])
    return Inputs(np.stack(pictures), tvl1(np.stack(grays)))


@torch.inference_mode()
def compute(
    networks: Mapping[str, InceptionI3D], inputs: Inputs, crop: int, fault: str = ""
) -> dict[str, np.ndarray]:
    """Return the rows of each network's stream with a fault: `[T, 256]` each."""
    late = int(fault == "off by one frame")
    margin = (inputs.rgb.shape[1] - crop) // 2 * (fault != "other crop")
    cut = slice(margin, margin + crop)
    rgb = inputs.rgb[late:, cut, cut].astype(np.float32)
    flow = inputs.flow[late:, cut, cut]
    if fault == "BGR in place of RGB":
        rgb = rgb[..., ::-1]
    if fault == "x and y of flow swapped":
        flow = flow[..., ::-1]
    flow = {"sign of flow reversed": -1, "flow of half the scale": 0.5}.get(fault, 1) * flow
    rgb, flow = rgb / 127.5 - 1, encode(np.ascontiguousarray(flow), BOUND) / np.float32(LEVELS)
    if fault == "normalized twice":
        rgb, flow = rgb / 127.5 - 1, flow / LEVELS
    rows = {}
    for name, network in networks.items():
        pictures = rgb if name == "rgb" else flow
        count = len(rgb) // 16
        whole = np.concatenate([pictures, pictures[-1:]])[: 16 * count].reshape(
            count, 16, crop, crop, -1
        )
        x = torch.from_numpy(np.ascontiguousarray(whole)).permute(0, 4, 1, 2, 3)
        rows[name] = torch.cat([network.features(each[None]) for each in x]).numpy()
    return rows


INPUT_FAULTS = {
    "BGR in place of RGB": ("rgb", "colours: BGR"),
    "sign of flow reversed": ("flow", "flow: sign"),
    "flow of half the scale": ("flow", "flow: half"),
    "x and y of flow swapped": ("flow", "flow: x and y"),
    "other crop": ("rgb", "crop: top left"),
    "off by one frame": ("rgb", "one frame late"),
    "normalized twice": ("rgb", "scaled twice"),
}


def input_faults(video: Path, *, short_side: int, crop: int, rows: int) -> Iterator[Case]:
    """Yield what the doctor says of rows computed with each fault of the input."""
    networks, inputs = demo_networks(), read_inputs(video, short_side)
    for fault, (stream, expected) in {NONE: ("rgb", "no fault"), **INPUT_FAULTS}.items():
        theirs = compute(networks, inputs, crop, fault)
        size = {"short_side": short_side, "crop": crop, "rows": rows}
        found = examine(video, {stream: theirs[stream]}, networks, **size)[stream]
        yield Case(fault, f"frames, {stream}", expected, str(found), round(found.confidence, 3))


def main() -> None:
    """Simulate every fault, print and record the matrix."""
    arguments = record_parser(__doc__)
    arguments.add_argument("--video", type=Path, required=True)
    args = arguments.parse_args()
    torch.set_num_threads(1)
    settings: dict[str, Any] = {"short_side": 128, "crop": 112, "rows": 8}
    cases = list(row_faults(published_rows(args.video)))
    with tempfile.TemporaryDirectory() as folder:
        video = write_video(args.video, Path(folder), 640)
        cases += input_faults(video, **settings)
    for case in cases:
        print(f"{'named' if case.named else 'MISSED':6} {case.fault}: {case.said}", flush=True)
    results = {
        "faults": len(cases) - 1,
        "named": sum(case.named for case in cases if case.fault != NONE),
        "matrix": [{**case._asdict(), "named": case.named} for case in cases],
    }
    if not args.dry_run:
        print(write_record("features_doctor", results, settings=settings))


if __name__ == "__main__":
    main()
