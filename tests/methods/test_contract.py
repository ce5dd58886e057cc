"""The contract between a method and the loop, scoring and localization."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from method_configs import method_config, method_yaml, resolved
from wstal.base.errors import WstalError
from wstal.base.settings import defaults, from_plain, to_plain
from wstal.config.layers import NOT_A_RUN
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
from wstal.train.data import DataSettings
from wstal.train.loop import TrainSettings, run_config

METHODS = ("acn", "cavf", "co2net", "tssam", "untrimmednet")


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
        for dataset in ["", *content["datasets"]]:
            plain = resolved(content, dataset, variant)
            if variant:
                assert plain != resolved(content, dataset, None)
            config = run_config(plain)
            assert plain == {
                "method": method,
                **to_plain(config.run),
                **{name: to_plain(getattr(config, name)) for name in ("loss", "data", "train")},
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
