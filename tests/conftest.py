"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)  # tests compare numbers; thread counts change summation order
if not torch.cuda.is_available():
    # Triton reads it once, on import, and some package of an earlier test may import it.
    os.environ["TRITON_INTERPRET"] = "1"


@pytest.fixture(scope="session")
def project() -> Path:
    """The root of the checkout."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder of reference outputs, annotations and clips; tests skip plainly without it."""
    folder = os.environ.get("WSTAL_REFERENCE")
    if not folder:
        pytest.skip("WSTAL_REFERENCE is unset: no reference material to compare with")
    return Path(folder)
