"""ACN against loops over its definition (no public code exists), and every run of its YAML.

ACN learns from video-level labels: no annotated time, nor a statistic of it, reaches training.
AutoLoc's released THUMOS14 config weighs anchors by the lengths of annotated instances of the
training videos. ACN does not mention it, and it is temporal supervision.
"""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from acn_cases import (
    acn_config,
    kept_by_hand,
    proposals_by_hand,
    random_batch,
    small_acn_set,
    video_of,
)
from method_configs import method_yaml, resolved
from wstal.base.code_digest import import_closure
from wstal.base.errors import WstalError
from wstal.base.settings import from_plain
from wstal.config.layers import merged
from wstal.datasets.annotations import (
    Annotations,
    read_annotations,
    training_view,
    write_annotations,
)
from wstal.methods.acn import ACN
from wstal.methods.acn.localize import LocalizeSettings, localize
from wstal.methods.acn.loss import TRAINING, LossSettings, loss, trained_classes
from wstal.methods.acn.network import (
    STORED,
    NetworkSettings,
    RegressionNetwork,
    RunSettings,
    build,
    dilation_of,
    margin_of,
    prepare,
)
from wstal.train.checkpoint import load
from wstal.train.data import TrainingSet
from wstal.train.loop import Trainer, TrainSettings, learning_rate, run_config
from wstal.train.run import RunFiles, train_run
from wstal.train.scoring import Scorer

ANCHORS = (1, 2, 4)
SETTINGS = LossSettings(discard_rule="location")  # what `kept_by_hand` does


@pytest.fixture
def model():
    torch.manual_seed(0)
    found = ACN("rgb", 3, 5, NetworkSettings(anchors=ANCHORS, width=4))
    for network in found.networks:  # start away from the anchors
        torch.nn.init.normal_(network.layers[-1].weight)
        torch.nn.init.normal_(network.layers[-1].bias)
    return found.double()


def run(model, batch):
    return TRAINING.forward(model, batch.features, batch.mask, batch.upstream)


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


def test_a_padded_batch_equals_its_videos(model):
    batch = random_batch((12, 9, 4, 2))
    output = run(model, batch)
    losses = []
    for index in range(4):
        one = video_of(batch, index)
        alone, length = run(model, one), one.features.shape[1]
        for name in ("shifts", "coherence"):
            found = output.extra[name][index : index + 1, :, :length]
            torch.testing.assert_close(found, alone.extra[name], rtol=0, atol=1e-7)
        losses.append(loss(alone, one, SETTINGS)[0].item())
    total = loss(output, batch, SETTINGS)[0].item()
    assert total == pytest.approx(np.mean(losses), abs=1e-7)


@pytest.mark.parametrize("alpha", [0.6, 0, 1])
def test_loss_by_hand(model, alpha):
    batch = random_batch()
    batch.upstream["cas_rgb"][0, :, 2] = 0.01  # a labelled class without a strong snippet
    output = run(model, batch)
    total, terms = loss(output, batch, replace(SETTINGS, alpha=alpha))
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


def test_gradients_of_the_networks_against_finite_differences(model):
    batch = random_batch()

    def total():
        return loss(run(model, batch), batch, SETTINGS)[0]

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


def test_descending_the_loss_finds_the_action():
    """A video whose only action spans 10.5 anchors' starts: boundaries move towards it."""
    torch.manual_seed(0)
    count, start, stop = 40, 12, 23
    features = torch.rand(1, count, 6) * 0.1
    features[0, start:stop, :3] += 1
    scores = torch.full((1, count, 2), 0.05)
    scores[0, start:stop, 0] = 0.9
    upstream = {"cas_rgb": scores, "attention_rgb": torch.zeros(1, count)}
    upstream["video_score_rgb"] = torch.tensor([[0.9, 0.1]])
    batch = SimpleNamespace(features=features, labels=torch.tensor([[1.0, 0.0]]), mask=None)
    model = ACN("rgb", 2, 6, NetworkSettings(anchors=(8,), width=16))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    values = []
    for _ in range(150):
        total, _ = loss(model(features, upstream=upstream), batch, SETTINGS)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        values.append(total.item())
    assert values[-1] < values[0] - 0.1


def test_nothing_to_keep_costs_nothing(model):
    batch = random_batch()
    batch.upstream["cas_rgb"].zero_()
    total, terms = loss(run(model, batch), batch, SETTINGS)
    total.backward()
    assert total.item() == terms["proposals"].item() == 0
    assert all(weight.grad.isfinite().all() for weight in model.parameters())
    unlabelled = batch._replace(labels=torch.zeros(2, 3))
    assert loss(run(model, unlabelled), unlabelled, SETTINGS)[0].item() == 0


def test_a_video_of_one_snippet(model):
    batch = random_batch((1,))
    total, _ = loss(run(model, batch), batch, SETTINGS)
    assert total.item() == 0
    assert (run(model, batch).extra["coherence"] == 1).all()


def test_classes_trained_on():
    scores = torch.tensor([[0.9, 0.05, 0.3], [0.05, 0.9, 0.02]])
    labels = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]])
    found = trained_classes(scores, labels, LossSettings())
    assert found.tolist() == [[True, False, False], [True, False, True]]
    scored = trained_classes(scores, labels, LossSettings(classes="scored"))
    assert scored.tolist() == [[True, False, True], [False, True, False]]


def test_the_mean_over_proposals_weighs_each_proposal_alike(model):
    batch = random_batch()
    output = run(model, batch)
    total, terms = loss(output, batch, replace(SETTINGS, average="proposals"))
    values = []
    for index in range(2):
        one = video_of(batch, index)
        shifts = output.extra["shifts"][index].detach().numpy()
        for label in one.labels[0].nonzero().flatten().tolist():
            scores = one.upstream["cas_rgb"][0, :, label].numpy()
            found = proposals_by_hand(one.features[0].numpy(), scores, shifts, ANCHORS, 0.6)
            values += [found[n][-1] for n in kept_by_hand(found, scores >= 0.1)]
    assert total.item() == pytest.approx(np.mean(values), abs=1e-6)
    nested = loss(output, batch, SETTINGS)[0].item()
    assert abs(total.item() - nested) > 1e-4  # videos have different numbers of proposals


def test_a_stream_is_judged_by_its_own_video_scores(model):
    batch = random_batch()
    upstream = {**batch.upstream, "video_score": torch.rand(2, 3)}
    found = run(model, batch._replace(upstream=upstream)).extra["video_score"]
    assert torch.equal(found, upstream["video_score_rgb"])
    fused = ACN("rgb", 3, 5, NetworkSettings(anchors=ANCHORS, width=4, video_score="fused"))
    found = run(fused.double(), batch._replace(upstream=upstream)).extra["video_score"]
    assert torch.equal(found, upstream["video_score"])


def test_the_regression_sees_scores_if_they_are_inputs(model):
    batch = random_batch()
    other = {**batch.upstream, "attention_rgb": 1 - batch.upstream["attention_rgb"]}
    with_scores = ACN("rgb", 3, 5, NetworkSettings(anchors=ANCHORS, width=4, inputs="with_scores"))
    assert with_scores.networks[0].layers[0].weight.shape == (3, 4, 5 + 3 + 1)
    for network in with_scores.networks:
        torch.nn.init.normal_(network.layers[-1].weight)
    for each, depends in ((model, False), (with_scores.double(), True)):
        first, second = (
            run(each, batch._replace(upstream=u)).extra["shifts"] for u in (batch.upstream, other)
        )
        assert torch.equal(first, second) != depends


def test_quantiles_are_those_of_the_training_snippets():
    model = ACN("flow", 2, 3, NetworkSettings(anchors=(1,)))
    values = torch.randn(1001)
    prepare(model, SimpleNamespace(upstream_rows={"attention_flow": values}), RunSettings())
    expected = np.quantile(values.numpy(), np.linspace(0, 1, 101))
    np.testing.assert_allclose(model.training_quantiles, expected, atol=1e-6)
    assert "training_quantiles" in model.state_dict()
    with pytest.raises(WstalError, match="no attention_flow upstream"):
        prepare(model, SimpleNamespace(upstream_rows={}), RunSettings())


def test_the_output_is_what_upstream_says(model):
    batch = random_batch()
    output = run(model, batch)
    assert torch.equal(output.cas[..., :3], batch.upstream["cas_rgb"])
    assert (output.cas[..., 3] == 0).all()
    assert torch.equal(output.attention, batch.upstream["attention_rgb"])
    assert set(STORED) <= set(output.extra)
    with_background = {**batch.upstream, "cas_rgb": torch.rand(2, 12, 4)}
    again = run(model, batch._replace(upstream=with_background))
    assert torch.equal(again.cas, with_background["cas_rgb"])


def test_what_it_lacks_is_named(model):
    with pytest.raises(WstalError, match="acn on rgb finds no cas_rgb, .* set scores_from"):
        model(torch.rand(1, 4, 5))
    with pytest.raises(WstalError, match="acn trains one stream, the config names 2"):
        build(RunSettings(streams=("rgb", "flow")), {"rgb": 5, "flow": 5}, 3)


def test_the_network_is_that_of_the_settings():
    run = RunSettings(streams=("rgb",), model=NetworkSettings(anchors=ANCHORS, width=4))
    model = build(run, {"rgb": 7, "flow": 5}, 3)
    assert model.anchors.tolist() == [1, 2, 4]
    assert model.networks[0].layers[0].weight.shape == (3, 4, 7)


VARIANTS = method_yaml(Path(__file__).parents[2], "acn")["variants"]
STREAMS = [name for name, changes in VARIANTS.items() if changes.get("streams")]
FUSED = [None, *(name for name in VARIANTS if name not in STREAMS)]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def variants(project):
    return method_yaml(project, "acn")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return small_acn_set(tmp_path_factory.mktemp("small"))


@pytest.mark.parametrize("variant", STREAMS)
def test_every_stream_trains_scores_and_localizes(variant, small, project):
    features, annotations, upstream = small
    plain = acn_config(project, variant)
    config = run_config(plain)
    data = TrainingSet(features, annotations, config.run.streams, config.data, CPU, upstream)
    trainer = Trainer(config, data, features.dims, 0, CPU)
    before = [p.clone() for p in trainer.model.parameters()]
    while trainer.iteration < trainer.iterations:
        trainer.step()  # raises if the loss is not finite
    after = list(trainer.model.parameters())
    assert all(p.isfinite().all() for p in after)
    assert any((a != b).any() for a, b in zip(before, after, strict=True))
    ids = features.ids("test")
    scorer = Scorer(config, features, ids, data.classes, data.standardization, CPU, upstream)
    settings = from_plain(LocalizeSettings, plain["localize"])
    found = localize(scorer(trainer.model, 1), settings)
    assert len(found) and (found["t_end"] > found["t_start"]).all()


@pytest.mark.parametrize("variant", STREAMS + FUSED)
def test_joined_runs_have_two_streams_and_trained_ones_one(variant, variants):
    for dataset in ["", *variants["datasets"]]:
        config = resolved(variants, dataset, variant)
        assert bool(config["fuse_from"]) == (variant in FUSED)
        assert len(config["streams"]) == (2 if variant in FUSED else 1)


def test_a_loss_is_scored_with_the_alpha_it_was_trained_with(variants):
    for variant in STREAMS:
        config = resolved(variants, "thumos14", variant)
        assert config["loss"]["alpha"] == config["localize"]["alpha"], variant
        threshold = 5 if variant.startswith("flow") else 7
        assert config["localize"]["attention"]["value"] == threshold, variant
        for name in ("class_threshold", "scp_threshold", "discard_rule"):
            assert config["loss"][name] == config["localize"][name], variant


@pytest.mark.parametrize("variant", FUSED[1:])
def test_fused_runs_join_streams_of_their_own_settings(variant, variants):
    """Whatever a joined variant changes, its two streams change alike."""
    joined = resolved(variants, "", variant)
    if variant == "mapped":  # a matter of the fusion alone
        assert joined["fuse_from"] == variants["fuse_from"]
        return
    assert joined["fuse_from"] == {s: f"acn-{s}_{variant}" for s in ("rgb", "flow")}
    for stream in ("rgb", "flow"):
        config = resolved(variants, "", f"{stream}_{variant}")
        base = resolved(variants, "", stream)
        for section in ("model", "loss", "data", "train", "localize"):
            if section == "localize":  # flow's threshold is its own
                config[section]["attention"]["value"] = joined[section]["attention"]["value"]
                base[section]["attention"]["value"] = joined[section]["attention"]["value"]
            assert config[section] == joined[section], (stream, section)
        assert any(config[key] != base[key] for key in ("model", "loss", "train", "localize"))


def test_literal_is_every_literal_reading_at_once(variants):
    readings = ("quarter", "plain_sgd", "scored", "proposal_mean")
    for stream in ("rgb", "flow"):
        changes = [variants["variants"][f"{stream}_{name}"] for name in readings]
        together = merged(*changes)
        rule = {"discard_rule": "contains"}
        together = merged(together, {"loss": rule, "localize": rule})
        assert merged(variants["variants"][f"{stream}_literal"], {"fuse_from": None}) == together
    assert resolved(variants, "", "literal")["localize"]["fusion"]["score"] == "loss"


def test_published_settings(variants):
    thumos = resolved(variants, "thumos14", "rgb")
    assert thumos["model"]["anchors"] == [1, 2, 4, 8, 16, 32]
    train = thumos["train"]
    assert (train["optimizer"], train["lr"], train["epochs"]) == ("sgd", 1e-3, 3)
    assert thumos["data"]["batch"] == 4 and thumos["data"]["length"] is None
    assert train["schedule"]["factor"] == 0.1 and len(train["schedule"]["at"]) == 2
    assert thumos["loss"]["alpha"] == 0.6
    assert thumos["localize"]["nms_iou"] == thumos["localize"]["fusion"]["iou"] == 0.4
    anet = resolved(variants, "activitynet12", "flow")
    assert anet["model"]["anchors"] == [16, 32, 64, 128, 256, 512]
    published = resolved(variants, "thumos14", "flow", "autoloc_unt")["localize"]["attention"]
    assert (published["mode"], published["value"]) == ("absolute", 5)


def test_the_rate_falls_after_each_epoch(variants):
    plain = resolved(variants, "thumos14", "rgb")["train"]
    settings = from_plain(TrainSettings, plain)
    for updates in (50, 1177):  # per epoch: THUMOS14, ActivityNet 1.2
        rates = [learning_rate(settings, i / (3 * updates)) for i in range(3 * updates)]
        for epoch, rate in enumerate((1e-3, 1e-4, 1e-5)):
            assert rates[epoch * updates] == pytest.approx(rate)
            assert rates[(epoch + 1) * updates - 1] == pytest.approx(rate)


@pytest.mark.parametrize("number", range(1, 6))
def test_tables_name_known_runs_for_every_row_of_ours(number, project, catalog, variants):
    table = catalog.tables[f"acn_table{number}"]
    folder = project / "workflow/reference/paper_tables"
    with (folder / table["paper"]).open() as file:
        own = {r["variant"] for r in csv.DictReader(file) if not r["group"].startswith("quoted")}
    ours = {row["variant"]: row for row in table["rows"] if row["run"] != "untrimmednet"}
    assert set(ours) == own
    with (folder / "row_configs.csv").open() as file:
        listed = {
            r["variant"]: dict(part.split("=") for part in r["config_switches"].split(";"))
            for r in csv.DictReader(file)
            if r["method"] == "acn" and r["table"] == str(number)
        }
    assert set(listed) == own
    for name, row in ours.items():
        variant = row["run"].removeprefix("acn").removeprefix("-") or None
        config, switches = resolved(variants, row["dataset"], variant), listed[name]
        stream = switches["stream"]
        assert config["streams"] == (["rgb", "flow"] if stream == "fused" else [stream]), name
        alpha = {"L": float(switches["alpha"]), "Lc": 0, "OIC": 1}[switches["score"]]
        assert config["localize"]["alpha"] == config["loss"]["alpha"] == alpha, name


def train(folder, project, features, annotations, upstream):
    files = RunFiles(folder / "checkpoint.pt", folder / "log.csv", folder / "scores.h5")
    made = {"seed": 0, "code": "", "device": CPU, "upstream": upstream}
    train_run(features, annotations, acn_config(project), files, **made)
    return load(files.checkpoint)


def test_training_reads_a_file_without_times(small, tmp_path):
    _, annotations, _ = small
    assert any(entry["annotations"] for entry in annotations.database.values())
    write_annotations(tmp_path / "training_labels.json", training_view(annotations))
    text = (tmp_path / "training_labels.json").read_text()
    assert "segment" not in text
    entries = json.loads(text)["database"].values()
    assert all(entry["annotations"] == [] and entry["subset"] == "train" for entry in entries)


def test_the_rule_gives_training_that_file_alone(project):
    text = (project / "rules/train.smk").read_text().split("rule train:")[1].split("output:")[0]
    assert "unpack(files.training)" in text and "annotations.json" not in text
    inputs = (project / "workflow/wstal/config/inputs.py").read_text()
    named = inputs.split("def training(")[1].split("    def ")[0]
    assert "/training_labels.json" in named and "/annotations.json" not in named


def test_other_segments_give_the_same_weights(small, tmp_path, project):
    features, annotations, upstream = small
    weak = training_view(annotations)
    write_annotations(tmp_path / "labels.json", weak)
    first = train(
        tmp_path / "a", project, features, read_annotations(tmp_path / "labels.json"), upstream
    )
    moved = {
        video: entry | {"annotations": [{"segment": [0.0, 0.64], "label": entry["labels"][0]}]}
        for video, entry in annotations.database.items()
    }
    second = train(
        tmp_path / "b", project, features, Annotations(annotations.classes, moved), upstream
    )
    assert first["model"].keys() == second["model"].keys()
    for name, weight in first["model"].items():
        assert torch.equal(weight, second["model"][name]), name


def test_other_scores_of_test_videos_give_the_same_weights(small, tmp_path, project):
    """The attention's quantiles in particular are those of training videos."""
    features, annotations, upstream = small
    other = {
        video: scores if annotations.database[video]["subset"] == "train"
        else replace(scores, attentions={n: a + 9 for n, a in scores.attentions.items()})
        for video, scores in upstream.videos.items()
    }  # fmt: skip
    first = train(tmp_path / "a", project, features, training_view(annotations), upstream)
    changed = replace(upstream, videos=other)
    second = train(tmp_path / "b", project, features, training_view(annotations), changed)
    for name, weight in first["model"].items():
        assert torch.equal(weight, second["model"][name]), name
    assert first["model"]["training_quantiles"].diff().ge(0).all()


def test_nothing_that_reads_segments_is_in_reach_of_the_loss(project):
    package = project / "workflow/wstal"
    for module in ("methods/acn/loss.py", "methods/acn/localize.py"):
        files = import_closure(package / module, package)
        assert files
        for path in files:
            assert path.parent.name != "evaluate", path
            if path.name != "annotations.py":  # it holds them, for those who ask
                text = path.read_text()
                assert "ground_truth(" not in text and '["annotations"]' not in text, path
