"""Where Triton's kernels are tested: compiled on a GPU, else by its interpreter (conftest.py)."""

import pytest
import torch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
MARKS = [pytest.mark.gpu] if DEVICE == "cuda" else []
