"""The mode a model is in while it is evaluated, and after."""

import pytest
import torch
from torch import nn
from wstal.train.evaluating import evaluating


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_comes_back_also_after_an_error(training):
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout()).train(training)
    with pytest.raises(KeyError), evaluating(model):
        assert not model.training and not model[1].training
        assert not model(torch.ones(1, 2)).requires_grad
        raise KeyError
    assert model.training is training and model[1].training is training
    assert model(torch.ones(1, 2)).requires_grad
