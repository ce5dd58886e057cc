"""Sounds: length, level, determinism, and spectra that differ."""

import numpy as np
import pytest
from wstal.data.render.sound import SOUNDS, render_sound


@pytest.mark.parametrize("sound", SOUNDS)
def test_every_sound_renders(sound):
    wave = render_sound(sound, 4, 1.5)
    assert wave.shape == (24000,) and wave.dtype == np.float32
    assert 0.05 < np.abs(wave).max() < 0.6
    assert np.array_equal(wave, render_sound(sound, 4, 1.5))
    assert not np.array_equal(wave, render_sound(sound, 5, 1.5))


def test_length_follows_the_rate():
    assert len(render_sound("bells", 1, 0.7, rate=44100)) == 30870


def test_unknown_sound_is_named():
    with pytest.raises(ValueError, match="'song' is not one of beeps"):
        render_sound("song", 0, 1.0)


def test_nearest_centroid_of_spectrum_and_rhythm_tells_the_sounds_apart():
    def features(sound, seed):
        wave = render_sound(sound, seed, 2.0)
        power = np.abs(np.fft.rfft(wave.reshape(50, 640), axis=1)) ** 2
        bands = np.log(np.stack([b.sum(1) for b in np.array_split(power, 16, axis=1)], 1) + 1e-6)
        return np.concatenate([bands.mean(0), bands.std(0), np.abs(np.diff(bands, axis=0)).mean(0)])

    centroid = np.stack([np.mean([features(s, k) for k in range(8)], 0) for s in SOUNDS])
    hits = [
        np.linalg.norm(centroid - features(sound, seed), axis=1).argmin() == number
        for number, sound in enumerate(SOUNDS)
        for seed in range(100, 104)
    ]
    assert np.mean(hits) > 0.7
