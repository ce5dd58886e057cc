"""A run made ready: what it refuses, what it warns of, and how one bad video costs no other."""

from pathlib import Path

import pytest
import torch
from finished_runs import write_acn_runs
from wstal.errors import MediaError, WstalError
from wstal.inference.localizer import Localizer, attempts, notes_on


def test_one_bad_video_costs_no_other():
    def localizer(video, path):
        if video == "b":
            raise MediaError("broken: no frame")
        return video

    failures = []
    videos = {name: Path(f"{name}.mp4") for name in "abc"}
    assert list(attempts(localizer, videos, failures)) == ["a", "c"]
    assert failures == ["b.mp4: nothing localized, broken: no frame"]


def test_a_run_is_refused_before_any_video_is_touched(catalog, project, tmp_path):
    recipe = write_acn_runs(project, tmp_path)
    ready = {"catalog": catalog, "root": project, "cache": tmp_path, "device": torch.device("cpu")}
    with pytest.raises(WstalError, match="recipe 'small' is none of workflow/config/features"):
        Localizer(recipe / "acn/seed0", **ready)
    (recipe / "acn-rgb/seed0/proposals.json").unlink()
    with pytest.raises(WstalError, match=r"no proposals.json.*snakemake .*acn-rgb/seed0/prop"):
        Localizer(recipe / "acn-rgb/seed0", **ready)


def test_what_is_not_as_it_was_is_said():
    made = {"rgb": {"stage": "i3d_rgb", "code": "old"}}
    assert notes_on({"weights": "pretrained"}, made, {"i3d_rgb": "old"}) == []
    untrained, edited = notes_on({"weights": "untrained"}, made, {"i3d_rgb": "new"})
    assert "untrained" in untrained and "code of i3d_rgb was edited" in edited
