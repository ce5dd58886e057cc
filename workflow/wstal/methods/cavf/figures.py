"""CAVF's figure 1 as a diagram, every number and choice read from the run's config."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from wstal.methods.cavf.loss import LossSettings
from wstal.methods.cavf.network import SLOPE, NetworkSettings, RunSettings
from wstal.plots.diagram import LINE, arrow, box, canvas
from wstal.plots.style import AUDIO, FUSED, GROUND_TRUTH, RGB

ROWS = {"audio": (31, AUDIO), "visual": (9, RGB)}  # height and colour of each modality
NORMALIZED = {
    "once": "embeddings l2-normalized once",
    "every": "inputs of each stage l2-normalized",
    "inside": "l2-normalized in Eq. 1 alone",
}
HEADS = {
    "openmax": ["open-max", "μ = σ(w x), p_ac = softmax(W x)", "p = [μ p_ac, 1 − μ]"],
    "softmax": ["softmax", "p = softmax(W x)", "μ = 1 − p(background)"],
}
TERMS = {"mil": "L_mil", "coactivity": "L_cas", "continuity": "L_cont", "pseudo": "L_pseu"}
STAGE = 32  # from one stage to the next


def architecture(run: RunSettings, loss: LossSettings) -> Figure:
    """Draw figure 1: from the features of both modalities to probabilities and losses."""
    model = run.model
    names = {
        "audio": [run.audio],
        "visual": [stream for stream in run.streams if stream != run.audio],
    }
    widths = {"audio": model.audio_width, "visual": model.visual_width}
    end = 48 + STAGE * model.stages
    figure, axes = canvas((1.5 + (end + 62) / 11, 4.4), (0, end + 62), (0, 48))
    ends = {}
    for modality, (row, colour) in ROWS.items():
        letter = modality[0] if modality == "visual" else "u"
        given = [" + ".join(names[modality]), f"{modality}: [T, d_{letter}]"]
        layer = ["fully connected", f"leaky ReLU {SLOPE:g}", f"X_{letter}: [T, {widths[modality]}]"]
        boxes = [
            box(axes, (1, row), (17, 8), given, colour),
            box(axes, (23, row), (18, 8), layer, colour),
        ]
        for number in range(1, model.stages + 1):
            sums = _sums(model, number, letter)
            at = 48 + STAGE * (number - 1)
            boxes.append(box(axes, (at, row), (26, 8), sums, colour))
            _skips(axes, boxes, model.skip, up=modality == "audio")
        for pair in zip(boxes, boxes[1:], strict=False):
            arrow(axes, *pair)
        ends[modality] = boxes[-1]
    for number in range(1, model.stages + 1):
        _correlation(axes, 48 + STAGE * (number - 1), number, model.attention_scale)
    if model.stages:
        axes.text(24, 24, NORMALIZED[model.normalize], fontsize=7, va="center")
    joined = box(axes, (end, 20), (18, 8), ["concatenate", f"dropout {model.dropout:g}"], FUSED)
    for last in ends.values():
        arrow(axes, last, joined)
    head = box(axes, (end + 23, 19), (26, 10), HEADS[model.classifier], FUSED)
    arrow(axes, joined, head)
    weights = vars(loss.weights)
    total = " + ".join(f"{weights[term]:g} {name}" for term, name in TERMS.items() if weights[term])
    details = f"τ = {loss.pseudo.threshold:g}, background as a target {loss.mil_background:g}"
    box(axes, (end + 10, 2), (50, 9), ["training", f"L = {total}", details], GROUND_TRUTH)
    axes.annotate("", (end + 36, 11), (end + 36, 19), arrowprops=LINE)
    return figure


def _sums(model: NetworkSettings, number: int, letter: str) -> list[str]:
    """Describe what a stage gives: Eq. 2 and 3."""
    first = {"none": number, "prev": number - 1, "dense": 0}[model.skip]
    added = [f"X_{letter}⁽{index}⁾" for index in range(first, number)]
    inside = " + ".join([*added, f"X_{letter}⁽{number - 1}⁾ A_{letter}"])
    return [f"stage {number}", f"tanh({inside})"]


def _correlation(axes: Axes, at: float, number: int, scale: float) -> None:
    factor = "" if scale == 1 else f"{scale:g} "
    lines = [f"Λ = {factor}X_uᵀ W⁽{number}⁾ X_v", "A_u, A_v: column softmax of Λ, Λᵀ"]
    patch = box(axes, (at, 21), (26, 6), lines, FUSED)
    middle = patch.get_x() + patch.get_width() / 2
    axes.annotate("", (middle, 31), (middle, 27), arrowprops=LINE)
    axes.annotate("", (middle, 17), (middle, 21), arrowprops=LINE)


def _skips(axes: Axes, boxes: list[FancyBboxPatch], skip: str, *, up: bool) -> None:
    """Draw the arcs from earlier outputs to the last box; the one before it has an arrow."""
    *earlier, last = boxes[1:]
    kept = {"none": [], "prev": earlier[-1:], "dense": earlier}[skip]
    edge = last.get_y() + (last.get_height() if up else 0)
    for patch in kept:
        start = patch.get_x() + patch.get_width() / 2
        bend = f"arc3,rad={-0.22 if up else 0.22}"
        end = last.get_x() + last.get_width() / 2
        axes.annotate("", (end, edge), (start, edge), arrowprops=LINE | {"connectionstyle": bend})
