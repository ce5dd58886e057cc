"""ACN against loops over its definition; no public code exists."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from acn_cases import acn_config, kept_by_hand, proposals_by_hand, random_batch, video_of
from wstal.errors import WstalError
from wstal.models import acn
from wstal.models.acn import ACN, RegressionNetwork, dilation_of, margin_of, trained_classes
from wstal.models.output import apply

ANCHORS = (1, 2, 4)


@pytest.fixture(scope="module")
def config(project):
    return acn_config(project)


@pytest.fixture
def model():
    torch.manual_seed(0)
    found = ACN("rgb", 3, 5, anchors=ANCHORS, width=4)
    for network in found.networks:  # start away from the anchors
        torch.nn.init.normal_(network.layers[-1].weight)
        torch.nn.init.normal_(network.layers[-1].bias)
    return found.double()


def run(model, batch):
    return apply(model, batch.features, batch.mask, batch.upstream)


def test_receptive_fields_of_the_paper():
    fields = {}
    for rule in ("inserted", "rate"):
        for anchor in (1, 2, 4, 8, 16, 32, 512):
            network = RegressionNetwork(2, 2, anchor, dilation_of(anchor, rule))
            fields[rule, anchor] = network.receptive_field
    assert [fields["inserted", p] for p in (1, 2, 4, 8, 16, 32, 512)] == [5, 5, 9, 13, 21, 37, 517]
    for p in (4, 8, 16, 32, 512):
        assert fields["inserted", p] == (p // 4 + p // 4 + 2) * 2 + 1  # as printed
        assert fields["rate", p] == p + 1


@pytest.mark.parametrize("anchor", [1, 4, 8])
def test_a_shift_depends_on_its_receptive_field_alone(anchor):
    torch.manual_seed(0)
    network = RegressionNetwork(3, 8, anchor, dilation_of(anchor, "inserted"))
    x = torch.rand(1, 41, 3, requires_grad=True)
    network(x)[0, 20, 0].backward()
    touched = x.grad[0].abs().sum(-1).nonzero().flatten()
    assert touched.max() - touched.min() + 1 == network.receptive_field


def test_switches():
    assert [dilation_of(p, "rate") for p in (1, 4, 8)] == [1, 1, 2]
    assert [margin_of(p, "at_least_one") for p in (1, 2, 4, 8)] == [1, 1, 1, 2]
    assert [margin_of(p, "quarter") for p in (1, 2, 4, 8)] == [0.25, 0.5, 1, 2]
    with pytest.raises(WstalError, match="dilation_rule 'none' is not one of inserted, rate"):
        dilation_of(4, "none")
    with pytest.raises(WstalError, match="inflation 'none' is not one of at_least_one, quarter"):
        margin_of(4, "none")


def test_training_starts_at_the_anchors():
    torch.manual_seed(0)
    x = torch.rand(1, 60, 64)
    for anchor in (1, 32):
        shifts = RegressionNetwork(64, 256, anchor, 1)(x)
        assert shifts.abs().max() < 0.1 * anchor


def test_shifts_stay_within_half_an_anchor(model):
    for network in model.networks:
        torch.nn.init.normal_(network.layers[-1].weight, std=100)
    shifts = run(model, random_batch()).extra["shifts"]
    half = torch.tensor(ANCHORS)[:, None, None] / 2
    assert (shifts.abs() <= half).all() and shifts.abs().max() > 1


def test_a_padded_batch_equals_its_videos(model, config):
    batch = random_batch((12, 9, 4, 2))
    output = run(model, batch)
    losses = []
    for index in range(4):
        one = video_of(batch, index)
        alone, length = run(model, one), one.features.shape[1]
        for name in ("shifts", "coherence"):
            found = output.extra[name][index : index + 1, :, :length]
            torch.testing.assert_close(found, alone.extra[name], rtol=0, atol=1e-7)
        losses.append(acn.loss(alone, one, config)[0].item())
    total = acn.loss(output, batch, config)[0].item()
    assert total == pytest.approx(np.mean(losses), abs=1e-7)


@pytest.mark.parametrize("alpha", [0.6, 0, 1])
def test_loss_by_hand(model, config, alpha):
    config = {**config, "loss": {**config["loss"], "alpha": alpha}}
    batch = random_batch()
    batch.upstream["cas_rgb"][0, :, 2] = 0.01  # a labelled class without a strong snippet
    output = run(model, batch)
    total, terms = acn.loss(output, batch, config)
    per_video, contrast = [], []
    for index in range(2):
        one = video_of(batch, index)
        shifts = output.extra["shifts"][index].detach().numpy()
        values = []
        for label in one.labels[0].nonzero().flatten().tolist():
            scores = one.upstream["cas_rgb"][0, :, label].numpy()
            found = proposals_by_hand(one.features[0].numpy(), scores, shifts, ANCHORS, alpha)
            kept = kept_by_hand(found, scores >= 0.1)
            if kept:
                values.append(np.mean([found[n][-1] for n in kept]))
                contrast.append(np.mean([found[n][2] for n in kept]))
        per_video.append(np.mean(values))
    assert total.item() == pytest.approx(np.mean(per_video), abs=1e-6)
    assert terms["contrast"].item() == pytest.approx(np.mean(contrast), abs=1e-6)
    assert terms["proposals"].item() > 0


def test_gradients_of_the_networks_against_finite_differences(model, config):
    batch = random_batch()

    def total():
        return acn.loss(run(model, batch), batch, config)[0]

    total().backward()
    moved = 0
    for weight in model.parameters():
        at = weight.grad.abs().flatten().argmax()
        flat, step = weight.data.view(-1), 1e-6
        flat[at] += step
        above = total().item()
        flat[at] -= 2 * step
        below = total().item()
        flat[at] += step
        slope = (above - below) / (2 * step)
        assert slope == pytest.approx(weight.grad.flatten()[at].item(), abs=1e-6)
        moved += int(slope != 0)
    assert moved > len(list(model.parameters())) / 2


def test_descending_the_loss_finds_the_action(config):
    """A video whose only action spans 10.5 anchors' starts: boundaries move towards it."""
    torch.manual_seed(0)
    count, start, stop = 40, 12, 23
    features = torch.rand(1, count, 6) * 0.1
    features[0, start:stop, :3] += 1
    scores = torch.full((1, count, 2), 0.05)
    scores[0, start:stop, 0] = 0.9
    upstream = {"cas_rgb": scores, "attention_rgb": torch.zeros(1, count)}
    upstream["video_score"] = torch.tensor([[0.9, 0.1]])
    batch = SimpleNamespace(features=features, labels=torch.tensor([[1.0, 0.0]]), mask=None)
    model = ACN("rgb", 2, 6, anchors=(8,), width=16)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    values = []
    for _ in range(150):
        total, _ = acn.loss(model(features, upstream=upstream), batch, config)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        values.append(total.item())
    assert values[-1] < values[0] - 0.1


def test_nothing_to_keep_costs_nothing(model, config):
    batch = random_batch()
    batch.upstream["cas_rgb"].zero_()
    total, terms = acn.loss(run(model, batch), batch, config)
    total.backward()
    assert total.item() == terms["proposals"].item() == 0
    assert all(weight.grad.isfinite().all() for weight in model.parameters())
    unlabelled = batch._replace(labels=torch.zeros(2, 3))
    assert acn.loss(run(model, unlabelled), unlabelled, config)[0].item() == 0


def test_a_video_of_one_snippet(model, config):
    batch = random_batch((1,))
    total, _ = acn.loss(run(model, batch), batch, config)
    assert total.item() == 0
    assert (run(model, batch).extra["coherence"] == 1).all()


def test_classes_trained_on():
    scores = torch.tensor([[0.9, 0.05, 0.3], [0.05, 0.9, 0.02]])
    labels = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]])
    found = trained_classes(scores, labels, 0.1)
    assert found.tolist() == [[True, False, False], [True, False, True]]


def test_quantiles_are_those_of_the_training_snippets():
    model = ACN("flow", 2, 3, anchors=(1,))
    values = torch.randn(1001)
    acn.prepare(model, SimpleNamespace(upstream_rows={"attention_flow": values}), {})
    expected = np.quantile(values.numpy(), np.linspace(0, 1, 101))
    np.testing.assert_allclose(model.training_quantiles, expected, atol=1e-6)
    assert "training_quantiles" in model.state_dict()
    with pytest.raises(WstalError, match="no attention_flow upstream"):
        acn.prepare(model, SimpleNamespace(upstream_rows={}), {})


def test_the_output_is_what_upstream_says(model):
    batch = random_batch()
    output = run(model, batch)
    assert torch.equal(output.cas[..., :3], batch.upstream["cas_rgb"])
    assert (output.cas[..., 3] == 0).all()
    assert torch.equal(output.attention, batch.upstream["attention_rgb"])
    assert set(model.stored) <= set(output.extra)
    with_background = {**batch.upstream, "cas_rgb": torch.rand(2, 12, 4)}
    again = apply(model, batch.features, batch.mask, with_background)
    assert torch.equal(again.cas, with_background["cas_rgb"])


def test_what_it_lacks_is_named(model, config):
    with pytest.raises(WstalError, match="acn on rgb finds no cas_rgb, .* set scores_from"):
        model(torch.rand(1, 4, 5))
    both = {**config, "streams": ["rgb", "flow"]}
    with pytest.raises(WstalError, match="acn trains one stream, the config names 2"):
        acn.build(both, {"rgb": 5, "flow": 5}, 3)


def test_build_reads_the_config(config):
    model = acn.build(config, {"rgb": 7, "flow": 5}, 3)
    assert model.anchors.tolist() == [1, 2, 4]
    assert model.networks[0].layers[0].weight.shape == (3, 4, 7)
