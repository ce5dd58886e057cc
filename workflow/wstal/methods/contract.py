"""What a method is: what it takes from the training loop, and what it gives back.

A method is a folder of this room, `methods/{name}/`:

- `network.py` has the network, below its settings,
- `loss.py` has the training objective, below its settings, and ends with `TRAINING`, the method's
  `TrainingHalf`,
- `localize.py` leads from scores to proposals, below its settings, and ends with `LOCALIZATION`,
  the method's `LocalizationHalf`.

The halves are separate so that an edit of `localize.py` never trains a run again. The loop,
scoring, localization and `apply` know a method by its halves alone: whatever they need of it is a
member here, and a member that a method does not need has a default.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Protocol

from annotated_types import MinLen

from wstal.base.errors import WstalError
from wstal.base.settings import SettingsError, from_plain
from wstal.localize.scores import ACTIVATIONS, Activation

if TYPE_CHECKING:  # localization imports this module, and not every method's needs torch
    import numpy as np
    import pandas as pd
    from torch import Tensor, nn

    from wstal.localize.scores import Scores

NOTHING: Mapping[str, Tensor] = MappingProxyType({})


class Batch(NamedTuple):
    """One training batch: features and video-level labels; videos 2i and 2i+1 share a class.

    They do so for i < pairs. Padded snippets are zero.
    """

    features: Tensor  # [B, T, D]
    labels: Tensor  # [B, C], 0 or 1, without background
    pairs: int = 0
    mask: Tensor | None = None  # bool [B, T], true where a snippet is the video's own; None: all
    # What the run named by `scores_from` gives for these videos, by its names in the score file:
    # `cas*` and `attention*` [B, T, ...], `video_score*` [B, C]. Where the method's RunSettings
    # have `teachers`, runs to learn from: `cas_{run}` (probabilities), `attention_{run}`,
    # `video_score_{run}` of each, and their means without a name.
    upstream: Mapping[str, Tensor] = NOTHING
    progress: float = 0.0  # share of the training that is done, in [0, 1)


class Output(NamedTuple):
    """What a network returns: class activation sequence, attention and features of a batch.

    A method may have an output of its own, a NamedTuple with these four among its members.
    `extra` holds whatever else the loss or the score file takes, by name.
    """

    cas: Tensor  # [B, T, C+1], background last
    attention: Tensor  # [B, T]
    features: Tensor  # [B, T, D]
    extra: dict[str, Tensor] = {}


def as_float32(output: NamedTuple) -> NamedTuple:
    """Return the same output with every tensor, those in `extra` too, as float32."""
    fields = output._asdict()
    extra = {name: value.float() for name, value in fields.pop("extra").items()}
    return output._replace(**{n: v.float() for n, v in fields.items()}, extra=extra)


class TrainingVideos(Protocol):
    """The training videos of a run, as `prepare` sees them; the snippets of all in one table."""

    ids: Sequence[str]  # V videos
    rows: Tensor  # [N, D], features of all snippets, video after video
    offsets: np.ndarray  # int64 [V], each video's first row
    lengths: np.ndarray  # int64 [V], each video's number of rows
    labels: Tensor  # [V, C], 0 or 1
    upstream_rows: Mapping[str, Tensor]  # [N, ...], upstream scores over time, by name


# Keys of a run's config beside those of its RunSettings.
OTHER_SECTIONS = ("method", "loss", "data", "train", "localize")
Streams = Annotated[tuple[str, ...], MinLen(1)]


@dataclass(frozen=True)
class RunSettings:
    """The top level of a run's config; a method's own adds its `model` section to these keys."""

    # Streams of features.h5 that the run takes, in this order.
    streams: Streams = ("rgb", "flow")
    scores_from: str | None = None  # the run whose scores this one trains on and is scored with
    init_from: str | None = None  # the run whose weights this one starts from; null: drawn anew

    def __post_init__(self) -> None:
        if twice := [name for name in self.streams if self.streams.count(name) > 1]:
            raise SettingsError(f"streams names {twice[0]} twice; name each stream once")


def _no_preparation(model: nn.Module, videos: TrainingVideos, run: RunSettings) -> None:
    """The weights start as `build` draws them."""


def _any_length(length: int, loss: Any) -> None:
    """Every number of snippets will do."""


def _no_names(run: RunSettings) -> tuple[str, ...]:
    return ()


def _no_attentions(run: RunSettings) -> Mapping[str, str]:
    return {}


def _whole_videos(run: RunSettings) -> int | None:
    return None


@dataclass(frozen=True, kw_only=True)
class TrainingHalf:
    """How a method is trained and how its networks score videos.

    The members without a default are required. Every callable that takes a `run` is given the
    method's own RunSettings.
    """

    name: str  # of the method's folder
    run_settings: type[RunSettings]  # the method's own, with a `model` section
    loss_settings: type  # of the `loss` section
    # build(run, dims, num_classes): the untrained network. `dims` gives each stream's width.
    build: Callable[[Any, Mapping[str, int], int], nn.Module]
    # loss(output, batch, settings): the total loss and its terms by name, each a scalar.
    loss: Callable[[Any, Batch, Any], tuple[Tensor, dict[str, Tensor]]]

    # prepare(model, videos, run): called once before the first update, for weights that start
    # from the training features and for training data that the method cannot use.
    prepare: Callable[[Any, TrainingVideos, Any], None] = _no_preparation
    # Content of `cas`. A video's score is the softmax of logits, and probabilities as they are.
    activation: Activation = "logits"
    # The network's forward takes `mask`, bool [B, T]: it can be trained on whole videos, which are
    # padded to the longest of a batch (`data.length: null`).
    takes_mask: bool = False
    # The network's forward takes `upstream`: scores of the run that `scores_from` names.
    takes_upstream: bool = False
    # check_length(length, loss settings): raise SettingsError for a `data.length` that the method
    # cannot take.
    check_length: Callable[[int, Any], None] = _any_length
    # attentions(run): {name in the score file: name in the output} of the attentions [B, T] beside
    # the main one, fields of the output or entries of its `extra`. Training logs the means of all;
    # of the entry `{name}_undropped` where `extra` has it.
    attentions: Callable[[Any], Mapping[str, str]] = _no_attentions
    # The entry of `extra` with the probability of each class in the video, [B, C]. None: the
    # score is computed from `cas`, as the mean of the strongest eighth of the snippets.
    video_score: str | None = None
    # stored(run): entries of `extra` that the score file keeps under the same names. Entries
    # whose names start with `cas`, `attention` or `video_score` are what another run can take
    # as upstream scores.
    stored: Callable[[Any], tuple[str, ...]] = _no_names
    # from_published(content, run, num_classes): the network in a checkpoint of the paper's code, as
    # `build` makes it, for the variant `imported`; `content` is what the file holds. None: there
    # is no such code.
    from_published: Callable[[Any, Any, int], nn.Module] | None = None
    # snippets_scored(run): how many snippets the network reads of every video that it scores;
    # None: all that the video has.
    snippets_scored: Callable[[Any], int | None] = _whole_videos

    def __post_init__(self) -> None:
        where = f"methods/{self.name}/loss.py: TRAINING"
        _require_settings(self.run_settings, f"{where}.run_settings")
        if not issubclass(self.run_settings, RunSettings):
            raise WstalError(f"{where}.run_settings is not a subclass of contract.RunSettings")
        if "model" not in self.run_settings.__dataclass_fields__:
            raise WstalError(f"{where}.run_settings has no field `model`, the network's settings")
        _require_settings(self.loss_settings, f"{where}.loss_settings")
        functions = ("build", "loss", "prepare", "check_length", "attentions", "stored")
        _require_callables(self, (*functions, "snippets_scored"), where)
        if self.activation not in ACTIVATIONS:
            found = f"{where}.activation is {self.activation!r}"
            raise WstalError(f"{found}; it is one of {', '.join(ACTIVATIONS)}")

    def read_run(self, plain: Mapping[str, Any]) -> Any:
        """Build the method's RunSettings from a run's resolved config, a checked plain tree."""
        return from_plain(
            self.run_settings, {k: v for k, v in plain.items() if k not in OTHER_SECTIONS}
        )

    def check(
        self, run: RunSettings, length: int | None, loss: Any, seconds: float | None = None
    ) -> None:
        """Raise SettingsError for settings of a run that the method cannot take.

        `length` is `data.length`, `loss` the `loss` section. With `seconds`, `data.length_seconds`,
        the length follows from the features (`fitting_length`).
        """
        if run.scores_from and not self.takes_upstream:
            raise SettingsError(
                f"scores_from names {run.scores_from}, but {self.name} takes no scores of another "
                "run; remove it"
            )
        if seconds is not None:
            return
        if length is not None:
            self.check_length(length, loss)
        elif not self.takes_mask:
            raise SettingsError(
                f"data.length is null, but {self.name} takes a fixed number of snippets; give one"
            )

    def fitting_length(self, seconds: float, step: float, loss: Any) -> int:
        """Return the number of snippets, one in `step` seconds, that is nearest to `seconds`.

        At least 2, and one that the method takes. Raises SettingsError if it takes none of at most
        twice the number.
        """
        wanted = max(2, round(seconds / step))
        refused = SettingsError(f"data.length_seconds: {seconds:g} has no number of snippets")
        for length in sorted(range(2, 2 * wanted + 1), key=lambda n: (abs(n - wanted), n)):
            try:
                self.check_length(length, loss)
                return length
            except SettingsError as error:
                refused = error
        raise SettingsError(
            f"data.length_seconds: {seconds:g} s are {wanted} snippets of {step:g} s, which "
            f"{self.name} does not take ({refused}); give more seconds"
        )

    def forward(
        self,
        network: nn.Module,
        features: Tensor,
        mask: Tensor | None,
        upstream: Mapping[str, Tensor],
    ) -> NamedTuple:
        """Return the network's output; it gets a mask and upstream scores where it takes them.

        Features `[B, T, D]`. Raises WstalError naming the member that an output violates.
        """
        given = {"mask": mask} if self.takes_mask else {}
        given |= {"upstream": upstream} if self.takes_upstream else {}
        output = network(features, **given)
        self._check_output(output, features)
        return output

    def total_loss(
        self, output: NamedTuple, batch: Batch, settings: Any
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of a batch and its terms; WstalError if `loss` returns something else."""
        found = self.loss(output, batch, settings)
        if not (isinstance(found, tuple) and len(found) == 2 and isinstance(found[1], dict)):
            raise WstalError(
                f"methods/{self.name}/loss.py: TRAINING.loss returned {type(found).__name__}; it "
                "returns the total loss and a dictionary of its terms"
            )
        return found

    def value(self, output: NamedTuple, name: str, member: str) -> Tensor:
        """Return the field `name` of an output, or the entry of its `extra`.

        Raises WstalError naming the `member` of the contract that promises it.
        """
        fields = output._asdict()
        if name in fields:
            return fields[name]
        if name not in output.extra:
            raise WstalError(
                f"methods/{self.name}: TRAINING.{member} names {name}, but the output has "
                f"{', '.join(fields)} and its extra {', '.join(output.extra) or 'nothing'}"
            )
        return output.extra[name]

    def _check_output(self, output: Any, features: Tensor) -> None:
        for name, dimensions in (("cas", 3), ("attention", 2), ("features", 3)):
            value = getattr(output, name, None)
            shape = None if value is None else tuple(value.shape)
            if shape is None or len(shape) != dimensions or shape[:2] != features.shape[:2]:
                wanted = {2: "[B, T]", 3: "[B, T, ...]"}[dimensions]
                raise WstalError(
                    f"methods/{self.name}/network.py: the output's {name} has the shape {shape}; "
                    f"{wanted} is {tuple(features.shape[:2])} here"
                )


@dataclass(frozen=True, kw_only=True)
class LocalizationHalf:
    """How a method gets proposals from scores; every member is required."""

    name: str  # of the method's folder
    settings: type  # of the `localize` section
    # localize(scores, settings): detections of all videos, a frame with the columns video_id,
    # t_start, t_end (seconds), label, score.
    localize: Callable[[Scores, Any], pd.DataFrame]

    def __post_init__(self) -> None:
        where = f"methods/{self.name}/localize.py: LOCALIZATION"
        _require_settings(self.settings, f"{where}.settings")
        _require_callables(self, ("localize",), where)


def training_half(name: str) -> TrainingHalf:
    """Return how the method called `name` is trained; WstalError if it does not say."""
    return _half(name, "loss", "TRAINING", TrainingHalf)


def localization_half(name: str) -> LocalizationHalf:
    """Return how the method called `name` localizes; WstalError if it does not say."""
    return _half(name, "localize", "LOCALIZATION", LocalizationHalf)


def _half(name: str, part: str, member: str, kind: type) -> Any:
    module, path = f"{__package__}.{name}.{part}", f"methods/{name}/{part}.py"
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name not in (module, module.rpartition(".")[0]):
            raise
        raise WstalError(f"method {name!r}: {path} is missing") from error
    half = vars(found).get(member)
    if not isinstance(half, kind):
        raise WstalError(f"{path}: {member} is missing; add {member} = {kind.__name__}(...)")
    if half.name != name:
        raise WstalError(f"{path}: {member}.name is {half.name!r}; name it {name!r}, as its folder")
    return half


def _require_settings(kind: Any, where: str) -> None:
    if not (isinstance(kind, type) and is_dataclass(kind)):
        raise WstalError(f"{where} is {kind!r}; give it a frozen dataclass of settings")


def _require_callables(half: Any, names: Sequence[str], where: str) -> None:
    for name in names:
        if not callable(getattr(half, name)):
            raise WstalError(f"{where}.{name} is {getattr(half, name)!r}; give it a function")


def weighted_sum(
    weights: Mapping[str, float], terms: Mapping[str, Callable[[], Tensor]]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the weighted total and the unweighted terms; one of weight 0 is not computed.

    Terms are added in the order of their names, so that the total does not depend, in its last
    bits, on how a config was written.
    """
    computed = {name: terms[name]() for name, weight in sorted(weights.items()) if weight}
    return sum(weights[name] * term for name, term in computed.items()), computed
