"""The one way to import torchvision and pytorchvideo: it works on every build of them.

torchvision registers shape functions for `nms` and `qnms` when it is imported, and fails there if
its compiled extension does not fit the installed torch, although nothing here uses either operator.
pytorchvideo 0.1.5 imports a torchvision module that was renamed since. `import_torchvision` makes
up for both, and only for what is missing.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import torch

_SUPPRESSION = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_RENAMED = "torchvision.transforms.functional_tensor"


@cache
def import_torchvision() -> ModuleType:
    """Import torchvision so that pytorchvideo can be imported, too."""
    if "torchvision" not in sys.modules:
        define_missing_operators()
    torchvision = importlib.import_module("torchvision")
    if find_spec(_RENAMED) is None:
        sys.modules[_RENAMED] = importlib.import_module("torchvision.transforms._functional_tensor")
    return torchvision


def define_missing_operators() -> list[str]:
    """Declare the operators that torchvision expects; return the names that were missing."""
    _load_extension()
    missing = [name for name in ("nms", "qnms") if not hasattr(torch.ops.torchvision, name)]
    for name in missing:
        torch.library.define(f"torchvision::{name}", _SUPPRESSION)
    return missing


def _load_extension() -> None:
    """Load torchvision's compiled operators if they fit this torch; they define the schemas."""
    spec = find_spec("torchvision")
    for folder in spec.submodule_search_locations if spec else []:
        for library in sorted(Path(folder).glob("_C*.so")):
            with suppress(OSError):
                torch.ops.load_library(str(library))
