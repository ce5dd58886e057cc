"""The pool of clips: labels, scales, reuse, and seeds that no two parts share."""

import numpy as np
import pytest
from wstal.data.render.clip import MOTIONS
from wstal.flow import tvl1
from wstal.store import read_arrays
from wstal.train.clip_pool import FRAMES, ClipPool, compressed, pool_key, write_pool

CONFIG = {
    "seed": 4,
    "bound": 10,
    "flow": {"warps": 1, "outer_iterations": 2},
    "parts": {
        "full": {"clips": 2, "size": 40, "difficulty": 1.0},
        "held_out": {"clips": 1, "size": 40, "difficulty": 1.0},
    },
}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("pool") / "clips.h5"
    write_pool(path, CONFIG)
    return path


def test_parts_labels_and_scales(path):
    pool = ClipPool(path, CONFIG["bound"])
    assert pool.labels("full").tolist() == [*range(len(MOTIONS))] * 2
    assert len(pool.labels("held_out")) == len(MOTIONS)
    frames, flow = pool.frames("full", [0, 5]), pool.flow("full", [0, 5])
    assert frames.shape == (2, 3, FRAMES - 1, 40, 40) and flow.shape == (2, 2, 16, 40, 40)
    assert -1 <= frames.min() < -0.1 < 0.1 < frames.max() <= 1
    stored = read_arrays(path)
    gray = stored["full_frames"][5] @ np.array([0.299, 0.587, 0.114])
    expected = tvl1(np.rint(gray).astype(np.uint8), **CONFIG["flow"]).transpose(3, 0, 1, 2)
    assert np.abs(expected).max() > 0.5
    assert np.median(np.abs(flow[1] * CONFIG["bound"] - expected)) < 0.1


def test_clips_of_a_class_and_of_the_parts_differ(path):
    stored = read_arrays(path)
    first, second = stored["full_frames"][0], stored["full_frames"][len(MOTIONS)]
    assert (first != second).mean() > 0.5
    assert (first != stored["held_out_frames"][0]).mean() > 0.5


def test_a_pool_is_rendered_once_and_anew_when_its_recipe_changes(path, tmp_path):
    def untouched(items):
        pytest.fail("rendered again")

    write_pool(path, CONFIG, untouched)
    assert pool_key(CONFIG) != pool_key({**CONFIG, "bound": 20})
    small = {**CONFIG, "parts": {"full": {"clips": 1, "size": 32, "difficulty": 0.0}}}
    write_pool(tmp_path / "a.h5", small)
    write_pool(tmp_path / "b.h5", small)
    one, two = (read_arrays(tmp_path / name) for name in ("a.h5", "b.h5"))
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


def test_compression_is_lossy_but_mild():
    clip = np.random.default_rng(0).integers(80, 170, (2, 32, 32, 3)).astype(np.uint8)
    clip[:] = np.linspace(60, 200, 32, dtype=np.uint8)[None, :, None, None]
    clip[:, 10:20, 10:20] = 30
    out = compressed(clip, 3)
    error = np.abs(out.astype(int) - clip)
    assert out.shape == clip.shape and 0 < error.mean() < 6
