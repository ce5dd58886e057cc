import cv2
import pytest
from wstal.errors import WstalError
from wstal.flow.parameters import TVL1Parameters


def test_defaults_are_those_of_opencv():
    theirs, ours = cv2.optflow.DualTVL1OpticalFlow_create(), TVL1Parameters()
    assert ours.tau == theirs.getTau()
    assert ours.lambda_ == theirs.getLambda()
    assert ours.theta == theirs.getTheta()
    assert ours.nscales == theirs.getScalesNumber()
    assert ours.warps == theirs.getWarpingsNumber()
    assert ours.epsilon == theirs.getEpsilon()
    assert ours.inner_iterations == theirs.getInnerIterations()
    assert ours.outer_iterations == theirs.getOuterIterations()
    assert ours.scale_step == theirs.getScaleStep()
    assert ours.gamma == theirs.getGamma()
    assert ours.median_filtering == theirs.getMedianFiltering()


@pytest.mark.parametrize(
    "params",
    [
        {"tau": 0}, {"theta": float("nan")}, {"scale_step": 1.0}, {"epsilon": -1}, {"nscales": 0},
        {"warps": 2.5}, {"median_filtering": 7}, {"lambda_": "0.15"},
    ],
)  # fmt: skip
def test_a_value_out_of_range_is_named(params):
    (name,) = params
    with pytest.raises(WstalError, match=f"{name} must be"):
        TVL1Parameters.of(**params)


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(WstalError, match=r"'lamda'.*lambda_"):
        TVL1Parameters.of(lamda=0.1)
