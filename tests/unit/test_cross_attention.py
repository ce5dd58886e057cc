import pytest
import torch
from torch.nn import functional
from wstal.errors import WstalError
from wstal.models.cross_attention import CrossAttention, CrossAttentionStages


def by_loops(stage, audio, visual):
    """Equations 1 and 2 for one video, column by column, as the paper writes them."""
    u, v = audio.T, visual.T  # [D_u, L], [D_v, L]
    length = u.shape[1]
    correlation = torch.zeros(length, length, dtype=u.dtype)
    for i in range(length):
        for j in range(length):
            left, right = u[:, i] / u[:, i].norm(), v[:, j] / v[:, j].norm()
            correlation[i, j] = stage.scale * left @ stage.weight.T @ right
    attended_u, attended_v = torch.zeros_like(u), torch.zeros_like(v)
    for j in range(length):
        over_audio = torch.softmax(correlation[:, j], 0)
        over_visual = torch.softmax(correlation.T[:, j], 0)
        for i in range(length):
            attended_u[:, j] += over_audio[i] * u[:, i]
            attended_v[:, j] += over_visual[i] * v[:, i]
    return attended_u.T, attended_v.T


def sequences(batch=2, length=5, widths=(3, 4)):
    torch.manual_seed(0)
    return [torch.randn(batch, length, width, dtype=torch.float64) for width in widths]


def test_attended_sequences_are_those_of_the_definition():
    audio, visual = sequences()
    stage = CrossAttention(3, 4, scale=2.5).double()
    found = stage(audio, visual)
    for video in range(2):
        expected = by_loops(stage, audio[video], visual[video])
        for ours, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(ours[video], theirs, rtol=1e-12, atol=1e-12)


def test_columns_of_attention_sum_to_one_and_padding_gets_none():
    audio, visual = sequences(length=6)
    mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    for attention in CrossAttention(3, 4).double().attention(audio, visual, mask):
        torch.testing.assert_close(attention.sum(1), torch.ones(2, 6, dtype=torch.float64))
        assert not attention[1, 4:].any() and (attention[1, :4] > 0).all()


@pytest.mark.parametrize("skip", ["none", "prev", "dense"])
def test_padded_videos_are_attended_as_they_are_alone(skip):
    audio, visual = sequences(length=6)
    fusion = CrossAttentionStages(3, 4, 3, skip).double()
    mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    padded = fusion(audio, visual, mask)
    alone = fusion(audio[1:, :4], visual[1:, :4])
    for ours, theirs in zip(padded, alone, strict=True):
        torch.testing.assert_close(ours[1:, :4], theirs, rtol=1e-12, atol=1e-12)


def test_skips_by_hand():
    """With one snippet attention is 1 and an attended sequence is the one that went in."""
    audio, visual = torch.tensor([[[0.5]]]), torch.tensor([[[-0.25, 1.0]]])
    tanh = torch.tanh
    first = tanh(2 * audio)
    expected = {
        "none": tanh(tanh(tanh(audio))),
        "prev": tanh(2 * tanh(2 * first)),
        "dense": tanh(audio + first + 2 * tanh(audio + 2 * first)),
    }
    for skip, value in expected.items():
        found, other = CrossAttentionStages(1, 2, 3, skip)(audio, visual)
        torch.testing.assert_close(found, value)
        assert other.shape == (1, 1, 2)


def test_no_stage_leaves_both_sequences_as_they_are():
    audio, visual = sequences()
    found = CrossAttentionStages(3, 4, 0, "dense").double()(audio, visual)
    assert found[0] is audio and found[1] is visual


def test_gradients_are_those_of_finite_differences():
    audio, visual = (x.requires_grad_() for x in sequences(batch=1, length=3))
    fusion = CrossAttentionStages(3, 4, 2, "dense").double()
    weights = [stage.weight for stage in fusion.stages]
    assert torch.autograd.gradcheck(lambda u, v, *_: fusion(u, v), (audio, visual, *weights))


def test_silence_has_a_gradient_of_ordinary_size():
    audio, visual = torch.zeros(1, 4, 3, requires_grad=True), torch.randn(1, 4, 4)
    CrossAttention(3, 4)(audio, visual)[1].square().sum().backward()
    assert audio.grad.isfinite().all() and audio.grad.abs().max() < 1e5


def test_initial_attention_is_nearly_uniform_unless_it_is_scaled():
    torch.manual_seed(0)
    x, y = functional.leaky_relu(torch.randn(2, 1, 50, 1024)).unbind(0)
    spread = CrossAttention(1024, 1024).attention(x, y)[0].std() * 50
    scaled = CrossAttention(1024, 1024, scale=30.0).attention(x, y)[0].std() * 50
    assert spread < 0.06 and scaled > 10 * spread


def test_unknown_skip_is_refused():
    with pytest.raises(WstalError, match="not one of none, prev, dense"):
        CrossAttentionStages(2, 2, 1, "all")
