"""Log-mel equals torchvggish's and librosa's; windows lie where the snippets do."""

import librosa
import numpy as np
import pytest
from official_recipe import load_module
from torchvggish import vggish_input
from wstal.features.logmel import RATE, log_mel, mel_matrix, snippet_windows


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


def test_close_to_librosa(sound):
    mel = librosa.feature.melspectrogram(
        y=np.pad(sound, 56),  # librosa centres the 400-sample window in the 512 of the transform
        sr=RATE,
        n_fft=512,
        win_length=400,
        hop_length=160,
        center=False,
        power=1,
        n_mels=64,
        fmin=125,
        fmax=7500,
        htk=True,
        norm=None,
    )
    expected = np.log(mel.T + 0.01)
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
