from copy import deepcopy

import pytest
import torch
from small_set import small_config, write_small_set
from wstal.data.dataset import TrainingSet
from wstal.errors import WstalError
from wstal.features.pack import FeatureFile
from wstal.models import co2net
from wstal.train.loop import Trainer, autocast

CPU = torch.device("cpu")


@pytest.fixture
def start(tmp_path, project):
    path, annotations = write_small_set(tmp_path)
    features = FeatureFile(path)

    def trainer(seed=0, **train):
        config = small_config(project)
        config["train"] |= train
        data = TrainingSet(features, annotations, config, CPU)
        return Trainer(co2net, data, features.dims, config, seed, CPU)

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


def test_the_log_tells_the_attention_that_dropout_would_hide(start, monkeypatch):
    trainer, batches = start(log_interval=1), []
    draw = trainer.data.draw
    monkeypatch.setattr(trainer.data, "draw", lambda *a: batches.append(draw(*a)) or batches[-1])
    with torch.no_grad():
        for name, bias in trainer.model.named_parameters():
            if "attention" in name and name.endswith("bias"):
                bias -= 20
    trainer.step()
    assert trainer.log[-1]["norm"] > 0.1  # as training sees it
    assert trainer.log[-1]["mean_attention"] < 0.01
    output = trainer.model.eval()(batches[-1].features)
    assert trainer.log[-1]["mean_attention"] == pytest.approx(output.attention.mean().item())


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


def test_unknown_precision_is_refused():
    with pytest.raises(WstalError, match="'fp8' is not one of fp32, tf32, bf16"):
        autocast("fp8", CPU)


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
        config = small_config(project)
        config["train"] |= {"iterations": 60, **changes}
        with FeatureFile(path) as features:
            data = TrainingSet(features, annotations, config, device)
            trainer = Trainer(co2net, data, features.dims, config, 0, device)
            curves[name] = torch.tensor(losses(trainer, 60)).unfold(0, 20, 20).mean(1)
    # Dropout's draws differ, so means over 20 steps are compared.
    torch.testing.assert_close(curves["other"], curves["fp32"], rtol=0.1, atol=0)
