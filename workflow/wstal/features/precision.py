"""Lower precision than float32: allowed once it was measured on the real weights, and recorded.

`wstal.features.verify` measures; the stages ask `precision_stamp`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from wstal.base.device import device_name
from wstal.base.errors import WstalError
from wstal.base.files import write_json
from wstal.networks.weights import EXACT

LEAST_COSINE = 0.9999


@dataclass(frozen=True)
class Verdict:
    """Features of `snippets` snippets in `precision` beside float32's.

    `cosine` is that of the worst snippet, `relative_error` the L2 norm of all differences over
    that of all float32 features. The verdict is valid for `device` (the model), the version of
    `torch` and `weights` (their sha256): other kernels may round differently.
    """

    precision: str
    device: str
    torch: str
    weights: str
    snippets: int
    cosine: float
    relative_error: float

    @property
    def passed(self) -> bool:
        """Whether the precision may be used."""
        return self.cosine > LEAST_COSINE


def measured_on(precision: str, weights: str, device: torch.device) -> dict[str, str]:
    """Return what a verdict is valid for; `weights` is their sha256."""
    where = {"device": device_name(device), "torch": torch.__version__}
    return {"precision": precision, "weights": weights, **where}


def verdict_path(weights: str | Path, precision: str, device: torch.device) -> Path:
    """Return where the verdict on a file of weights is kept: beside it."""
    return Path(f"{Path(weights)}.{precision}.{device.type}.json")  # also of a folder `name/`


def write_verdict(weights: str | Path, verdict: Verdict, device: torch.device) -> Path:
    """Keep `verdict` beside the weights, where `precision_stamp` finds it."""
    path = verdict_path(weights, verdict.precision, device)
    write_json(path, asdict(verdict) | {"passed": verdict.passed})
    return path


def precision_stamp(
    precision: str, weights: str | Path, identity: str, device: torch.device
) -> dict[str, Any]:
    """Return what an artefact's provenance says of its precision, as its entry `precision`.

    `identity` is the sha256 of the file `weights`. The status is `exact`, `verified` (with the
    verdict) or, if no verdict on these weights for this device and torch lies beside them,
    `unverified`. Raises WstalError if the verdict is that the features differ.
    """
    return {"precision": _status(precision, weights, identity, device)}


def _status(
    precision: str, weights: str | Path, identity: str, device: torch.device
) -> dict[str, Any]:
    if precision == EXACT:
        return {"mode": precision, "status": "exact"}
    path = verdict_path(weights, precision, device)
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        kept.pop("passed", None)
        verdict = Verdict(**kept)
    except FileNotFoundError:
        return {"mode": precision, "status": "unverified"}
    except (TypeError, ValueError, AttributeError) as error:
        raise WstalError(f"{path} is not a verdict on a precision, remove it: {error}") from error
    if not asdict(verdict).items() >= measured_on(precision, identity, device).items():
        return {"mode": precision, "status": "unverified"}
    if not verdict.passed:
        raise WstalError(
            f"precision {precision} failed its check with {weights}: cosine {verdict.cosine:.6f} "
            f"with float32 features, {LEAST_COSINE} is needed ({path}). Use precision: {EXACT}"
        )
    return {"mode": precision, "status": "verified"} | asdict(verdict)
