"""Features of a folder of videos: one file, plain arrays, and a bad video that costs no other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import warm_python
from video_clips import write_clip
from wstal.apply.extraction import extract_folder, video_ids, write_arrays
from wstal.base.array_store import Record
from wstal.base.errors import WstalError
from wstal.features.pack import FeatureFile, Stream


class Stages:
    """Stands in for the stages: known rows per video, or an error."""

    def __init__(self, folder, lengths):
        self.folder, self.lengths, self.packed = folder, lengths, None

    def probe(self, video, path):
        broken = self.lengths[video] == "broken"
        return {
            "id": video,
            "status": "broken" if broken else "ok",
            "reason": "cut" if broken else "",
        }

    def make_streams(self, row):
        length = self.lengths[row["id"]]
        if not isinstance(length, int):
            raise WstalError("cut" if length == "broken" else length)
        record = Record(row["id"], "ok", length, "", "x.h5", "k")
        return [Stream(name, self.folder, {row["id"]: record}) for name in ("rgb", "flow")]

    def pack(self, rows, streams, output):
        self.packed = rows, streams, output
        return [{"id": row["id"], "rows": 3} for row in rows]


def test_good_videos_are_packed_together_and_the_others_have_a_reason(tmp_path):
    stages = Stages(tmp_path, {"a": 3, "b": "broken", "c": "no memory", "d": 5})
    videos = {name: tmp_path / name for name in stages.lengths}
    coverage = extract_folder(stages, videos, tmp_path / "out")
    rows, streams, output = stages.packed
    assert output == tmp_path / "out/features.h5" and [row["id"] for row in coverage] == [*videos]
    assert list(pd.read_csv(tmp_path / "out/coverage.csv")["id"]) == [*videos]
    assert [row["reason"] for row in rows] == ["", "cut", "no memory", ""]
    assert [row["status"] for row in rows] == ["ok", "broken", "broken", "ok"]
    assert [(s.name, sorted(s.records)) for s in streams] == [
        ("rgb", ["a", "d"]),
        ("flow", ["a", "d"]),
    ]


def test_no_good_video_is_an_error_with_all_reasons(tmp_path):
    stages = Stages(tmp_path, {"b": "broken", "c": "no memory"})
    with pytest.raises(WstalError, match="no video has features: b: cut; c: no memory"):
        extract_folder(stages, {"b": tmp_path, "c": tmp_path}, tmp_path)
    assert stages.packed is None


class Packed:
    streams = ["audio", "flow", "rgb"]

    def ids(self):
        return ["a/b"]

    def read(self, video, names):
        values = {"audio": 3, "flow": 2, "rgb": 1}
        return np.concatenate([np.full((4, 2), values[n], np.float32) for n in names], 1)


@pytest.mark.parametrize(
    ("layout", "files"),
    [
        ("streams", {"_rgb": [1], "_flow": [2], "_audio": [3]}),
        ("joint", {"": [1, 2, 3]}),
        ("none", {}),
    ],
)
def test_arrays(tmp_path, layout, files):
    written = write_arrays(Packed(), tmp_path, layout)
    assert {path.name for path in written} == {f"a%2Fb{suffix}.npy" for suffix in files}
    for suffix, order in files.items():
        array = np.load(tmp_path / f"a%2Fb{suffix}.npy")
        assert array.dtype == np.float32
        assert array[0].tolist() == [value for value in order for _ in range(2)]


def test_script(tmp_path, project):
    """Two clips and a broken file, by the demo's networks."""
    clips = [write_clip(tmp_path / f"{n}.mp4", n, size=(144, 112)) for n in (40, 17)]
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    call = [sys.executable, "-m", "wstal", "extract", *clips, tmp_path / "bad.mp4"]
    call += ["--recipe", "demo_i3d", "--streams", "rgb", "audio", "--npy", "joint"]
    call += ["--output", tmp_path / "out", "--device", "cpu"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = warm_python.run(call, env=environment)
    assert done.returncode == 1 and "untrained" not in done.stderr, done.stderr
    assert done.stdout.splitlines()[0].startswith("40: 2 rows, no_audio")
    assert done.stdout.splitlines()[2].startswith("bad: 0 rows, broken")
    coverage = pd.read_csv(tmp_path / "out/coverage.csv", dtype={"id": str}).set_index("id")
    assert coverage["rows"].to_dict() == {"40": 2, "17": 1, "bad": 0}
    with FeatureFile(tmp_path / "out/features.h5") as features:
        assert features.ids() == ["17", "40"] and features.streams == ["audio", "rgb"]
        joint = features.read("40", ["rgb", "audio"])
    np.testing.assert_array_equal(np.load(tmp_path / "out/40.npy"), joint)
    call[call.index("audio")] = "depth"
    refused = warm_python.run(call, env=environment)
    assert refused.returncode == 1 and "no stream depth" in refused.stderr


def test_ctrl_c_ends_the_script_in_a_line(tmp_path, project):
    clips = [write_clip(tmp_path / f"{n}.mp4", 17, size=(144, 112)) for n in range(30)]
    call = [sys.executable, "-m", "wstal", "extract", *clips, "--device", "cpu"]
    call += ["--recipe", "demo_i3d", "--streams", "rgb", "--output", tmp_path / "out"]
    with subprocess.Popen(
        call,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as running:
        # Not before the first features: while the network is loaded, torch imported with it, an
        # interrupt was lost or ended in status 1 now and then.
        next(line for line in running.stderr if line.startswith("i3d_rgb 1/1"))
        running.send_signal(signal.SIGINT)
        rest = running.stderr.read()
    assert running.returncode == 130
    assert rest.splitlines()[-1].startswith(f"stopped; {tmp_path / 'out/cache'} keeps")
    assert "Traceback" not in rest


def test_a_video_is_called_by_its_name_where_that_is_enough(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = [Path("a/x.mp4"), Path("b/x.mp4"), Path("y.1.mkv"), tmp_path / "y.1.mkv"]
    found = video_ids(paths)
    assert list(found) == ["a/x.mp4", "b/x.mp4", "y.1"]
    assert found["y.1"].absolute() == tmp_path / "y.1.mkv"


def test_a_folder_stands_for_the_videos_below_it(tmp_path):
    for name in ("a.mp4", "run/b.AVI", "run/.c.mp4", "run/notes.txt", "jump/b.avi"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = video_ids([tmp_path, tmp_path / "a.mp4"])
    twins = [(tmp_path / name).as_posix() for name in ("jump/b.avi", "run/b.AVI")]
    assert list(found) == ["a", *twins]
    (tmp_path / "empty").mkdir()
    with pytest.raises(WstalError, match=r"empty: there is no video below this folder .*\.mp4"):
        video_ids([tmp_path / "empty"])
