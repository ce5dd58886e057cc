"""CO2-Net against outputs of the official implementation, and every run that its YAML names."""

from __future__ import annotations

import csv
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from method_configs import method_yaml, resolved, small_config
from official_recipe import load_module, official_inputs, official_weights
from wstal.base.errors import WstalError
from wstal.methods.co2net import CO2Net
from wstal.methods.co2net.loss import LossSettings, WeightSettings, loss
from wstal.methods.co2net.network import (
    CO2Output,
    Descriptor,
    NetworkSettings,
    RunSettings,
    attentions,
    build,
    build_fusion,
    official_names,
)
from wstal.methods.contract import Batch
from wstal.train.data import TrainingSet
from wstal.train.loop import Trainer, run_config

TERMS = {
    "mil_orig": "mil_orig",
    "mil_supp": "mil_supp",
    "coactivity": "cas_sim",
    "mutual": "mutual",
}


@pytest.fixture(scope="module")
def step(project):
    return load_module(project / "benchmarks/speed/reference/co2net_step.py")


@pytest.fixture(scope="module")
def fixtures(reference):
    return {path.stem: np.load(path) for path in (reference / "fixtures/co2net").glob("*.npz")}


@pytest.fixture(scope="module")
def weights(fixtures):
    model = fixtures["model_thumos"]
    state = official_weights(model["param_names"], model["param_shapes"])
    sums = [value.double().sum().item() for value in state.values()]
    np.testing.assert_allclose(sums, model["param_sums"], atol=1e-9)
    return state


@pytest.fixture(scope="module")
def ours(weights):
    names = list(weights)
    np.random.default_rng(5).shuffle(names)
    return CO2Net.from_official({name: weights[name] for name in names}, 20).eval()


@pytest.fixture(scope="module")
def plain(weights, step):
    model = step.Network(20).eval()
    model.load_state_dict(weights)
    return model


def as_dict(output):
    if isinstance(output, dict):
        return {name: value.detach().numpy() for name, value in output.items()}
    named = {"v_atn": output.attention_rgb, "f_atn": output.attention_flow}
    named = {name: a[..., None] for name, a in {**named, "attn": output.attention}.items()}
    named |= {"feat": output.features, "cas": output.logits}
    return {name: value.detach().numpy() for name, value in named.items()}


@pytest.mark.parametrize("which", ["ours", "plain"])
def test_outputs_of_the_official_network(which, request, fixtures):
    expected = fixtures["model_thumos"]
    x = official_inputs(2, 32, key=0)
    np.testing.assert_array_equal(x[:, :, ::256], expected["x_check"])
    with torch.no_grad():
        output = as_dict(request.getfixturevalue(which)(x))
    for name in ("feat", "cas", "attn", "v_atn", "f_atn"):
        np.testing.assert_allclose(output[name], expected[name], atol=1e-4, err_msg=name)


def test_gated_streams_of_the_official_network(ours, fixtures):
    expected = fixtures["model_thumos"]
    with torch.no_grad():
        fused = ours.fusion(*official_inputs(2, 32, key=0).split(1024, -1))
    np.testing.assert_allclose(fused.rgb, expected["v_enhanced"], atol=1e-4)
    np.testing.assert_allclose(fused.flow, expected["f_enhanced"], atol=1e-4)


def test_activitynet_variant(fixtures, weights):
    expected, model = fixtures["model_anet"], fixtures["model_thumos"]
    last = slice(-2, None)
    names, shapes = model["param_names"], model["param_shapes"]
    head = official_weights(names, shapes, classes=100, unused=False)
    state = {**weights, **{n: head[n] for n in list(head)[last]}}
    net = CO2Net.from_official(state, 100, pool_kernel=int(expected["pool_kernel"][0])).eval()
    with torch.no_grad():
        output = as_dict(net(official_inputs(2, 32, key=0)))
    for name in ("cas", "attn", "v_atn", "f_atn"):
        np.testing.assert_allclose(output[name], expected[name], atol=1e-4, err_msg=name)


@pytest.mark.parametrize("which", ["ours", "plain"])
@pytest.mark.parametrize("case", ["loss8", "loss4"])
def test_loss_and_gradient_norms_of_the_official_criterion(which, case, request, fixtures, step):
    expected, model = fixtures[case], request.getfixturevalue(which)
    labels, pairs = torch.from_numpy(expected["labels"]), int(expected["num_pairs"])
    x = official_inputs(len(labels), int(expected["T"]), key=1)
    if which == "ours":
        total, terms = loss(model(x), Batch(x, labels, pairs), LossSettings())
        checked = {TERMS[n]: t for n, t in terms.items() if n in TERMS}
        names = {str(n): official_names().get(str(n)) for n in expected["params"]}
        for ours_name, parts in (("norm", "norm"), ("guide", "guide")):
            mean = np.mean([expected[f"term_{p}{parts}"] for p in ("", "v_", "f_")])
            assert terms[ours_name].item() == pytest.approx(mean, abs=1e-5)
    else:
        total, checked = step.criterion(model(x), labels, pairs, 7)
        names = {str(n): str(n) for n in expected["params"]}
    parameters = dict(model.named_parameters())
    for name, value in {"total": total, **checked}.items():
        term = expected["total" if name == "total" else f"term_{name}"]
        assert value.item() == pytest.approx(float(term), abs=1e-5 * max(1, abs(term))), name
        if case == "loss4" and name != "total":
            continue
        model.zero_grad()
        value.backward(retain_graph=True)
        for official, norm in zip(names, expected[f"gradnorm_{name}"], strict=True):
            parameter = parameters.get(names[official])
            found = (
                0.0
                if parameter is None or parameter.grad is None
                else parameter.grad.double().norm()
            )
            assert float(found) == pytest.approx(norm, rel=1e-4, abs=1e-9), (name, official)


def test_losses_and_gradients_in_double_precision(fixtures):
    expected = fixtures["loss_small"]
    names = ("feat", "cas", "v_atn", "f_atn")
    leaves = {n: torch.from_numpy(expected[n]).requires_grad_() for n in names}
    rgb, flow = leaves["v_atn"].squeeze(-1), leaves["f_atn"].squeeze(-1)
    output = CO2Output(leaves["cas"], (rgb + flow) / 2, rgb, flow, leaves["feat"])
    batch = Batch(None, torch.from_numpy(expected["labels"]), 3)
    total, terms = loss(output, batch, LossSettings())
    names = {**TERMS, "norm": "norm_mean3", "guide": "guide_mean3"}
    for name, value in terms.items():
        assert value.item() == pytest.approx(float(expected[f"term_{names[name]}"]), abs=1e-12)
    assert total.item() == pytest.approx(float(expected["total"]), abs=1e-12)
    total.backward()
    for name, leaf in leaves.items():
        wanted = expected[f"grad_{name}"]
        np.testing.assert_allclose(leaf.grad, wanted, atol=1e-6 * np.abs(wanted).max())


@pytest.mark.parametrize("pool_kernel", [1, 5])
def test_from_official_equals_the_plain_network_on_other_weights(step, pool_kernel):
    torch.manual_seed(11)
    network = step.Network(6, dim=16, pool_kernel=pool_kernel).eval()
    state = {f"module.{n}": v for n, v in reversed(network.state_dict().items())}
    model = CO2Net.from_official(state, 6, pool_kernel=pool_kernel).eval()
    x, labels = torch.rand(6, 30, 32), torch.eye(6)[torch.arange(6) // 2]
    output, theirs = model(x), network(x)
    for name, value in as_dict(output).items():
        np.testing.assert_allclose(value, theirs[name].detach(), atol=1e-5, err_msg=name)
    total, _ = loss(output, Batch(x, labels, 3), LossSettings())
    assert total.item() == pytest.approx(step.criterion(theirs, labels, 3, 7)[0].item(), abs=1e-5)


def test_no_parameter_is_dead():
    torch.manual_seed(0)
    model = CO2Net(4, (12, 12))
    x, labels = torch.rand(4, 20, 24), torch.eye(4)[[0, 0, 1, 1]]
    total, _ = loss(model(x), Batch(x, labels, 2), LossSettings())
    total.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_checkpoints_that_do_not_fit_are_refused(step):
    state = step.Network(4, dim=8).state_dict()
    with pytest.raises(WstalError, match="scores 4 classes, not 5"):
        CO2Net.from_official(state, 5)
    state["head.weight"] = state.pop("fusion.0.weight")
    with pytest.raises(WstalError, match=r"missing \['fusion.0.weight'\], unknown \['head.weight'"):
        CO2Net.from_official(state, 4)


@pytest.mark.parametrize(
    ("prefix", "shape", "message"),
    [
        ("vAttn.attention.0", (3, 8, 3), r"vAttn.attention.0.weight .*\(3, 3, 8\).*\(3, 4, 8\)"),
        ("fusion.0", (9, 16, 1), r"fusion.0.weight .*\(1, 9, 16\).*\(1, 16, 16\)"),
        ("classifier.1", (16, 16, 1), r"classifier.1.weight .*\(1, 16, 16\).*\(3, 16, 16\)"),
    ],
)
def test_official_checkpoints_of_other_widths_are_refused(step, prefix, shape, message):
    state = step.Network(4, dim=8).state_dict()
    state[f"{prefix}.weight"] = torch.zeros(shape)
    with pytest.raises(WstalError, match=message):
        CO2Net.from_official(state, 4)


def test_an_average_over_an_even_number_of_snippets_is_refused(step):
    with pytest.raises(WstalError, match="pool_kernel 4 is even"):
        CO2Net.from_official(step.Network(4, dim=8).state_dict(), 4, pool_kernel=4)


def test_attention_can_be_left_out():
    output = CO2Net(3, (8, 8), NetworkSettings(attention=False))(torch.rand(2, 9, 16))
    assert torch.equal(output.attention, torch.ones(2, 9))
    assert torch.equal(output.attention_flow, output.attention)


def test_a_term_of_weight_zero_is_not_computed():
    weights = WeightSettings(mil_orig=2.0, mil_supp=0, coactivity=0, mutual=0, norm=0, guide=0)
    output = SimpleNamespace(
        logits=torch.rand(2, 9, 4), attention=torch.rand(2, 9), attention_rgb=torch.rand(2, 9),
        attention_flow=torch.rand(2, 9), features=None,
    )  # fmt: skip
    batch = Batch(None, torch.eye(3)[:2], 1)
    total, terms = loss(output, batch, LossSettings(weights=weights))
    assert list(terms) == ["mil_orig"]
    assert total == 2 * terms["mil_orig"]


VARIANTS = [
    None, "loss_mil", "loss_mil_oppo", "loss_mil_oppo_ml", "loss_without_norm", "loss_without_cas",
    "mutual_mae", "mutual_kl", "mutual_js", "main_local_aux_local", "main_local_aux_global",
    "fusion_add", "fusion_concat", "fusion_ssma", "fusion_se", "attention_free", "as_written",
    "audio", "length_320", "long_pairs", "imported",
]  # fmt: skip


@pytest.fixture(scope="module")
def model(project):
    return method_yaml(project, "co2net")


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_takes_finite_steps(variant, features, project):
    file, annotations = features
    cpu = torch.device("cpu")
    config = run_config(small_config(project, variant, train={"log_interval": 1}))
    data = TrainingSet(file, annotations, config.run.streams, config.data, cpu)
    trainer = Trainer(config, data, file.dims, 0, cpu)
    before = [p.clone() for p in trainer.model.parameters()]
    for _ in range(3):
        trainer.step()  # raises if the loss is not finite
    after = list(trainer.model.parameters())
    assert all(p.isfinite().all() for p in after)
    assert any((a != b).any() for a, b in zip(before, after, strict=True))


def test_the_list_above_is_complete(model):
    assert set(model["variants"]) == set(VARIANTS) - {None}


def test_settings_of_the_official_scripts(model):
    thumos = resolved(model, "thumos14", None)
    assert (
        thumos["train"] | {"lr": 5e-5, "weight_decay": 1e-3, "iterations": 5000} == thumos["train"]
    )
    assert thumos["data"] | {"length": 500, "batch": 10, "pairs": 3} == thumos["data"]
    anet = resolved(model, "activitynet12", None)
    assert anet["train"] | {"lr": 3e-5, "weight_decay": 5e-4, "iterations": 22000} == anet["train"]
    assert (anet["data"]["length"], anet["loss"]["topk"], anet["model"]["pool_kernel"]) == (
        60,
        5,
        13,
    )
    assert anet["data"]["min_snippets"] == 11 and anet["data"]["short_in_pairs"]
    assert not resolved(model, "activitynet12", "long_pairs")["data"]["short_in_pairs"]
    before = resolved(model, "thumos14", "length_320")  # README and run.sh until 2022-04
    assert before["data"]["length"] == 320
    sim = resolved(model, "thumos14_sim", None, "sim128")
    assert (sim["data"]["length"], sim["train"]["iterations"], sim["train"]["lr"]) == (
        250,
        2000,
        1e-4,
    )


@pytest.mark.parametrize("number", range(1, 7))
def test_tables_name_known_runs_for_every_row_of_ours(number, project, model, catalog):
    table = catalog.tables[f"co2net_table{number}"]
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


def test_more_streams_are_two_modalities():
    run = RunSettings(streams=("rgb", "flow", "audio"))
    assert build(run, {"rgb": 6, "flow": 5, "audio": 3}, 2).dims == [11, 3]
    assert attentions(run) == {"rgb+flow": "attention_rgb", "audio": "attention_flow"}


def test_as_written_takes_the_papers_text_wherever_the_code_differs(model):
    config = resolved(model, "thumos14", "as_written")
    assert config["loss"]["suppression"] == "product"  # Eq. 9, in training too
    assert config["loss"]["norm"] == "mean"  # the printed sum leaves no attention
    assert config["model"]["bare_descriptors"] and config["model"]["logit_dropout"] == 0
    assert config["model"]["attention_dropout"] == config["model"]["dropout"] == 0.7
    built = build(run_config(config).run, {"rgb": 16, "flow": 16}, 3)
    assert built.attention_rgb.layers[2].p == built.attention_flow.layers[2].p == 0.7
    official = build(RunSettings(), {"rgb": 16, "flow": 16}, 3)
    assert official.attention_rgb.layers[2].p == 0.5


NAMES = ("ccm", "add", "concat", "ssma", "se")


def fusion_of(name, dims, **settings):
    return build_fusion(dims, NetworkSettings(fusion=name, **settings))


@pytest.mark.parametrize("name", NAMES)
def test_shapes_and_gradients_reach_every_parameter(name):
    fusion = fusion_of(name, (6, 6))
    fused = fusion(torch.rand(2, 9, 6), torch.rand(2, 9, 6))
    assert fused.rgb.shape == fused.flow.shape == (2, 9, 6)
    assert fused.joint.shape == (2, 9, fusion.joint_dim)
    if name not in ("add", "concat"):  # these two have nothing to learn
        sum(part.square().sum() for part in fused).backward()
    assert all(p.grad is not None for p in fusion.parameters())


@pytest.mark.parametrize("name", [n for n in NAMES if n != "add"])
def test_streams_of_different_widths(name):
    fused = fusion_of(name, (6, 4))(torch.rand(2, 9, 6), torch.rand(2, 9, 4))
    assert (fused.rgb.shape[-1], fused.flow.shape[-1]) == (6, 4)


@pytest.mark.parametrize("main", ["global", "local"])
@pytest.mark.parametrize("aux", ["global", "local"])
def test_consensus_by_hand(main, aux):
    fusion = fusion_of("ccm", (3, 3), main=main, aux=aux).eval()
    rgb, flow = torch.rand(1, 5, 3), torch.rand(1, 5, 3)
    gate = torch.sigmoid(fusion.rgb.main(rgb) * fusion.rgb.aux(flow))
    fused = fusion(rgb, flow)
    torch.testing.assert_close(fused.rgb, gate * rgb)
    torch.testing.assert_close(fused.joint, torch.cat([fused.rgb, fused.flow], -1))
    assert gate.shape[1] == (1 if (main, aux) == ("global", "global") else 5)


def test_simple_fusions():
    rgb, flow = torch.rand(1, 5, 3), torch.rand(1, 5, 3)
    assert torch.equal(fusion_of("add", (3, 3))(rgb, flow).joint, rgb + flow)
    assert torch.equal(fusion_of("concat", (3, 3))(rgb, flow).joint[..., 3:], flow)


def test_squeeze_and_excitation_gates_a_channel_alike_at_all_times():
    rgb, flow = torch.rand(1, 5, 32) + 0.1, torch.rand(1, 5, 32) + 0.1
    ratio = fusion_of("se", (32, 32))(rgb, flow).rgb / rgb
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio))
    assert ratio.min() > 0 and ratio.max() < 1


def test_the_gate_of_squeeze_and_excitation_starts_as_every_other_layer_does():
    gate = fusion_of("se", (512, 512)).gate
    for layer, channels in ((gate[0], 1024), (gate[2], 64)):
        bound = (6 / channels) ** 0.5  # He: gain sqrt 2, uniform
        assert torch.equal(layer.bias, torch.zeros_like(layer.bias))
        assert 0.99 * bound < layer.weight.abs().max() <= bound
        assert layer.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)


def test_ssma_gates_each_position_and_halves_the_width():
    fusion = fusion_of("ssma", (32, 32)).eval()
    rgb, flow = torch.rand(1, 9, 32) + 0.1, torch.rand(1, 9, 32) + 0.1
    fused = fusion(rgb, flow)
    ratio = fused.rgb / rgb
    assert (ratio - ratio[:, :1]).abs().max() > 1e-4
    assert ratio.min() > 0 and ratio.max() < 1
    assert fusion.joint_dim == 32


def test_the_papers_bare_descriptors_are_linear():
    layer, x = Descriptor(4, 4, "local", bare=True), torch.randn(1, 6, 4)
    torch.testing.assert_close(layer(2 * x) - layer(x), layer(x) - layer(0 * x), atol=1e-5, rtol=0)


def test_streams_of_different_widths_cannot_be_added():
    with pytest.raises(WstalError, match="equal width, got 4 and 6"):
        fusion_of("add", (4, 6))
