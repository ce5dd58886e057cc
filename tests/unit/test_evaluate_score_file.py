"""What evaluation reads of HDF5 files."""

import json

import h5py
import numpy as np
import pytest
from wstal.errors import WstalError
from wstal.evaluate.score_file import read_events, read_video_scores, weights_note
from wstal.localize.scores import Scores, VideoScores, write_scores


def test_reads_what_localization_writes_in_the_order_of_the_classes(tmp_path):
    video = VideoScores(np.zeros((3, 3)), np.zeros(3), np.array([0.25, 0.75]))
    write_scores(tmp_path / "s.h5", Scores(["b", "a"], {"v/1": video}))
    found = read_video_scores(tmp_path / "s.h5", ["a", "b"])
    assert list(found) == ["v/1"] and found["v/1"].tolist() == [0.75, 0.25]
    with pytest.raises(WstalError, match="trained on other annotations"):
        read_video_scores(tmp_path / "s.h5", ["a", "c"])
    with pytest.raises(WstalError, match="video v/1 has no events"):
        read_events(tmp_path / "s.h5")


def test_events(tmp_path):
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file.attrs["classes_json"] = json.dumps(["a"])
        group = file.create_group("v")
        group.attrs["id"], group["events"] = "v", np.array([0, 1, 1], dtype=np.uint8)
    assert read_events(tmp_path / "s.h5")["v"].tolist() == [0, 1, 1]


def test_untrained_weights_are_told(tmp_path):
    for kind, note in (("untrained", "untrained weights"), ("pretrained", "")):
        with h5py.File(tmp_path / f"{kind}.h5", "w") as file:
            file.attrs["weights"] = kind
        assert weights_note(tmp_path / f"{kind}.h5") == note
    (tmp_path / "no.h5").write_text("text")
    with pytest.raises(WstalError, match="not a readable HDF5 file"):
        weights_note(tmp_path / "no.h5")
