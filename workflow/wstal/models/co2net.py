"""CO2-Net: cross-modal consensus network (Hong et al., ACM MM 2021).

Two streams gate each other's channels (CCM), each has an attention over time, a classifier
reads their fusion. Where the paper and the official code (commit e879687) differ, the code is
the default and the paper a switch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from wstal.data.batch import Batch
from wstal.errors import WstalError
from wstal.losses.coactivity import coactivity_loss
from wstal.losses.mil import mil_loss, snippets_kept, suppress
from wstal.losses.mutual import mutual_loss
from wstal.losses.norm import norm_loss
from wstal.losses.opposite import opposite_loss
from wstal.models.dropout import Dropout
from wstal.models.fusion import build_fusion
from wstal.models.layers import SLOPE, AttentionUnit, TemporalConv, average_over_time


class CO2Output(NamedTuple):
    """The model's output; `logits` is the class activation sequence, background last."""

    logits: Tensor  # [B, T, C+1]
    attention: Tensor  # [B, T], mean of the streams'
    attention_rgb: Tensor  # [B, T]
    attention_flow: Tensor  # [B, T]
    features: Tensor  # [B, T, D], fused, after activation and dropout
    extra: dict[str, Tensor] = {}

    @property
    def cas(self) -> Tensor:
        """The class activation sequence under the name all methods share."""
        return self.logits


class CO2Net(nn.Module):
    """CO2-Net on `[B, T, D_rgb + D_flow]`, RGB first.

    `dims` are the widths of the two streams, `width` that of the fused features (default:
    their sum), `attention_width` that of the attention units (default: half of their stream).
    `pool_kernel > 1` is the ActivityNet variant: logits and attentions are averaged over that
    many snippets. `attention=False` leaves the attention units out (attention is 1).
    """

    activation = "logits"

    def __init__(
        self,
        num_classes: int,
        dims: tuple[int, int] = (1024, 1024),
        *,
        width: int | None = None,
        attention_width: int | None = None,
        fusion: str = "ccm",
        main: str = "global",
        aux: str = "local",
        bare_descriptors: bool = False,
        attention: bool = True,
        attention_dropout: float = 0.5,
        logit_dropout: float = 0.5,
        dropout: float = 0.7,
        pool_kernel: int = 1,
    ) -> None:
        super().__init__()
        if pool_kernel % 2 == 0:
            raise WstalError(f"pool_kernel {pool_kernel} is even; an average needs a centre")
        self.dims, self.pool_kernel = list(dims), pool_kernel
        width = width or sum(dims)
        self.fusion = build_fusion(fusion, dims, main=main, aux=aux, bare=bare_descriptors)
        if attention:
            self.attention_rgb, self.attention_flow = (
                AttentionUnit(
                    dim,
                    attention_width or dim // 2,
                    dropout=attention_dropout,
                    logit_dropout=logit_dropout,
                )
                for dim in dims
            )
        self.has_attention = attention
        self.joint = nn.Sequential(
            TemporalConv(self.fusion.joint_dim, width, kernel=1),
            nn.LeakyReLU(SLOPE),
            Dropout(dropout),
        )
        self.classifier = nn.Sequential(
            Dropout(dropout),
            TemporalConv(width, width),
            nn.LeakyReLU(SLOPE),
            Dropout(dropout),
            TemporalConv(width, num_classes + 1, kernel=1),
        )

    def forward(self, x: Tensor) -> CO2Output:
        """`[B, T, D_rgb + D_flow]` -> CO2Output."""
        fused = self.fusion(*x.split(self.dims, -1))
        features = self.joint(fused.joint)
        logits = self.classifier(features)
        if self.has_attention:
            rgb, flow = self.attention_rgb(fused.rgb), self.attention_flow(fused.flow)
        else:
            rgb = flow = x.new_ones(x.shape[:2])
        both = (rgb + flow) / 2
        pooled = (average_over_time(y, self.pool_kernel) for y in (logits, both, rgb, flow))
        return CO2Output(*pooled, features)

    @classmethod
    def from_official(
        cls, state_dict: Mapping[str, Tensor], num_classes: int, pool_kernel: int = 1
    ) -> CO2Net:
        """The model that a checkpoint of the official code holds, whatever its key order.

        Its never called `feat_encoder` and the outer taps of the global descriptors, which only
        ever meet padding, are left behind. Raises WstalError naming missing or unknown keys, or
        tensors of shapes that the code's own widths do not give.
        """
        given = {name.removeprefix("module."): value for name, value in state_dict.items()}
        given = {n: v for n, v in given.items() if not n.startswith("feat_encoder.")}
        names = official_names()
        missing, unknown = sorted(set(names) - set(given)), sorted(set(given) - set(names))
        if missing or unknown:
            raise WstalError(
                f"not a checkpoint of the official CO2 model: missing {missing}, unknown {unknown}"
            )
        if (rows := given["classifier.4.weight"].shape[0]) != num_classes + 1:
            raise WstalError(f"the checkpoint scores {rows - 1} classes, not {num_classes}")
        dims = tuple(given[f"{s}.attention.0.weight"].shape[1] for s in ("vAttn", "fAttn"))
        model = cls(num_classes, dims, pool_kernel=pool_kernel)
        ours = {names[name]: _tap_major(value) for name, value in given.items()}
        for stream in ("rgb", "flow"):
            key = f"fusion.{stream}.main.project.weight"
            ours[key] = ours[key][1:2]
        for official, name in names.items():
            found, wanted = tuple(ours[name].shape), tuple(model.get_parameter(name).shape)
            if found != wanted:
                raise WstalError(
                    f"{official} has the shape {found} (taps first), streams of widths {dims} "
                    f"need {wanted}; only attention and fusion of the code's own widths are read"
                )
        model.load_state_dict(ours)
        return model


def official_names() -> dict[str, str]:
    """Parameter names of the official code -> ours."""
    blocks = {"fusion.0": "joint.0", "classifier.1": "classifier.1", "classifier.4": "classifier.4"}
    for theirs, stream in (("vAttn", "rgb"), ("fAttn", "flow")):
        blocks[f"{theirs}.channel_conv.0"] = f"fusion.{stream}.main.project"
        blocks[f"{theirs}.bit_wise_attn.0"] = f"fusion.{stream}.aux.project"
        for layer in (0, 3, 5):
            blocks[f"{theirs}.attention.{layer}"] = f"attention_{stream}.layers.{layer}"
    kinds = ("weight", "bias")
    return {f"{theirs}.{k}": f"{ours}.{k}" for theirs, ours in blocks.items() for k in kinds}


def _tap_major(value: Tensor) -> Tensor:
    """`[E, D, kernel] -> [kernel, E, D]`; a bias stays as it is."""
    return value.permute(2, 0, 1).contiguous() if value.dim() == 3 else value


def build(config: Mapping[str, Any], dims: Mapping[str, int], num_classes: int) -> CO2Net:
    """The model of a resolved run config; `dims` gives each stream's width.

    It joins two modalities: the last stream is one, all before it together are the other.
    """
    *first, last = config["streams"]
    if not first:
        raise WstalError(f"co2net joins two streams, the config names {config['streams']}")
    widths = sum(dims[name] for name in first), dims[last]
    model = CO2Net(num_classes, widths, **config["model"])
    model.attention_names = {"rgb": "+".join(first), "flow": last}
    return model


def loss(
    output: CO2Output, batch: Batch, config: Mapping[str, Any]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Weighted total and the unweighted terms; a term of weight 0 is not computed."""
    settings, labels, logits = config["loss"], batch.labels, output.logits
    weights = settings["weights"]
    attentions = torch.stack([output.attention, output.attention_rgb, output.attention_flow])
    suppressed = suppress(logits, output.attention, settings["suppression"])
    k = snippets_kept(logits.shape[1], settings["topk"])
    compute = {
        "mil_orig": lambda: mil_loss(logits, labels, k, background=1.0),
        "mil_supp": lambda: mil_loss(suppressed, labels, k, background=0.0),
        "coactivity": lambda: coactivity_loss(output.features, suppressed, labels, batch.pairs),
        "mutual": lambda: mutual_loss(*attentions[1:], settings["mutual"]),
        "norm": lambda: norm_loss(attentions, settings["norm"]),
        "guide": lambda: opposite_loss(attentions, logits),
    }
    terms = {name: compute[name]() for name, weight in weights.items() if weight}
    total = sum(weights[name] * term for name, term in terms.items())
    return total, terms
