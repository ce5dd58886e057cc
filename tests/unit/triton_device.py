"""Where Triton's kernels are tested: compiled on a GPU, else by its interpreter on the CPU.

To be imported before Triton is.
"""

import os

import pytest
import torch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu":
    os.environ["TRITON_INTERPRET"] = "1"
MARKS = [pytest.mark.gpu] if DEVICE == "cuda" else []
