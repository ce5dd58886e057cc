"""Whether features of a lower precision may pass for float32's: measured, on real weights."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from wstal.atomic import write_json
from wstal.device import device_name
from wstal.errors import WstalError
from wstal.features.snippets import as_taken
from wstal.nets.i3d_inference import EXACT, for_inference
from wstal.nets.weights import UNTRAINED

LEAST_COSINE = 0.9999


@dataclass(frozen=True)
class Verdict:
    """Features of `snippets` snippets in `precision` beside float32's.

    `cosine` is that of the worst snippet, `relative_error` the L2 norm of all differences over
    that of all float32 features. It holds for `device` (the model), the version of `torch` and
    `weights` (their sha256): another kernel may round otherwise.
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


@torch.inference_mode()
def judge(
    network: nn.Module,
    weights: str,
    batches: Iterable[np.ndarray],
    precision: str,
    device: torch.device,
) -> Verdict:
    """Compare `precision` with float32 on `batches` of uint8 or int8 snippets `[B, 16, S, S, C]`.

    Raises WstalError for untrained weights, which say nothing about trained ones, and if there
    is no snippet.
    """
    if weights == UNTRAINED:
        raise WstalError("the precision gate needs trained weights; these are untrained")
    inputs = [torch.from_numpy(batch) for batch in batches]
    if not inputs:
        raise WstalError("the precision gate got no snippet")
    features = []
    for mode in (EXACT, precision):  # one after the other: TF32 is a switch of the process
        fast = for_inference(network, device, mode)
        made = [fast.features(as_taken(fast, x.to(device))) for x in inputs]
        features.append(torch.cat(made).double().cpu())
    exact, found = features
    return Verdict(
        **_measured_on(precision, weights, device),
        snippets=len(exact),
        cosine=F.cosine_similarity(found, exact).min().item(),
        relative_error=((found - exact).norm() / exact.norm()).item(),
    )


def _measured_on(precision: str, weights: str, device: torch.device) -> dict[str, str]:
    """What a verdict holds for."""
    where = {"device": device_name(device), "torch": torch.__version__}
    return {"precision": precision, "weights": weights, **where}


def verdict_path(weights: str | Path, precision: str, device: torch.device) -> Path:
    """Where the verdict on a file of weights lies: beside it."""
    return Path(f"{weights}.{precision}.{device.type}.json")


def write_verdict(weights: str | Path, verdict: Verdict, device: torch.device) -> Path:
    """Keep `verdict` beside the weights; `precision_stamp` finds it."""
    path = verdict_path(weights, verdict.precision, device)
    write_json(path, asdict(verdict) | {"passed": verdict.passed})
    return path


def precision_stamp(
    recipe: Mapping[str, Any], weights: str | Path, identity: str, device: torch.device
) -> dict[str, Any]:
    """What an artefact's provenance says of its precision, as its entry `precision`.

    `recipe` is a network's section; without `precision` it is float32. `identity` is as in
    `Verdict.weights`. The status is `exact`, `verified` (with the verdict) or, where no verdict
    of this device and torch on these weights lies beside them, `unverified`. Raises WstalError
    if the verdict is that they differ.
    """
    return {"precision": _status(recipe.get("precision", EXACT), weights, identity, device)}


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
        raise WstalError(f"{path} is no verdict on a precision, remove it: {error}") from error
    if not asdict(verdict).items() >= _measured_on(precision, identity, device).items():
        return {"mode": precision, "status": "unverified"}
    if not verdict.passed:
        raise WstalError(
            f"precision {precision} failed its gate with {weights}: cosine {verdict.cosine:.6f} "
            f"with float32 features, {LEAST_COSINE} is needed ({path}). Use precision: {EXACT}"
        )
    return {"mode": precision, "status": "verified"} | asdict(verdict)
