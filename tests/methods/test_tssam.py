"""TS-SAM's network against loops over its definition; every run of its YAML."""

from __future__ import annotations

import csv
import re
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from wstal.base.errors import WstalError
from wstal.base.settings import from_plain
from wstal.config.layers import merged
from wstal.layers.sampling import at_snippets, uniform_snippets
from wstal.localize.segments import ThresholdSettings
from wstal.methods.contract import Batch
from wstal.methods.tssam import TSSAM
from wstal.methods.tssam.localize import LocalizeSettings, localize
from wstal.methods.tssam.loss import LossSettings, WeightSettings, loss
from wstal.methods.tssam.network import (
    NetworkSettings,
    TopkSettings,
    class_centroids,
)
from wstal.train.data import TrainingSet
from wstal.train.loop import Trainer, run_config
from wstal.train.scoring import Scorer

CLASSES, DIM = 3, 6
SIGMA = TopkSettings(fg=8, ct=2, bg=3)
WHOLE = NetworkSettings(test_length=None)


def network(**settings):
    torch.manual_seed(0)
    own = replace(WHOLE, topk=SIGMA, block_std=0.5, **settings)
    model = TSSAM(CLASSES, DIM, own).double()
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
        k = max(len(x) // asdict(SIGMA)[name], 1)
        logits = []
        for c in range(CLASSES + 1):
            logits.append(
                sum(sorted((a[t, b] * p[t, c] for t in range(len(x))), reverse=True)[:k]) / k
            )
        strongest.append(softmax(logits))
    return x, p, a, np.array(pooled), np.array(strongest)


@pytest.mark.parametrize("branches", ["both", "attention", "mil"])
@pytest.mark.parametrize(
    "settings", [{}, {"attention": "sigmoid", "own_classifier": True}, {"block": "plain"}]
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
            "branches": {"both": [pooled, strongest]}.get(branches, [expected]),
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
    model, x = TSSAM(CLASSES, 256, WHOLE).eval(), torch.randn(1, 30, 256)
    assert (model(x).features - x).norm() / x.norm() < 0.05
    plain = TSSAM(CLASSES, 256, replace(WHOLE, block="plain", block_std=None)).eval()(x).features
    assert (plain - x).norm() / x.norm() > 0.5


def test_classifiers_are_two_or_one():
    two = replace(WHOLE, own_classifier=True)
    names = {name for name, _ in TSSAM(CLASSES, DIM, two).named_parameters()}
    assert {"classifier.weight", "pooled_classifier.weight", "dictionary"} <= names
    for one in ({"own_classifier": False}, {"branches": "attention"}, {"branches": "mil"}):
        model = TSSAM(CLASSES, DIM, replace(two, **one))
        assert model.pooled_classifier is model.classifier


def test_every_branch_learns_from_its_own_terms():
    """Of single-branch models every weight but the dictionary has a gradient."""
    x, labels = features().float(), torch.tensor([[1.0, 0, 0], [0, 1, 1]])
    for branches in ("both", "attention", "mil"):
        model = TSSAM(CLASSES, DIM, replace(WHOLE, branches=branches))
        settings = LossSettings(weights=WeightSettings(gui=0, smt=0))
        total, terms = loss(model(x), Batch(x, labels), settings)
        total.backward()
        without = {name for name, p in model.named_parameters() if p.grad is None}
        assert without == {"dictionary"} and set(terms) == {"fg", "ct", "bg"}


def test_a_branch_that_is_right_takes_the_gradient_of_the_other_in_the_fused_loss():
    """With the attention branch at 0.99, a MIL branch at chance gets 1 / (1 + 0.99 / chance)."""
    labels = torch.tensor([[1.0] + [0.0] * 19])
    gradients = {}
    for fusion in ("mean", "each"):
        logits = torch.zeros(1, 3, 21, dtype=torch.float64, requires_grad=True)
        mil = logits.softmax(-1)
        attention = torch.full((1, 3, 21), 0.01 / 20, dtype=torch.float64)
        attention[..., 0] = 0.99
        branches = torch.stack([attention, mil], 1)
        output = network()(features())._replace(
            probabilities=branches.sum(1) / 2, branches=branches
        )
        weights = WeightSettings(ct=0, bg=0, gui=0, smt=0)
        settings = LossSettings(weights=weights, fusion=fusion)
        loss(output, Batch(features(), labels), settings)[0].backward()
        gradients[fusion] = logits.grad[0, 0, 0].item()
    assert gradients["each"] == pytest.approx(-(1 - 1 / 21) / 2, rel=1e-4)
    assert gradients["mean"] / gradients["each"] == pytest.approx(2 / (1 + 0.99 * 21), rel=1e-4)


def test_the_loss_of_each_branch_is_the_mean_of_the_branches_losses():
    _, terms, output = losses(0.5, fusion="each")
    y = output.branches.detach().numpy()
    expected = [-np.log(y[0, n, 0, 0]) - np.log(y[1, n, 0, [1, 2]]).mean() for n in range(2)]
    assert terms["fg"].item() == pytest.approx(np.mean(expected) / 2, rel=1e-6)


def test_raw_targets_count_every_class_of_a_video_fully():
    _, unit, output = losses(0.5)
    _, raw, _ = losses(0.5, targets="raw")
    y = -np.log(output.probabilities.detach().numpy() + 1e-8)
    assert raw["fg"].item() == pytest.approx((y[0, 0, 0] + y[1, 0, [1, 2]].sum()) / 2)
    assert raw["bg"].item() == pytest.approx(unit["bg"].item())


def test_snippet_dropout_takes_whole_snippets_from_the_mil_branch_alone():
    torch.manual_seed(0)
    model = network(snippet_dropout=0.5).train()
    model.dropout.p = model.block.dropout.p = 0
    output = model(features(length=40))
    bias = model.classifier.bias
    gone = (output.cas == bias).all(-1)
    assert 0.3 < gone.double().mean() < 0.7 and ((output.cas == bias).any(-1) == gone).all()
    assert torch.equal(output.attention, network()(features(length=40)).attention)
    kept, whole = output.cas[~gone] - bias, network()(features(length=40)).cas[~gone] - bias
    assert torch.allclose(kept, 2 * whole)


def test_acmnets_block_has_no_dropout():
    torch.manual_seed(0)
    for block, equal in (("plain", True), ("residual", False)):
        model, x = network(block=block), features()
        assert torch.equal(model.train()(x).features, model.eval()(x).features) is equal


def losses(progress, **changes):
    weights = WeightSettings(fg=1.0, ct=0.1, bg=0.2, gui=0.3, smt=0.5)
    model, x = network(), features()
    labels = torch.tensor([[1, 0, 0], [0, 1, 1]], dtype=torch.float64)
    batch = Batch(x, labels, progress=progress)
    output = model(x)
    return *loss(output, batch, LossSettings(weights=weights, **changes)), output


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
    model = network(test_length=38, short_videos="repeat")
    torch.nn.init.zeros_(model.block.conv.weight)  # no neighbours: doubling changes nothing
    assert torch.allclose(model(x).cas, model.read(x).cas)
    assert model(x).attention.shape == (2, 19)
    once = network(test_length=38)
    for name in ("cas", "attention", "probabilities"):  # the convolution sees each once
        assert torch.equal(getattr(once(x), name), getattr(once.read(x), name))
    assert not torch.allclose(once(x).cas, network(test_length=38, short_videos="repeat")(x).cas)
    short = network(test_length=7)
    assert short(x).cas.shape == (2, 19, CLASSES + 1)
    assert torch.allclose(
        short(x).probabilities, short.read(x[:, torch.arange(7) * 19 // 7]).probabilities
    )
    training = network(test_length=7).train()
    assert training(x).features.shape == x.shape


CPU = torch.device("cpu")
VARIANTS = [
    None, "fg", "fg_bg", "fg_bg_ct", "fg_bg_ct_gui", "attention_only", "mil_only",
    "own_classifier", "branch_losses", "sigmoid_attention", "plain_block", "snippet_dropout",
    "repeat_short", "raw_targets", "gui_sum", "gui_logit", "gui_detached", "dict_uniform",
    "no_warmup", "outer_fixed", "centred", "both_sequences", "logit_sequence", "as_written", "audio",
]  # fmt: skip
CUT = {
    "data": {"length": 12, "batch": 6},
    "train": {"epochs": 6, "score_interval": 2, "log_interval": 1, "lr": 1e-3},
}


SWEPT = re.compile("(alpha|beta|lambda)_[0-9]+")  # one loss's weight: trained like the others


def run_name(variant):
    return f"tssam-{variant}" if variant else "tssam"


def small_run(catalog, features, variant=None, seed=0, **changes):
    file, annotations = features
    plain = merged(catalog.run_config("demo", run_name(variant)), CUT, changes)
    config = run_config(plain | {"streams": ["rgb", "flow"]})  # the small set has no sound
    data = TrainingSet(file, annotations, config.run.streams, config.data, CPU)
    return Trainer(config, data, file.dims, seed, CPU)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_trains_scores_and_localizes(variant, catalog, features):
    trainer = small_run(catalog, features, variant)
    before = [p.clone() for p in trainer.model.parameters()]
    for _ in range(4):
        trainer.step()  # raises if the loss is not finite
    after = list(trainer.model.parameters())
    assert any((a != b).any() for a, b in zip(before, after, strict=True))
    file, annotations = features
    data = trainer.data
    ids = file.ids("test")
    classes, standardization = annotations.classes, data.standardization
    scorer = Scorer(trainer.config, file, ids, classes, standardization, CPU)
    scores = scorer(trainer.model, trainer.iteration)
    for values in scores.videos.values():
        assert set(values.attentions) == {"ct", "bg"}
        assert ((values.video_score > 0) & (values.video_score < 1)).all()
        assert values.video_score.sum() < 1  # the background has its share
    plain = catalog.run_config("demo", run_name(variant))["localize"]
    settings = from_plain(LocalizeSettings, plain)
    low = replace(settings, thresholds=ThresholdSettings(0.05, 0.3, 6))
    assert set(localize(scores, low)["video_id"]) == set(ids)


def test_equal_seeds_train_to_equal_weights(catalog, features):
    runs = [small_run(catalog, features, seed=seed) for seed in (0, 0, 1)]
    weights = []
    for trainer in runs:
        torch.manual_seed(trainer.generator.integers(2**31))  # torch's state is the process's
        for _ in range(5):
            trainer.step()
        weights.append(torch.cat([p.flatten() for p in trainer.model.parameters()]))
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_the_dictionary_starts_where_the_config_says(catalog, features):
    trainer = small_run(catalog, features)
    rows, labels = trainer.data.rows, trainer.data.labels
    dictionary = trainer.model.dictionary
    assert torch.allclose(dictionary[-1], rows.mean(0), atol=1e-6)
    ends = trainer.data.offsets + trainer.data.lengths
    spans = list(zip(trainer.data.offsets, ends, strict=True))
    own = [rows[a:b].mean(0) for (a, b), label in zip(spans, labels, strict=True) if label[1]]
    assert torch.allclose(dictionary[1], torch.stack(own).mean(0), atol=1e-6)
    uniform = small_run(catalog, features, "dict_uniform").model.dictionary
    assert 0 <= uniform.min() < 0.1 and 0.9 < uniform.max() <= 1


def test_training_tells_the_classes_of_the_small_set_apart(catalog, features):
    trainer = small_run(catalog, features, train={"epochs": 60, "lr": 1e-2})
    for _ in range(trainer.iterations):
        trainer.step()
    assert trainer.log[-1]["fg"] < 0.5 * trainer.log[0]["fg"]
    assert {"fg", "ct", "bg", "gui", "smt", "mean_attention_ct"} <= set(trainer.log[-1])


def test_whole_videos_in_training_are_refused(catalog):
    config = merged(catalog.run_config("demo", "tssam"), {"data": {"length": None}})
    with pytest.raises(WstalError, match="data.length is null, .* give one"):
        run_config(config)


def test_the_list_above_is_complete_and_no_variant_is_the_method_itself(catalog):
    variants = set(catalog.methods["tssam"]["variants"])
    assert {name for name in variants if not SWEPT.match(name)} == set(VARIANTS) - {None}
    for dataset in catalog.datasets:
        method = catalog.run_config(dataset, "tssam")
        for variant in variants:
            assert catalog.run_config(dataset, f"tssam-{variant}") != method


def test_settings_of_the_paper(catalog):
    thumos, anet = (catalog.run_config(d, "tssam") for d in ("thumos14", "activitynet13"))
    for config, length in ((thumos, 750), (anet, 75)):
        assert config["data"]["length"] == config["model"]["test_length"] == length
        assert config["train"] | {"lr": 1e-4, "epochs": 100} == config["train"]
        assert config["model"]["topk"] == {"fg": 8, "ct": 2, "bg": 2}
        weights = {"fg": 1.0, "ct": 0.1, "bg": 0.1, "gui": 2e-3, "smt": 5e-2}
        assert config["loss"]["weights"] == weights
        assert config["localize"]["nms"] | {"kind": "hard", "iou": 0.5} == config["localize"]["nms"]
    assert (thumos["train"]["weight_decay"], anet["train"]["weight_decay"]) == (5e-5, 1e-3)
    assert (thumos["data"]["batch"], anet["data"]["batch"]) == (16, 32)
    # 0.1 : 0.025 : 0.9 and 0.005 : 0.005 : 0.025
    assert thumos["localize"]["thresholds"] == {"start": 0.1, "stop": 0.9, "num": 33}
    assert anet["localize"]["thresholds"] == {"start": 0.005, "stop": 0.025, "num": 5}
    assert catalog.paper_protocol("thumos14", "tssam")["name"] == "th14_210"


SWITCHES = {  # a row's words in row_configs.csv: what they set
    "loss.fg=on": ("loss", "weights", "fg", 1.0), "loss.bg=on": ("loss", "weights", "bg", 0.1),
    "loss.ct=on": ("loss", "weights", "ct", 0.1), "loss.gui=on": ("loss", "weights", "gui", 2e-3),
    "loss.smt=on": ("loss", "weights", "smt", 5e-2), "loss.bg=off": ("loss", "weights", "bg", 0),
    "loss.ct=off": ("loss", "weights", "ct", 0), "loss.gui=off": ("loss", "weights", "gui", 0),
    "loss.smt=off": ("loss", "weights", "smt", 0), "branches=att+mil": ("model", "branches", "both"),
    "branches=att": ("model", "branches", "attention"), "branches=mil": ("model", "branches", "mil"),
    "localise_on=a_fg": ("localize", "sequence", "attention"),
    "localise_on=z_fg": ("localize", "sequence", "class"),
}  # fmt: skip


@pytest.mark.parametrize("number", range(1, 7))
def test_every_row_of_the_papers_tables_is_a_run_with_its_switches(number, project, catalog):
    table = catalog.tables[f"tssam_table{number}"]
    folder = project / "workflow/reference/paper_tables"
    with (folder / table["paper"]).open() as file:
        own = {r["variant"] for r in csv.DictReader(file) if not r["group"].startswith("quoted")}
    rows = {row["variant"]: row for row in table["rows"]}
    assert set(rows) == own
    with (folder / "row_configs.csv").open() as file:
        listed = [
            r for r in csv.DictReader(file) if (r["method"], r["table"]) == ("tssam", str(number))
        ]
    assert {r["variant"] for r in listed} == own
    for listing in listed:
        row = rows[listing["variant"]]
        assert (
            row["dataset"]
            == {"THUMOS14": "thumos14", "ActivityNet1.3": "activitynet13"}[listing["dataset"]]
        )
        config = catalog.run_config(row["dataset"], row["run"])
        weights = config["loss"]["weights"]
        for word in listing["config_switches"].split(";"):
            if word == "all losses":
                assert all(weights.values())
            elif word == "loss=fg,bg,ct":
                assert {name for name, weight in weights.items() if weight} == {"fg", "bg", "ct"}
            else:
                *path, value = SWITCHES[word]
                found = config
                for key in path:
                    found = found[key]
                assert found == value, word


def test_uniform_snippets_skip_or_repeat():
    assert uniform_snippets(10, 4).tolist() == [0, 2, 5, 7]
    assert uniform_snippets(3, 7).tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert uniform_snippets(5, 5).tolist() == [0, 1, 2, 3, 4]


def test_repeated_snippets_get_the_mean_of_their_samples():
    sampled = torch.tensor([[1.0, 2, 3, 10, 20, 5, 7]])
    assert at_snippets(sampled, uniform_snippets(3, 7), 3).tolist() == [[2.0, 15.0, 6.0]]


def test_snippets_passed_over_lie_between_their_neighbours():
    index = torch.tensor([0, 2, 5, 7])
    sampled = torch.tensor([[[0.0], [4.0], [1.0], [9.0]]])
    found = at_snippets(sampled, index, 10)[0, :, 0]
    expected = [0, 2, 4, 3, 2, 1, 5, 9, 9, 9]
    assert torch.allclose(found, torch.tensor(expected, dtype=found.dtype))


def test_what_sums_to_one_still_does():
    torch.manual_seed(0)
    for count in (4, 9, 30):
        sampled = torch.rand(2, count, 3).softmax(-1)
        back = at_snippets(sampled, uniform_snippets(11, count), 11)
        assert back.shape == (2, 11, 3) and torch.allclose(back.sum(-1), torch.ones(2, 11))


def test_a_class_is_the_mean_of_its_videos_means():
    rows = torch.tensor([[1.0], [3.0], [10.0], [10.0], [10.0], [7.0]])
    labels = torch.tensor([[1.0, 0, 0], [1.0, 1.0, 0], [0, 1.0, 0]])
    found = class_centroids(rows, np.array([2, 3, 1]), labels)
    everything = 41 / 6
    expected = [(2 + 10) / 2, (10 + 7) / 2, everything, everything]  # the third has no video
    assert torch.allclose(found[:, 0], torch.tensor(expected))


def test_a_loop_over_random_videos_agrees():
    rng = np.random.default_rng(0)
    lengths, labels = rng.integers(1, 9, 12), rng.integers(0, 2, (12, 4))
    videos = [rng.normal(size=(n, 5)) for n in lengths]
    rows = torch.from_numpy(np.concatenate(videos))
    found = class_centroids(rows, lengths, torch.from_numpy(labels).double())
    for c in range(4):
        own = [video.mean(0) for video, label in zip(videos, labels, strict=True) if label[c]]
        np.testing.assert_allclose(found[c], np.mean(own, 0))
    np.testing.assert_allclose(found[4], rows.mean(0))
