"""Small feature sets in the layouts of the published ones, for the invented videos of
published_sets.py."""

from pathlib import Path

import h5py
import numpy as np
from published_sets import THUMOS, write_object_array
from wstal.base.settings import from_plain
from wstal.datasets.annotations import Annotations
from wstal.features.importers.published import ImportSettings

VIDEOS = list(THUMOS)
DIMS = {"rgb": 6, "flow": 6}
FPS, STRIDE = 25, 16


def annotations(duration: float | None = 12.8, videos: list[str] = VIDEOS) -> Annotations:
    """The invented videos, half of them for testing."""
    return Annotations(
        ["Diving"],
        {
            video: {
                "subset": "test" if "_test_" in video else "train",
                "duration": duration,
                "labels": ["Diving"],
                "annotations": [],
            }
            for video in videos
        },
    )


def import_settings(layout: str, **changes) -> ImportSettings:
    """An import of narrow features of this layout."""
    return from_plain(ImportSettings, {"layout": layout, "dims": DIMS, **changes})


def features(rows: int = 20, videos: list[str] = VIDEOS) -> dict[str, dict[str, np.ndarray]]:
    """Streams `[rows + i, 6]` float32 of each video i."""
    rng = np.random.default_rng(3)
    return {
        video: {s: rng.random((rows + i, d)).astype(np.float32) for s, d in DIMS.items()}
        for i, video in enumerate(videos)
    }


def joint(streams: dict[str, np.ndarray]) -> np.ndarray:
    """RGB, then flow."""
    return np.concatenate([streams["rgb"], streams["flow"]], 1)


def write_wtalc(folder: Path, content: dict, *, names: list | None = None) -> None:
    """The joint array as Python 2 pickled it, and videoname.npy."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "Small-I3D-JOINTFeatures.npy"
    write_object_array(path, [joint(streams) for streams in content.values()], protocol=2)
    path.write_bytes(path.read_bytes().replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    np.save(folder / "videoname.npy", np.array(names or list(content), dtype="S30"))


def write_basnet(folder: Path, content: dict) -> None:
    for video, streams in content.items():
        for name, array in streams.items():
            place = folder / ("test" if "_test_" in video else "train") / name
            place.mkdir(parents=True, exist_ok=True)
            np.save(place / f"{video}.npy", array)


def write_streams(folder: Path, content: dict) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for video, streams in content.items():
        for name, array in streams.items():
            np.save(folder / f"{video}_{name}.npy", array)


def write_acmnet(folder: Path, content: dict, prefix: str = "") -> None:
    for video, streams in content.items():
        place = folder / ("test" if "_test_" in video else "train")
        place.mkdir(parents=True, exist_ok=True)
        np.save(place / f"{prefix}{video}.npy", joint(streams))


def write_cmcs(folder: Path, content: dict, *, crops: int = 3, frames: int | None = None) -> None:
    """Several crops, of which the first is the content and the others twice it."""
    folder.mkdir(parents=True, exist_ok=True)
    for video, streams in content.items():
        for name, array in streams.items():
            stack = np.stack([array, *[2 * array] * (crops - 1)])
            count = {} if frames is None else {"frame_cnt": frames}
            np.savez(folder / f"{video}-{name}.npz", feature=stack, **count)


def write_autoloc(path: Path, content: dict, classes: int = 4) -> dict[str, np.ndarray]:
    """One line per video, flow first; returns each video's activation `[T, 2, classes]`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)
    activations, lines = {}, []
    for video, streams in content.items():
        rows = len(streams["rgb"])
        activations[video] = rng.random((rows, 2, classes)).astype(np.float32)
        attention = np.stack([np.arange(rows), -np.arange(rows)], 1)  # flow, rgb
        both = np.concatenate([streams["flow"], streams["rgb"]], 1)
        columns = [
            ";".join(repr(float(x)) for x in np.ravel(a))
            for a in (both, activations[video], attention)
        ]
        lines.append("\t".join([video, "3;4", *columns]))
    path.write_text("\n".join(lines) + "\n")
    return activations


def write_ave_arrays(folder: Path, rows: int, suffix: str = "") -> dict[str, np.ndarray]:
    """VGG-19 and VGGish arrays of so many rows, narrow."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    arrays = {
        "visual": rng.random((rows, 10, 7, 7, 6), dtype=np.float32),
        "audio": rng.random((rows, 10, 5), dtype=np.float32),
    }
    for name, array in arrays.items():
        with h5py.File(folder / f"{name}_feature{suffix}.h5", "w") as file:
            file["avadataset"] = array
    return arrays
