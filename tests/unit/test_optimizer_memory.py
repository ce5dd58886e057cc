import platform

import pytest
import torch
from wstal.errors import WstalError
from wstal.train.memory import keep_freed_memory
from wstal.train.optimizer import build_optimizer


@pytest.mark.parametrize(
    ("kind", "plain"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)]
)
def test_updates_are_those_of_torchs_plain_loop(kind, plain):
    torch.manual_seed(0)
    ours, theirs = torch.nn.Linear(5, 4), torch.nn.Linear(5, 4)
    theirs.load_state_dict(ours.state_dict())
    settings = {"optimizer": kind, "lr": 1e-2, "weight_decay": 1e-2}
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
    with pytest.raises(WstalError, match="'sgd' is not one of adam, adamw"):
        build_optimizer(torch.nn.Linear(1, 1), {"optimizer": "sgd"})


def test_glibc_obeys_and_others_are_left_alone(monkeypatch):
    assert keep_freed_memory() is (platform.libc_ver()[0] == "glibc")
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    assert keep_freed_memory() is False
