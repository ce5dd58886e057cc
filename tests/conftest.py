"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

if not torch.cuda.is_available():
    # Triton reads this when it is first imported, which torchvision may do in any test.
    os.environ["TRITON_INTERPRET"] = "1"
torch.set_num_threads(1)  # tests compare numbers; thread counts change summation order


@pytest.fixture(scope="session")
def project() -> Path:
    """The root of the checkout."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def catalog(project: Path):
    """The project's own configuration (a Catalog), to read only."""
    from wstal.config.catalog import load_catalog  # GPU boxes may lack what it needs

    return load_catalog(project / "workflow/config", project / "workflow/schemas")


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder of reference outputs, annotations and clips; tests skip plainly without it."""
    folder = os.environ.get("WSTAL_REFERENCE")
    if not folder:
        pytest.skip("WSTAL_REFERENCE is unset: no reference material to compare with")
    return Path(folder)
