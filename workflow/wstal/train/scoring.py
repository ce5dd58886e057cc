"""A trained network applied to whole videos, and what it costs per snippet."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from wstal.base.errors import WstalError
from wstal.datasets.annotations import data_digest
from wstal.features.pack import FeatureFile
from wstal.localize.scores import Activation, Scores, VideoScores
from wstal.train import checkpoint
from wstal.train.data import Standardization, upstream_of_video
from wstal.train.loop import RunConfig, evaluating, run_config


class Scorer:
    """Scores the videos of a feature file with a run's network, all snippets of a video at once.

    `upstream` are their scores under the run that `scores_from` names, if it names one.
    """

    def __init__(
        self,
        config: RunConfig,
        features: FeatureFile,
        ids: Iterable[str],
        classes: list[str],
        standardization: Standardization,
        device: torch.device,
        upstream: Scores | None = None,
    ) -> None:
        self.method, self.run, self.upstream = config.method, config.run, upstream
        self.features, self.ids, self.streams = features, list(ids), list(config.run.streams)
        self.classes, self.standardization, self.device = classes, standardization, device

    def __call__(
        self,
        model: nn.Module,
        iteration: int,
        track: Callable[[Iterable], Iterable] = iter,
        **provenance: object,
    ) -> Scores:
        """Return the scores of every video; put the network back into the mode it was in."""
        with evaluating(model):
            videos = {video: self._score(model, video) for video in track(self.ids)}
        return Scores(
            classes=self.classes,
            videos=videos,
            activation=self.method.activation,
            iteration=iteration,
            t0=float(self.features.attrs["t0"]),
            step=float(self.features.attrs["step"]),
            provenance=provenance,
        )

    def digest(self) -> str:
        """Return a digest of what is scored: ids, features and upstream scores."""
        return data_digest(part for video in self.ids for part in self._parts(video))

    def _parts(self, video: str) -> list[str | np.ndarray]:
        rows = self.features.read(video, self.streams)
        given = self._given(video, len(rows))
        return [video, rows, *(part for name, a in given.items() for part in (name, a))]

    def _given(self, video: str, count: int) -> dict[str, np.ndarray]:
        return upstream_of_video(self.upstream, video, count) if self.upstream else {}

    def _score(self, model: nn.Module, video: str) -> VideoScores:
        x = torch.from_numpy(self.features.read(video, self.streams)).to(self.device)
        given = self._given(video, len(x))
        upstream = {name: torch.from_numpy(a).to(self.device) for name, a in given.items()}
        method, run = self.method, self.run
        output = method.forward(model, self.standardization(x)[None], None, upstream)
        if method.video_score is None:
            score = video_score(output.cas[0], method.activation)
        else:
            score = method.value(output, method.video_score, "video_score")[0]
        attentions = {
            name: method.value(output, field, "attentions")
            for name, field in method.attentions(run).items()
        }
        stored = {name: method.value(output, name, "stored") for name in method.stored(run)}
        return VideoScores(
            cas=_array(output.cas),
            attention=_array(output.attention),
            video_score=score.float().cpu().numpy(),
            attentions={name: _array(value) for name, value in attentions.items()},
            extra={name: _array(value) for name, value in stored.items()},
            step=self.features.step_of(video),
        )


def video_score(cas: Tensor, activation: Activation, divisor: int = 8) -> Tensor:
    """Return the class probabilities of a video `[C]` from its unsuppressed sequence `[T, C+1]`.

    Mean of the top ceil(T / 8) per class; for logits the softmax over C+1 follows. It is what
    the official CO2-Net code ranks videos by for its classification mAP.
    """
    k = -(-len(cas) // divisor)
    mean = cas.topk(k, dim=0).values.mean(0)
    return (mean.softmax(0) if activation == "logits" else mean)[:-1]


def _array(x: Tensor) -> np.ndarray:
    return x[0].float().cpu().numpy()


def load_network(content: Mapping[str, Any], config: RunConfig, device: torch.device) -> nn.Module:
    """Return the trained network of a checkpoint's content, in evaluation mode."""
    model = config.method.build(config.run, content["dims"], len(content["classes"]))
    model.load_state_dict(content["model"])
    return model.to(device).eval()


def score_checkpoint(
    path: str | Path,
    features: FeatureFile,
    splits: Iterable[str],
    device: torch.device,
    track: Callable[[Iterable], Iterable] = iter,
    upstream: Scores | None = None,
) -> Scores:
    """Return the scores of the splits' videos under a checkpoint.

    `upstream` are their scores under the run that the config's `scores_from` names. Raises
    WstalError if the features have other widths than those it was trained on, and if it was
    trained on scores that are not given.
    """
    content = checkpoint.load(path)
    config = run_config(content["config"])
    if config.run.scores_from and upstream is None:
        raise WstalError(f"{path} was trained on the scores of {config.run.scores_from}; give them")
    streams = config.run.streams
    widths = {name: features.dims.get(name) for name in streams}
    if widths != {name: content["dims"][name] for name in streams}:
        raise WstalError(
            f"{path} was trained on features of width {content['dims']}, {features.path} has "
            f"{widths}; score with the recipe the run was trained on"
        )
    ids = [video for split in splits for video in features.ids(split)]
    standardization = Standardization(**content["standardization"])
    scorer = Scorer(config, features, ids, content["classes"], standardization, device, upstream)
    named = ("seed", "code", "config", "features", "versions", "imported")
    about = {key: content[key] for key in named if key in content}
    return scorer(load_network(content, config, device), content["iteration"], track, **about)


LAYERS = ("linear", "conv")  # operators with weights; the others multiply activations


class Macs(NamedTuple):
    """Multiply-accumulates per snippet, additions of biases left out."""

    layers: float  # of products with weights, as papers print them
    total: float  # with products between snippets, which grow with a video's length


def count_macs(model: nn.Module, dim: int, length: int) -> Macs:
    """Count one video of `length` snippets of width `dim` through the network, per snippet.

    The network is left in double precision and in evaluation mode, where it takes routes that the
    counter can follow, with the same products.
    """
    from fvcore.nn import FlopCountAnalysis  # of the extra `backbones`

    logging.getLogger("fvcore.nn.jit_analysis").setLevel(logging.ERROR)  # element-wise operators
    counted = FlopCountAnalysis(model.double().eval(), torch.zeros(1, length, dim).double())
    operators = counted.by_operator()  # fvcore's "flop" is one multiply-accumulate
    weights = sum(operators[name] for name in LAYERS)
    return Macs(weights / length, sum(operators.values()) / length)
