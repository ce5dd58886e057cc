"""The examples in docs/own_data.md work."""

from __future__ import annotations

import re

import av
import numpy as np
import pytest
import yaml
from wstal.base.errors import WstalError
from wstal.config.catalog import load_catalog
from wstal.config.targets import suited_methods
from wstal.datasets.folder import read_own_database
from wstal.networks.weights import WeightFile


@pytest.fixture
def blocks(project):
    text = (project / "docs/own_data.md").read_text()
    return re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL)


def test_the_frames_of_a_folder_become_a_video_of_the_same_pictures(blocks, tmp_path, monkeypatch):
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    (tmp_path / "frames").mkdir()
    shade = np.linspace(0, 255, 64 * 48).reshape(48, 64)
    for number in range(10):
        picture = Image.fromarray((np.stack([shade] * 3, -1) * number / 9).astype(np.uint8))
        picture.save(tmp_path / f"frames/{number:05d}.jpg", quality=90)
    exec(next(code for language, code in blocks if language == "python"), {})
    with av.open("clip.mkv") as video:
        found = [(frame.time, frame.to_ndarray(format="gray")) for frame in video.decode(video=0)]
    assert [time for time, _ in found] == pytest.approx([n / 25 for n in range(10)], abs=1e-3)
    for number, (_, array) in enumerate(found):
        stored = Image.open(tmp_path / f"frames/{number:05d}.jpg").convert("L")
        assert np.abs(array - np.array(stored, dtype=float)).max() <= 2


def test_the_configuration_is_valid_and_runs_the_methods_that_it_names(blocks, project):
    shown = next(yaml.safe_load(code) for language, code in blocks if "datasets" in code)
    catalog = load_catalog(shown)
    assert suited_methods(catalog, "mine") == ["tssam", "untrimmednet"]


def test_the_labels_are_read_and_the_weights_are_an_entry(blocks, tmp_path):
    (tmp_path / "mine.json").write_text(
        next(code for language, code in blocks if language == "json")
    )
    with pytest.raises(WstalError, match="no video is left to test"):  # one training video alone
        read_own_database(tmp_path / "mine.json")
    ((name, entry),) = next(yaml.safe_load(c) for _, c in blocks if "my_i3d:" in c).items()
    assert WeightFile(name=name, **(entry | {"sha256": "0" * 64})).shipped
