import pytest
import torch
from wstal.losses.coactivity import coactivity_loss


def by_hand(features, cas, labels, pairs, margin=0.5):
    """The definition, pair by pair and class by class."""
    total = count = 0.0
    for pair in range(pairs):
        for label in range(labels.shape[1]):
            if not (labels[2 * pair, label] and labels[2 * pair + 1, label]):
                continue
            high, low = [], []
            for video in (2 * pair, 2 * pair + 1):
                a = torch.softmax(cas[video, :, label], 0)
                high.append(a @ features[video])
                low.append((1 - a) @ features[video] / (len(a) - 1))
            d = [
                1 - torch.cosine_similarity(x, y, dim=0)
                for x, y in ((high[0], high[1]), (high[0], low[1]), (high[1], low[0]))
            ]
            total += 0.5 * (max(d[0] - d[1] + margin, 0) + max(d[0] - d[2] + margin, 0))
            count += 1
    return total / count


def test_matches_the_definition():
    torch.manual_seed(0)
    features, cas = torch.rand(8, 11, 5).double(), torch.randn(8, 11, 4).double()
    labels = torch.tensor([[1, 1, 0], [1, 1, 1], [0, 1, 0], [0, 1, 0]] * 2).double()
    found = coactivity_loss(features, cas, labels, 3)
    assert float(found) == pytest.approx(float(by_hand(features, cas, labels, 3)), rel=1e-12)


def test_background_and_unpaired_videos_take_no_part():
    features = torch.rand(4, 6, 3, requires_grad=True)
    cas = torch.randn(4, 6, 3, requires_grad=True)
    coactivity_loss(features, cas, torch.ones(4, 2), 1).backward()
    assert not features.grad[2:].any() and not cas.grad[2:].any()
    assert not cas.grad[..., -1].any() and cas.grad[:2, :, :-1].any()


@pytest.mark.parametrize("pairs", [0, 1])
def test_without_a_shared_class_the_loss_is_zero(pairs):
    features = torch.rand(2, 6, 3, requires_grad=True)
    loss = coactivity_loss(features, torch.randn(2, 6, 3), torch.eye(2), pairs)
    loss.backward()
    assert loss == 0 and not features.grad.any()


def test_padded_videos_count_as_they_are_alone():
    torch.manual_seed(1)
    features, cas = torch.rand(2, 9, 3).double(), torch.randn(2, 9, 3).double()
    mask = torch.ones(2, 9, dtype=torch.bool)
    mask[:, 6:] = False
    features.requires_grad_()
    found = coactivity_loss(features, cas, torch.ones(2, 2).double(), 1, mask=mask)
    alone = coactivity_loss(features[:, :6], cas[:, :6], torch.ones(2, 2).double(), 1)
    assert found.item() == pytest.approx(alone.item(), rel=1e-12)
    found.backward()
    assert not features.grad[:, 6:].any() and features.grad[:, :6].isfinite().all()


def test_a_video_of_nothing_is_at_distance_one_and_moves_nothing():
    """Rows of zeros stay zero in a model of sound alone, whose biases start at 0."""
    torch.manual_seed(0)
    features = torch.rand(4, 6, 3)
    features[0] = 0
    features.requires_grad_(True)
    cas, labels = torch.randn(4, 6, 2), torch.ones(4, 1)
    silent = coactivity_loss(features, cas, labels, 2)
    rest = coactivity_loss(features[2:], cas[2:], labels[2:], 1)
    # Every distance to nothing is 1, so that the first pair's hinges are the margin.
    assert silent.item() == pytest.approx((0.5 + rest.item()) / 2)
    silent.backward()
    assert features.grad.isfinite().all() and not features.grad[:2].any()
    assert features.grad[2:].any()
