"""CO2-Net against outputs of the official implementation, and the yardstick step with it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from official_recipe import load_module, official_inputs, official_weights
from wstal.config.layers import resolve_run
from wstal.data.batch import Batch
from wstal.errors import WstalError
from wstal.models import co2net
from wstal.models.co2net import CO2Net, CO2Output, official_names

TERMS = {
    "mil_orig": "mil_orig",
    "mil_supp": "mil_supp",
    "coactivity": "cas_sim",
    "mutual": "mutual",
}


@pytest.fixture(scope="module")
def config(project):
    text = (project / "workflow/config/models/co2net.yaml").read_text()
    return resolve_run(yaml.safe_load(text), "thumos14", None)


@pytest.fixture(scope="module")
def step(project):
    return load_module(project / "benchmarks/reference/co2net_step.py")


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
def test_loss_and_gradient_norms_of_the_official_criterion(
    which, case, request, fixtures, config, step
):
    expected, model = fixtures[case], request.getfixturevalue(which)
    labels, pairs = torch.from_numpy(expected["labels"]), int(expected["num_pairs"])
    x = official_inputs(len(labels), int(expected["T"]), key=1)
    if which == "ours":
        total, terms = co2net.loss(model(x), Batch(x, labels, pairs), config)
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


def test_losses_and_gradients_in_double_precision(fixtures, config):
    expected = fixtures["loss_small"]
    names = ("feat", "cas", "v_atn", "f_atn")
    leaves = {n: torch.from_numpy(expected[n]).requires_grad_() for n in names}
    rgb, flow = leaves["v_atn"].squeeze(-1), leaves["f_atn"].squeeze(-1)
    output = CO2Output(leaves["cas"], (rgb + flow) / 2, rgb, flow, leaves["feat"])
    total, terms = co2net.loss(output, Batch(None, torch.from_numpy(expected["labels"]), 3), config)
    names = {**TERMS, "norm": "norm_mean3", "guide": "guide_mean3"}
    for name, value in terms.items():
        assert value.item() == pytest.approx(float(expected[f"term_{names[name]}"]), abs=1e-12)
    assert total.item() == pytest.approx(float(expected["total"]), abs=1e-12)
    total.backward()
    for name, leaf in leaves.items():
        wanted = expected[f"grad_{name}"]
        np.testing.assert_allclose(leaf.grad, wanted, atol=1e-6 * np.abs(wanted).max())


@pytest.mark.parametrize("pool_kernel", [1, 5])
def test_from_official_equals_the_plain_network_on_other_weights(step, config, pool_kernel):
    torch.manual_seed(11)
    network = step.Network(6, dim=16, pool_kernel=pool_kernel).eval()
    state = {f"module.{n}": v for n, v in reversed(network.state_dict().items())}
    model = CO2Net.from_official(state, 6, pool_kernel=pool_kernel).eval()
    x, labels = torch.rand(6, 30, 32), torch.eye(6)[torch.arange(6) // 2]
    output, theirs = model(x), network(x)
    for name, value in as_dict(output).items():
        np.testing.assert_allclose(value, theirs[name].detach(), atol=1e-5, err_msg=name)
    total, _ = co2net.loss(output, Batch(x, labels, 3), config)
    assert total.item() == pytest.approx(step.criterion(theirs, labels, 3, 7)[0].item(), abs=1e-5)


def test_no_parameter_is_dead(config):
    torch.manual_seed(0)
    model = CO2Net(4, (12, 12))
    x, labels = torch.rand(4, 20, 24), torch.eye(4)[[0, 0, 1, 1]]
    total, _ = co2net.loss(model(x), Batch(x, labels, 2), config)
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


def test_configs_that_cannot_be_built_are_refused(config):
    with pytest.raises(WstalError, match="joins two streams"):
        co2net.build({**config, "streams": ["rgb"]}, {"rgb": 8}, 3)
    with pytest.raises(WstalError, match="even"):
        CO2Net(3, (8, 8), pool_kernel=4)


def test_attention_can_be_left_out():
    output = CO2Net(3, (8, 8), attention=False)(torch.rand(2, 9, 16))
    assert torch.equal(output.attention, torch.ones(2, 9))
    assert torch.equal(output.attention_flow, output.attention)


def test_a_term_of_weight_zero_is_not_computed(config):
    weights = dict.fromkeys(config["loss"]["weights"], 0) | {"mil_orig": 2.0}
    output = SimpleNamespace(
        logits=torch.rand(2, 9, 4), attention=torch.rand(2, 9), attention_rgb=torch.rand(2, 9),
        attention_flow=torch.rand(2, 9), features=None,
    )  # fmt: skip
    batch = Batch(None, torch.eye(3)[:2], 1)
    total, terms = co2net.loss(output, batch, {"loss": {**config["loss"], "weights": weights}})
    assert list(terms) == ["mil_orig"]
    assert total == 2 * terms["mil_orig"]
