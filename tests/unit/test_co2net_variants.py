"""Every run the config names, and the tables made of them."""

import csv

import pytest
import torch
import yaml
from small_set import small_config
from wstal.config.layers import resolve_run
from wstal.config.validate import validated
from wstal.data.dataset import TrainingSet
from wstal.errors import WstalError
from wstal.models import co2net
from wstal.train.loop import Trainer

VARIANTS = [
    None, "loss_mil", "loss_mil_oppo", "loss_mil_oppo_ml", "loss_without_norm", "loss_without_cas",
    "mutual_mae", "mutual_kl", "mutual_js", "main_local_aux_local", "main_local_aux_global",
    "fusion_add", "fusion_concat", "fusion_ssma", "fusion_se", "attention_free", "as_written",
    "audio",
]  # fmt: skip


@pytest.fixture(scope="module")
def model(project):
    return yaml.safe_load((project / "workflow/config/models/co2net.yaml").read_text())


@pytest.fixture(scope="module")
def schema(catalog):
    return catalog.schemas["model_co2net"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_takes_finite_steps(variant, features, project):
    file, annotations = features
    config = small_config(project, variant)
    config["train"]["log_interval"] = 1
    data = TrainingSet(file, annotations, config, torch.device("cpu"))
    trainer = Trainer(co2net, data, file.dims, config, 0, torch.device("cpu"))
    before = [p.clone() for p in trainer.model.parameters()]
    for _ in range(3):
        trainer.step()  # raises if the loss is not finite
    after = list(trainer.model.parameters())
    assert all(p.isfinite().all() for p in after)
    assert any((a != b).any() for a, b in zip(before, after, strict=True))


def test_the_list_above_is_complete(model):
    assert set(model["variants"]) == set(VARIANTS) - {None}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_differs_from_the_method_and_fits_the_schema(variant, model, schema):
    for dataset in ["", *model["datasets"]]:
        config = resolve_run(model, dataset, variant)
        assert validated(config, schema, "test") == config  # no value hides in the schema
        if variant:
            assert config != resolve_run(model, dataset, None)


def keys(mapping, prefix=()):
    for key, value in mapping.items():
        yield (*prefix, key)
        if isinstance(value, dict):
            yield from keys(value, (*prefix, key))


def test_overlays_set_only_keys_that_the_method_has(model):
    known = set(keys({k: v for k, v in model.items() if k not in ("datasets", "variants")}))
    for kind in ("datasets", "variants"):
        for name, overlay in model[kind].items():
            assert set(keys(overlay)) <= known, name


def test_unknown_keys_are_refused(model, schema):
    config = resolve_run(model, "", None)
    config["loss"]["topK"] = 3
    with pytest.raises(WstalError, match="topK"):
        validated(config, schema, "co2net.yaml")


def test_settings_of_the_official_scripts(model):
    thumos = resolve_run(model, "thumos14", None)
    assert (
        thumos["train"] | {"lr": 5e-5, "weight_decay": 1e-3, "iterations": 5000} == thumos["train"]
    )
    assert thumos["data"] | {"length": 500, "batch": 10, "pairs": 3} == thumos["data"]
    anet = resolve_run(model, "activitynet12", None)
    assert anet["train"] | {"lr": 3e-5, "weight_decay": 5e-4, "iterations": 22000} == anet["train"]
    assert (anet["data"]["length"], anet["loss"]["topk"], anet["model"]["pool_kernel"]) == (
        60,
        5,
        13,
    )
    sim = resolve_run(model, "thumos14_sim", None, "sim128")
    assert (sim["data"]["length"], sim["train"]["iterations"], sim["train"]["lr"]) == (
        250,
        2000,
        1e-4,
    )


@pytest.mark.parametrize("number", range(1, 7))
def test_tables_name_known_runs_for_every_row_of_ours(number, project, model):
    path = project / f"workflow/config/tables/co2net_table{number}.yaml"
    table = yaml.safe_load(path.read_text())
    folder = project / "workflow/reference/paper_tables"
    with (folder / table["paper"]).open() as file:
        own = {r["variant"] for r in csv.DictReader(file) if not r["group"].startswith("quoted")}
    assert {row["variant"] for row in table["rows"]} == own
    for row in table["rows"]:
        _, _, variant = row["run"].partition("-")
        assert not variant or variant in model["variants"]
    with (folder / "row_configs.csv").open() as file:
        listed = [
            r for r in csv.DictReader(file) if r["method"] == "co2net" and r["table"] == str(number)
        ]
    assert {row["variant"] for row in listed} == own
    for row in table["rows"]:
        if "reading:" in row["variant"]:
            assert "reading" in row["note"]


def test_more_streams_are_two_modalities(project):
    config = small_config(project, "audio")
    dims = {"rgb": 6, "flow": 5, "audio": 3}
    assert co2net.build(config, dims, 2).dims == [11, 3]


def test_as_written_takes_the_papers_text_wherever_the_code_differs(model):
    config = resolve_run(model, "thumos14", "as_written")
    assert config["loss"]["suppression"] == "product"  # Eq. 9, in training too
    assert config["loss"]["norm"] == "mean"  # the printed sum leaves no attention
    assert config["model"]["bare_descriptors"] and config["model"]["logit_dropout"] == 0
    assert config["model"]["attention_dropout"] == config["model"]["dropout"] == 0.7
    built = co2net.build(config, {"rgb": 16, "flow": 16}, 3)
    assert built.attention_rgb.layers[2].p == built.attention_flow.layers[2].p == 0.7
    official = co2net.build(resolve_run(model, "thumos14", None), {"rgb": 16, "flow": 16}, 3)
    assert official.attention_rgb.layers[2].p == 0.5
