"""VGGish, the audio network of AudioSet.

Hershey et al., "CNN Architectures for Large-Scale Audio Classification", ICASSP 2017. Parameters
are named as in the public state dict of github.com/harritaylor/torchvggish.
"""

from __future__ import annotations

from torch import Tensor, nn

from wstal.errors import WstalError

EMBEDDING = 128
ACTIVATIONS = ("pre", "post")


class VGGish(nn.Module):
    """Log-mel examples `[B, 1, 96, 64]` -> embeddings `[B, 128]`.

    `width` scales the hidden layers; the embedding stays 128 wide. `activation="post"` ends in
    a ReLU, as torchvggish and AVE's public features do; `"pre"` leaves it out, as Google's
    released model does.
    """

    def __init__(self, width: float = 1.0, activation: str = "post") -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise WstalError(f"VGGish activation {activation!r} is not one of pre, post")
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
