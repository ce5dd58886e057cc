"""VGGish, the audio network of AudioSet, and the postprocess of AudioSet's published embeddings.

Hershey et al., "CNN Architectures for Large-Scale Audio Classification", ICASSP 2017. Parameters
have the names of the public state dict of github.com/harritaylor/torchvggish. The postprocess
(principal components, 8 bits) is that of Gemmeke et al., "Audio Set", ICASSP 2017, and of the
released `vggish_postprocess.py`; its public parameters are torchvggish's.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from wstal.base.errors import WstalError
from wstal.base.torch_files import read_plain
from wstal.networks.weights import load_state, read_state, seeded

EMBEDDING = 128
ACTIVATIONS = ("pre", "post")
POSTPROCESSES = ("none", "pca", "pca8")
BOUND, LEVELS = 2.0, 255  # of the quantised components


class VGGish(nn.Module):
    """Log-mel examples `[B, 1, 96, 64]` -> embeddings `[B, 128]`.

    `width` scales the hidden layers; the embedding stays 128 wide. `activation="post"` ends in
    a ReLU, as torchvggish and AVE's public features do; `"pre"` leaves it out, as Google's
    released model does. Raises WstalError for another activation.
    """

    def __init__(self, width: float = 1.0, activation: str = "post") -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            choices = ", ".join(ACTIVATIONS)
            raise WstalError(f"VGGish activation {activation!r} is not one of {choices}")
        plan = [64, None, 128, None, 256, 256, None, 512, 512, None]
        layers: list[nn.Module] = []
        channels = 1
        for entry in plan:
            if entry is None:
                layers.append(nn.MaxPool2d(2))
                continue
            outputs = max(1, round(entry * width))
            layers += [nn.Conv2d(channels, outputs, 3, padding=1), nn.ReLU(inplace=True)]
            channels = outputs
        self.activation = activation
        self.features = nn.Sequential(*layers)
        hidden = max(1, round(4096 * width))
        self.embeddings = nn.Sequential(
            nn.Linear(channels * 6 * 4, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, EMBEDDING),
        )

    def forward(self, examples: Tensor) -> Tensor:
        """`[B, 1, 96, 64]` -> `[B, 128]`."""
        maps = self.features(examples)
        # The public weights were trained in TensorFlow, which flattens time, band, channel.
        embedding = self.embeddings(maps.permute(0, 2, 3, 1).flatten(1))
        return embedding.relu() if self.activation == "post" else embedding


def load_vggish(path: str | Path, width: float = 1.0, activation: str = "post") -> VGGish:
    """Return VGGish in evaluation mode with the weights at `path`.

    Raises WstalError as `read_state` and `load_state`.
    """
    network = VGGish(width, activation)
    load_state(network, read_state(path), path)
    return network.eval()


def untrained_vggish(width: float = 1.0, activation: str = "post") -> VGGish:
    """Return VGGish with seeded random weights: for wiring tests, never for results."""
    return seeded(lambda: VGGish(width, activation))


class Postprocess(nn.Module):
    """Embeddings `[B, 128]` -> whitened principal components `[B, 128]`.

    `means [128]` are subtracted first; each row of `matrix [128, 128]` is a component. With
    `quantize`, components are clipped to +-2 and mapped to the whole numbers 0 to 255, as floats.
    """

    matrix: Tensor
    means: Tensor

    def __init__(self, matrix: Tensor, means: Tensor, quantize: bool) -> None:
        super().__init__()
        self.register_buffer("matrix", matrix)
        self.register_buffer("means", means)
        self.quantize = quantize

    def forward(self, embeddings: Tensor) -> Tensor:
        components = (embeddings - self.means) @ self.matrix.T
        if not self.quantize:
            return components
        return ((components.clamp(-BOUND, BOUND) + BOUND) * (LEVELS / (2 * BOUND))).round()


def load_postprocess(path: str | Path, kind: str) -> Postprocess:
    """Return the postprocess `kind` (pca, or pca8 with 8 bits) with the parameters at `path`.

    Raises WstalError for another file than the public one, and for another kind.
    """
    if kind not in POSTPROCESSES[1:]:
        raise WstalError(f"VGGish postprocess {kind!r} is not one of {', '.join(POSTPROCESSES)}")
    parameters = read_plain(path)
    try:
        matrix = torch.as_tensor(parameters["pca_eigen_vectors"]).float()
        means = torch.as_tensor(parameters["pca_means"]).float().flatten()
    except (KeyError, TypeError, IndexError) as error:
        raise WstalError(f"{path} has no pca_eigen_vectors or no pca_means") from error
    if matrix.shape != (EMBEDDING, EMBEDDING) or means.shape != (EMBEDDING,):
        raise WstalError(
            f"{path}: pca_eigen_vectors {list(matrix.shape)} and pca_means {list(means.shape)}; "
            f"expected [{EMBEDDING}, {EMBEDDING}] and [{EMBEDDING}]"
        )
    return Postprocess(matrix, means, kind == "pca8")
