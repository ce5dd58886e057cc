import pytest
import torch
from torch import nn
from wstal.errors import WstalError
from wstal.train.initial import initialize, weights_digest


def test_weights_of_the_same_name_and_shape_are_copied():
    source, model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2)), nn.Sequential(nn.Linear(3, 2))
    assert initialize(model, source.state_dict()) == []
    assert torch.equal(model[0].weight, source[0].weight)


def test_what_starts_anew_is_said():
    source = nn.Sequential(nn.Linear(3, 2))
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 4))
    before = model[1].weight.clone()
    (note,) = initialize(model, source.state_dict())
    assert note.endswith("drawn anew: 1.bias, 1.weight")
    assert torch.equal(model[1].weight, before)


def test_runs_of_different_kinds_are_refused():
    with pytest.raises(WstalError, match="no weight of that run"):
        initialize(nn.Linear(3, 2), nn.Linear(4, 5).state_dict())


def test_the_digest_follows_the_values():
    model = nn.Linear(3, 2)
    before = weights_digest(model.state_dict())
    assert before == weights_digest(model.state_dict())
    with torch.no_grad():
        model.bias[0] += 1
    assert weights_digest(model.state_dict()) != before
