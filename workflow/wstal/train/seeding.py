"""Random number generators of a run: seeded together, saved and restored together."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import torch


def seed_all(seed: int) -> np.random.Generator:
    """Seed python, numpy and torch; return the generator that draws the batches."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    return np.random.default_rng(seed)


def random_state(generator: np.random.Generator) -> dict[str, Any]:
    """State of the batch generator and of torch (all devices), as tensors and text."""
    return {
        "batches": json.dumps(generator.bit_generator.state),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_random_state(state: dict[str, Any], generator: np.random.Generator) -> None:
    """Set `generator` and torch back to a saved state."""
    generator.bit_generator.state = json.loads(state["batches"])
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
