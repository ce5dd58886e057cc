"""Textures: range, brightness, and enough detail for optical flow."""

import numpy as np
import pytest
from wstal.data.render.texture import CLIP_TEXTURES, VIDEO_TEXTURES, pattern, surface


@pytest.mark.parametrize("name", CLIP_TEXTURES + VIDEO_TEXTURES)
def test_pattern_fills_its_range_with_detail(name):
    grey = pattern(name, np.random.default_rng(2), 90, 120)
    assert grey.shape == (90, 120) and grey.dtype == np.float32
    assert grey.min() == 0 and grey.max() == 1
    gradient = np.hypot(*np.gradient(grey))
    assert (gradient > 0.01).mean() > 0.6


@pytest.mark.parametrize("families", [CLIP_TEXTURES, VIDEO_TEXTURES])
def test_surface_keeps_brightness_and_contrast(families):
    for seed in range(12):
        colour = surface(families, np.random.default_rng(seed), 64, 80, mean=0.5, contrast=0.4)
        grey = colour.mean(axis=-1)
        assert colour.shape == (64, 80, 3)
        assert grey.mean() == pytest.approx(0.5, abs=0.1)
        assert np.ptp(grey) == pytest.approx(0.4, abs=0.05)


def test_unknown_pattern_is_refused():
    with pytest.raises(KeyError):
        pattern("marble", np.random.default_rng(0), 8, 8)
