"""A trained model applied to whole videos."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wstal.base.errors import WstalError
from wstal.datasets.annotations import data_digest
from wstal.features.pack import FeatureFile
from wstal.localize.scores import Scores, VideoScores
from wstal.methods.contract import apply, named_attentions
from wstal.train import checkpoint
from wstal.train.data import Standardization, of_video
from wstal.train.loop import evaluating


class Scorer:
    """Scores the videos of a feature file with a model, all snippets of a video at once.

    `upstream` are their scores under the run that the model builds on, if there is one.
    """

    def __init__(
        self,
        features: FeatureFile,
        ids: Iterable[str],
        streams: list[str],
        classes: list[str],
        standardization: Standardization,
        device: torch.device,
        upstream: Scores | None = None,
    ) -> None:
        self.upstream = upstream
        self.features, self.ids, self.streams = features, list(ids), streams
        self.classes, self.standardization, self.device = classes, standardization, device

    def __call__(
        self,
        model: nn.Module,
        iteration: int,
        track: Callable[[Iterable], Iterable] = iter,
        **provenance: object,
    ) -> Scores:
        """Scores of every video; the model is put back into the mode it was in."""
        with evaluating(model):
            videos = {video: self._score(model, video) for video in track(self.ids)}
        return Scores(
            classes=self.classes,
            videos=videos,
            activation=model.activation,
            iteration=iteration,
            t0=float(self.features.attrs["t0"]),
            step=float(self.features.attrs["step"]),
            provenance=provenance,
        )

    def digest(self) -> str:
        """What is scored: ids, features and upstream scores."""
        return data_digest(part for video in self.ids for part in self._parts(video))

    def _parts(self, video: str) -> list[str | np.ndarray]:
        rows = self.features.read(video, self.streams)
        given = self._given(video, len(rows))
        return [video, rows, *(part for name, a in given.items() for part in (name, a))]

    def _given(self, video: str, count: int) -> dict[str, np.ndarray]:
        return of_video(self.upstream, video, count) if self.upstream else {}

    def _score(self, model: nn.Module, video: str) -> VideoScores:
        x = torch.from_numpy(self.features.read(video, self.streams)).to(self.device)
        given = self._given(video, len(x))
        upstream = {name: torch.from_numpy(a).to(self.device) for name, a in given.items()}
        output = apply(model, self.standardization(x)[None], None, upstream)
        own = output.extra.get("video_score")
        names = getattr(model, "attention_names", {})  # where they are not those of the output
        score = video_score(output.cas[0], model.activation) if own is None else own[0]
        return VideoScores(
            cas=_array(output.cas),
            attention=_array(output.attention),
            video_score=score.float().cpu().numpy(),
            attentions={
                names.get(name, name): _array(a) for name, a in named_attentions(output).items()
            },
            extra={name: _array(output.extra[name]) for name in getattr(model, "stored", ())},
        )


def video_score(cas: Tensor, activation: str = "logits", divisor: int = 8) -> Tensor:
    """Class probabilities of a video `[C]` from its unsuppressed sequence `[T, C+1]`.

    Mean of the top ceil(T / 8) per class; for logits the softmax over C+1 follows. It is what
    the official CO2-Net code ranks videos by for its classification mAP.
    """
    k = -(-len(cas) // divisor)
    mean = cas.topk(k, dim=0).values.mean(0)
    return (mean.softmax(0) if activation == "logits" else mean)[:-1]


def _array(x: Tensor) -> np.ndarray:
    return x[0].float().cpu().numpy()


def load_model(content: dict[str, Any], device: torch.device) -> nn.Module:
    """The trained model of a checkpoint's content, in evaluation mode."""
    config = content["config"]
    method = importlib.import_module(f"wstal.methods.{config['method']}.network")
    model = method.build(config, content["dims"], len(content["classes"]))
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
    """Scores of the splits' videos under a checkpoint.

    `upstream` are their scores under the run that the config's `scores_from` names. Raises
    WstalError if the features have other widths than those it was trained on, and if it was
    trained on scores that are not given.
    """
    content = checkpoint.load(path)
    if (source := content["config"].get("scores_from")) and upstream is None:
        raise WstalError(f"{path} was trained on the scores of {source}: give those too")
    streams = list(content["config"]["streams"])
    widths = {name: features.dims.get(name) for name in streams}
    if widths != {name: content["dims"][name] for name in streams}:
        raise WstalError(
            f"{path} was trained on features of width {content['dims']}, {features.path} has "
            f"{widths}; score with the recipe the run was trained on"
        )
    ids = [video for split in splits for video in features.ids(split)]
    scorer = Scorer(
        features,
        ids,
        streams,
        content["classes"],
        Standardization(**content["standardization"]),
        device,
        upstream,
    )
    about = {key: content[key] for key in ("seed", "code", "config", "features", "versions")}
    return scorer(load_model(content, device), content["iteration"], track, **about)
