"""What the flow of a run takes of the disk is estimated before it starts."""

from __future__ import annotations

import pytest
from wstal.base.errors import WstalError
from wstal.base.files import write_csv
from wstal.config import missing
from wstal.config.missing import check_space, flow_need
from wstal.media.manifest import COLUMNS

DATASET = {"kind": "folder", "videos": "clips", "shards": 4}
RECIPE = {"flow": {"short_side": 256}, "frames": {"fps": 25}}


@pytest.fixture
def probed(tmp_path):
    rows = [
        {"id": "hour", "duration": "3600", "width": "680", "height": "512"},
        {"id": "missing", "duration": "0", "width": "", "height": ""},
        {"id": "broken", "duration": "0.0", "width": "0", "height": "0"},
    ]
    write_csv(tmp_path / "results/mine/manifest.csv", COLUMNS, rows)
    return tmp_path


def disk_of(monkeypatch, free):
    monkeypatch.setattr(missing, "disk_usage", lambda path: type("Disk", (), {"free": free}))


def test_an_hour_at_340x256_takes_the_documented_20_kilobytes_a_pair(probed):
    whole = flow_need("mine", DATASET, RECIPE, 4, probed)
    assert whole.is_measured
    assert whole.bytes == pytest.approx(3600 * 25 * 22_960, rel=0.01)
    assert flow_need("mine", DATASET, RECIPE, 1, probed).bytes == whole.bytes / 4


def test_a_run_that_does_not_fit_is_refused_with_the_remedy(probed, monkeypatch):
    jobs = [("mine", "i3d")] * 4
    disk_of(monkeypatch, 4e9)
    assert check_space(jobs, {"mine": DATASET}, {"i3d": RECIPE}, probed, 1e9) == []
    with pytest.raises(WstalError, match=r"needs about 2\.1 GB.*has 2\.0 GB.*cache_flow: false"):
        check_space(jobs, {"mine": DATASET}, {"i3d": RECIPE}, probed, 2e9)


def test_videos_that_are_not_probed_yet_are_guessed_and_only_warned_about(tmp_path, monkeypatch):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips/a.mp4").write_bytes(b"x" * 200_000)  # a second
    need = flow_need("mine", DATASET, RECIPE, 4, tmp_path)
    assert not need.is_measured and need.bytes == pytest.approx(25 * 22_960, rel=0.01)
    disk_of(monkeypatch, 0)
    (warning,) = check_space([("mine", "i3d")], {"mine": DATASET}, {"i3d": RECIPE}, tmp_path, 1e9)
    assert "by the size of its files" in warning and "has 0.0 GB" in warning
