"""The training loop: updates, logs, precision, optimizers, random state."""

from __future__ import annotations

import platform
from copy import deepcopy
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from method_configs import small_config, small_unchecked_config
from small_set import write_small_set
from torch import nn
from wstal.base.errors import WstalError
from wstal.features.pack import FeatureFile
from wstal.train.data import TrainingSet
from wstal.train.loop import (
    SHORTEST,
    Trainer,
    TrainSettings,
    build_optimizer,
    evaluating,
    in_snippets,
    keep_freed_memory,
    random_state,
    restore_random_state,
    run_config,
    seed_all,
)

CPU = torch.device("cpu")
SETTINGS = TrainSettings(lr=1e-2, weight_decay=0, score_interval=1, iterations=1)


@pytest.fixture
def start(tmp_path, project):
    path, annotations = write_small_set(tmp_path)
    features = FeatureFile(path)

    def trainer(seed=0, **train):
        config = run_config(small_config(project, train=train))
        data = TrainingSet(features, annotations, config.run.streams, config.data, CPU)
        return Trainer(config, data, features.dims, seed, CPU)

    return trainer


def test_training_lowers_the_loss_and_logs_terms_and_attention(start):
    trainer = start(lr=5e-3)
    for _ in range(80):
        trainer.step()
    assert [row["iteration"] for row in trainer.log] == list(range(4, 81, 4))
    first, last = trainer.log[0], trainer.log[-1]
    assert last["mil_orig"] < first["mil_orig"]
    assert {"total", "coactivity", "norm", "mean_attention_rgb"} <= set(last)
    assert 0 < last["mean_attention"] < 1


def test_the_log_tells_the_attention_that_dropout_would_hide(start):
    trainer = start(log_interval=1)
    with torch.no_grad():
        for name, bias in trainer.model.named_parameters():
            if "attention" in name and name.endswith("bias"):
                bias -= 20
    trainer.step()
    assert trainer.log[-1]["norm"] > 0.1  # as training sees it
    for name in ("mean_attention", "mean_attention_rgb", "mean_attention_flow"):
        assert trainer.log[-1][name] < 0.01


@pytest.mark.parametrize("stop", [4, 6])
def test_a_row_is_the_mean_of_the_updates_since_the_last(start, stop):
    """In a run that was saved and resumed, too; and no weight depends on what is logged."""
    each, means, other = start(log_interval=1), start(log_interval=4), start(99, log_interval=4)
    for trainer in (each, means):
        seed_all(3)
        for _ in range(8):
            if trainer is means and trainer.iteration == stop:
                state = deepcopy(trainer.state())
            trainer.step()
    other.restore(state)
    for _ in range(8 - stop):
        other.step()
    assert len(means.log) == 2 and other.log == means.log
    for row, start_row in zip(means.log, (0, 4), strict=True):
        part = each.log[start_row : start_row + 4]
        assert row["iteration"] == part[-1]["iteration"] and row.keys() == part[0].keys()
        for name in row.keys() - {"iteration"}:
            assert row[name] == pytest.approx(np.mean([r[name] for r in part]), rel=1e-6), name
    for trainer in (means, other):
        for a, b in zip(trainer.model.parameters(), each.model.parameters(), strict=True):
            assert torch.equal(a, b)


def test_a_restored_trainer_goes_on_as_if_it_had_never_stopped(start):
    trainer, other = start(), start(seed=99)
    for _ in range(3):
        trainer.step()
    state = deepcopy(trainer.state())
    trainer.step()
    other.restore(state)  # the random state of torch is one for the whole process
    other.step()
    for a, b in zip(trainer.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert other.iteration == 4 and other.log == trainer.log


def test_seeds_differ(start):
    a, b, c = start(0), start(1), start(0)
    first = [next(t.model.parameters()) for t in (a, b, c)]
    assert torch.equal(first[0], first[2]) and not torch.equal(first[0], first[1])


def test_a_loss_that_is_not_finite_stops_the_run(start):
    trainer = start(log_interval=1)
    trainer.data.rows[:] = float("nan")
    with pytest.raises(WstalError, match="iteration 1: the loss is nan"):
        trainer.step()


def test_what_is_not_finite_is_never_saved_whatever_the_log_interval(start):
    trainer = start(log_interval=100)
    trainer.step()
    trainer.state()
    trainer.data.rows[:] = float("nan")
    trainer.step()
    with pytest.raises(WstalError, match="iteration 2: the loss is nan"):
        trainer.state()
    spoilt = start()
    with torch.no_grad():
        spoilt.model.classifier[4].bias[0] = float("inf")
    with pytest.raises(WstalError, match="the weights classifier.4.bias are not finite"):
        spoilt.state()


def test_half_precision_trains_near_single(start):
    losses = {}
    for precision in ("fp32", "bf16"):
        trainer = start(precision=precision)
        for _ in range(8):
            trainer.step()
        losses[precision] = trainer.log[-1]["total"]
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.05)
    assert losses["bf16"] != losses["fp32"]


@pytest.mark.parametrize(
    ("data", "lengths", "drawn"),
    [
        ({"length": 250}, [30, 40, 90], 40),
        ({"length": 32}, [30, 40, 90], 32),  # no more than `length`
        ({"length": 250}, [2, 3, 4], SHORTEST),
        ({"length": 250, "length_seconds": 9.6}, [30, 40, 90], 15),  # nor than the seconds
    ],
)
def test_a_length_that_fits_is_the_medians_within_what_is_given(project, data, lengths, drawn):
    config = run_config(small_config(project, data={**data, "fit_length": True}))
    assert in_snippets(config, 0.64, np.array(lengths)).data.length == drawn


@pytest.mark.parametrize("given", [{}, {"iterations": 3, "epochs": 2}])
def test_either_iterations_or_epochs_are_given(given):
    with pytest.raises(WstalError, match="give one of them, and null for the other"):
        TrainSettings(lr=1, weight_decay=0, score_interval=1, **given)


def test_epochs_give_the_number_of_updates_and_the_schedule_its_rates(start):
    trainer = start(
        iterations=None, epochs=3, score_interval=1, schedule={"at": [0.34, 0.6], "factor": 0.1}
    )
    assert trainer.iterations == 6 and trainer.score_interval == 2  # 8 videos in batches of 6
    rates = []
    for _ in range(6):
        trainer.step()
        rates.append(trainer.optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([1e-3] * 3 + [1e-4] * 1 + [1e-5] * 2)


def test_narrower_features_take_a_larger_rate_where_its_width_is_given(start):
    trainer = start(lr=1e-3, lr_width=4096)
    trainer.step()
    width = sum(trainer.data.rows.shape[1:])
    assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(1e-3 * 4096 / width)


def losses(trainer, steps):
    values = []
    for _ in range(steps):
        trainer.step()
        values.append(trainer.total.item())
    return values


@pytest.mark.slow
def test_a_compiled_step_follows_the_plain_one(start):
    """Without dropout, whose draws a compiled graph orders differently."""

    def run(mode):
        trainer = start(compile=mode)
        for module in trainer.model.modules():
            if hasattr(module, "p"):
                module.p = 0.0
        return losses(trainer, 6), trainer.model.state_dict()

    (plain, weights), (fast, others) = run("none"), run("default")
    assert fast == pytest.approx(plain, rel=1e-4)
    assert weights.keys() == others.keys()


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("precision", "compile"),
    [("tf32", "none"), ("bf16", "none"), ("fp32", "reduce-overhead"), ("bf16", "reduce-overhead")],
)
def test_the_loss_curve_on_a_gpu_is_that_of_fp32(tmp_path, project, precision, compile):
    device = torch.device("cuda")
    path, annotations = write_small_set(tmp_path)
    curves = {}
    for name, changes in {
        "fp32": {},
        "other": {"precision": precision, "compile": compile},
    }.items():
        changed = small_unchecked_config(project, train={"iterations": 60, **changes})
        config = run_config(changed)
        with FeatureFile(path) as features:
            data = TrainingSet(features, annotations, config.run.streams, config.data, device)
            trainer = Trainer(config, data, features.dims, 0, device)
            curves[name] = torch.tensor(losses(trainer, 60)).unfold(0, 20, 20).mean(1)
    # Dropout's draws differ, so means over 20 steps are compared.
    torch.testing.assert_close(curves["other"], curves["fp32"], rtol=0.1, atol=0)


@pytest.mark.parametrize(
    ("kind", "plain"),
    [
        ("adam", torch.optim.Adam),
        ("adamw", torch.optim.AdamW),
        ("sgd", partial(torch.optim.SGD, momentum=0.9)),
    ],
)
def test_updates_are_those_of_torchs_plain_loop(kind, plain):
    torch.manual_seed(0)
    ours, theirs = torch.nn.Linear(5, 4), torch.nn.Linear(5, 4)
    theirs.load_state_dict(ours.state_dict())
    settings = replace(SETTINGS, optimizer=kind, weight_decay=1e-2, momentum=0.9)
    pairs = [
        (ours, build_optimizer(ours, settings)),
        (theirs, plain(theirs.parameters(), lr=1e-2, weight_decay=1e-2, foreach=False)),
    ]
    x = torch.randn(8, 5)
    for _ in range(5):
        for model, optimizer in pairs:
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
    torch.testing.assert_close(ours.weight, theirs.weight, rtol=1e-5, atol=1e-6)


def test_glibc_obeys_and_others_are_left_alone(monkeypatch):
    assert keep_freed_memory() is (platform.libc_ver()[0] == "glibc")
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    assert keep_freed_memory() is False


def test_frozen_weights_stay_out_and_a_model_without_weights_has_an_optimizer():
    model = torch.nn.Linear(3, 2)
    model.bias.requires_grad_(False)
    (group,) = build_optimizer(model, SETTINGS).param_groups
    assert group["params"][0] is model.weight and len(group["params"]) == 1
    build_optimizer(torch.nn.Identity(), SETTINGS).step()


def draw(generator):
    return torch.rand(3).tolist(), generator.random(3).tolist()


def test_equal_seeds_give_equal_draws():
    first = draw(seed_all(4))
    assert draw(seed_all(4)) == first
    assert draw(seed_all(5)) != first
    assert np.random.rand() != np.random.rand()


def test_convolutions_on_a_gpu_are_deterministic(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    seed_all(0)
    assert torch.backends.cudnn.deterministic and not torch.backends.cudnn.benchmark


def test_saved_state_continues_the_stream():
    generator = seed_all(0)
    draw(generator)
    state = random_state(generator)
    expected = draw(generator)
    other = seed_all(9)
    restore_random_state(state, other)
    assert draw(other) == expected


class OnGpu:
    """A tensor that is anywhere but on the CPU until asked."""

    def __init__(self, tensor):
        self.tensor = tensor

    def cpu(self):
        return self.tensor


def test_states_on_a_gpu_are_restored_as_cpu_tensors(monkeypatch):
    generator, given = seed_all(0), []
    state = random_state(generator)
    expected = draw(generator)
    cards = [torch.arange(16, dtype=torch.uint8), torch.ones(16, dtype=torch.uint8)]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", given.extend)
    moved = {**state, "torch": OnGpu(state["torch"]), "cuda": [OnGpu(card) for card in cards]}
    restore_random_state(moved, generator)
    assert draw(generator) == expected
    assert len(given) == 2 and all(map(torch.equal, given, cards))


@pytest.mark.parametrize("visible", [0, 1, 3])
def test_another_number_of_gpus_is_refused_and_nothing_is_set(monkeypatch, visible):
    generator = seed_all(0)
    state = random_state(generator) | {"cuda": [torch.zeros(16, dtype=torch.uint8)] * 2}
    draw(generator)
    expected = random_state(generator)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: visible)
    with pytest.raises(WstalError, match=f"saved with 2 GPUs, {visible} are visible"):
        restore_random_state(state, generator)
    assert torch.equal(torch.get_rng_state(), expected["torch"])


def test_a_run_that_used_no_gpu_saves_no_state_of_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert random_state(seed_all(0))["cuda"] == []


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_comes_back_also_after_an_error(training):
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout()).train(training)
    with pytest.raises(KeyError), evaluating(model):
        assert not model.training and not model[1].training
        assert not model(torch.ones(1, 2)).requires_grad
        raise KeyError
    assert model.training is training and model[1].training is training
    assert model(torch.ones(1, 2)).requires_grad
