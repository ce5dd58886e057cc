"""Every run of CAVF, from features to localization, and the tables made of them."""

import csv

import pytest
import torch
from wstal.config.layers import merged
from wstal.data.dataset import TrainingSet
from wstal.localize.cavf import localize
from wstal.models import cavf
from wstal.tables.build import dataset_slug
from wstal.train.loop import Trainer
from wstal.train.scoring import Scorer

CPU = torch.device("cpu")
WIDTHS = [
    (u, v) for u in (128, 512, 1024, 2048) for v in (512, 1024, 2048) if (u, v) != (1024, 1024)
]
VARIANTS = [
    None, "audio_only", "visual_only", "stages_0", "stages_1", "stages_3", "s_0", "s_i", "o_0", "o_i",
    "o_ii", "skip_none", "skip_prev", "stages_3_skip_none", "stages_3_skip_prev", "stages_3_frozen",
    "stages_3_frozen_skip_prev", "width_512", "visual_only_512", "stages_0_s_0", "stages_0_s_i",
    "stages_0_o_0",
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
    config = merged(catalog.run_config("demo", run_name(variant)), CUT)
    data = TrainingSet(file, annotations, config, CPU)
    trainer = Trainer(cavf, data, file.dims, config, 0, CPU)
    before = [p.clone() for p in trainer.model.parameters()]
    for _ in range(4):
        trainer.step()  # raises if the loss is not finite
    assert any((a != b).any() for a, b in zip(before, trainer.model.parameters(), strict=True))
    assert set(trainer.log[0]) >= {"mil", "pseudo_active"}
    scorer = Scorer(
        file, file.ids("test"), data.streams, annotations.classes, data.standardization, CPU
    )
    scores = scorer(trainer.model, trainer.iteration)
    assert scores.activation == "probability"
    found = localize(scores, config["localize"])
    assert (found["t_end"] > found["t_start"]).all()
    assert not localize(scores, {**config["localize"], "shortest": 1}).empty


def test_the_list_above_is_complete(catalog):
    assert set(catalog.models["cavf"]["variants"]) == set(VARIANTS) - {None}


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
    config = catalog.run_config("thumos14_sim", "cavf-visual_only")
    assert config["streams"] == ["rgb", "flow"]
    assert cavf.build(config, {"rgb": 8, "flow": 8}, 3).modalities == ["visual"]


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


def test_streams_are_those_of_each_recipe(catalog):
    for name, recipe in catalog.features.items():
        streams = set(catalog.run_config("thumos14", "cavf", name)["streams"])
        assert streams <= set(recipe["streams"]), name
        if "audio" in recipe["streams"]:
            assert "audio" in streams, name
