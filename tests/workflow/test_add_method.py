"""The method that CONTRIBUTING.md adds goes from features to mAP, viewer and a new video."""

import json
import re

import pandas as pd
import pytest
from workflow_project import Project

MAP, VIEWER = "results/thumos14_sim/toy_map.csv", "results/thumos14_sim/toy/viewer.html"
SEED = "results/tiny/demo_i3d/toy/seed0"
SHORT = {"duration": 20, "duration_range": [10, 60], "instances": 3}
FEW = {
    "datasets": {"thumos14_sim": {"seeds": [0], "simulate": {"videos": SHORT}}},
    "methods": {"toy": {"train": {"iterations": 20, "score_interval": 10}}},
}


@pytest.fixture(scope="module")
def extended(finished_project, project, tmp_path_factory) -> Project:
    """A checkout with the files that the page shows, and its method's results."""
    checkout = finished_project.copy(tmp_path_factory.mktemp("toy") / "wstal")
    page = (project / "CONTRIBUTING.md").read_text()
    files = re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', page, re.M | re.S)
    assert len(files) == 5
    for path, text in files:
        (checkout.root / path).parent.mkdir(exist_ok=True)
        (checkout.root / path).write_text(text)
    config = [f"{key}={json.dumps(value)}" for key, value in FEW.items()]
    checkout.snakemake(MAP, VIEWER, f"{SEED}/proposals.json", "--config", *config)
    return checkout


def test_its_map_has_every_reading(extended):
    result = pd.read_csv(extended.root / MAP)
    ours = result[result["run"] == "toy"]
    assert set(ours["reading"]) == {"strict", "paper", "best_test"} and ours["mean"].notna().all()
    assert "baseline" in set(result["reading"])


def test_its_viewer_shows_proposals_and_attention(extended):
    page = (extended.root / VIEWER).read_text()
    assert "toy" in page and "attention" in page


def test_a_new_video_is_localized_by_its_run(extended, tmp_path):
    found = tmp_path / "found"
    words = ("--run", SEED, "--output", found, "--configfile", "tiny.yaml")
    done = extended.wstal("localize", "clips/d.mp4", *words)
    assert not done.returncode, done.stderr
    ours = json.loads((found / "d.json").read_text())["results"]["d"]
    dag = json.loads((extended.root / SEED / "proposals.json").read_text())["results"]["d"]
    assert ours == dag and ours
