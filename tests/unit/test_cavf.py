"""CAVF: shapes, modalities, freezing, padding, gradients, cost."""

import numpy as np
import pytest
import torch
from wstal.data.batch import Batch
from wstal.errors import WstalError
from wstal.models import cavf
from wstal.models.cavf import CAVF

MODEL = {"audio_width": 5, "visual_width": 6, "dropout": 0.0}
LOSS = {
    "weights": {"mil": 1.0, "coactivity": 0.8, "continuity": 0.8, "pseudo": 1.0},
    "topk": 8,
    "mil_background": 0.0,
    "continuity": {"neighbours": 4, "sigma": 1.0, "normalize": True},
    "pseudo": {"neighbours": 4, "threshold": 0.4},
}


def model(**changes):
    torch.manual_seed(0)
    return CAVF(3, (4, 7, 2), **{**MODEL, **changes}).double()


def features(batch=4, length=9):
    torch.manual_seed(1)
    return torch.randn(batch, length, 13, dtype=torch.float64)


def labels():
    return torch.tensor([[1, 0, 0], [1, 0, 0], [0, 1, 1], [0, 0, 0]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("changes", "width"),
    [
        ({}, 11), ({"stages": 0}, 11), ({"stages": 3, "skip": "none"}, 11),
        ({"classifier": "softmax"}, 11), ({"modality": "audio"}, 5), ({"modality": "visual"}, 6),
    ],
)  # fmt: skip
def test_every_snippet_has_probabilities_that_sum_to_one(changes, width):
    output = model(**changes)(features())
    assert output.cas.shape == (4, 9, 4) and output.features.shape == (4, 9, width)
    assert output.attention.shape == (4, 9) and output.extra["class_logits"].shape == (4, 9, 3)
    torch.testing.assert_close(output.cas.sum(-1), torch.ones(4, 9).double())
    torch.testing.assert_close(output.attention, 1 - output.cas[..., -1])


def test_without_a_stage_the_embeddings_are_concatenated():
    network, x = model(stages=0), features()
    slope = torch.nn.functional.leaky_relu
    parts = {"audio": x[..., :4], "visual": x[..., 4:]}
    embedded = [
        slope(parts[m] @ network.embeddings[m][0].weight.T + network.embeddings[m][0].bias, 0.01)
        for m in ("audio", "visual")
    ]
    torch.testing.assert_close(network(x).features, torch.cat(embedded, -1))


def test_the_audio_stream_may_stand_anywhere():
    config = {"streams": ["rgb", "audio", "flow"], "audio": "audio", "model": MODEL}
    dims = {"audio": 4, "rgb": 7, "flow": 2, "unused": 9}
    torch.manual_seed(0)
    network, x = cavf.build(config, dims, 3).double(), features()
    moved = torch.cat([x[..., 4:11], x[..., :4], x[..., 11:]], -1)
    torch.testing.assert_close(network(moved).cas, model()(x).cas)


def test_one_modality_does_not_see_the_other():
    x = features()
    other = x.clone()
    other[..., :4] = 0
    network = model(modality="visual")
    assert torch.equal(network(x).cas, network(other).cas)
    assert not torch.equal(model(modality="audio")(x).cas, model(modality="audio")(other).cas)


def test_streams_that_a_modality_needs_are_asked_for():
    config = {"streams": ["rgb", "flow"], "audio": "audio", "model": MODEL}
    dims = {"rgb": 4, "flow": 2}
    with pytest.raises(WstalError, match="cavf-visual_only"):
        cavf.build(config, dims, 3)
    visual = {**config, "model": {**MODEL, "modality": "visual"}}
    assert cavf.build(visual, dims, 3)(torch.randn(1, 5, 6)).cas.shape == (1, 5, 4)
    with pytest.raises(WstalError, match="beside audio"):
        CAVF(3, (4,))
    with pytest.raises(WstalError, match="not one of av"):
        CAVF(3, (4, 4), modality="both")
    with pytest.raises(WstalError, match="freeze_stages 3: there are 2"):
        CAVF(3, (4, 4), freeze_stages=3)


def test_frozen_stages_do_not_move():
    network = model(stages=3, freeze_stages=2)
    before = {name: value.clone() for name, value in network.named_parameters()}
    trained = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=0.1, weight_decay=0.1)
    for _ in range(3):
        total, _ = cavf.loss(network(features()), Batch(None, labels(), 1), {"loss": LOSS})
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    moved = {n for n, value in network.named_parameters() if not torch.equal(value, before[n])}
    assert moved == {
        "fusion.stages.2.weight", "classifier.classes.weight", "classifier.classes.bias",
        "classifier.foreground.weight", "classifier.foreground.bias",
    }  # fmt: skip


@pytest.mark.parametrize("skip", ["none", "prev", "dense"])
def test_padded_batches_score_and_learn_as_videos_alone(skip):
    network, x = model(skip=skip), features(2)
    mask = torch.ones(2, 9, dtype=torch.bool)
    mask[:, 6:] = False
    padded = x * mask[..., None]
    config = {"loss": LOSS}
    given = Batch(None, labels()[:2], 1)
    losses = []
    for sequence, keep in ((padded, mask), (x[:, :6], None)):
        network.zero_grad()
        output = network(sequence, **({} if keep is None else {"mask": keep}))
        total, terms = cavf.loss(output, given._replace(mask=keep), config)
        total.backward()
        gradients = [p.grad.clone() for p in network.parameters()]
        losses.append((output.cas[:, :6].detach(), total.detach(), gradients, terms))
    for ours, theirs in zip(losses[0][:2], losses[1][:2], strict=True):
        torch.testing.assert_close(ours, theirs)
    for ours, theirs in zip(losses[0][2], losses[1][2], strict=True):
        torch.testing.assert_close(ours, theirs)
    assert losses[0][3]["pseudo_active"] == losses[1][3]["pseudo_active"]


def test_loss_adds_up_and_leaves_out_what_has_no_weight():
    output = model()(features())
    total, terms = cavf.loss(output, Batch(None, labels(), 1), {"loss": LOSS})
    weighted = sum(weight * terms[name] for name, weight in LOSS["weights"].items())
    torch.testing.assert_close(total, weighted)
    assert 0 <= terms["pseudo_active"] <= 1
    alone = {**LOSS, "weights": dict.fromkeys(LOSS["weights"], 0) | {"mil": 1.0}}
    assert set(cavf.loss(output, Batch(None, labels(), 1), {"loss": alone})[1]) == {
        "mil", "pseudo_active",
    }  # fmt: skip


def test_background_is_a_target_of_videos_without_a_class():
    p = torch.tensor([[[0.5, 0.2, 0.3]], [[0.5, 0.2, 0.3]]], dtype=torch.float64)
    given = torch.tensor([[1.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
    found = cavf.classification_loss(p, given, LOSS)
    assert found.item() == pytest.approx(-(np.log(0.5) + np.log(0.3)) / 2, abs=1e-6)
    found = cavf.classification_loss(p, given, {**LOSS, "mil_background": 1.0})
    expected = -((np.log(0.5) + np.log(0.3)) / 2 + np.log(0.3)) / 2
    assert found.item() == pytest.approx(expected, abs=1e-6)


def test_video_probability_is_the_mean_of_its_strongest_eighth():
    p = torch.rand(1, 17, 3).softmax(-1).double()  # k = ceil(17 / 8) = 3
    found = cavf.classification_loss(p, torch.eye(2)[:1].double(), LOSS)
    strongest = p[0, :, 0].sort(descending=True).values[:3].mean()
    assert found.item() == pytest.approx(-np.log(strongest.item() + 1e-7), rel=1e-9)


def test_gradient_of_the_whole_is_that_of_finite_differences():
    network, x = model(), features(2, 5).requires_grad_()
    batch = Batch(None, labels()[:2], 1)
    assert torch.autograd.gradcheck(lambda x: cavf.loss(network(x), batch, {"loss": LOSS})[0], (x,))


def test_no_parameter_is_dead():
    network = model(stages=3)
    total, _ = cavf.loss(network(features()), Batch(None, labels(), 1), {"loss": LOSS})
    total.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
