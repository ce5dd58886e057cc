"""The training loop, the same for every method."""

from __future__ import annotations

import ctypes
import json
import random
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from wstal.base.errors import WstalError
from wstal.methods.contract import Batch, apply, as_float32, named_attentions
from wstal.train.data import TrainingSet

# FOLDED A model as it evaluates, in the midst of training.


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Without dropout and gradients; the model is put back into the mode it was in."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


# FOLDED Memory that one training step frees kept for the next.

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h of glibc
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Tell the C library not to hand freed memory back to the system; whether it obeyed.

    A CPU training step allocates and frees the same gigabyte of activations again and again;
    by default every large block is mapped anew and its pages cleared one fault at a time, which
    takes longer than the elementwise operations that fill it. Only glibc knows the call; with
    any other C library nothing changes. It holds for the whole process.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, _NEVER))


# FOLDED The optimizer of a run.


def build_optimizer(model: nn.Module, settings: Mapping[str, Any]) -> torch.optim.Optimizer:
    """Adam, SGD (weight decay as an L2 term) or AdamW (decoupled), in torch's single fused pass.

    Weights that are not to be trained stay out. Raises WstalError for an unknown optimizer.
    """
    kind, options = settings["optimizer"], {"weight_decay": settings["weight_decay"]}
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
    if kind not in kinds:
        raise WstalError(f"optimizer {kind!r} is not one of {', '.join(kinds)}")
    if kind == "sgd":
        options["momentum"] = settings["momentum"]
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    # A run that only passes scores on has nothing to train, which torch's optimizers refuse.
    trained = trained or [torch.zeros(1, requires_grad=True)]
    return kinds[kind](trained, lr=settings["lr"], fused=True, **options)


def learning_rate(settings: Mapping[str, Any], progress: float) -> float:
    """The rate after the share `progress` of the training: `lr` times `factor` per step passed."""
    schedule = settings["schedule"]
    if schedule is None:
        return settings["lr"]
    passed = sum(progress >= at for at in schedule["at"])
    return settings["lr"] * schedule["factor"] ** passed


# FOLDED Random number generators of a run: seeded together, saved and restored together.


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


PRECISIONS = ("fp32", "tf32", "bf16")


class Method(Protocol):
    """What a module of `wstal.methods` offers.

    It may also have `prepare(model, data, config)`, called once before training with the
    TrainingSet: for weights that start from the training features.
    """

    def build(self, config: Mapping[str, Any], dims: Mapping[str, int], classes: int) -> nn.Module:
        """The untrained model."""

    def loss(
        self, output: NamedTuple, batch: Batch, config: Mapping[str, Any]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Total loss and its terms."""


class Trainer:
    """A model, its optimizer and its random state, stepped one batch at a time.

    Everything that decides the next step is in `state()`: a trainer restored from it continues
    as if it had never stopped, bit for bit on a CPU.
    """

    def __init__(
        self,
        method: Method,
        data: TrainingSet,
        dims: Mapping[str, int],
        config: Mapping[str, Any],
        seed: int,
        device: torch.device,
    ) -> None:
        self.method, self.data, self.config, self.device = method, data, config, device
        self.generator = seed_all(seed)
        self.model = method.build(config, dims, len(data.classes)).to(device).train()
        if hasattr(method, "prepare"):
            method.prepare(self.model, data, config)
        settings = config["train"]
        self.optimizer = build_optimizer(self.model, settings)
        self.autocast = autocast(settings["precision"], device)
        self.forward = compiled(self.model, settings.get("compile", "none"))
        epoch = data.updates_per_epoch if settings["epochs"] else 1
        self.iterations = (settings["epochs"] or settings["iterations"]) * epoch
        self.score_interval = settings["score_interval"] * epoch
        self.iteration = 0
        self.log: list[dict[str, float]] = []
        self.total: Tensor | None = None  # loss of the last step

    def step(self) -> None:
        """One update of the weights; logged at every `train.log_interval`."""
        progress = self.iteration / self.iterations
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config["train"], progress)
        batch = self.data.draw(self.generator)._replace(progress=progress)
        total, terms = update(
            self.method, self.forward, self.optimizer, batch, self.config, self.autocast
        )
        self.iteration += 1
        self.total = total.detach()
        if self.iteration % self.config["train"]["log_interval"] == 0:
            self._record(total, terms, batch)

    def _record(self, total: Tensor, terms: Mapping[str, Tensor], batch: Batch) -> None:
        row = {"iteration": self.iteration, "total": total.item()}
        row |= {name: term.item() for name, term in terms.items()}
        # Attention that sinks to zero is the known failure of this family of losses. Dropout of
        # its logits, which sets half of it to 0.5, would hide that.
        with evaluating(self.model), self.autocast:
            output = apply(self.model, batch.features, batch.mask, batch.upstream)
        row["mean_attention"] = output.attention.float().mean().item()
        for name, attention in named_attentions(output).items():
            row[f"mean_attention_{name}"] = attention.float().mean().item()
        if not torch.isfinite(total):
            raise self._diverged(f"the loss is {row['total']} ({row})")
        self.log.append(row)

    def require_finite(self) -> None:
        """Raises WstalError unless the last loss and every weight are finite."""
        if self.total is not None and not torch.isfinite(self.total):
            raise self._diverged(f"the loss is {self.total.item()}")
        for name, weight in self.model.named_parameters():
            if not torch.isfinite(weight).all():
                raise self._diverged(f"the weights {name} are not finite")

    def _diverged(self, what: str) -> WstalError:
        return WstalError(
            f"iteration {self.iteration}: {what}; lower train.lr or look at the features"
        )

    def state(self) -> dict[str, Any]:
        """All that the next step depends on, and the log so far: tensors and plain types.

        Raises WstalError if loss or weights are not finite: such a run cannot be saved.
        """
        self.require_finite()
        return {
            "iteration": self.iteration,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": random_state(self.generator),
            "sampler": self.data.sampler.state(),
            "log": self.log,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state()` gave."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        restore_random_state(state["random"], self.generator)
        self.data.sampler.restore(state["sampler"])
        self.iteration, self.log = state["iteration"], list(state["log"])


def update(
    method: Method,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    config: Mapping[str, Any],
    context: AbstractContextManager,
) -> tuple[Tensor, dict[str, Tensor]]:
    """One update of the weights on a batch, under `autocast`'s context; loss and terms."""
    with context:
        output = apply(model, batch.features, batch.mask, batch.upstream)
    if config["train"]["precision"] == "bf16":
        output = as_float32(output)
    total, terms = method.loss(output, batch, config)
    optimizer.zero_grad(set_to_none=True)
    if total.requires_grad:  # not where a run only passes scores on
        total.backward()
        optimizer.step()
    return total, terms


def compiled(model: nn.Module, mode: str) -> nn.Module:
    """The model as torch.compile makes it, sharing its weights; `none` leaves it as it is.

    `reduce-overhead` replays forward and backward as CUDA graphs: it pays where launching the
    kernels takes longer than running them, for batches of one shape.
    """
    return model if mode == "none" else torch.compile(model, mode=mode)


def autocast(precision: str, device: torch.device) -> AbstractContextManager:
    """The context of the forward pass; losses are always computed in float32.

    `tf32` lets an NVIDIA GPU round the factors of matrix products; `bf16` stores activations
    and products in bfloat16.
    """
    if precision not in PRECISIONS:
        raise WstalError(f"precision {precision!r} is not one of {', '.join(PRECISIONS)}")
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()
