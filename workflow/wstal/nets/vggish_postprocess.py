"""What AudioSet's published embeddings are made of VGGish's: principal components, 8 bits.

Gemmeke et al., "Audio Set", ICASSP 2017, and the released `vggish_postprocess.py`; the public
parameters are torchvggish's.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from wstal.errors import WstalError
from wstal.nets.plain_file import read_plain
from wstal.nets.vggish import EMBEDDING

POSTPROCESSES = ("none", "pca", "pca8")
BOUND, LEVELS = 2.0, 255  # of the quantised components


class Postprocess(nn.Module):
    """Embeddings `[B, 128]` to whitened principal components `[B, 128]`.

    `matrix [128, 128]` has a component in each row, `means [128]` are taken off first. With
    `quantize` they are cut at +-2 and mapped to the whole numbers 0 to 255, as floats.
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
    """The postprocess `kind` (pca, pca8) with the parameters of the public file at `path`.

    Raises WstalError for another file, or another kind.
    """
    if kind not in POSTPROCESSES[1:]:
        raise WstalError(f"VGGish postprocess {kind!r} is not one of {', '.join(POSTPROCESSES)}")
    parameters = read_plain(path)
    try:
        matrix = torch.as_tensor(parameters["pca_eigen_vectors"]).float()
        means = torch.as_tensor(parameters["pca_means"]).float().flatten()
    except (KeyError, TypeError, IndexError) as error:
        raise WstalError(f"{path} has not pca_eigen_vectors and pca_means") from error
    if matrix.shape != (EMBEDDING, EMBEDDING) or means.shape != (EMBEDDING,):
        raise WstalError(
            f"{path}: pca_eigen_vectors {list(matrix.shape)} and pca_means {list(means.shape)}; "
            f"expected [{EMBEDDING}, {EMBEDDING}] and [{EMBEDDING}]"
        )
    return Postprocess(matrix, means, kind == "pca8")
