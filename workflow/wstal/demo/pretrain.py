"""Pretraining of the demo's small networks on trimmed rendered clips, as on Kinetics for I3D.

A clip shows one motion throughout, in surfaces that the demo videos do not have. The flow network
learns to classify the motions. The RGB network, trained in the same way, stays at chance in the
time that a demo may take; so it is distilled: it starts from the flow network's trunk and learns to
give its features. VGGish learns to classify rendered sounds.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import h5py
import hdf5plugin
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wstal.base.array_store import create_arrays, has_key
from wstal.base.files import write_json
from wstal.base.user_files import file_sha256
from wstal.demo.casting import (
    Look,
    Pair,
    draw_anchor,
    draw_background,
    draw_distractor,
    draw_look,
    draw_object_size,
)
from wstal.demo.motion import (
    MOTIONS,
    PAIRED,
    SOUNDS,
    Motion,
    Pose,
    draw_motion,
    reach,
    render_sound,
)
from wstal.demo.pictures import (
    CLIP_SHAPES,
    CLIP_TEXTURES,
    Actor,
    Scene,
    Sprite,
    draw_camera,
    draw_grain,
)
from wstal.features.vggish_stage import log_mel
from wstal.flow.codes import decode, encode
from wstal.flow.tvl1_backends.backend import tvl1
from wstal.networks.i3d.network import InceptionI3D
from wstal.networks.vggish import EMBEDDING, VGGish
from wstal.networks.weights import half_state, load_state, save_half

CLIP_SEEDS = 0x0C11  # keeps the seeds of clips apart from those of the videos
IDLE_STATES = ("rest", "drift", "absent", "two at rest")
FRAMES = 17  # of a clip; one more than a snippet, so that its last flow is a real one
SECONDS = 0.975  # of sound that 96 log-mel frames cover
Track = Callable[[Iterable], Iterable]
HELD_OUT = "held_out"
PACKAGES = ("torch", "numpy", "opencv-contrib-python-headless", "safetensors")


def render_clip(
    motion: str,
    seed: int,
    *,
    frames: int = 17,
    size: tuple[int, int] = (112, 112),
    fps: float = 25,
    difficulty: float = 1.0,
) -> np.ndarray:
    """Render one clip of a motion of `MOTIONS`: uint8 RGB [frames, H, W, 3].

    `size` is (height, width); objects keep their size in pixels, so a small picture is a close
    crop (they shrink only if they do not fit). `difficulty` from 0 to 1 ramps camera motion
    and the number of distractors. `idle` shows an object at rest or adrift, two objects at rest,
    or none. The same arguments give the same clip. Raises ValueError for an unknown motion.
    """
    rng = np.random.default_rng([CLIP_SEEDS, seed])
    performance = draw_motion(motion, rng, phase=rng.uniform(0, 2 * np.pi))
    look = draw_look(rng, CLIP_SHAPES, CLIP_TEXTURES)
    half = (size[1] / 2, size[0] / 2)
    count = int(round(difficulty * rng.uniform(0, 3)))
    distractors = [draw_distractor(rng, look, half) for _ in range(count)]
    scene = Scene(
        background=draw_background(rng, look, size),
        actors=[*distractors, *_heroes(performance, look, half, rng)],
        camera=draw_camera(rng, difficulty),
        size=size,
        grain=draw_grain(rng, size, rng.uniform(0.5, 2.0)),
    )
    return np.stack([scene.draw(k / fps) for k in range(frames)])


def _heroes(
    motion: Motion,
    look: Look,
    half: tuple[float, float],
    rng: np.random.Generator,
) -> list[Actor]:
    state = IDLE_STATES[int(rng.integers(4))] if motion.name == "idle" else "act"
    if state == "absent":
        return []
    companion = motion.name in PAIRED or state == "two at rest" or rng.random() < 0.3
    size = draw_object_size(rng, companion)
    gap = 4 * motion.amplitude if motion.name == "clap" else rng.uniform(18, 28)
    beside = (size + gap) / 2 if companion else 0.0
    extent = (beside + size / 2 + reach(motion), size / 2 + reach(motion))
    if motion.name == "swap":
        extent = (extent[0], extent[0])
    fit = min(1.0, (min(half) - 3) / max(extent))
    size, gap, motion = size * fit, gap * fit, motion.scaled(fit)
    direction = motion.direction if motion.name in PAIRED else rng.normal(0, 0.07)
    pair = Pair(size + gap if companion else 0.0, direction)
    if motion.name == "swap":
        motion = motion.with_amplitude(pair.separation / 2)
    anchor = draw_anchor(rng, half, (extent[0] * fit, extent[1] * fit))
    heading, pace = rng.uniform(0, 2 * np.pi), rng.uniform(3, 12) if state == "drift" else 0.0
    drift = pace * np.array([np.cos(heading), np.sin(heading)])
    return [
        _performer(motion, index, look.object(rng, size), anchor + pair.offset(index), drift, rng)
        for index in range(2 if companion else 1)
    ]


def _performer(
    motion: Motion,
    index: int,
    sprite: Sprite,
    home: np.ndarray,
    drift: np.ndarray,
    rng: np.random.Generator,
) -> Actor:
    angle = rng.uniform(0, 2 * np.pi)
    middle = (0.0, 0.5 * motion.amplitude) if motion.name == "bounce" and index == 0 else (0, 0)

    def place(now: float) -> tuple[Pose, float]:
        pose = motion.poses(now)[index]
        x, y = home + middle + drift * now
        return pose._replace(dx=x + pose.dx, dy=y + pose.dy, angle=angle + pose.angle), 1.0

    return Actor(sprite, place)


def write_pool(
    path: str | Path, config: Mapping[str, Any], track: Callable[[Iterable], Iterable] = iter
) -> None:
    """Render the pool of `config` into an HDF5 file unless `path` contains it already.

    `config` has `seed`, `flow` (parameters of TV-L1), `bound` (pixels) and `parts`: name ->
    {clips: per class, size: pixels, difficulty: 0..1}. Each part becomes the datasets
    `{part}_frames` uint8 `[N, 17, S, S, 3]`, `{part}_flow` int8 `[N, 16, S, S, 2]` and
    `{part}_labels` `[N]`, classes in turn. No two parts share the seed of a clip.
    """
    key = pool_key(config)
    if has_key(path, key):
        return
    with create_arrays(path, id="clips", stage="clip_pool", key=key, provenance=config) as file:
        for index, (part, spec) in enumerate(config["parts"].items()):
            size, count = spec["size"], spec["clips"] * len(MOTIONS)
            zstd = hdf5plugin.Zstd(1)
            tails = (FRAMES, size, size, 3), (FRAMES - 1, size, size, 2)
            frames = file.stream(f"{part}_frames", tails[0], np.uint8, chunk_rows=1, **zstd)
            flows = file.stream(f"{part}_flow", tails[1], np.int8, chunk_rows=1, **zstd)
            for number in track(range(count)):
                seed = (config["seed"] * 10 + index) * 1_000_000 + number
                motion = MOTIONS[number % len(MOTIONS)]
                clip, flow = make_clip(motion, seed, spec, config["flow"])
                frames.append(clip[None])
                flows.append(encode(flow, config["bound"])[None])
            file.write(f"{part}_labels", np.arange(count) % len(MOTIONS))


def pool_key(config: Mapping[str, Any]) -> str:
    """Return the digest of what makes a pool: its configuration, and one rendered clip and flow."""
    probe, flow = make_clip(MOTIONS[0], 0, {"size": 64, "difficulty": 1.0}, config["flow"])
    text = json.dumps(config, sort_keys=True).encode()
    codes = encode(flow, config["bound"])
    return hashlib.sha256(text + probe.tobytes() + codes.tobytes()).hexdigest()


def make_clip(
    motion: str, seed: int, spec: Mapping[str, Any], flow: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Return a clip, uint8 `[17, S, S, 3]`, and its flow, float32 px `[16, S, S, 2]`."""
    size = (spec["size"], spec["size"])
    clip = render_clip(motion, seed, frames=FRAMES, size=size, difficulty=spec["difficulty"])
    clip = compressed(clip, seed)
    gray = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in clip])
    return clip, tvl1(gray, **flow)


def compressed(clip: np.ndarray, seed: int) -> np.ndarray:
    """Return `clip [N, H, W, 3]` with the losses of a camera file: JPEG of quality 60 to 95."""
    quality = int(np.random.default_rng(seed).integers(60, 96))
    out = []
    for frame in clip:
        _, code = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        out.append(cv2.imdecode(code, cv2.IMREAD_COLOR)[..., ::-1])
    return np.stack(out)


class ClipPool:
    """A pool from which batches are read."""

    def __init__(self, path: str | Path, bound: float) -> None:
        self._file, self._bound = h5py.File(path, "r"), bound

    def labels(self, part: str) -> np.ndarray:
        """Return the class index of every clip of a part, `[N]`."""
        return self._file[f"{part}_labels"][()]

    def frames(self, part: str, clips: Iterable[int]) -> np.ndarray:
        """Return the snippets' RGB in [-1, 1], float32 `[B, 3, 16, S, S]`."""
        dataset = self._file[f"{part}_frames"]
        rgb = np.stack([dataset[i, : FRAMES - 1] for i in clips])
        return rgb.transpose(0, 4, 1, 2, 3).astype(np.float32) / 127.5 - 1

    def flow(self, part: str, clips: Iterable[int]) -> np.ndarray:
        """Return the snippets' flow over the bound, in [-1, 1], float32 `[B, 2, 16, S, S]`."""
        codes = np.stack([self._file[f"{part}_flow"][i] for i in clips])
        return decode(codes, self._bound).transpose(0, 4, 1, 2, 3) / np.float32(self._bound)


def sound_examples(stream: int, first: int, count: int) -> tuple[Tensor, Tensor]:
    """Return log-mel examples `[count, 1, 96, 64]` and their classes `[count]`, sounds in turn.

    Example i of `stream` is always the same: a sound at a random level over background noise at
    a lower one, as in a demo video.
    """
    waves, labels = [], []
    for number in range(first, first + count):
        seed = stream * 1_000_000 + number
        rng = np.random.default_rng([stream, number])
        labels.append(number % len(SOUNDS))
        wave = rng.uniform(0.3, 1.0) * render_sound(SOUNDS[labels[-1]], seed, SECONDS)
        noise = render_sound("background", seed + 500_000, SECONDS)
        waves.append(wave + rng.uniform(0.0, 0.6) * noise)
    examples = log_mel(np.stack(waves))
    return torch.from_numpy(examples)[:, None], torch.tensor(labels)


def pretrain_flow(
    pool: ClipPool, config: Mapping[str, Any], track: Track = iter
) -> tuple[InceptionI3D, float]:
    """Train flow I3D by cross-entropy; returns it (as float16 has_key it) and held-out accuracy.

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


def save_pretrained(
    output: str | Path,
    record: str | Path,
    network: nn.Module,
    name: str,
    config: Mapping[str, Any],
    accuracy: float,
) -> None:
    """Write the weights of `name` (flow, rgb, vggish) and their entry in the JSON `record`.

    The entry has_key the recipe, held-out accuracy (a fraction), sha256 and library versions;
    entries of other files stay.
    """
    output, record = Path(output), Path(record)
    recipe = {"network": name, **config[name]}
    if name != "vggish":
        recipe["pool"] = config["pool"]
    save_half(output, network, recipe)
    entries = json.loads(record.read_text()) if record.exists() else {}
    entries[output.name] = {
        "recipe": recipe,
        "held_out_accuracy": round(accuracy, 4),
        "sha256": file_sha256(output),
        "versions": {package: version(package) for package in PACKAGES},
    }
    write_json(record, dict(sorted(entries.items())))
