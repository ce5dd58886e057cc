import h5py
import numpy as np
import pytest
from wstal.store import Record, write_shard
from wstal.viewer.loudness import FLOOR, read_loudness, sound_files


def write_sound(path, sound, rate=1000):
    with h5py.File(path, "w") as file:
        file["sound"] = np.rint(sound * 32767).astype(np.int16)
        file.attrs["rate"] = rate
    return path


def test_each_snippet_has_the_level_of_its_own_seconds(tmp_path):
    t = np.arange(3000) / 1000
    sound = np.sin(2 * np.pi * 50 * t) * np.repeat([1.0, 0.1, 0.0], 1000)
    level = read_loudness(write_sound(tmp_path / "a.h5", sound), 1.0, 0.0, 5)
    assert level[:2] == pytest.approx([-3.01, -23.01], abs=0.05)
    assert level[2:].tolist() == [FLOOR] * 3  # silence, and past the end


def test_snippets_may_begin_later_and_be_short(tmp_path):
    sound = np.repeat([0.0, 0.5], 500)
    level = read_loudness(write_sound(tmp_path / "a.h5", sound), 0.25, 0.25, 3)
    assert level == pytest.approx([FLOOR, -6.02, -6.02], abs=0.05)


def test_files_are_those_of_videos_with_sound(tmp_path):
    records = [
        Record("a", "ok", 10, "0", "a.h5", "0"),
        Record("b", "no_audio", 0, "", "", "0", "no sound track"),
        Record("c", "missing", 0, "", "", "0", "not there"),
    ]
    write_shard(tmp_path / "audio/shard0.csv", records)
    assert sound_files([tmp_path / "audio/shard0.csv"]) == {"a": tmp_path / "audio/a.h5"}
