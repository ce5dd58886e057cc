"""A checkpoint of a paper's own code as a run of ours, with the file that it is from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from wstal.base.errors import WstalError
from wstal.base.torch_files import read_plain
from wstal.base.user_files import file_sha256
from wstal.datasets.annotations import Annotations
from wstal.features.pack import FeatureFile
from wstal.train import checkpoint
from wstal.train.data import Standardization
from wstal.train.loop import run_config


def import_checkpoint(
    path: Path,
    features: FeatureFile,
    annotations: Annotations,
    config: Mapping[str, Any],
    *,
    seed: int,
    code: str,
    device: torch.device,
) -> dict[str, Any]:
    """Return the content of our checkpoint with the weights in `path`, read without running code.

    `config` is the run's resolved config; the classes are those of `annotations` in their order,
    as the paper's code has them sorted. `imported` names the file and its SHA-256; the iteration
    is 0, as the file does not say it. Raises WstalError if the method's paper has no code, and for
    a file that is not its checkpoint, or has other classes or widths than the run.
    """
    settings, method = run_config(config), run_config(config).method
    if method.from_published is None:
        raise WstalError(f"method {method.name} has no published code whose checkpoints are read")
    classes, streams = annotations.classes, settings.run.streams
    dims = {name: int(features.dims[name]) for name in streams}
    content = read_plain(path)
    try:
        given = method.from_published(content, settings.run, len(classes)).state_dict()
    except WstalError as error:
        raise WstalError(f"{path}: {error}") from error
    model = method.build(settings.run, dims, len(classes))
    for name, wanted in model.state_dict().items():
        if name not in given or given[name].shape != wanted.shape:
            found = tuple(given[name].shape) if name in given else "missing"
            raise WstalError(
                f"{path}: {name} is {found}, this run on {features.path} needs "
                f"{tuple(wanted.shape)}; take the features and settings of the checkpoint"
            )
    return {
        "config": dict(config),
        "code": code,
        "seed": seed,
        "classes": classes,
        "dims": dims,
        "features": {k: str(features.attrs.get(k)) for k in ("dataset", "recipe", "recipe_digest")},
        "standardization": Standardization.of(torch.empty(0), "none")._asdict(),
        "device": device.type,
        "versions": checkpoint.versions(),
        "imported": {"file": path.name, "sha256": file_sha256(path)},
        "iteration": 0,
        "model": given,
    }
