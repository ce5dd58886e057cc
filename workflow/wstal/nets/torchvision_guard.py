"""The one way to torchvision and pytorchvideo: imports that work on every build of them.

torchvision registers shape functions for `nms` and `qnms` when it is imported, and fails there
if its compiled extension does not fit the installed torch, although no backbone uses either
operator. pytorchvideo 0.1.5 imports a torchvision module that was renamed since. Importing
this module first makes good both, and only what is absent:

    from wstal.nets.torchvision_guard import torchvision
"""

from __future__ import annotations

import importlib
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import torch

_SUPPRESSION = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_RENAMED = "torchvision.transforms.functional_tensor"


def _load_extension() -> None:
    """Load torchvision's compiled operators if they fit this torch; they define the schemas."""
    spec = find_spec("torchvision")
    for folder in spec.submodule_search_locations if spec else []:
        for library in sorted(Path(folder).glob("_C*.so")):
            with suppress(OSError):
                torch.ops.load_library(str(library))


def define_missing_operators() -> list[str]:
    """Declare the operators torchvision expects and return the names that were absent."""
    _load_extension()
    absent = [name for name in ("nms", "qnms") if not hasattr(torch.ops.torchvision, name)]
    for name in absent:
        torch.library.define(f"torchvision::{name}", _SUPPRESSION)
    return absent


def alias_renamed_module() -> None:
    """Let the old name of torchvision's tensor transforms stand for the new one."""
    if find_spec(_RENAMED) is None:
        module = importlib.import_module("torchvision.transforms._functional_tensor")
        sys.modules[_RENAMED] = module


if "torchvision" not in sys.modules:
    define_missing_operators()
import torchvision  # noqa: E402  only now does it import

alias_renamed_module()

__all__ = ["torchvision"]
