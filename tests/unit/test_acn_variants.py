"""Every ACN run the config names, and the tables made of them."""

import csv

import pytest
import torch
import yaml
from acn_cases import acn_config, small_acn_set
from wstal.config.layers import resolve_run
from wstal.config.validate import validated
from wstal.data.dataset import TrainingSet
from wstal.errors import WstalError
from wstal.localize.acn import localize
from wstal.models import acn
from wstal.train.loop import Trainer
from wstal.train.scoring import Scorer

STREAMS = [
    "rgb", "rgb_alpha04", "rgb_alpha05", "rgb_alpha07", "rgb_alpha08", "rgb_coherence", "rgb_oic",
    "rgb_literal", "flow", "flow_alpha04", "flow_alpha05", "flow_alpha07", "flow_alpha08",
    "flow_coherence", "flow_oic", "flow_literal", "rgb_fast", "flow_fast",
]  # fmt: skip
FUSED = [None, "literal", "fast"]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model(project):
    return yaml.safe_load((project / "workflow/config/models/acn.yaml").read_text())


@pytest.fixture(scope="module")
def schema(catalog):
    return catalog.schemas["model_acn"]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return small_acn_set(tmp_path_factory.mktemp("small"))


@pytest.mark.parametrize("variant", STREAMS)
def test_every_stream_trains_scores_and_localizes(variant, small, project):
    features, annotations, upstream = small
    config = acn_config(project, variant)
    data = TrainingSet(features, annotations, config, CPU, upstream)
    trainer = Trainer(acn, data, features.dims, config, 0, CPU)
    before = [p.clone() for p in trainer.model.parameters()]
    while trainer.iteration < trainer.iterations:
        trainer.step()  # raises if the loss is not finite
    after = list(trainer.model.parameters())
    assert all(p.isfinite().all() for p in after)
    assert any((a != b).any() for a, b in zip(before, after, strict=True))
    scorer = Scorer(
        features, features.ids("test"), data.streams, data.classes, data.standardization, CPU,
        upstream,
    )  # fmt: skip
    found = localize(scorer(trainer.model, 1), config["localize"])
    assert len(found) and (found["t_end"] > found["t_start"]).all()


def test_the_lists_above_are_complete(model):
    assert set(model["variants"]) == set(STREAMS + FUSED) - {None}


@pytest.mark.parametrize("variant", STREAMS + FUSED)
def test_every_variant_differs_from_the_method_and_fits_the_schema(variant, model, schema):
    for dataset in ["", *model["datasets"]]:
        config = resolve_run(model, dataset, variant)
        filled = validated(config, schema, "test")
        assert {**filled, "init_from": None} == {
            **config,
            "init_from": None,
            "train": filled["train"],
        }
        if variant:
            assert config != resolve_run(model, dataset, None)
        assert bool(config["fuse_from"]) == (variant in FUSED)
        assert len(config["streams"]) == (2 if variant in FUSED else 1)


def test_a_loss_is_scored_with_the_alpha_it_was_trained_with(model):
    for variant in STREAMS:
        config = resolve_run(model, "thumos14", variant)
        assert config["loss"]["alpha"] == config["localize"]["alpha"], variant
        threshold = 5 if variant.startswith("flow") else 7
        assert config["localize"]["attention"]["value"] == threshold, variant
        for name in ("class_threshold", "scp_threshold", "discard_rule"):
            assert config["loss"][name] == config["localize"][name], variant


def test_fused_runs_join_streams_of_their_own_settings(model):
    assert model["fuse_from"] == {"rgb": "acn-rgb", "flow": "acn-flow"}
    for variant, setting in (("literal", "momentum"), ("fast", "lr")):
        fused = model["variants"][variant]
        for name in fused["fuse_from"].values():
            config = resolve_run(model, "", name.removeprefix("acn-"))
            assert config["train"][setting] == fused["train"][setting] != model["train"][setting]


def test_published_settings(model):
    thumos = resolve_run(model, "thumos14", "rgb")
    assert thumos["model"]["anchors"] == [1, 2, 4, 8, 16, 32]
    train = thumos["train"]
    assert (train["optimizer"], train["lr"], train["epochs"]) == ("sgd", 1e-3, 3)
    assert thumos["data"]["batch"] == 4 and thumos["data"]["length"] is None
    assert train["schedule"]["factor"] == 0.1 and len(train["schedule"]["at"]) == 2
    assert thumos["loss"]["alpha"] == 0.6
    assert thumos["localize"]["nms_iou"] == thumos["localize"]["fusion"]["iou"] == 0.4
    anet = resolve_run(model, "activitynet12", "flow")
    assert anet["model"]["anchors"] == [16, 32, 64, 128, 256, 512]
    published = resolve_run(model, "thumos14", "flow", "autoloc_unt")["localize"]["attention"]
    assert (published["mode"], published["value"]) == ("absolute", 5)


def test_the_rate_falls_after_each_epoch(model):
    from wstal.train.optimizer import learning_rate

    settings = resolve_run(model, "thumos14", "rgb")["train"]
    for updates in (50, 1177):  # per epoch: THUMOS14, ActivityNet 1.2
        rates = [learning_rate(settings, i / (3 * updates)) for i in range(3 * updates)]
        for epoch, rate in enumerate((1e-3, 1e-4, 1e-5)):
            assert rates[epoch * updates] == pytest.approx(rate)
            assert rates[(epoch + 1) * updates - 1] == pytest.approx(rate)


def test_unknown_keys_are_refused(model, schema):
    config = resolve_run(model, "", "rgb")
    config["loss"]["alhpa"] = 0.3
    with pytest.raises(WstalError, match="alhpa: unknown key; did you mean 'alpha'"):
        validated(config, schema, "acn.yaml")


@pytest.mark.parametrize("number", range(1, 6))
def test_tables_name_known_runs_for_every_row_of_ours(number, project, model):
    table = yaml.safe_load((project / f"workflow/config/tables/acn_table{number}.yaml").read_text())
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
        config, switches = resolve_run(model, row["dataset"], variant), listed[name]
        stream = switches["stream"]
        assert config["streams"] == (["rgb", "flow"] if stream == "fused" else [stream]), name
        alpha = {"L": float(switches["alpha"]), "Lc": 0, "OIC": 1}[switches["score"]]
        assert config["localize"]["alpha"] == config["loss"]["alpha"] == alpha, name
