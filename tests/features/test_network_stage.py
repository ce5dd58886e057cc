"""A shard of features: keys that say what made them, statuses passed on, files reused."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from official_recipe import load_module
from torchvggish import vggish_input
from wstal.base.array_store import Record, create_arrays, read_arrays, read_attrs, write_shard
from wstal.base.errors import MediaError, WstalError
from wstal.base.stage import Job, LoadedNetwork
from wstal.features.network_stage import NetworkStage
from wstal.features.vggish_stage import RATE, log_mel, mel_matrix, snippet_windows


@dataclass(frozen=True)
class SmallSettings:
    NO_NUMBERS: ClassVar[tuple[str, ...]] = ("batch",)
    ADDED: ClassVar[dict] = {}

    weights: str = "a_name"
    crop: int = 112
    batch: int = 8


class SmallStage(NetworkStage):
    name, settings, inputs = "small", SmallSettings, ("frames",)

    def __init__(self, extract):
        self.extract = extract

    def weights(self, settings):
        return {"weights": settings.weights}

    def extractor(self, settings, job):
        return self.extract


@pytest.fixture
def run(tmp_path):
    frames = tmp_path / "frames/shard0.csv"
    rows = [
        Record("a", "ok", 40, "s", "a.h5", "ka"),
        Record("b", "partial", 40, "s", "b.h5", "kb", "ends early"),
        Record("c", "missing", 0, "", "", "kc", "not in the folder"),
    ]
    write_shard(frames, rows)
    for video, decoder in (("a", "pyav"), ("b", "decord")):
        made = {"stage": "frames", "recipe": {"decoder": decoder}}
        path = frames.parent / f"{video}.h5"
        with create_arrays(path, id=video, stage="frames", key="k", provenance=made):
            pass

    def extract(video):
        run.seen.append(video.id)
        if video.id == run.broken:
            raise MediaError("cannot be decoded")
        return np.full((2, 4), len(run.seen), np.float32)

    def run(settings=SmallSettings(), weights="f" * 64, code="c1"):
        run.seen = []
        job = Job(code, tmp_path / "small", network=LoadedNetwork(None, "w.pt", weights))
        records = SmallStage(extract).shard({"frames": frames}, settings, job)
        return {record.id: record for record in records}

    run.broken, run.folder = None, Path(tmp_path / "small")
    return run


def test_statuses_and_provenance(run):
    records = run()
    assert {i: (r.status, r.rows) for i, r in records.items()} == {
        "a": ("ok", 2),
        "b": ("partial", 2),
        "c": ("missing", 0),
    }
    assert records["b"].reason == "ends early" and records["c"].reason == "not in the folder"
    file = run.folder / records["a"].path
    assert read_arrays(file)["features"].dtype == np.float32
    provenance = json.loads(read_attrs(file)["provenance_json"])
    assert provenance["weights"] == "f" * 64 and provenance["device"].startswith("cpu")
    assert (
        provenance["recipe"] == {"weights": "a_name", "crop": 112, "batch": 8}
        and provenance["code"] == "c1"
    )
    assert {"wstal", "torch"} <= set(provenance["versions"])


def test_each_file_says_how_the_files_before_it_were_made(run):
    records = run()
    files = {video: run.folder / records[video].path for video in ("a", "b")}
    made = {video: json.loads(read_attrs(file)["provenance_json"]) for video, file in files.items()}
    assert made["a"]["frames"] == {"stage": "frames", "recipe": {"decoder": "pyav"}}
    assert made["b"]["frames"]["recipe"]["decoder"] == "decord"


def test_only_what_changes_the_features_makes_them_anew(run):
    run()
    for same in ({}, {"settings": SmallSettings("another_name", batch=1)}):
        run(**same)
        assert run.seen == [], same
    for other in ({"weights": "untrained"}, {"code": "c2"}, {"settings": SmallSettings(crop=96)}):
        run(**other)
        assert run.seen == ["a", "b"], other


def test_a_broken_file_is_a_status(run):
    run.broken = "a"
    records = run()
    assert records["a"].status == "broken" and "decoded" in records["a"].reason
    assert records["b"].rows == 2


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n cut short"])
def test_a_damaged_file_of_a_stage_before_is_named_with_the_remedy(run, content):
    damaged = run.folder.parent / "frames/a.h5"
    damaged.write_bytes(content)
    with pytest.raises(
        WstalError, match=rf"{damaged} is damaged or missing .*Remove it and .*shard"
    ):
        run()
    assert run.seen == ["b"]


# Log-mel equals torchvggish's and librosa's; windows lie where the snippets do.


@pytest.fixture(scope="module")
def sound():
    rng = np.random.default_rng(0)
    time = np.arange(RATE * 7) / RATE
    sound = 0.3 * np.sin(2 * np.pi * (200 + 900 * time) * time) * (time % 2 < 1)
    return (sound + 0.02 * rng.standard_normal(len(time)) * (time > 3)).astype(np.float32)


@pytest.fixture
def oracle(project):
    return load_module(
        project / "benchmarks/speed/reference/torchvggish_log_mel.py"
    ).torchvggish_log_mel


def test_equals_torchvggish(sound, oracle):
    ours = log_mel(sound)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, oracle(sound.astype(np.float64)), atol=1e-4)


# librosa centres the 400-sample window in the 512 of the transform.
LIBROSA = """
import sys
from unittest.mock import MagicMock
sys.modules["numba"] = MagicMock()
import librosa, numpy as np
y = np.pad(np.load(sys.argv[1]), 56)
shape = {"n_fft": 512, "win_length": 400, "hop_length": 160, "center": False, "power": 1}
bands = {"n_mels": 64, "fmin": 125, "fmax": 7500, "htk": True, "norm": None}
mel = librosa.feature.melspectrogram(y=y, sr=int(sys.argv[2]), **shape, **bands)
np.save(sys.argv[1], np.log(mel.T + 0.01))
"""


def test_close_to_librosa(sound, tmp_path):
    file = tmp_path / "sound.npy"
    np.save(file, sound)
    # A process of its own, without numba: it compiles for a minute what a spectrogram does not use.
    subprocess.run([sys.executable, "-c", LIBROSA, file, str(RATE)], check=True)
    expected = np.load(file)
    # librosa's triangles are linear in hertz, torchvggish's and ours in mel
    np.testing.assert_allclose(log_mel(sound)[: len(expected)], expected, atol=0.02)


def test_mel_matrix_ignores_the_constant_bin():
    assert mel_matrix().shape == (257, 64)
    assert not mel_matrix()[0].any()


def test_real_recording(reference, oracle):
    import soundfile

    sound, rate = soundfile.read(reference / "data/audio/tensorflow_meow_16k.wav")
    assert rate == RATE
    np.testing.assert_allclose(log_mel(sound), oracle(sound.astype(np.float64)), atol=1e-4)


def test_windows_at_a_step_of_096_are_the_examples_of_torchvggish(sound):
    expected = vggish_input.waveform_to_examples(
        sound.astype(np.float64), RATE, return_tensor=False
    )
    ours = snippet_windows(sound, len(expected), 0.96)
    np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_windows_are_centred_on_the_snippets():
    sound = np.zeros(RATE * 4, np.float32)
    snippet = 3
    sound[round(0.64 * (snippet + 0.5) * RATE)] = 1.0
    windows = snippet_windows(sound, 6, 0.64)
    energy = np.exp(windows[snippet]).sum(1)
    assert abs(energy.argmax() - 47) <= 1
    assert np.ptp(windows[0]) == 0, "half a second before the click is silence"


@pytest.mark.parametrize("step", [0.2, 0.48, 16 / 30, 0.64, 16 / 23.976, 0.96, 1.28, 3.2])
def test_windows_are_those_cut_one_by_one(sound, step):
    """Whether examples share frames or not."""
    padded = np.pad(sound, 30 * RATE)
    windows = snippet_windows(sound, 9, step)
    for row, window in enumerate(windows):
        start = 30 * RATE + round((row + 0.5) * step * RATE) - round(0.48 * RATE)
        cut = padded[start : start + 95 * 160 + 400]
        np.testing.assert_allclose(window, log_mel(cut), rtol=0, atol=1e-5)


def test_windows_beyond_the_sound_are_silence(sound):
    windows = snippet_windows(sound, 30, 0.64)
    assert windows.shape == (30, 96, 64)
    np.testing.assert_allclose(windows[-1], np.log(0.01), rtol=1e-5)
    assert snippet_windows(np.empty(0, np.float32), 2, 0.64).shape == (2, 96, 64)
    assert snippet_windows(sound, 0, 0.64).shape == (0, 96, 64)


def test_a_sound_shorter_than_a_window_has_no_frames():
    assert log_mel(np.zeros(399, np.float32)).shape == (0, 64)
    assert log_mel(np.zeros(400, np.float32)).shape == (1, 64)
