import platform
from functools import partial

import pytest
import torch
from wstal.errors import WstalError
from wstal.train.memory import keep_freed_memory
from wstal.train.optimizer import build_optimizer


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
    settings = {"optimizer": kind, "lr": 1e-2, "weight_decay": 1e-2, "momentum": 0.9}
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


def test_unknown_optimizer_is_refused():
    with pytest.raises(WstalError, match="'lion' is not one of adam, adamw, sgd"):
        build_optimizer(torch.nn.Linear(1, 1), {"optimizer": "lion", "weight_decay": 0})


def test_glibc_obeys_and_others_are_left_alone(monkeypatch):
    assert keep_freed_memory() is (platform.libc_ver()[0] == "glibc")
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    assert keep_freed_memory() is False


def test_frozen_weights_stay_out_and_a_model_without_weights_has_an_optimizer():
    model = torch.nn.Linear(3, 2)
    model.bias.requires_grad_(False)
    settings = {"optimizer": "adam", "lr": 1e-2, "weight_decay": 0}
    (group,) = build_optimizer(model, settings).param_groups
    assert group["params"][0] is model.weight and len(group["params"]) == 1
    build_optimizer(torch.nn.Identity(), settings).step()
