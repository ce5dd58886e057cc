"""A training objective as a weighted sum of named terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor


def weighted_sum(
    weights: Mapping[str, float], terms: Mapping[str, Callable[[], Tensor]]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the weighted total and the unweighted terms; one of weight 0 is not computed.

    Terms are added in the order of their names, so that the total does not depend, in its last
    bits, on how a config was written.
    """
    computed = {name: terms[name]() for name, weight in sorted(weights.items()) if weight}
    return sum(weights[name] * term for name, term in computed.items()), computed
