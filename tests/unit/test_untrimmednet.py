"""UntrimmedNet's heads, trained and published."""

import copy

import numpy as np
import pytest
import torch
import yaml
from wstal.config.layers import resolve_run
from wstal.data.batch import Batch
from wstal.errors import WstalError
from wstal.models import untrimmednet
from wstal.models.untrimmednet import build, loss, prepare

DIMS = {"rgb": 5, "flow": 4}


@pytest.fixture(scope="module")
def model_yaml(project):
    return yaml.safe_load((project / "workflow/config/models/untrimmednet.yaml").read_text())


@pytest.fixture
def config(model_yaml):
    return resolve_run(model_yaml, "thumos14", None)


@pytest.fixture
def given(model_yaml):
    return resolve_run(model_yaml, "thumos14", None, "autoloc_unt")


def spread(model, scale=1.0):
    """Weights large enough that snippets differ."""
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(std=scale)
    return model.eval().double()


def test_published_settings(model_yaml, config):
    assert config["model"]["dropout"] == {"rgb": 0.8, "flow": 0.7}
    train = config["train"]
    assert (train["optimizer"], train["lr"], train["weight_decay"]) == ("adam", 1e-3, 5e-4)
    assert (train["epochs"], config["data"]["batch"]) == (60, 16)
    assert train["schedule"] == {"at": [pytest.approx(2 / 3, abs=1e-4)], "factor": 0.1}
    assert resolve_run(model_yaml, "activitynet12", None)["train"]["epochs"] == 20
    assert (config["loss"]["chunks"], config["data"]["length"]) == (7, 21)


def test_initial_weights(config):
    torch.manual_seed(0)
    model = build(config, {"rgb": 400, "flow": 400}, 20)
    for head in model.heads.values():
        assert head.action.weight.detach().std().item() == pytest.approx(1e-3, rel=0.1)
        assert head.attention.weight.detach().std().item() == pytest.approx(1e-3, rel=0.2)
        assert not head.action.bias.any() and not head.attention.bias.any()
    assert model.heads["rgb"].dropout.p == 0.8 and model.heads["flow"].dropout.p == 0.7


def test_scores_by_hand(config):
    torch.manual_seed(0)
    model = spread(build(config, DIMS, 3))
    x = torch.randn(1, 6, 9).double()
    out = model(x)
    parts = {"rgb": x[0, :, :5].numpy(), "flow": x[0, :, 5:].numpy()}
    scps, videos, attentions = [], [], []
    for stream, features in parts.items():
        head = model.heads[stream]
        weight, bias = (p.detach().numpy() for p in head.action.parameters())
        logits = features @ weight.T + bias
        a_weight, a_bias = (p.detach().numpy() for p in head.attention.parameters())
        attention = (features @ a_weight.T + a_bias)[:, 0]
        scp = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        weights = np.exp(attention / 3) / np.exp(attention / 3).sum()
        video = np.exp(weights @ logits) / np.exp(weights @ logits).sum()
        np.testing.assert_allclose(out.extra[f"cas_{stream}"][0].detach(), scp, atol=1e-12)
        np.testing.assert_allclose(
            out.extra[f"attention_{stream}"][0].detach(), attention, atol=1e-12
        )
        np.testing.assert_allclose(
            out.extra[f"video_score_{stream}"][0].detach(), video, atol=1e-12
        )
        scps.append(scp), videos.append(video), attentions.append(attention)
    np.testing.assert_allclose(out.cas[0, :, :3].detach(), np.mean(scps, 0), atol=1e-12)
    assert not out.cas[..., 3].any()  # no background
    np.testing.assert_allclose(out.attention[0].detach(), np.mean(attentions, 0), atol=1e-12)
    np.testing.assert_allclose(out.extra["video_score"][0].detach(), np.mean(videos, 0), atol=1e-12)
    assert model.stored == ("cas_rgb", "video_score_rgb", "cas_flow", "video_score_flow")


def test_streams_learn_apart(config):
    """A stream alone has the loss and gradient that it has beside the other."""
    torch.manual_seed(0)
    both = spread(build(config, DIMS, 3), 0.5)
    alone = build({**config, "streams": ["flow"]}, DIMS, 3).eval().double()
    alone.load_state_dict({k: v for k, v in both.state_dict().items() if "flow" in k})
    x, labels = torch.randn(4, 21, 9).double(), torch.eye(4, 3).double()
    labels[3, :2] = 1
    total, terms = loss(both(x), Batch(x, labels), config)
    one, own = loss(alone(x[..., 5:]), Batch(x[..., 5:], labels), config)
    assert list(terms) == ["mil_rgb", "mil_flow"]
    assert total.item() == pytest.approx(sum(t.item() for t in terms.values()))
    assert one.item() == own["mil_flow"].item() == pytest.approx(terms["mil_flow"].item())
    total.backward()
    one.backward()
    for a, b in zip(both.heads["flow"].parameters(), alone.heads["flow"].parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)


def test_dropout_is_shared_by_both_heads(config):
    head = untrimmednet.StreamHead(300, 1, 0.8).train()
    with torch.no_grad():
        head.action.weight.copy_(head.attention.weight)
    out = head(torch.rand(2, 3, 300))
    assert torch.equal(out.logits[..., 0], out.attention)


def test_configurations_that_cannot_be(config):
    short = copy.deepcopy(config)
    short["data"]["length"] = 20
    with pytest.raises(WstalError, match="21"):
        build(short, DIMS, 3)
    short["data"]["length"] = None
    with pytest.raises(WstalError, match=r"data\.length"):
        build(short, DIMS, 3)
    with pytest.raises(WstalError, match="audio"):
        build({**config, "streams": ["rgb", "audio"]}, {**DIMS, "audio": 2}, 3)


def published(classes=3, rows=21, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(2, rows, classes)) * 4
    scp = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    attention = rng.normal(size=(2, rows, 1)) * 5
    return logits, scp, attention, torch.from_numpy(np.concatenate([*scp, *attention], 1))[None]


def widths(classes):
    return {"rgb_scp": classes, "flow_scp": classes, "rgb_attention": 1, "flow_attention": 1}


def test_published_outputs_pass_through(given):
    """The video's score is that of the logits, which are not published."""
    logits, scp, attention, x = published()
    model = build(given, widths(3), 3)
    assert not list(model.parameters())
    out = model(x)
    for i, stream in enumerate(("rgb", "flow")):
        np.testing.assert_allclose(out.extra[f"cas_{stream}"][0], scp[i], atol=1e-12)
        np.testing.assert_array_equal(out.extra[f"attention_{stream}"][0], attention[i, :, 0])
        weights = np.exp(attention[i, :, 0] / 3) / np.exp(attention[i, :, 0] / 3).sum()
        video = np.exp(weights @ logits[i])
        np.testing.assert_allclose(
            out.extra[f"video_score_{stream}"][0], video / video.sum(), atol=1e-12
        )
    assert model.stored == ("cas_rgb", "video_score_rgb", "cas_flow", "video_score_flow")


def test_columns_are_those_of_the_detection_classes(given, reference, project):
    """20 places among 101, in the order of detclasslist.txt, which is that of our classes."""
    columns = given["model"]["columns"]
    assert len(set(columns)) == 20 and columns == sorted(columns) and columns[-1] <= 101
    (path,) = (reference / "data/annotations").rglob("detclasslist.txt")
    lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
    facts = yaml.safe_load((project / "workflow/reference/datasets/thumos14.yaml").read_text())
    assert [name for _, name in lines] == facts["classes"]


def test_classes_are_picked_after_the_softmax(given):
    """101 columns: the 20 of the data, without making them sum to 1 again."""
    _, scp, _, x = published(classes=101)
    out = build(given, widths(101), 20)(x)
    picked = scp[0][:, np.array(given["model"]["columns"]) - 1]
    np.testing.assert_allclose(out.extra["cas_rgb"][0], picked, atol=1e-12)
    assert float(out.extra["cas_rgb"][0].sum(1).max()) < 1
    assert out.cas.shape == (1, 21, 21) and out.extra["video_score"].shape == (1, 20)


def test_published_columns_that_fit_no_class_are_refused(given):
    with pytest.raises(WstalError, match=r"\[4\] columns, the data 3"):
        build(given, widths(4), 3)
    with pytest.raises(WstalError, match="x_attention"):
        build({**given, "streams": ["rgb_scp"]}, widths(3), 3)


def test_a_probability_of_zero_stays_finite(given):
    *_, x = published()
    x = x.float()
    x[0, :, 0] = 0
    out = build(given, widths(3), 3)(x)
    assert all(torch.isfinite(value).all() for value in out.extra.values())
    assert not out.extra["cas_rgb"][0, :, 0].any()


def test_published_heads_have_a_loss_and_nothing_to_move(given):
    *_, x = published()
    labels = torch.tensor([[1.0, 0.0, 0.0]]).double()
    total, terms = loss(build(given, widths(3), 3)(x), Batch(x, labels), given)
    total.backward()
    assert total.item() == pytest.approx(sum(t.item() for t in terms.values()))


class Videos:
    """The parts of a TrainingSet that `prepare` reads."""

    def __init__(self, labels):
        *_, x = published(rows=30, seed=2)
        self.rows, self.ids = x[0].float(), ["a", "b", "c"]
        self.offsets, self.lengths = np.array([0, 10, 20]), np.array([10, 10, 10])
        self.labels = torch.tensor(labels)


def test_published_heads_of_other_classes_are_refused(given):
    model = build(given, widths(3), 3)
    data = Videos([[1.0, 1, 1]] * 3)
    prepare(model, data, given)
    best = [
        model(data.rows[None, i : i + 10]).extra["video_score"][0].argmax() for i in (0, 10, 20)
    ]
    wrong = torch.nn.functional.one_hot((torch.stack(best) + 1) % 3, 3)
    with pytest.raises(WstalError, match="right for 0 of 3"):
        prepare(model, Videos(wrong.tolist()), given)
