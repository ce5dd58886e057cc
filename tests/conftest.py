"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from small_set import write_small_set
from wstal.datasets.annotations import Annotations
from wstal.demo.simulate import draw_annotations
from wstal.features.pack import FeatureFile

if not torch.cuda.is_available():
    # Triton reads this when it is first imported, which torchvision may do in any test.
    os.environ["TRITON_INTERPRET"] = "1"
# Jobs in a test's checkout start more than once: they keep the bytecode of what they import.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
torch.set_num_threads(1)  # tests compare numbers; thread counts change summation order


LONGEST = ("workflow/test_rerun.py", "workflow/test_own_videos.py", "workflow/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest starts first, so that the workers of a parallel run end together."""
    items.sort(key=lambda item: [name not in item.path.as_posix() for name in LONGEST])


@pytest.fixture(scope="session")
def project() -> Path:
    """The root of the checkout."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def catalog(project: Path):
    """The project's own configuration (a Catalog), to read only."""
    from wstal.config.catalog import load_catalog  # GPU boxes may lack what it needs

    return load_catalog()


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder of reference outputs, annotations and clips; tests skip plainly without it."""
    folder = os.environ.get("WSTAL_REFERENCE")
    if not folder:
        pytest.skip("WSTAL_REFERENCE is unset: no reference material to compare with")
    return Path(folder)


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
