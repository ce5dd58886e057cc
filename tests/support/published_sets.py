"""Small annotation sets in the form of the published ones, made of invented videos."""

import json
import pickle
from pathlib import Path

import h5py
import numpy as np

# Two classes, two training and two test videos; test 2 is longer in the text than in the video.
THUMOS_FACTS = {
    "classes": ["CliffDiving", "Diving"],
    "ambiguous_only": ["video_test_0000009"],
    "lists": {
        "th14_3": {"videos": 3, "without": []},
        "th14_2": {"videos": 2, "without": ["video_test_0000009"]},
        "th14_7": {"videos": 7, "without": []},
    },
}
THUMOS = {
    "video_validation_0000001": [(1.0, 2.5, "Diving"), (4.0, 6.0, "Diving")],
    "video_validation_0000002": [(0.5, 3.0, "CliffDiving"), (0.5, 3.0, "Diving")],
    "video_test_0000001": [(2.0, 4.0, "Diving"), (7.0, 7.0, "Diving")],
    "video_test_0000002": [(1.0, 2.0, "Diving"), (1.0, 2.0, "Diving"), (40.0, 42.0, "Diving")],
}
DURATIONS = dict.fromkeys(THUMOS, 30.0)
AMBIGUOUS = "video_test_0000001  5.0 6.0\nvideo_test_0000009  0.0 1.4\n"


def write_official(folder: Path) -> list[Path]:
    """Per-class text files, as in the zips of THUMOS14."""
    folder.mkdir(parents=True, exist_ok=True)
    for label in THUMOS_FACTS["classes"]:
        for subset, word in (("val", "validation"), ("test", "test")):
            lines = [
                f"{video}  {start} {end}"
                for video, segments in THUMOS.items()
                for start, end, name in segments
                if name == label and f"_{word}_" in video
            ]
            (folder / f"{label}_{subset}.txt").write_text("".join(f"{x}\n" for x in lines))
    (folder / "Ambiguous_test.txt").write_text(AMBIGUOUS)
    (folder / "detclasslist.txt").write_text("22 CliffDiving\n26 Diving\n")
    return sorted(folder.glob("*.txt"))


def write_object_array(path: Path, values: list, protocol: int = 2) -> None:
    """A pickled object array, written as numpy would without being asked for permission."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    header = {"descr": "|O", "fortran_order": False, "shape": array.shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        pickle.dump(array, file, protocol=protocol)


def write_numpy(folder: Path, labels_all: dict[str, list[str]] | None = None) -> list[Path]:
    """The W-TALC set."""
    folder.mkdir(parents=True, exist_ok=True)
    videos = list(THUMOS)
    subsets = ["test" if "_test_" in video else "validation" for video in videos]
    known = {v: sorted({label for *_, label in THUMOS[v]}) for v in videos} | (labels_all or {})
    np.save(folder / "videoname.npy", np.array(videos, dtype="S24"))
    np.save(folder / "subset.npy", np.array(subsets, dtype="S10"))
    np.save(folder / "duration.npy", np.array([[DURATIONS[video]] for video in videos]))
    np.save(folder / "original_fps.npy", np.array([30.0, 25.0, 30.0, 30.0]))
    np.save(folder / "extracted_fps.npy", np.full(len(videos), 10))
    segments = [[[s, e] for s, e, _ in THUMOS[v]] for v in videos]
    write_object_array(folder / "segments.npy", segments)
    write_object_array(folder / "labels.npy", [[n for *_, n in THUMOS[v]] for v in videos])
    write_object_array(folder / "labels_all.npy", [known[video] for video in videos])
    return sorted(folder.glob("*.npy"))


def write_database(path: Path, *, text: bool = False, frames: int | None = None) -> Path:
    """An ActivityNet-style database of the same videos; times as text if asked for."""
    database = {
        video: {
            "subset": "Test" if "_test_" in video else "Validation",
            "annotations": [
                {"segment": [str(s), str(e)] if text else [s, e], "label": label}
                for s, e, label in segments
            ],
        }
        | ({} if frames is None else {"frames": frames, "duration": frames / 30})
        for video, segments in THUMOS.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"version": "small", "database": database}))
    return path


AVE_ROWS = [
    "Bark&aaaaaaaaaaa&good&0&10",
    "Violin&bbbbbbbbbbb&good&2&7",
    "Bark&ccccccccccc&good&0&0",
    "Violin&aaaaaaaaaaa&good&0&10",  # the video of row 0, in another split
    "Bark&ddddddddddd&good&1&3",
    "Violin&eeeeeeeeeee&good&4&9",
]
AVE_SPLIT = {"train": [0, 1, 2], "val": [4], "test": [3, 5]}


def write_ave(folder: Path, *, header: bool = False, orders: bool = True) -> list[Path]:
    """Annotations.txt with order files, or with text files of the split."""
    folder.mkdir(parents=True, exist_ok=True)
    head = ["Category&VideoID&Quality&StartTime&EndTime"] if header else []
    (folder / "Annotations.txt").write_text("\n".join(head + AVE_ROWS) + "\n")
    for split, rows in AVE_SPLIT.items():
        if orders:
            with h5py.File(folder / f"{split}_order.h5", "w") as file:
                file["order"] = np.array(rows)
        else:
            lines = [AVE_ROWS[row] for row in rows]
            (folder / f"{split}Set.txt").write_text("\n".join(lines) + "\n")
    return sorted(folder.iterdir())
