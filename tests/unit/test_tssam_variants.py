"""Every run of TS-SAM that the config names, and the tables made of them."""

import csv
import importlib

import pytest
import torch
import yaml
from wstal.config.layers import merged
from wstal.data.dataset import TrainingSet
from wstal.errors import WstalError
from wstal.localize.tssam import localize
from wstal.models import tssam
from wstal.train.loop import Trainer
from wstal.train.scoring import Scorer

CPU = torch.device("cpu")
VARIANTS = [
    None, "fg", "fg_bg", "fg_bg_ct", "fg_bg_ct_gui", "attention_only", "mil_only",
    "gui_sum", "gui_logit", "gui_detached", "dict_uniform", "no_warmup",
    "outer_fixed", "centred", "as_written", "audio",
]  # fmt: skip
CUT = {
    "data": {"length": 12, "batch": 6},
    "train": {"epochs": 6, "score_interval": 2, "log_interval": 1, "lr": 1e-3},
}


def run_name(variant):
    return f"tssam-{variant}" if variant else "tssam"


def small_run(catalog, features, variant=None, seed=0, **changes):
    file, annotations = features
    config = merged(catalog.run_config("demo", run_name(variant)), CUT, changes)
    config["streams"] = ["rgb", "flow"]  # the small set has no sound
    data = TrainingSet(file, annotations, config, CPU)
    return Trainer(tssam, data, file.dims, config, seed, CPU)


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
    scorer = Scorer(file, ids, data.streams, annotations.classes, data.standardization, CPU)
    scores = scorer(trainer.model, trainer.iteration)
    for values in scores.videos.values():
        assert set(values.attentions) == {"ct", "bg"}
        assert ((values.video_score > 0) & (values.video_score < 1)).all()
        assert values.video_score.sum() < 1  # the background has its share
    settings = catalog.run_config("demo", run_name(variant))["localize"]
    low = {**settings, "thresholds": {"start": 0.05, "stop": 0.3, "num": 6}}
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
    with pytest.raises(WstalError, match="give data.length a number"):
        tssam.build(config, {"rgb": 4, "flow": 4}, 3)


def test_the_list_above_is_complete_and_no_variant_is_the_method_itself(catalog):
    assert set(catalog.models["tssam"]["variants"]) == set(VARIANTS) - {None}
    for dataset in catalog.datasets:
        method = catalog.run_config(dataset, "tssam")
        for variant in VARIANTS[1:]:
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
    table = yaml.safe_load(
        (project / f"workflow/config/tables/tssam_table{number}.yaml").read_text()
    )
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


def test_the_methods_modules_are_found_by_name():
    for package in ("models", "localize"):
        assert importlib.import_module(f"wstal.{package}.tssam")
