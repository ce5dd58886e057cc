"""The rows of a video are as many as its grid has, of what the opener reads."""

import numpy as np
import pytest
import torch
from backbone_cases import decoded_clip
from torch import nn
from wstal.features.snippet_extractor import rgb_opener, snippet_extractor
from wstal.features.stage_inputs import join_shards

SETTINGS = {"crop": 32, "batch": 2, "device": torch.device("cpu")}


class Brightness(nn.Module):
    def features(self, x):
        return x.mean((2, 3, 4))


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Of 40 pictures: two snippets and a half."""
    (video,), _ = join_shards({"frames": decoded_clip(tmp_path_factory.mktemp("clip"))})
    return video


@pytest.mark.parametrize(("tail", "rows"), [("drop", 2), ("repeat", 3)])
def test_the_grid_of_the_frames_sets_the_rows_of_any_pictures(video, tail, rows):
    flow = np.full((39, 40, 40, 2), 127, np.int8)
    found = snippet_extractor(Brightness(), lambda _: [flow], tail, **SETTINGS)(video)
    assert found.shape == (rows, 2) and np.allclose(found, 1)


def test_pictures_have_the_recipes_size_and_progress_knows_how_many_come(video):
    opener = rgb_opener({"short_side": 32, "interpolation": "bilinear"})
    assert {chunk.shape[1:] for chunk in opener(video)} == {(32, 48, 3)}
    seen = []

    def within(name, pictures, total):
        seen.append((name, total))
        return pictures

    found = snippet_extractor(Brightness(), opener, "drop", within, **SETTINGS)(video)
    assert found.shape == (2, 3) and seen == [("clip", 32)]
