"""CAVF: shapes, modalities, freezing, padding and gradients; every run of its YAML."""

from __future__ import annotations

import csv
import json
import re
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
import warm_python
from torch.nn import functional
from wstal.base.errors import WstalError
from wstal.base.settings import from_plain
from wstal.config.layers import merged
from wstal.methods.cavf import CAVF
from wstal.methods.cavf.figures import architecture
from wstal.methods.cavf.localize import LocalizeSettings, localize
from wstal.methods.cavf.loss import (
    LossSettings,
    PseudoSettings,
    WeightSettings,
    classification_loss,
    loss,
)
from wstal.methods.cavf.network import (
    CrossAttention,
    CrossAttentionStages,
    NetworkSettings,
    OpenMax,
    RunSettings,
    SoftMax,
    build,
)
from wstal.methods.contract import Batch
from wstal.tables.paper import dataset_slug
from wstal.train.data import TrainingSet
from wstal.train.loop import Trainer, run_config
from wstal.train.scoring import Scorer

MODEL = NetworkSettings(audio_width=5, visual_width=6, dropout=0.0)
LOSS = LossSettings(pseudo=PseudoSettings(threshold=0.4))


def model(**changes):
    torch.manual_seed(0)
    return CAVF(3, (4, 7, 2), 0, replace(MODEL, **changes)).double()


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
    run = RunSettings(streams=("rgb", "audio", "flow"), model=MODEL)
    dims = {"audio": 4, "rgb": 7, "flow": 2, "unused": 9}
    torch.manual_seed(0)
    network, x = build(run, dims, 3).double(), features()
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
    run, dims = RunSettings(streams=("rgb", "flow"), model=MODEL), {"rgb": 4, "flow": 2}
    with pytest.raises(WstalError, match="cavf-visual_only"):
        build(run, dims, 3)
    visual = replace(run, model=replace(MODEL, modality="visual"))
    assert build(visual, dims, 3)(torch.randn(1, 5, 6)).cas.shape == (1, 5, 4)
    with pytest.raises(WstalError, match="beside audio"):
        CAVF(3, (4,), 0, MODEL)


@pytest.mark.parametrize(("modality", "stages"), [("av", 2), ("audio", 0)])
def test_no_more_stages_can_be_frozen_than_there_are(modality, stages):
    with pytest.raises(WstalError, match=f"freeze_stages is 3, .* there are {stages} stages"):
        NetworkSettings(modality=modality, freeze_stages=3)


def test_frozen_stages_do_not_move():
    network = model(stages=3, freeze_stages=2)
    before = {name: value.clone() for name, value in network.named_parameters()}
    trained = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=0.1, weight_decay=0.1)
    for _ in range(3):
        total, _ = loss(network(features()), Batch(None, labels(), 1), LOSS)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    moved = {n for n, value in network.named_parameters() if not torch.equal(value, before[n])}
    assert moved == {
        "fusion.stages.2.weight", "classifier.classes.weight", "classifier.classes.bias",
        "classifier.foreground.weight", "classifier.foreground.bias",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("skip", "normalize"), [("none", "once"), ("prev", "every"), ("dense", "inside")]
)
def test_padded_batches_score_and_learn_as_videos_alone(skip, normalize):
    network, x = model(skip=skip, normalize=normalize), features(2)
    mask = torch.ones(2, 9, dtype=torch.bool)
    mask[:, 6:] = False
    padded = x * mask[..., None]
    given = Batch(None, labels()[:2], 1)
    losses = []
    for sequence, keep in ((padded, mask), (x[:, :6], None)):
        network.zero_grad()
        output = network(sequence, **({} if keep is None else {"mask": keep}))
        total, terms = loss(output, given._replace(mask=keep), LOSS)
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
    total, terms = loss(output, Batch(None, labels(), 1), LOSS)
    weighted = sum(weight * terms[name] for name, weight in asdict(LOSS.weights).items())
    torch.testing.assert_close(total, weighted)
    assert 0 <= terms["pseudo_active"] <= 1
    alone = replace(LOSS, weights=WeightSettings(mil=1.0, coactivity=0, continuity=0, pseudo=0))
    assert set(loss(output, Batch(None, labels(), 1), alone)[1]) == {"mil", "pseudo_active"}


def test_background_is_a_target_of_videos_without_a_class():
    p = torch.tensor([[[0.5, 0.2, 0.3]], [[0.5, 0.2, 0.3]]], dtype=torch.float64)
    given = torch.tensor([[1.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
    for weight in (1e-9, 0.5, 1.0):
        found = classification_loss(p, given, replace(LOSS, mil_background=weight), None)
        action = (np.log(0.5) + weight * np.log(0.3)) / (1 + weight)
        assert found.item() == pytest.approx(-(action + np.log(0.3)) / 2, abs=1e-6)


def test_a_background_that_is_no_target_is_refused(catalog):
    with pytest.raises(WstalError, match="mil_background is 0, .* end as foreground; give it"):
        replace(LOSS, mil_background=0)
    without = WeightSettings(mil=0, coactivity=0, continuity=1.0, pseudo=0)
    assert LossSettings(weights=without, mil_background=0).mil_background == 0
    # The paper's features for AVE have no clips of background alone.
    for dataset in ("ave", "activitynet12"):
        assert catalog.run_config(dataset, "cavf")["loss"]["mil_background"] > 0
    assert catalog.datasets["ave"]["recipe"] == "ave_resnet152"


def test_video_probability_is_the_mean_of_its_strongest_eighth():
    p = torch.rand(1, 17, 3).softmax(-1).double()  # k = ceil(17 / 8) = 3
    near_zero = replace(LOSS, mil_background=1e-12)
    found = classification_loss(p, torch.eye(2)[:1].double(), near_zero, None)
    strongest = p[0, :, 0].sort(descending=True).values[:3].mean()
    assert found.item() == pytest.approx(-np.log(strongest.item() + 1e-7), rel=1e-9)


def test_gradient_of_the_whole_is_that_of_finite_differences():
    network, x = model(), features(2, 5).requires_grad_()
    batch = Batch(None, labels()[:2], 1)
    assert torch.autograd.gradcheck(lambda x: loss(network(x), batch, LOSS)[0], (x,))


def test_no_parameter_is_dead():
    network = model(stages=3)
    total, _ = loss(network(features()), Batch(None, labels(), 1), LOSS)
    total.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


CPU = torch.device("cpu")
WIDTHS = [
    (u, v) for u in (128, 512, 1024, 2048) for v in (512, 1024, 2048) if (u, v) != (1024, 1024)
]
VARIANTS = [
    None, "audio_only", "visual_only", "stages_0", "stages_1", "stages_3", "s_0", "s_i", "o_0", "o_i",
    "o_ii", "skip_none", "skip_prev", "stages_3_skip_none", "stages_3_skip_prev", "stages_3_frozen",
    "stages_3_frozen_skip_prev", "width_512", "visual_only_512", "stages_0_s_0", "stages_0_s_i",
    "stages_0_o_0", "normalize_once", "normalize_inside", "pseudo_differ", "tau_07",
    "continuity_stopped", "test_160",
    *(f"stages_1_u{u}_v{v}" for u, v in WIDTHS),
    *(f"stages_{stages}_{losses}" for stages in (0, 1, 3) for losses in ("o_i", "o_ii")),
]  # fmt: skip
CUT = {
    "model": {"audio_width": 5, "visual_width": 6},
    "data": {"length": 12, "batch": 6, "pairs": 2},
    "train": {"log_interval": 1, "score_interval": 4, "iterations": 4},
}


def run_name(variant):
    return f"cavf-{variant}" if variant else "cavf"


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_trains_scores_and_localizes(variant, catalog, features):
    file, annotations = features
    plain = merged(catalog.run_config("demo", run_name(variant)), CUT)
    config = run_config(plain)
    data = TrainingSet(file, annotations, config.run.streams, config.data, CPU)
    trainer = Trainer(config, data, file.dims, 0, CPU)
    before = [p.clone() for p in trainer.model.parameters()]
    for _ in range(4):
        trainer.step()  # raises if the loss is not finite
    assert any((a != b).any() for a, b in zip(before, trainer.model.parameters(), strict=True))
    assert set(trainer.log[0]) >= {"mil", "pseudo_active"}
    ids, classes = file.ids("test"), annotations.classes
    scorer = Scorer(config, file, ids, classes, data.standardization, CPU)
    scores = scorer(trainer.model, trainer.iteration)
    assert scores.activation == "probability"
    settings = from_plain(LocalizeSettings, plain["localize"])
    found = localize(scores, settings)
    assert (found["t_end"] > found["t_start"]).all()
    assert not localize(scores, replace(settings, shortest=1)).empty


def test_the_list_above_is_complete(catalog):
    assert set(catalog.methods["cavf"]["variants"]) == set(VARIANTS) - {None}


def test_every_variant_is_a_run_of_its_own(catalog):
    for dataset in ("activitynet12", "ave"):
        configs = [catalog.run_config(dataset, run_name(variant)) for variant in VARIANTS]
        assert all(config not in configs[:i] for i, config in enumerate(configs))


def test_settings_of_the_paper(catalog):
    config = catalog.run_config("activitynet12", "cavf")
    weights = {"mil": 1.0, "coactivity": 0.8, "continuity": 0.8, "pseudo": 1.0}
    assert config["loss"]["weights"] == weights and config["loss"]["continuity"]["neighbours"] == 4
    assert config["train"]["lr"] == 1e-4 and config["data"]["batch"] == 30
    model = {"stages": 2, "skip": "dense", "classifier": "openmax", "dropout": 0.7}
    assert model.items() <= config["model"].items()
    ave = catalog.run_config("ave", "cavf")
    assert (ave["data"]["length"], ave["train"]["epochs"]) == (10, 300)
    assert catalog.paper_protocol("ave", "cavf")["name"] == "ave_804"


def test_frozen_runs_start_from_the_two_stage_run_of_their_skip(catalog):
    for variant, start in (("", "cavf"), ("_skip_prev", "cavf-skip_prev")):
        run = catalog.run_config("activitynet12", f"cavf-stages_3_frozen{variant}")
        given = catalog.run_config("activitynet12", start)
        assert run["init_from"] == start and run["model"]["freeze_stages"] == 2
        three = {"stages": 3, "freeze_stages": 2}
        assert run["model"] == given["model"] | three and run["loss"] == given["loss"]


def test_features_without_sound_can_be_run_by_the_visual_variant(catalog):
    run = run_config(catalog.run_config("thumos14_sim", "cavf-visual_only")).run
    assert run.streams == ("rgb", "flow")
    assert build(run, {"rgb": 8, "flow": 8}, 3).modalities == ["visual"]


SWITCHES = {  # a row's switches, as the facts list them, in our names
    "modality": lambda c: c["model"]["modality"],
    "stages": lambda c: str(c["model"]["stages"]),
    "skip": lambda c: c["model"]["skip"],
    "classifier": lambda c: c["model"]["classifier"],
    "dx": lambda c: str(c["model"]["visual_width"]),
    "dx_u": lambda c: str(c["model"]["audio_width"]),
    "dx_v": lambda c: str(c["model"]["visual_width"]),
    "freeze_stages": lambda c: str(c["model"]["freeze_stages"]),
    "loss.cont": lambda c: f"{c['loss']['weights']['continuity']:g}",
    "loss.pseu": lambda c: f"{c['loss']['weights']['pseudo']:g}",
    "loss.cas": lambda c: f"{c['loss']['weights']['coactivity']:g}",
}


@pytest.mark.parametrize("number", range(1, 11))
def test_every_row_of_the_tables_is_the_run_its_switches_say(number, project, catalog):
    with (project / "workflow/reference/paper_tables/row_configs.csv").open() as file:
        listed = [
            row for row in csv.DictReader(file)
            if row["method"] == "cavf" and row["table"] == str(number)
        ]  # fmt: skip
    rows = catalog.tables[f"cavf_table{number}"]["rows"]
    runs = {(row["variant"], row["dataset"]): row["run"] for row in rows}
    assert len(rows) == len(runs) == len(listed) > 0
    for row in listed:
        dataset = dataset_slug(row["dataset"])
        config = catalog.run_config(dataset, runs[row["variant"], dataset])
        switches = row["config_switches"].partition("#")[0].strip()
        for name, value in (pair.split("=") for pair in switches.split(";")):
            if name in SWITCHES:
                assert SWITCHES[name](config) == value, (row["variant"], name)


def test_the_tables_have_ninety_rows_and_fifty_five_trainings(catalog):
    tables = [catalog.tables[f"cavf_table{n}"] for n in range(1, 11)]
    rows = [(row["dataset"], row["run"]) for table in tables for row in table["rows"]]
    assert (len(rows), len(set(rows))) == (90, 55)


# Recipes of one tower alone: CAVF takes two streams.
UNSUITED = {"clip_frames", "dinov2_frames", "videomae_16x8", "vjepa2"}


def test_streams_are_those_of_each_recipe(catalog):
    unsuited = set()
    for name, recipe in catalog.features.items():
        streams = set(catalog.run_config("thumos14", "cavf", name)["streams"])
        if not streams <= set(recipe["streams"]):
            unsuited.add(name)
        if "audio" in recipe["streams"]:
            assert "audio" in streams, name
    assert unsuited == UNSUITED


def by_loops(stage, audio, visual):
    """Equations 1 and 2 for one video, column by column, as the paper writes them."""
    u, v = audio.T, visual.T  # [D_u, L], [D_v, L]
    length = u.shape[1]
    correlation = torch.zeros(length, length, dtype=u.dtype)
    for i in range(length):
        for j in range(length):
            left, right = u[:, i], v[:, j]
            if stage.unit_copies:
                left, right = left / left.norm(), right / right.norm()
            correlation[i, j] = stage.scale * left @ stage.weight.T @ right
    attended_u, attended_v = torch.zeros_like(u), torch.zeros_like(v)
    for j in range(length):
        over_audio = torch.softmax(correlation[:, j], 0)
        over_visual = torch.softmax(correlation.T[:, j], 0)
        for i in range(length):
            attended_u[:, j] += over_audio[i] * u[:, i]
            attended_v[:, j] += over_visual[i] * v[:, i]
    return attended_u.T, attended_v.T


def stages_of(audio_width, visual_width, stages, skip, **changes):
    widths = {"audio_width": audio_width, "visual_width": visual_width}
    return CrossAttentionStages(NetworkSettings(**widths, stages=stages, skip=skip, **changes))


def sequences(batch=2, length=5, widths=(3, 4)):
    torch.manual_seed(0)
    return [torch.randn(batch, length, width, dtype=torch.float64) for width in widths]


@pytest.mark.parametrize("copies", [False, True])
def test_attended_sequences_are_those_of_the_definition(copies):
    audio, visual = sequences()
    stage = CrossAttention(3, 4, 2.5, unit_copies=copies).double()
    found = stage(audio, visual)
    for video in range(2):
        expected = by_loops(stage, audio[video], visual[video])
        for ours, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(ours[video], theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("normalize", ["once", "every", "inside"])
def test_each_reading_of_normalized_is_followed_in_every_stage(normalize):
    """Dense skips by loops: what enters a stage has unit vectors, or Eq. 1 alone sees them."""
    fusion = stages_of(3, 4, 3, "dense", normalize=normalize).double()
    given = [x[0] for x in sequences()]
    found = fusion(*(x[None] for x in given))
    history = [given]
    for number, stage in enumerate(fusion.stages):
        if normalize == "every" or (normalize == "once" and number == 0):
            history[-1] = [x / x.norm(dim=1, keepdim=True) for x in history[-1]]
        attended = by_loops(stage, *history[-1])
        history.append([torch.tanh(sum(h[m] for h in history) + attended[m]) for m in (0, 1)])
    for ours, theirs in zip(found, history[-1], strict=True):
        torch.testing.assert_close(ours[0], theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("normalize", ["once", "every"])
def test_the_length_of_an_embedding_is_lost_unless_copies_are_normalized(normalize):
    audio, visual = sequences()
    doubled = [2 * audio, 3 * visual]
    for how, same in ((normalize, True), ("inside", False)):
        fusion = stages_of(3, 4, 2, "dense", normalize=how).double()
        assert torch.allclose(fusion(audio, visual)[0], fusion(*doubled)[0]) is same


def test_outside_training_a_fixed_number_of_snippets_may_be_read():
    whole, x = model().eval(), features()
    sampled = model(test_length=5).eval()  # 9 snippets: 0, 1, 3, 5, 7 are read
    kept, read = sampled(x), whole(x[:, [0, 1, 3, 5, 7]])
    torch.testing.assert_close(kept.cas[:, [0, 1, 3, 5, 7]], read.cas)
    torch.testing.assert_close(kept.attention[:, 2], read.attention[:, 1:3].mean(1))
    torch.testing.assert_close(kept.extra["class_logits"][:, 8], read.extra["class_logits"][:, 4])
    assert sampled.train()(x).cas.shape == (4, 9, 4) and kept.features.shape == (4, 9, 11)
    exact = model(test_length=9).eval()(x)
    torch.testing.assert_close(exact.cas, whole(x).cas)


def test_columns_of_attention_sum_to_one_and_padding_gets_none():
    audio, visual = sequences(length=6)
    mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    for attention in (
        CrossAttention(3, 4, 1.0, unit_copies=True).double().attention(audio, visual, mask)
    ):
        torch.testing.assert_close(attention.sum(1), torch.ones(2, 6, dtype=torch.float64))
        assert not attention[1, 4:].any() and (attention[1, :4] > 0).all()


@pytest.mark.parametrize("skip", ["none", "prev", "dense"])
def test_padded_videos_are_attended_as_they_are_alone(skip):
    audio, visual = sequences(length=6)
    fusion = stages_of(3, 4, 3, skip).double()
    mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    padded = fusion(audio, visual, mask)
    alone = fusion(audio[1:, :4], visual[1:, :4])
    for ours, theirs in zip(padded, alone, strict=True):
        torch.testing.assert_close(ours[1:, :4], theirs, rtol=1e-12, atol=1e-12)


def test_skips_by_hand():
    """With one snippet attention is 1 and an attended sequence is the one that went in."""
    audio, visual = torch.tensor([[[0.5]]]), torch.tensor([[[-0.25, 1.0]]])
    tanh = torch.tanh
    first = tanh(2 * audio)
    expected = {
        "none": tanh(tanh(tanh(audio))),
        "prev": tanh(2 * tanh(2 * first)),
        "dense": tanh(audio + first + 2 * tanh(audio + 2 * first)),
    }
    for skip, value in expected.items():
        found, other = stages_of(1, 2, 3, skip, normalize="inside")(audio, visual)
        torch.testing.assert_close(found, value)
        assert other.shape == (1, 1, 2)


def test_no_stage_leaves_both_sequences_as_they_are():
    audio, visual = sequences()
    found = stages_of(3, 4, 0, "dense").double()(audio, visual)
    assert found[0] is audio and found[1] is visual


def test_gradients_are_those_of_finite_differences():
    audio, visual = (x.requires_grad_() for x in sequences(batch=1, length=3))
    fusion = stages_of(3, 4, 2, "dense").double()
    weights = [stage.weight for stage in fusion.stages]
    assert torch.autograd.gradcheck(lambda u, v, *_: fusion(u, v), (audio, visual, *weights))


def test_silence_has_a_gradient_of_ordinary_size():
    audio, visual = torch.zeros(1, 4, 3, requires_grad=True), torch.randn(1, 4, 4)
    CrossAttention(3, 4, 1.0, unit_copies=True)(audio, visual)[1].square().sum().backward()
    assert audio.grad.isfinite().all() and audio.grad.abs().max() < 1e5


def test_initial_attention_is_nearly_uniform_unless_it_is_scaled():
    torch.manual_seed(0)
    x, y = functional.leaky_relu(torch.randn(2, 1, 50, 1024)).unbind(0)
    spread = CrossAttention(1024, 1024, 1.0, unit_copies=True).attention(x, y)[0].std() * 50
    scaled = CrossAttention(1024, 1024, 30.0, unit_copies=True).attention(x, y)[0].std() * 50
    assert spread < 0.06 and scaled > 10 * spread


@pytest.mark.parametrize("kind", [OpenMax, SoftMax])
def test_probabilities_sum_to_one(kind):
    torch.manual_seed(0)
    found = kind(6, 4).double()(torch.randn(2, 7, 6, dtype=torch.float64))
    assert found.probabilities.shape == (2, 7, 5) and (found.probabilities > 0).all()
    torch.testing.assert_close(found.probabilities.sum(-1), torch.ones(2, 7).double())
    torch.testing.assert_close(found.foreground, 1 - found.probabilities[..., -1])
    assert found.class_logits.shape == (2, 7, 4)


def test_openmax_by_hand():
    head = OpenMax(2, 2)
    with torch.no_grad():
        head.classes.weight.copy_(torch.eye(2))
        head.foreground.weight.copy_(torch.tensor([[1.0, 0.0]]))
        head.classes.bias.zero_()
        head.foreground.bias.zero_()
    found = head(torch.tensor([[[2.0, 0.0]]]))
    mu, first = torch.sigmoid(torch.tensor(2.0)), torch.sigmoid(torch.tensor(2.0))
    expected = torch.stack([mu * first, mu * (1 - first), 1 - mu])
    torch.testing.assert_close(found.probabilities[0, 0], expected)


def test_softmax_has_background_last():
    head = SoftMax(1, 2)
    with torch.no_grad():
        head.classes.weight.zero_()
        head.classes.bias.copy_(torch.tensor([0.0, 0.0, 9.0]))
    assert head(torch.zeros(1, 1, 1)).foreground < 1e-3


def test_the_committed_diagram_can_be_drawn_again(tmp_path, project, catalog):
    config = json.dumps(catalog.run_config("activitynet12", "cavf"))
    script, path = str(project / "scripts/draw_cavf.py"), tmp_path / "cavf_figure1.svg"
    command = [sys.executable, script, "--config", config, "--output", str(path)]
    done = warm_python.run(command)
    assert done.returncode == 0, done.stderr
    drawn, committed = (
        re.findall(r"<text[^>]*>([^<]+)</text>", file.read_text())
        for file in (path, project / "docs/figures/cavf_figure1.svg")
    )
    assert len(drawn) > 20 and drawn == committed, "copy results/figures/cavf_figure1.svg"


def test_the_diagram_shows_the_settings_of_the_run():
    network = NetworkSettings(stages=3, skip="prev", normalize="inside", classifier="softmax")
    weights = WeightSettings(mil=1.0, coactivity=0.25, continuity=0, pseudo=0.5)
    loss = replace(LOSS, weights=weights, mil_background=0.2)
    figure = architecture(RunSettings(streams=("rgb", "audio"), model=network), loss)
    texts = [text.get_text() for text in figure.axes[0].texts]
    expected = (
        "rgb", "stage 3", "tanh(X_u⁽2⁾ + X_u⁽2⁾ A_u)", "l2-normalized in Eq. 1 alone", "softmax",
        "L = 1 L_mil + 0.25 L_cas + 0.5 L_pseu", "τ = 0.4, background as a target 0.2",
    )  # fmt: skip
    assert set(expected) <= set(texts) and "stage 4" not in texts
