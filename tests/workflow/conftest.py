"""A copy of the project with a small own-videos dataset, also taken through the whole DAG."""

from __future__ import annotations

import pytest
import yaml
from built_once import built_once
from workflow_project import (
    DATASET,
    VIDEOS,
    Project,
    copy_checkout,
    write_labels,
    write_video,
)

CONFIG = {
    "datasets": {"tiny": DATASET},
    "methods": {
        "co2net": {"train": {"iterations": 6, "score_interval": 3}},
    },
}


@pytest.fixture(scope="session")
def bare_project(project, tmp_path_factory) -> Project:
    """The project's files without results, and the small dataset's videos."""
    root = tmp_path_factory.mktemp("project") / "wstal"
    root.mkdir()
    copy_checkout(project, root)
    (root / "clips").mkdir()
    for seed, (name, (motion, _)) in enumerate(VIDEOS.items()):
        write_video(root / "clips" / f"{name}.mp4", motion, seed)
    write_labels(root / "clips", VIDEOS)
    (root / "clips" / "segments.csv").write_text("video,t_start,t_end,label\nd,0.2,1.8,sway\n")
    (root / "tiny.yaml").write_text(yaml.safe_dump(CONFIG))
    return Project(root)


@pytest.fixture(scope="session")
def finished_project(bare_project, tmp_path_factory) -> Project:
    """The small dataset taken from video to mAP."""

    def build(folder):
        bare_project.copy(folder / "wstal").snakemake("results/tiny/co2net_map.csv")

    return Project(built_once(tmp_path_factory, "finished", build) / "wstal")
