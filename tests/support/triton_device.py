"""Where Triton's kernels are tested: compiled on a GPU, else by its interpreter on the CPU.

`tests/conftest.py` asks for the interpreter before anything can import Triton.
"""

import os
import subprocess
import sys

import pytest
import torch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
MARKS = [pytest.mark.gpu] if DEVICE == "cuda" else []


def check_compiled(program, folder):
    """Run `program`, which compiles kernels for a GPU and asserts, without the interpreter."""
    script = folder / "compile.py"
    script.write_text(program)
    environment = os.environ | {"TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(folder)}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
