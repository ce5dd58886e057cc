"""Fixtures that several unit tests take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_set import write_small_set
from wstal.data.annotations import Annotations
from wstal.data.simulation.videos import draw_annotations
from wstal.features.pack import FeatureFile


@pytest.fixture(scope="session")
def recipes(catalog) -> dict[str, dict[str, Any]]:
    """The project's feature recipes by name."""
    return catalog.features


@pytest.fixture(scope="module")
def features(tmp_path_factory) -> Iterator[tuple[FeatureFile, Annotations]]:
    """The packed features of a few short videos, and their annotations."""
    path, annotations = write_small_set(tmp_path_factory.mktemp("small"))
    with FeatureFile(path) as file:
        yield file, annotations


@pytest.fixture(scope="session")
def simulation(project: Path) -> dict[str, Any]:
    """How the simulated bench is drawn, as its dataset's YAML says."""
    path = project / "workflow/config/datasets/thumos14_sim.yaml"
    return yaml.safe_load(path.read_text())["simulate"]


@pytest.fixture(scope="session")
def drawn(simulation: dict[str, Any]) -> Annotations:
    """The annotations of the simulated bench."""
    return draw_annotations(simulation)
