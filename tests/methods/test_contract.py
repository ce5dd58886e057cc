"""The contract between a method and the loop, scoring and localization."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
import warm_python
from method_configs import method_config, method_yaml, resolved
from wstal.base.errors import WstalError
from wstal.base.settings import SettingsError, defaults, from_plain, to_plain
from wstal.config.layers import NOT_A_RUN
from wstal.config.validation import LATER
from wstal.methods import contract
from wstal.methods.contract import (
    NOTHING,
    Batch,
    LocalizationHalf,
    Output,
    RunSettings,
    TrainingHalf,
    as_float32,
    localization_half,
    training_half,
)
from wstal.train import checkpoint
from wstal.train.data import DataSettings
from wstal.train.loop import TrainSettings, run_config
from wstal.train.scoring import count_macs

METHODS = ("acn", "cavf", "co2net", "concord", "tssam", "untrimmednet")


@dataclass(frozen=True)
class NoSettings:
    pass


@dataclass(frozen=True)
class ToyRun(RunSettings):
    model: NoSettings = NoSettings()


def toy(**members):
    required = {
        "name": "toy",
        "run_settings": ToyRun,
        "loss_settings": NoSettings,
        "build": lambda run, dims, classes: torch.nn.Identity(),
        "loss": lambda output, batch, settings: (output.cas.sum(), {}),
    }
    return TrainingHalf(**{**required, **members})


def output(**changes):
    cas, attention = torch.zeros(2, 5, 4), torch.zeros(2, 5)
    return Output(cas, attention, torch.zeros(2, 5, 3), {"found": attention})._replace(**changes)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_both_halves_under_its_name(method):
    assert training_half(method).name == localization_half(method).name == method


@pytest.mark.parametrize("method", METHODS)
def test_every_run_of_a_method_is_a_tree_of_its_settings(method, project):
    """There and back without a loss; no variant is the method itself."""
    content, half = method_yaml(project, method), localization_half(method)
    for variant in [None, *content.get("variants", {})]:
        datasets = ["", *content["datasets"]]
        given = variant in (None, "imported")  # a checkpoint of the method itself
        assert given or any(  # some concern one dataset alone
            resolved(content, each, variant) != resolved(content, each, None) for each in datasets
        )
        for dataset in datasets:
            plain = resolved(content, dataset, variant)
            config = run_config(plain)
            parts = {n: to_plain(getattr(config, n)) for n in ("loss", "data", "train")}
            for section, key in LATER:  # in a run's config only where they are given
                if not parts[section][key]:
                    del parts[section][key]
            assert plain == {
                "method": method,
                **to_plain(config.run),
                **parts,
                "localize": to_plain(from_plain(half.settings, plain["localize"])),
            }


@pytest.mark.parametrize("method", METHODS)
def test_a_methods_yaml_repeats_no_default(method, project):
    training = training_half(method)
    stated = defaults(training.run_settings) | {
        "loss": defaults(training.loss_settings),
        "data": defaults(DataSettings),
        "train": defaults(TrainSettings),
        "localize": defaults(localization_half(method).settings),
    }
    base = {k: v for k, v in method_yaml(project, method).items() if k not in NOT_A_RUN}
    repeated = [path for path, value in leaves(base) if value_at(stated, path) == value]
    assert not repeated


def leaves(tree, path=()):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def value_at(tree, path):
    for key in path:
        tree = tree.get(key, {}) if isinstance(tree, dict) else {}
    return tree


@pytest.mark.parametrize("method", METHODS)
def test_packages_and_settings_come_without_heavy_imports(method):
    code = (
        f"import sys, wstal.methods.{method}, wstal.methods.contract\n"
        "heavy = {'torch', 'pydantic', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("name", "network"),
    [("co2net", "CO2Net"), ("acn", "ACN"), ("cavf", "CAVF"), ("tssam", "TSSAM"),
     ("untrimmednet", "UntrimmedNet")],
)  # fmt: skip
def test_the_package_offers_its_network_and_nothing_else(name, network):
    package = __import__(f"wstal.methods.{name}", fromlist=[network])
    assert issubclass(getattr(package, network), torch.nn.Module)
    with pytest.raises(AttributeError, match="has no attribute 'Other'"):
        _ = package.Other


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"build": None}, "methods/toy/loss.py: TRAINING.build is None; give it a function"),
        ({"stored": ("a",)}, "TRAINING.stored is .* give it a function"),
        ({"loss_settings": dict}, "TRAINING.loss_settings is .* a frozen dataclass of settings"),
        ({"run_settings": NoSettings}, "TRAINING.run_settings is not a subclass of"),
        ({"run_settings": RunSettings}, "TRAINING.run_settings has no field `model`"),
        ({"activation": "odds"}, "TRAINING.activation is 'odds'; it is one of logits, probability"),
    ],
)
def test_a_training_half_of_wrong_members_names_them(members, message):
    with pytest.raises(WstalError, match=message):
        toy(**members)


def test_a_localization_half_of_wrong_members_names_them():
    with pytest.raises(WstalError, match="LOCALIZATION.localize is None"):
        LocalizationHalf(name="toy", settings=NoSettings, localize=None)
    with pytest.raises(WstalError, match="LOCALIZATION.settings is 3"):
        LocalizationHalf(name="toy", settings=3, localize=lambda scores, settings: pd.DataFrame())


def test_a_required_member_that_is_missing_is_named():
    with pytest.raises(TypeError, match="'build'"):
        TrainingHalf(
            name="toy", run_settings=ToyRun, loss_settings=NoSettings, loss=lambda *_: None
        )


def test_a_method_that_does_not_exist_is_named():
    with pytest.raises(WstalError, match="method 'co3net': methods/co3net/loss.py is missing"):
        training_half("co3net")
    with pytest.raises(WstalError, match="methods/co3net/localize.py is missing"):
        localization_half("co3net")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "TRAINING is missing; add TRAINING = TrainingHalf"),
        ({"TRAINING": 3}, "TRAINING is missing"),
        ({"TRAINING": toy(name="other")}, "TRAINING.name is 'other'; name it 'toy'"),
    ],
)
def test_a_module_without_its_half_is_named(content, message, monkeypatch):
    monkeypatch.setattr(contract.importlib, "import_module", lambda _: SimpleNamespace(**content))
    with pytest.raises(WstalError, match=f"methods/toy/loss.py: {message}"):
        training_half("toy")


def test_an_import_that_fails_inside_a_method_is_not_hidden(monkeypatch):
    def missing(module):
        raise ModuleNotFoundError("No module named 'fvcore'", name="fvcore")

    monkeypatch.setattr(contract.importlib, "import_module", missing)
    with pytest.raises(ModuleNotFoundError, match="fvcore"):
        training_half("co2net")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"attention": torch.zeros(2, 5, 1)},
            r"attention has the shape \(2, 5, 1\); \[B, T\] is \(2, 5\)",
        ),
        ({"cas": torch.zeros(2, 4, 4)}, "cas has the shape"),
        ({"features": None}, "features has the shape None"),
    ],
)
def test_an_output_of_another_shape_is_named(changes, message):
    with pytest.raises(WstalError, match=f"methods/toy/network.py: the output's {message}"):
        toy().forward(lambda x: output(**changes), torch.zeros(2, 5, 3), None, NOTHING)


def test_values_that_an_output_promises_are_found_in_fields_and_in_extra():
    half = toy()
    found = output()
    assert half.value(found, "attention", "attentions") is found.attention
    assert half.value(found, "found", "stored") is found.extra["found"]
    with pytest.raises(WstalError, match="TRAINING.stored names lost, but the output has cas, "):
        half.value(found, "lost", "stored")


def test_networks_get_the_mask_and_the_upstream_scores_that_they_take():
    given = []

    def network(x, **options):
        given.append(options)
        return output()

    for members in ({}, {"takes_mask": True}, {"takes_mask": True, "takes_upstream": True}):
        toy(**members).forward(network, torch.zeros(2, 5, 3), None, {"cas": 1})
    both = {"mask": None, "upstream": {"cas": 1}}
    assert given == [{}, {"mask": None}, both]


def test_a_loss_that_returns_something_else_is_named():
    half = toy(loss=lambda output, batch, settings: output.cas.sum())
    batch = Batch(torch.zeros(2, 5, 3), torch.zeros(2, 3))
    with pytest.raises(WstalError, match="TRAINING.loss returned Tensor; it returns the total"):
        half.total_loss(output(), batch, NoSettings())


def test_seconds_become_the_nearest_number_of_snippets_that_a_method_takes():
    assert toy().fitting_length(20.48, 0.16, NoSettings()) == 128
    assert toy().fitting_length(0.1, 0.16, NoSettings()) == 2

    def by_seven(length, loss):
        if length % 7:
            raise SettingsError("give a multiple of 7")

    half = toy(check_length=by_seven)
    assert half.fitting_length(20.48, 0.64, NoSettings()) == 35  # of 32 wanted: 28 is further
    half.check(ToyRun(), 12, NoSettings(), 20.48)  # the other length does not count
    with pytest.raises(SettingsError, match=r"length_seconds: 1\.28 s are 2 .*multiple of 7.*more"):
        half.fitting_length(1.28, 0.64, NoSettings())


def test_settings_that_a_method_cannot_take_are_named():
    half, run = toy(), ToyRun()
    half.check(run, 12, NoSettings())
    with pytest.raises(WstalError, match="data.length is null, but toy takes a fixed number"):
        half.check(run, None, NoSettings())
    toy(takes_mask=True).check(run, None, NoSettings())
    with pytest.raises(WstalError, match="scores_from names acn, but toy takes no scores"):
        half.check(replace(run, scores_from="acn"), 12, NoSettings())


def test_a_stream_named_twice_is_refused():
    with pytest.raises(WstalError, match="streams names rgb twice"):
        ToyRun(streams=("rgb", "flow", "rgb"))


def test_a_mistake_in_a_runs_config_is_named_with_its_path(project):
    plain = method_config(project, "co2net")
    for section, message in (
        ("loss", "loss.weihgts: unknown key; did you mean 'weights'"),
        ("model", "model.weihgts: unknown key"),
        ("data", "data.weihgts: unknown key"),
    ):
        with pytest.raises(WstalError, match=message):
            run_config({**plain, section: {**plain[section], "weihgts": 1}})
    with pytest.raises(WstalError, match="weihgts: unknown key; valid keys: init_from, model"):
        run_config({**plain, "weihgts": 1})


def test_half_precision_outputs_become_single():
    half = torch.rand(1, 3).bfloat16()
    found = as_float32(Output(half, half, half, {"x": half}))
    assert {t.dtype for t in (*found[:3], found.extra["x"])} == {torch.float32}


# Counts against CAVF's Table 4 and against products done by hand.

DIMS = {"audio": 128, "rgb": 1024, "flow": 1024}
CLASSES = 100


def network_of(plain):
    config = run_config(plain)
    return config.method.build(config.run, DIMS, CLASSES)


def count(project, run, length=1):
    plain = method_config(project, run, "activitynet12")
    return count_macs(network_of(plain), sum(DIMS[name] for name in plain["streams"]), length)


@pytest.fixture(scope="module")
def table(catalog):
    return catalog.tables["cavf_table4"]


def test_rows_of_the_paper_within_one_percent(project, table):
    with (project / "workflow/reference/paper_tables" / table["paper"]).open() as file:
        printed = {
            r["variant"]: float(r["value"]) for r in csv.DictReader(file) if "FLOP" in r["metric"]
        }
    counted = {row["variant"]: count(project, row["run"]).layers / 1e6 for row in table["rows"]}
    expected = {
        "visual-only dx=1024": 2.20, "1-stage dx=1024": 3.48, "2-stage dx=1024": 4.53,
        "visual-only dx=512": 1.10, "2-stage dx=512": 1.74,
    }  # fmt: skip
    assert counted == pytest.approx(expected, rel=0.003)
    for variant in ("1-stage dx=1024", "2-stage dx=512"):
        assert counted[variant] == pytest.approx(printed[variant], abs=0.05)
    # With a classifier 2 dx wide, as the paper's formula has it, the uni-modal rows agree too.
    for width, variant in ((1024, "visual-only dx=1024"), (512, "visual-only dx=512")):
        formula = (2048 * width + 2 * width * (CLASSES + 1)) / 1e6
        assert formula == pytest.approx(printed[variant], abs=0.05)
        note = next(row["note"] for row in table["rows"] if row["variant"] == variant)
        assert f"{formula:.2f}M" in note and f"{counted[variant]:.2f}M" in note
    note = next(row["note"] for row in table["rows"] if row["variant"] == "2-stage dx=1024")
    assert "4.53M" in note and abs(counted["2-stage dx=1024"] - 4.0) > 0.5


def test_attention_between_snippets_is_in_the_total_alone(project):
    short, long = (count(project, "cavf", length) for length in (1, 20))
    assert short.layers == long.layers == 2176 * 1024 + 2 * 1024**2 + 2048 * 101
    assert long.total - long.layers == 2 * 3 * 20 * 1024  # two stages of three products
    alone = count(project, "cavf-visual_only", 20)
    assert alone.total == alone.layers == 2048 * 1024 + 1024 * 101


def test_no_product_is_missed_where_a_model_takes_faster_routes(project):
    found = count(project, "co2net", 3).layers
    per_snippet = 2048 * 2048 * 4 + 2048 * (CLASSES + 1)  # joint and classifier
    per_snippet += 2 * (3 * 1024 * 512 + 3 * 512 * 512 + 512)  # attention units
    per_snippet += 2 * 1024 * 1024 * (1 / 3 + 3)  # global (once per video) and local descriptors
    assert found == pytest.approx(per_snippet)


def test_the_cost_of_a_run_joins_its_table(project, tmp_path):
    """count_macs.py and make_table.py as the rules call them."""
    config = method_config(project, "cavf-width_512", "activitynet12")
    model = network_of(config)
    content = {"config": config, "dims": DIMS, "classes": list(map(str, range(CLASSES)))}
    checkpoint.save(tmp_path / "c.pt", {**content, "model": model.state_dict()})
    names = {"dataset": "activitynet12", "recipe": "i3d_tvl1", "run": "cavf-width_512"}
    about = [part for key, value in names.items() for part in (f"--{key}", value)]
    run(project, "count_macs.py", "--checkpoint", tmp_path / "c.pt", *about,
        "--output", tmp_path / "macs.csv")  # fmt: skip
    columns = pd.read_csv(tmp_path / "macs.csv").columns
    score = {**names, "reading": "strict", "metric": "mAP@0.5:0.95", "mean": 20.0, "n": 3}
    pd.DataFrame([score], columns=columns).to_csv(tmp_path / "map.csv", index=False)
    row = {"variant": "2-stage dx=512", "dataset": "activitynet12", "run": "cavf-width_512"}
    table = {
        "method": "cavf",
        "table": 4,
        "title": "Cost",
        "paper": "p",
        "metrics": [],
        "rows": [row],
    }
    paper = project / "workflow/reference/paper_tables/cavf_table4.csv"
    run(project, "make_table.py", "--table", json.dumps(table), "--paper", paper, "--results",
        tmp_path / "map.csv", tmp_path / "macs.csv", "--output", tmp_path / "t.csv",
        "--markdown", tmp_path / "t.md")  # fmt: skip
    found = pd.read_csv(tmp_path / "t.csv")
    found = found[(found["run"] == "cavf-width_512") & (found["reading"] == "strict")]
    values = found.set_index("metric")["ours_mean"].to_dict()
    assert values == {"mmacs": 1.74, "mAP@0.5:0.95": 20.0}
    assert "with attention over 160 snippets" in found.set_index("metric").loc["mmacs", "note"]


def test_a_fixed_number_of_snippets_is_not_counted_for_a_video_of_another(project, tmp_path):
    """TS-SAM reads 75 snippets of any ActivityNet video: the cost is per snippet that it reads."""
    config = method_config(project, "tssam", "activitynet13", changes={"streams": ["audio"]})
    model = network_of(config)
    content = {"config": config, "dims": {"audio": 128}, "classes": list(map(str, range(CLASSES)))}
    checkpoint.save(tmp_path / "c.pt", {**content, "model": model.state_dict()})
    names = {"dataset": "activitynet13", "recipe": "i3d_tvl1", "run": "tssam"}
    about = [part for key, value in names.items() for part in (f"--{key}", value)]
    run(project, "count_macs.py", "--checkpoint", tmp_path / "c.pt", *about,
        "--output", tmp_path / "macs.csv")  # fmt: skip
    found = pd.read_csv(tmp_path / "macs.csv")["mean"].iloc[0] * 1e6
    per_snippet = 3 * 128 * 128 + 128 * 3 + 128 * (CLASSES + 1)  # block, attention, classifier
    pooled = 3 * 128 * (CLASSES + 1) / 75  # three features of the whole video
    assert found == pytest.approx(per_snippet + pooled, rel=1e-3)


def run(project, script, *arguments):
    command = [sys.executable, project / "scripts" / script, *map(str, arguments)]
    warm_python.run(command, check=True)
