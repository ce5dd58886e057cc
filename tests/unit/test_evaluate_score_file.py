"""What evaluation reads of HDF5 files."""

import h5py
import numpy as np
import pytest
from wstal.errors import WstalError
from wstal.evaluate.score_file import (
    read_event_history,
    read_events,
    read_video_scores,
    weights_note,
)
from wstal.localize.scores import Scores, VideoScores, write_iterations, write_scores


def test_reads_what_localization_writes_in_the_order_of_the_classes(tmp_path):
    video = VideoScores(np.zeros((3, 3)), np.zeros(3), np.array([0.25, 0.75]))
    write_scores(tmp_path / "s.h5", Scores(["b", "a"], {"v/1": video}))
    found = read_video_scores(tmp_path / "s.h5", ["a", "b"])
    assert list(found) == ["v/1"] and found["v/1"].tolist() == [0.75, 0.25]
    with pytest.raises(WstalError, match="trained on other annotations"):
        read_video_scores(tmp_path / "s.h5", ["a", "c"])


def test_events_are_the_likeliest_classes_in_the_order_of_the_ground_truth(tmp_path):
    cas = np.array([[5.0, 1, 0], [0, 2, 1], [0, 1, 9]])  # b, a, background
    video = VideoScores(cas, np.zeros(3), np.zeros(2))
    scores = Scores(["b", "a"], {"v": video}, step=1.0)
    write_scores(tmp_path / "s.h5", scores)
    assert read_events(tmp_path / "s.h5", ["b", "a"], 3)["v"].tolist() == [0, 1, 2]
    assert read_events(tmp_path / "s.h5", ["a", "b"], 4)["v"].tolist() == [1, 0, 2, 2]
    with pytest.raises(WstalError, match="trained on other annotations"):
        read_events(tmp_path / "s.h5", ["a", "c"], 3)


def test_events_of_every_interval(tmp_path):
    made = []
    for iteration, answer in ((20, 1), (100, 0)):
        video = VideoScores(np.eye(3)[[answer, 2]], np.zeros(2), np.zeros(2))
        made.append(Scores(["a", "b"], {"v": video}, iteration=iteration, step=1.0))
    write_iterations(tmp_path / "h.h5", made)
    found = read_event_history(tmp_path / "h.h5", ["a", "b"], 2)
    assert list(found) == [20, 100]
    assert [found[i]["v"].tolist() for i in found] == [[1, 2], [0, 2]]


def test_untrained_weights_are_told(tmp_path):
    for kind, note in (("untrained", "untrained weights"), ("pretrained", "")):
        with h5py.File(tmp_path / f"{kind}.h5", "w") as file:
            file.attrs["weights"] = kind
        assert weights_note(tmp_path / f"{kind}.h5") == note
    (tmp_path / "no.h5").write_text("text")
    with pytest.raises(WstalError, match="not a readable HDF5 file"):
        weights_note(tmp_path / "no.h5")
