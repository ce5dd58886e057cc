"""CO2-Net: cross-modal consensus network (Hong et al., ACM MM 2021).

Appearance and motion filter each other's features before attention and classification; six
losses train it from video-level labels. The official code (commit e879687) is matched to the last
digits of its outputs, losses and proposals.

    from wstal.methods.co2net import CO2Net
    network = CO2Net.from_official(torch.load(path, weights_only=True), num_classes=20)
"""

from typing import Any


def __getattr__(name: str) -> Any:
    """Import the network on first use: the package itself imports no torch."""
    if name == "CO2Net":
        from wstal.methods.co2net.network import CO2Net

        return CO2Net
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
