"""Pretraining of the demo's small networks on trimmed rendered clips, as Kinetics is for I3D.

The flow network learns to classify motions. The RGB network does not when trained the same way
(it stays at chance in the time a demo may take), so it is distilled: it starts from the flow
network's trunk and learns to give its features. VGGish learns to classify sounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wstal.data.render.clip import MOTIONS, SOUNDS
from wstal.nets.inception_i3d import InceptionI3D
from wstal.nets.vggish import EMBEDDING, VGGish
from wstal.nets.weights import half_state, load_state
from wstal.train.clip_pool import ClipPool
from wstal.train.sound_examples import sound_examples

Track = Callable[[Iterable], Iterable]
HELD_OUT = "held_out"


def pretrain_flow(
    pool: ClipPool, config: Mapping[str, Any], track: Track = iter
) -> tuple[InceptionI3D, float]:
    """Train flow I3D by cross-entropy; returns it (as float16 holds it) and held-out accuracy.

    `config`: seed, width, steps, batch, lr, warm_up (steps), weight_decay, dropout, stages
    ([{part, until}]: parts of the pool in turn, easier first, until a fraction of the steps).
    """
    torch.manual_seed(config["seed"])
    network = _i3d(2, config)

    def loss(batch: Batch) -> Tensor:
        return F.cross_entropy(network(batch.flow).mean(2), batch.labels)

    _optimise(network, _clip_batches(pool, config), loss, config, track)
    return _finished(network, pool, config, "flow")


def pretrain_rgb(
    pool: ClipPool, config: Mapping[str, Any], teacher: InceptionI3D, track: Track = iter
) -> tuple[InceptionI3D, float]:
    """Distil RGB I3D from the flow network `teacher`; config as for flow, and `feature_weight`."""
    torch.manual_seed(config["seed"])
    network = _i3d(3, config)
    own = {name: v for name, v in network.state_dict().items() if "Conv3d_1a" in name}
    load_state(network, teacher.state_dict() | own, "the flow network")
    with torch.no_grad():
        # A stem that sums to zero over time sees change only, as flow does.
        stem = network.Conv3d_1a_7x7.conv3d.weight
        stem -= stem.mean(2, keepdim=True)
    teacher = teacher.eval().requires_grad_(False)

    def loss(batch: Batch) -> Tensor:
        target = teacher.features(batch.flow)
        pooled = network.pooled(batch.rgb)
        logits = network.logits(network.dropout(pooled)[..., None, None]).flatten(1)
        distance = F.mse_loss(pooled.mean(2), target) / target.var()
        return F.cross_entropy(logits, batch.labels) + config["feature_weight"] * distance

    _optimise(network, _clip_batches(pool, config), loss, config, track)
    return _finished(network, pool, config, "rgb")


def pretrain_vggish(config: Mapping[str, Any], track: Track = iter) -> tuple[VGGish, float]:
    """Train VGGish on rendered sounds; config as for flow without stages, and `held_out` [N]."""
    torch.manual_seed(config["seed"])
    network = VGGish(config["width"])
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)
    head = nn.Linear(EMBEDDING, len(SOUNDS))
    both = nn.Sequential(network, nn.Dropout(config["dropout"]), head)

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        for step in range(config["steps"]):
            yield sound_examples(config["seed"] * 10 + 1, step * config["batch"], config["batch"])

    def loss(batch: tuple[Tensor, Tensor]) -> Tensor:
        return F.cross_entropy(both(batch[0]), batch[1])

    _optimise(both, batches(), loss, config, track)
    load_state(network, {n: v.float() for n, v in half_state(network).items()}, "VGGish")
    examples, labels = sound_examples(config["seed"] * 10 + 2, 0, config["held_out"])
    with torch.no_grad():
        predicted = both.eval()(examples).argmax(1)
    return network.eval(), (predicted == labels).double().mean().item()


class Batch:
    """Clips of a pool part, mirrored at random; each stream is read when it is asked for."""

    def __init__(
        self, pool: ClipPool, part: str, clips: np.ndarray, rng: np.random.Generator | None = None
    ) -> None:
        self._pool, self._part, self._clips, self._rng = pool, part, clips, rng
        self._mirror = torch.zeros(len(clips), dtype=torch.bool)
        if rng is not None:
            self._mirror = torch.from_numpy(rng.random(len(clips)) < 0.5)
        self.labels = torch.from_numpy(pool.labels(part)[clips])

    def _mirrored(self, x: Tensor) -> Tensor:
        x = torch.where(self._mirror[:, None, None, None, None], x.flip(4), x)
        return x.contiguous(memory_format=torch.channels_last_3d)

    @property
    def flow(self) -> Tensor:
        """`[B, 2, 16, S, S]`; a mirrored picture moves the other way: u changes sign."""
        flow = torch.from_numpy(self._pool.flow(self._part, self._clips))
        flow[self._mirror, 0] *= -1
        return self._mirrored(flow)

    @property
    def rgb(self) -> Tensor:
        """`[B, 3, 16, S, S]`; in training also with colours exchanged, gain and offset."""
        rgb = torch.from_numpy(self._pool.frames(self._part, self._clips))
        if self._rng is not None:
            for clip in rgb:
                clip.copy_(clip[torch.from_numpy(self._rng.permutation(3))])
                gain, offset = self._rng.uniform(0.7, 1.2), self._rng.uniform(-0.2, 0.2)
                clip.mul_(gain).add_(offset).clamp_(-1, 1)
        return self._mirrored(rgb)


def _clip_batches(pool: ClipPool, config: Mapping[str, Any]) -> Iterator[Batch]:
    """Batches without replacement within each pass over a part."""
    rng = np.random.default_rng(config["seed"])
    queues: dict[str, list[int]] = {}
    for step in range(config["steps"]):
        stage = next(s for s in config["stages"] if step < s["until"] * config["steps"])
        queue = queues.setdefault(stage["part"], [])
        if len(queue) < config["batch"]:
            queue.extend(rng.permutation(len(pool.labels(stage["part"]))))
        clips = np.array([queue.pop(0) for _ in range(config["batch"])])
        yield Batch(pool, stage["part"], clips, rng)


def _i3d(channels: int, config: Mapping[str, Any]) -> InceptionI3D:
    network = InceptionI3D(channels, config["width"], len(MOTIONS))
    network.dropout.p = config["dropout"]
    return network.to(memory_format=torch.channels_last_3d)


def _optimise(
    network: nn.Module,
    batches: Iterable,
    loss_of: Callable[[Any], Tensor],
    config: Mapping[str, Any],
    track: Track,
) -> None:
    """AdamW with linear warm-up and cosine decay, in float32 throughout.

    bfloat16 is not an option: conv3d's backward pass gives non-finite gradients on CPUs.
    """
    optimiser = torch.optim.AdamW(
        network.parameters(), config["lr"], weight_decay=config["weight_decay"]
    )
    network.train()
    batches = iter(batches)
    for step in track(range(config["steps"])):
        progress = step / config["steps"]
        ramp = min(1.0, (step + 1) / config["warm_up"])
        for group in optimiser.param_groups:
            group["lr"] = config["lr"] * ramp * 0.5 * (1 + math.cos(math.pi * progress))
        loss = loss_of(next(batches))
        if not torch.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss.item()} at step {step}")
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()


@torch.no_grad()
def _finished(
    network: InceptionI3D, pool: ClipPool, config: Mapping[str, Any], stream: str
) -> tuple[InceptionI3D, float]:
    """Settle the batch statistics, round to float16, measure held-out accuracy."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm3d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # an average over all batches that follow
    part = config["stages"][-1]["part"]
    rng = np.random.default_rng(config["seed"])
    for _ in range(40):
        clips = rng.choice(len(pool.labels(part)), config["batch"], replace=False)
        network.pooled(getattr(Batch(pool, part, clips, rng), stream))
    network.eval()
    load_state(network, {n: v.float() for n, v in half_state(network).items()}, "I3D")
    correct, count = 0, len(pool.labels(HELD_OUT))
    for start in range(0, count, 16):
        batch = Batch(pool, HELD_OUT, np.arange(start, min(start + 16, count)))
        correct += (network(getattr(batch, stream)).mean(2).argmax(1) == batch.labels).sum().item()
    return network, correct / count
