"""TS-SAM's network against loops over videos, attentions, classes and snippets."""

import numpy as np
import pytest
import torch
from wstal.data.batch import Batch
from wstal.errors import WstalError
from wstal.models import tssam
from wstal.models.tssam import TSSAM

CLASSES, DIM = 3, 6
SIGMA = {"fg": 8, "ct": 2, "bg": 3}


def network(**settings):
    torch.manual_seed(0)
    model = TSSAM(CLASSES, DIM, topk=SIGMA, block_std=0.5, **settings).double()
    for name in ("attend", "classifier", "pooled_classifier"):
        torch.nn.init.normal_(getattr(model, name).bias)
    return model.eval()


def features(videos=2, length=19, seed=1):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(videos, length, DIM)))


def softmax(row):
    e = [np.exp(v - max(row)) for v in row]
    return np.array([v / sum(e) for v in e])


def dense(layer, row):
    """A kernel-1 layer at one snippet, output by output."""
    weight, bias = layer.weight[0].detach().numpy(), layer.bias.detach().numpy()
    return np.array(
        [
            sum(w * v for w, v in zip(ws, row, strict=True)) + b
            for ws, b in zip(weight, bias, strict=True)
        ]
    )


def block_by_hand(model, video):
    taps, bias = model.block.conv.weight.detach().numpy(), model.block.conv.bias.detach().numpy()
    out = []
    for t in range(len(video)):
        y = bias.copy()
        for tap in range(3):
            if 0 <= t + tap - 1 < len(video):
                y = y + taps[tap] @ video[t + tap - 1]
        out.append(np.maximum(y, 0) + (video[t] if model.block.residual else 0))
    return np.array(out)


def by_hand(model, video):
    """x, p, attentions [T, 3] and per attention the two branches' probabilities of one video."""
    x = block_by_hand(model, video)
    raw = [dense(model.attend, row) for row in x]
    sigmoid = model.normalization == "sigmoid"
    a = np.array([1 / (1 + np.exp(-r)) if sigmoid else softmax(r) for r in raw])
    p = np.array([dense(model.classifier, row) for row in x])
    pooled, strongest = [], []
    for b, name in enumerate(("fg", "ct", "bg")):
        total = sum(a[t, b] for t in range(len(x)))
        mean = sum(a[t, b] * x[t] for t in range(len(x))) / total
        pooled.append(softmax(dense(model.pooled_classifier, mean)))
        k = max(len(x) // SIGMA[name], 1)
        logits = []
        for c in range(CLASSES + 1):
            logits.append(
                sum(sorted((a[t, b] * p[t, c] for t in range(len(x))), reverse=True)[:k]) / k
            )
        strongest.append(softmax(logits))
    return x, p, a, np.array(pooled), np.array(strongest)


@pytest.mark.parametrize("branches", ["both", "attention", "mil"])
@pytest.mark.parametrize(
    "settings", [{}, {"attention": "sigmoid", "own_classifier": False}, {"block": "plain"}]
)
@pytest.mark.parametrize("length", [19, 5])  # 5: the top-k of foreground is one snippet
def test_outputs_are_those_of_the_loops(branches, settings, length):
    model, x = network(branches=branches, **settings), features(length=length)
    output = model(x)
    for i, video in enumerate(x.numpy()):
        hidden, p, a, pooled, strongest = by_hand(model, video)
        expected = {"both": (pooled + strongest) / 2, "attention": pooled, "mil": strongest}[
            branches
        ]
        found = {
            "features": hidden, "cas": p, "attention": a[:, 0], "attention_ct": a[:, 1],
            "attention_bg": a[:, 2], "probabilities": expected,
        }  # fmt: skip
        for name, value in found.items():
            np.testing.assert_allclose(getattr(output, name)[i].detach(), value, atol=1e-12)
        np.testing.assert_allclose(output.extra["video_score"][i].detach(), expected[0, :CLASSES])


def test_the_three_attentions_share_what_there_is():
    output = network()(features())
    total = output.attention + output.attention_ct + output.attention_bg
    assert torch.allclose(total, torch.ones_like(total))
    assert torch.allclose(output.probabilities.sum(-1), torch.ones(2, 3, dtype=torch.float64))


def test_features_start_near_the_raw_ones():
    torch.manual_seed(0)
    model, x = TSSAM(CLASSES, 256).eval(), torch.randn(1, 30, 256)
    assert (model(x).features - x).norm() / x.norm() < 0.05
    plain = TSSAM(CLASSES, 256, block="plain", block_std=None).eval()(x).features
    assert (plain - x).norm() / x.norm() > 0.5


def test_classifiers_are_two_or_one():
    names = {name for name, _ in TSSAM(CLASSES, DIM).named_parameters()}
    assert {"classifier.weight", "pooled_classifier.weight", "dictionary"} <= names
    for one in ({"own_classifier": False}, {"branches": "attention"}, {"branches": "mil"}):
        model = TSSAM(CLASSES, DIM, **one)
        assert model.pooled_classifier is model.classifier


def test_every_branch_learns_from_its_own_terms():
    """Of single-branch models every weight but the dictionary has a gradient."""
    x, labels = features().float(), torch.tensor([[1.0, 0, 0], [0, 1, 1]])
    for branches in ("both", "attention", "mil"):
        model = TSSAM(CLASSES, DIM, branches=branches)
        config = {"loss": {"weights": {"fg": 1, "ct": 0.1, "bg": 0.1, "gui": 0, "smt": 0}}}
        total, terms = tssam.loss(model(x), Batch(x, labels), config)
        total.backward()
        without = {name for name, p in model.named_parameters() if p.grad is None}
        assert without == {"dictionary"} and set(terms) == {"fg", "ct", "bg"}


SETTINGS = {
    "gui_bg": "probability",
    "gui_reduction": "mean",
    "gui_detach": False,
    "smt_warmup": 0.1,
}


def losses(progress, **changes):
    weights = {"fg": 1.0, "ct": 0.1, "bg": 0.2, "gui": 0.3, "smt": 0.5}
    model, x = network(), features()
    labels = torch.tensor([[1, 0, 0], [0, 1, 1]], dtype=torch.float64)
    batch = Batch(x, labels, progress=progress)
    config = {"loss": {"weights": weights, **SETTINGS, **changes}}
    output = model(x)
    return *tssam.loss(output, batch, config), output


def test_the_terms_by_hand():
    _, terms, output = losses(0.5)
    y, a = output.probabilities.detach().numpy(), output.attention.detach().numpy()
    expected = {"fg": 0.0, "ct": 0.0, "bg": 0.0, "gui": 0.0, "smt": 0.0}
    actions = [[0], [1, 2]]
    for i in range(2):
        background = CLASSES
        targets = {"fg": actions[i], "ct": [*actions[i], background], "bg": [background]}
        for b, (name, classes) in enumerate(targets.items()):
            for c in classes:
                expected[name] -= np.log(y[i, b, c] + 1e-8) / len(classes) / 2
        for t in range(19):
            p = output.cas[i, t].detach().numpy()
            z = softmax(a[i, t] * p)
            expected["gui"] += abs(1 - a[i, t] - z[background]) / 38
            entry = output.dictionary[int(np.argmax(p))].detach().numpy()
            expected["smt"] += (
                np.sqrt(((output.features[i, t].detach().numpy() - entry) ** 2).sum()) / 38
            )
    for name, value in expected.items():
        assert terms[name].item() == pytest.approx(value, rel=1e-9), name


def test_the_total_is_weighted_and_the_dictionary_warms_up():
    for progress, factor in ((0.0, 0.0), (0.025, 0.25), (0.1, 1.0), (0.7, 1.0)):
        total, terms, _ = losses(progress)
        weights = {"fg": 1.0, "ct": 0.1, "bg": 0.2, "gui": 0.3, "smt": 0.5 * factor}
        assert total.item() == pytest.approx(sum(weights[n] * terms[n].item() for n in weights))
    at_once = losses(0.0, smt_warmup=0.0)[0]
    assert at_once.item() == pytest.approx(losses(0.5)[0].item())


def test_the_readings_of_the_guide_loss_reach_it():
    _, mean, _ = losses(0.5)
    assert losses(0.5, gui_reduction="sum")[1]["gui"].item() == pytest.approx(
        19 * mean["gui"].item()
    )
    assert losses(0.5, gui_bg="logit")[1]["gui"].item() != pytest.approx(mean["gui"].item())


def test_read_at_a_fixed_length_the_grid_is_the_snippets_own():
    """19 snippets read at 19, and each read exactly twice apart from the convolution."""
    x = features()
    for name, value in network()(x)._asdict().items():
        if name != "extra":
            assert torch.allclose(value, getattr(network(test_length=19)(x), name))
    model = network(test_length=38)
    torch.nn.init.zeros_(model.block.conv.weight)  # no neighbours: doubling changes nothing
    assert torch.allclose(model(x).cas, model.read(x).cas)
    assert model(x).attention.shape == (2, 19)
    short = network(test_length=7)
    assert short(x).cas.shape == (2, 19, CLASSES + 1)
    assert torch.allclose(
        short(x).probabilities, short.read(x[:, torch.arange(7) * 19 // 7]).probabilities
    )
    training = network(test_length=7).train()
    assert training(x).features.shape == x.shape


@pytest.mark.parametrize("key", ["branches", "block", "attention", "dict_init"])
def test_unknown_readings_are_refused(key):
    with pytest.raises(WstalError, match="'other' is not one of"):
        TSSAM(CLASSES, DIM, **{key: "other"})
