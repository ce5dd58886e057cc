"""Ten-crop: the mean of a network's vectors over four corners, the centre and their mirrors."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from wstal.errors import WstalError


class TenCrop(nn.Module):
    """Whole pictures to vectors, by a network whose `features` takes `size` x `size`.

    In a mirrored flow the horizontal part has the other sign too.
    """

    def __init__(self, network: nn.Module, size: int) -> None:
        super().__init__()
        self.network, self.size = network, size
        self.takes_codes = getattr(network, "takes_codes", False)  # as `FastI3D`

    def crops(self, x: Tensor) -> Iterator[Tensor]:
        """Ten views `[B, C, T, size, size]` of `x [B, C, T, H, W]`; C is 3 (RGB) or 2 (flow).

        Corners from the upper left by rows, the centre (an odd margin leaves the larger part
        after), then the same mirrored. Raises WstalError if the pictures are smaller.
        """
        height, width = x.shape[3:]
        down, right = height - self.size, width - self.size
        if min(down, right) < 0:
            raise WstalError(
                f"crops of {self.size} px do not fit pictures of {width}x{height} px; choose a "
                "crop of at most the recipe's short_side"
            )
        corners = [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)]
        views = [x[..., t : t + self.size, s : s + self.size] for t, s in corners]
        yield from views
        sign = torch.ones(x.shape[1], device=x.device, dtype=x.dtype)
        if x.shape[1] == 2:
            sign[0] = -1
        for view in views:
            yield view.flip(4) * sign[:, None, None, None]

    def features(self, x: Tensor) -> Tensor:
        """`[B, C, T, H, W]` -> `[B, D]`."""
        return torch.stack([self.network.features(view) for view in self.crops(x)]).mean(0)
