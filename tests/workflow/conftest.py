"""A copy of the project with a small own-videos dataset, also taken through the whole DAG."""

from __future__ import annotations

import pytest
from built_once import built_once
from workflow_project import Project, small_project


@pytest.fixture(scope="session")
def bare_project(project, tmp_path_factory) -> Project:
    """The project's files without results, and the small dataset's videos."""
    return small_project(project, tmp_path_factory.mktemp("project") / "wstal")


@pytest.fixture(scope="session")
def finished_project(bare_project, tmp_path_factory) -> Project:
    """The small dataset taken from video to mAP."""

    def build(folder):
        bare_project.copy(folder / "wstal").snakemake("results/tiny/co2net_map.csv")

    return Project(built_once(tmp_path_factory, "finished", build) / "wstal")
