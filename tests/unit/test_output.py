import torch
from wstal.models.co2net import CO2Output
from wstal.models.output import Output, as_float32, named_attentions


def test_attentions_come_from_fields_and_from_extra():
    a = torch.rand(1, 3)
    plain = Output(torch.rand(1, 3, 2), a, a, {"attention_context": a, "video_score": a})
    assert list(named_attentions(plain)) == ["context"]
    rich = CO2Output(torch.rand(1, 3, 2), a, a, a, a)
    assert list(named_attentions(rich)) == ["rgb", "flow"]


def test_half_precision_outputs_become_single():
    half = torch.rand(1, 3).bfloat16()
    output = as_float32(Output(half, half, half, {"x": half}))
    assert {t.dtype for t in (*output[:3], output.extra["x"])} == {torch.float32}
