"""Random number generators of a run: seeded together, saved and restored together."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import torch

from wstal.errors import WstalError


def seed_all(seed: int) -> np.random.Generator:
    """Seed python, numpy and torch; return the generator that draws the batches.

    Convolutions on a GPU then take deterministic algorithms, as in the official CO2-Net code.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    return np.random.default_rng(seed)


def random_state(generator: np.random.Generator) -> dict[str, Any]:
    """State of the batch generator and of torch, as CPU tensors and text.

    GPUs have a part in it once the process has used one.
    """
    return {
        "batches": json.dumps(generator.bit_generator.state),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
    }


def restore_random_state(state: dict[str, Any], generator: np.random.Generator) -> None:
    """Set `generator` and torch back to a saved state, whatever device its tensors lie on.

    Raises WstalError if the state is of another number of GPUs than there are.
    """
    count = torch.cuda.device_count() if state["cuda"] else 0
    if len(state["cuda"]) != count:
        raise WstalError(
            f"the random state was saved with {len(state['cuda'])} GPUs, {count} are visible; "
            "continue with as many (CUDA_VISIBLE_DEVICES), or remove the unfinished checkpoint"
        )
    generator.bit_generator.state = json.loads(state["batches"])
    torch.set_rng_state(state["torch"].cpu())
    if count:
        torch.cuda.set_rng_state_all([one.cpu() for one in state["cuda"]])
