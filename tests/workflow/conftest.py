"""A copy of the project with a small own-videos dataset taken through the whole DAG."""

from __future__ import annotations

import shutil

import pytest
from workflow_project import COPIED, DATASET, VIDEOS, Project, write_labels, write_video


@pytest.fixture(scope="session")
def bare_project(project, tmp_path_factory) -> Project:
    """The project's files without results, and the small dataset's videos."""
    root = tmp_path_factory.mktemp("project") / "wstal"
    root.mkdir()
    for name in COPIED:
        source = project / name
        ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=ignore)
        else:
            shutil.copy2(source, root / name)
    (root / "clips").mkdir()
    for seed, (name, (motion, _)) in enumerate(VIDEOS.items()):
        write_video(root / "clips" / f"{name}.mp4", motion, seed)
    write_labels(root / "clips", VIDEOS)
    (root / "clips" / "segments.csv").write_text("video,t_start,t_end,label\nd,0.2,1.8,sway\n")
    (root / "tiny.yaml").write_text(
        "datasets:\n  tiny: "
        + str(DATASET).replace("'", "")
        + "\nmodels:\n  co2net: {train: {iterations: 6, score_interval: 3}}\n"
    )
    return Project(root)


@pytest.fixture(scope="session")
def finished_project(bare_project, tmp_path_factory) -> Project:
    """The small dataset taken from video to mAP."""
    done = bare_project.copy(tmp_path_factory.mktemp("finished") / "wstal")
    done.snakemake("results/tiny/co2net_map.csv")
    return done
