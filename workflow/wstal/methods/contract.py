"""What every model returns."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from torch import Tensor, nn


class Output(NamedTuple):
    """Class activation sequence, attention and features of a batch; background is last.

    `extra` holds what a method has besides; entries named `attention_*` `[B, T]`,
    `video_score` `[B, C]` and those that the model's `stored` names find their way into the
    score files.
    """

    cas: Tensor  # [B, T, C+1]
    attention: Tensor  # [B, T]
    features: Tensor  # [B, T, D]
    extra: dict[str, Tensor] = {}


def apply(
    model: nn.Module, features: Tensor, mask: Tensor | None, upstream: Mapping[str, Tensor]
) -> NamedTuple:
    """The model's output; it is told of padding and of upstream scores only where there are any."""
    given = {"mask": mask} if mask is not None else {}
    return model(features, **given, **({"upstream": upstream} if upstream else {}))


def named_attentions(output: NamedTuple) -> dict[str, Tensor]:
    """The attentions beside the main one, `{name: [B, T]}`, from the fields and from extra."""
    values = {**output._asdict(), **output.extra}
    prefix = "attention_"
    return {name.removeprefix(prefix): v for name, v in values.items() if name.startswith(prefix)}


def as_float32(output: NamedTuple) -> NamedTuple:
    """The same output with every tensor, those in `extra` too, as float32."""
    tensors = {n: v.float() for n, v in output._asdict().items() if isinstance(v, Tensor)}
    return output._replace(**tensors, extra={n: v.float() for n, v in output.extra.items()})


# FOLDED One training batch.

NOTHING: Mapping[str, Tensor] = MappingProxyType({})


class Batch(NamedTuple):
    """Features and video-level labels; videos 2i and 2i+1 share a class for i < pairs.

    `mask` is true where a snippet is the video's own, None where no video is padded; what is
    padded is zero. `upstream` holds what the run named by `scores_from` says of these videos,
    by its names in the score file: `cas*` and `attention*` `[B, T, ...]`, `video_score*` `[B, C]`.
    `progress` is the share of the training that lies behind, in [0, 1).
    """

    features: Tensor  # [B, T, D]
    labels: Tensor  # [B, C], 0 or 1, without background
    pairs: int = 0
    mask: Tensor | None = None  # bool [B, T]
    upstream: Mapping[str, Tensor] = NOTHING
    progress: float = 0.0
