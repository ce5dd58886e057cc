from dataclasses import replace

import numpy as np
import pytest
from evaluation_cases import PROTOCOL
from test_viewer_loudness import write_sound
from viewer_cases import STEP, decoded, small_material
from wstal.viewer.entries import Entries, answered_seconds
from wstal.viewer.loudness import FLOOR
from wstal.viewer.verdicts import verdicts


def entries(material, folder):
    said = verdicts(material.truth, material.found, material.protocol)
    return Entries(material, material.found, said, folder / "run/viewer.html", folder)


def test_a_video_is_what_its_files_say(tmp_path):
    material = small_material(tmp_path, coverage={"v1": {"status": "no_audio", "reason": "mute"}})
    entry = entries(material, tmp_path)("v1")
    assert (entry["id"], entry["url"], entry["duration"]) == ("v1", "./../videos/v1.mp4", 20.0)
    assert (entry["status"], entry["reason"], entry["fps"]) == ("no_audio", "mute", 25.0)
    assert entry["labels"] == [0, 1] and entry["kept"] == [0, 1]
    scores = material.scores.videos["v1"].video_score
    assert entry["videoScore"] == pytest.approx([scores[1], scores[0]], abs=1e-4)
    low, high = entry["activation"]["range"]
    dive = low + decoded(entry["activation"]["curves"][0], "u1") / 255 * (high - low)
    assert np.abs(dive - material.scores.videos["v1"].cas[:, 1]).max() < (high - low) / 255
    assert decoded(entry["proposals"]["score"], "f4") == pytest.approx([0.9, 0.8, 0.1])


def test_of_equal_scores_the_later_ranks_first_as_in_matching(tmp_path):
    material = small_material(tmp_path)
    material.found["score"] = 0.5
    entry = entries(material, tmp_path)("v1")
    assert decoded(entry["proposals"]["start"], "f4").tolist() == [8.0, 1.0, 15.0]


def test_a_video_without_file_scores_or_duration_still_has_a_length(tmp_path):
    material = small_material(tmp_path, manifest={}, scores=None)
    material.truth.duration["v2"] = None
    entry = entries(material, tmp_path)("v2")
    assert (entry["url"], entry["duration"], entry["end"]) == ("", 0.0, 4.0)
    assert "activation" not in entry and "videoScore" not in entry


def test_sound_is_drawn_on_the_scores_grid(tmp_path):
    loud = write_sound(tmp_path / "v2.h5", np.full(5000, 0.5))
    entry = entries(small_material(tmp_path, sounds={"v2": loud}), tmp_path)("v2")
    level = FLOOR + decoded(entry["sound"], "u1") / 255 * -FLOOR
    assert len(level) == 20 and STEP * 10 == 5.0
    assert level[:10] == pytest.approx([-6.02] * 10, abs=0.13) and (level[10:] == FLOOR).all()


def test_events_have_a_class_a_second(tmp_path):
    protocol = replace(PROTOCOL, tious=(), averages=(), select="", task="events", seconds=10)
    material = small_material(tmp_path, found=None, protocol=protocol)
    cas = material.scores.videos["v2"].cas
    cas[:] = 0
    cas[:6, 1], cas[6:, 2] = 1, 1  # dive for three seconds, then background
    seconds = answered_seconds(material)["v2"]
    assert seconds == {"truth": [0] * 4 + [2] * 6, "given": [0] * 3 + [2] * 7}
    assert answered_seconds(small_material(tmp_path)) == {}
