"""Sprites: premultiplied, of the asked size, with every outline."""

import numpy as np
import pytest
from wstal.data.render.motion import ACTIONS
from wstal.data.render.sprite import (
    CLIP_SHAPES,
    OVERSAMPLE,
    PROP_SHAPES,
    VIDEO_SHAPES,
    make_sprite,
)
from wstal.data.render.texture import VIDEO_TEXTURES


@pytest.mark.parametrize("shape", CLIP_SHAPES + VIDEO_SHAPES + PROP_SHAPES)
def test_outline_fills_its_size(shape):
    sprite = make_sprite(np.random.default_rng(1), (shape,), VIDEO_TEXTURES, 30, mean=0.6)
    alpha = sprite.pixels[..., 3]
    assert (sprite.pixels[..., :3] <= alpha[..., None]).all()  # premultiplied
    rows, columns = np.nonzero(alpha > 127)
    across = max(np.ptp(rows), np.ptp(columns)) / OVERSAMPLE
    assert 19 < across <= 31
    assert alpha[0].max() == 0 and alpha[:, -1].max() == 0  # a margin for interpolation


def test_every_action_has_its_own_prop():
    assert len(set(PROP_SHAPES)) == len(ACTIONS)


def test_ring_has_a_hole():
    sprite = make_sprite(np.random.default_rng(1), ("ring",), VIDEO_TEXTURES, 30, mean=0.6)
    middle = sprite.pixels.shape[0] // 2
    assert sprite.pixels[middle, middle, 3] == 0
