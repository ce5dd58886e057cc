"""The training loop, the same for every method."""

from __future__ import annotations

import ctypes
import json
import math
import random
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor, nn

from wstal.base.errors import WstalError
from wstal.base.settings import Count, NonNegative, Positive, SettingsError, from_plain
from wstal.methods.contract import (
    Batch,
    RunSettings,
    TrainingHalf,
    as_float32,
    training_half,
)
from wstal.train.data import DataSettings, TrainingSet

Precision = Literal["fp32", "tf32", "bf16"]
Compile = Literal["none", "default", "reduce-overhead"]
SHORTEST = 8  # snippets drawn of short videos: several of them are the strongest eighth


@dataclass(frozen=True)
class ScheduleSettings:
    """Steps of the learning rate."""

    # Shares of the training after which the rate is multiplied by the factor.
    at: tuple[Annotated[float, Gt(0), Lt(1)], ...]
    factor: Positive


@dataclass(frozen=True)
class TrainSettings:
    """The `train` section: the optimization; either iterations or epochs is a number."""

    lr: Positive  # learning rate at the start
    weight_decay: NonNegative
    # Updates (with epochs: epochs) between two scorings of the test videos, for the paper reading.
    score_interval: Count
    iterations: Count | None = None  # updates; the last iterate is the strict reading's model
    epochs: Count | None = None  # training in passes over the videos instead
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"  # weight decay: L2 term; adamw: decoupled
    # Width of the features (all streams) that `lr` is meant for: others take a rate that is
    # larger as they are narrower; null: `lr` for any.
    lr_width: Count | None = None
    momentum: Annotated[float, Ge(0), Lt(1)] = 0  # of sgd
    schedule: ScheduleSettings | None = None  # null: the rate is constant
    # Updates between two rows of log.csv, each the mean over the updates since the one before.
    log_interval: Count = 50
    precision: Precision = "fp32"  # tf32 and bf16 trade accuracy for speed, on a GPU
    compile: Compile = "none"  # torch.compile's mode; reduce-overhead uses CUDA graphs

    def __post_init__(self) -> None:
        if (self.iterations is None) == (self.epochs is None):
            raise SettingsError(
                f"iterations is {self.iterations} and epochs is {self.epochs}; give one of them, "
                "and null for the other"
            )


@dataclass(frozen=True)
class RunConfig:
    """A run's resolved config as its method, its data and the loop take it."""

    method: TrainingHalf
    run: RunSettings  # the method's own: streams, `model` and the other keys of the top level
    loss: Any  # the method's own
    data: DataSettings
    train: TrainSettings


def run_config(plain: Mapping[str, Any]) -> RunConfig:
    """Build a run's settings from its resolved config, a checked plain tree.

    Its `localize` section, if it is there, has no part in training. Raises WstalError naming the
    key that the method cannot take.
    """
    method = training_half(plain["method"])
    config = RunConfig(
        method=method,
        run=method.read_run(plain),
        loss=from_plain(method.loss_settings, plain["loss"], "loss"),
        data=from_plain(DataSettings, plain["data"], "data"),
        train=from_plain(TrainSettings, plain["train"], "train"),
    )
    method.check(config.run, config.data.length, config.loss, config.data.length_seconds)
    return config


def in_snippets(config: RunConfig, step: float, lengths: np.ndarray) -> RunConfig:
    """Return the config with the `data.length` that `length_seconds` and `fit_length` ask for.

    `step` is seconds a row, `lengths` `[V]` the rows of the training videos. Raises SettingsError
    if the method takes no such length.
    """
    length, seconds = config.data.length, config.data.length_seconds
    if config.data.fit_length and (length or seconds):
        median = max(SHORTEST, int(np.median(lengths)))
        seconds = min(median * step, seconds or length * step)
    if seconds is None:
        return config
    length = config.method.fitting_length(seconds, step, config.loss)
    return replace(config, data=replace(config.data, length=length))


class Trainer:
    """A network, its optimizer and its random state, stepped one batch at a time.

    Everything that decides the next step is in `state()`: a trainer restored from it continues
    as if it had never stopped, bit for bit on a CPU.
    """

    def __init__(
        self,
        config: RunConfig,
        data: TrainingSet,
        dims: Mapping[str, int],
        seed: int,
        device: torch.device,
    ) -> None:
        self.config, self.data, self.device = config, data, device
        self.generator = seed_all(seed)
        method, settings = config.method, config.train
        self.model = method.build(config.run, dims, len(data.classes)).to(device).train()
        method.prepare(self.model, data, config.run)
        self.optimizer = build_optimizer(self.model, settings)
        self.autocast = autocast(settings.precision, device)
        self.forward = compiled(self.model, settings.compile)
        width = sum(dims[name] for name in config.run.streams)
        self.rate_scale = settings.lr_width / width if settings.lr_width else 1.0
        epoch = data.updates_per_epoch if settings.epochs else 1
        self.iterations = (settings.epochs or settings.iterations) * epoch
        self.score_interval = settings.score_interval * epoch
        self.iteration = 0
        self.log: list[dict[str, float]] = []
        # Loss, terms and mean attentions of every update since the log's last row; they stay on
        # the device until then.
        self.unlogged: list[dict[str, Tensor]] = []
        self.total: Tensor | None = None  # loss of the last step

    def step(self) -> None:
        """One update of the weights; every `train.log_interval` a row of the log is due."""
        progress = self.iteration / self.iterations
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate_scale * learning_rate(self.config.train, progress)
        batch = self.data.draw(self.generator)._replace(progress=progress)
        output, total, terms = update(
            self.config, self.forward, self.optimizer, batch, self.autocast
        )
        self.iteration += 1
        self.total = total.detach()
        terms = {name: term.detach() for name, term in terms.items()}
        self.unlogged.append({"total": self.total, **terms, **self._mean_attentions(output)})
        if self.iteration % self.config.train.log_interval == 0:
            self._log_means()

    def _mean_attentions(self, output: NamedTuple) -> dict[str, Tensor]:
        """Return the mean of every attention of a batch: what sinks to 0 has failed.

        Dropout of its logits, which sets half of an attention to 0.5, would hide that.
        """
        method = self.config.method
        means = {}
        for name in ("attention", *method.attentions(self.config.run).values()):
            value = method.value(output, name, "attentions")
            value = output.extra.get(f"{name}_undropped", value)
            means[f"mean_{name}"] = value.detach().float().mean()
        return means

    def _log_means(self) -> None:
        """Add the row of the updates since the last one: the mean of each value."""
        names = dict.fromkeys(name for values in self.unlogged for name in values)
        row: dict[str, float] = {"iteration": self.iteration}
        for name in names:
            values = [each[name].to(self.total.device) for each in self.unlogged if name in each]
            row[name] = torch.stack(values).double().mean().item()
        self.unlogged = []
        if not math.isfinite(row["total"]):
            raise self._diverged(f"the loss is {row['total']} ({row})")
        self.log.append(row)

    def require_finite(self) -> None:
        """Raise WstalError unless the last loss and every weight are finite."""
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
            "unlogged": self.unlogged,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state()` returned."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        restore_random_state(state["random"], self.generator)
        self.data.sampler.restore(state["sampler"])
        self.iteration, self.log = state["iteration"], list(state["log"])
        self.unlogged = list(state["unlogged"])


def update(
    config: RunConfig,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    context: AbstractContextManager,
) -> tuple[NamedTuple, Tensor, dict[str, Tensor]]:
    """Update the weights on a batch, under `autocast`'s context.

    Returns the output before the update, the loss and its terms.
    """
    method = config.method
    with context:
        output = method.forward(network, batch.features, batch.mask, batch.upstream)
    if config.train.precision == "bf16":
        output = as_float32(output)
    total, terms = method.total_loss(output, batch, config.loss)
    optimizer.zero_grad(set_to_none=True)
    if total.requires_grad:  # not where a run only passes scores on
        total.backward()
        optimizer.step()
    return output, total, terms


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Turn dropout and gradients off; put the network back into the mode it was in."""
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        network.train(training)


def compiled(model: nn.Module, mode: Compile) -> nn.Module:
    """Return the network as torch.compile makes it, with the same weights; `none`: itself.

    `reduce-overhead` replays forward and backward as CUDA graphs: it pays off where launching the
    kernels takes longer than running them, for batches of one shape.
    """
    return model if mode == "none" else torch.compile(model, mode=mode)


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager:
    """Return the context of the forward pass; losses are always computed in float32.

    `tf32` lets an NVIDIA GPU round the factors of matrix products; `bf16` stores activations
    and products in bfloat16.
    """
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def build_optimizer(model: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """Return Adam, SGD or AdamW over the weights that are trained, in torch's single fused pass."""
    options = {"lr": settings.lr, "weight_decay": settings.weight_decay}
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
    if settings.optimizer == "sgd":
        options["momentum"] = settings.momentum
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    # A run that only passes scores on has nothing to train, which torch's optimizers refuse.
    trained = trained or [torch.zeros(1, requires_grad=True)]
    return kinds[settings.optimizer](trained, fused=True, **options)


def learning_rate(settings: TrainSettings, progress: float) -> float:
    """Return the rate after the share `progress` of the training."""
    if settings.schedule is None:
        return settings.lr
    passed = sum(progress >= at for at in settings.schedule.at)
    return settings.lr * settings.schedule.factor**passed


def seed_all(seed: int) -> np.random.Generator:
    """Seed python, numpy and torch; return the generator that draws the batches.

    From then on convolutions on a GPU are deterministic, as in the official CO2-Net code.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    return np.random.default_rng(seed)


def random_state(generator: np.random.Generator) -> dict[str, Any]:
    """Return the state of the batch generator and of torch, as CPU tensors and text.

    It includes the GPUs' once the process has used one.
    """
    return {
        "batches": json.dumps(generator.bit_generator.state),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
    }


def restore_random_state(state: dict[str, Any], generator: np.random.Generator) -> None:
    """Set `generator` and torch back to a saved state, whatever device its tensors lie on.

    Raises WstalError if the state was saved with another number of GPUs.
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


_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h of glibc
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Tell the C library not to hand freed memory back to the system; return whether it does.

    A CPU training step allocates and frees the same gigabyte of activations again and again;
    by default every large block is mapped anew and its pages cleared one fault at a time, which
    takes longer than the elementwise operations that fill it. Only glibc knows the call; with
    any other C library nothing changes. The whole process is affected.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, _NEVER))
