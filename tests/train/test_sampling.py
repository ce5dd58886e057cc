"""Which videos and which of their snippets a batch contains."""

import numpy as np
import pytest
from wstal.base.errors import WstalError
from wstal.train.data import (
    DataSettings,
    EpochSampler,
    PairSampler,
    build_sampler,
    stratified_snippets,
    whole_videos,
)


def by_hand(length, count):
    """The lowest and highest index that may be drawn at each place."""
    grid = [i * length / count for i in range(count)]
    low = [int(g) for g in grid]
    high = [int(g) for g in grid[1:]] + [length - 1]
    return np.array(low), np.array(high)


@pytest.mark.parametrize("length", [1, 3, 11, 13, 40, 777])
def test_indices_cover_their_stratum_both_ends_included(length):
    rng = np.random.default_rng(0)
    drawn = stratified_snippets(np.full(400, length), 12, rng)
    low, high = by_hand(length, 12)
    assert drawn.shape == (400, 12) and drawn.dtype == np.int64
    assert (drawn >= low).all() and (drawn <= high).all()
    if length < 100:
        assert (drawn.min(0) == low).all() and (drawn.max(0) == high).all()


def test_a_video_of_just_the_length_is_taken_as_it_is():
    drawn = stratified_snippets(np.array([12, 12]), 12, np.random.default_rng(0))
    assert (drawn == np.arange(12)).all()


def test_draws_are_uniform_within_the_stratum():
    drawn = stratified_snippets(np.full(6000, 40), 10, np.random.default_rng(0))
    counts = np.bincount(drawn[:, 3], minlength=17)[12:17]
    assert counts.sum() == 6000 and abs(counts / 6000 - 0.2).max() < 0.02


@pytest.fixture
def labels():
    matrix = np.zeros((10, 4))
    matrix[[0, 1, 2], 0] = matrix[[3, 4], 1] = matrix[5, 2] = 1  # class 2 has one video, 3 none
    return matrix


def test_pairs_share_a_class_and_differ(labels):
    sampler, rng = PairSampler(labels, batch=10, pairs=3), np.random.default_rng(0)
    draws = np.array([sampler.draw(rng) for _ in range(300)])
    assert draws.shape == (300, 10)
    for pair in range(3):
        a, b = draws[:, 2 * pair], draws[:, 2 * pair + 1]
        assert (a != b).all() and (labels[a] * labels[b]).any(1).all()
    assert set(draws[:, 6:].ravel()) == set(range(10))
    assert abs((draws[:, 0] < 3).mean() - 0.5) < 0.1  # classes, not videos, are drawn uniformly


def test_classes_without_two_videos_stay_unpaired(labels):
    assert PairSampler(labels, 10, 3).unpaired_classes == [2, 3]
    lonely = PairSampler(labels[:1], 10, 3)
    assert lonely.pairs == 0 and (lonely.draw(np.random.default_rng(0)) == 0).all()


def test_ineligible_videos_are_in_no_pair_but_in_batches(labels):
    eligible = np.arange(10) != 1
    sampler, rng = PairSampler(labels, 10, 3, eligible), np.random.default_rng(0)
    draws = np.array([sampler.draw(rng) for _ in range(100)])
    assert 1 not in draws[:, :6] and 1 in draws[:, 6:]


def test_videos_without_a_class_are_in_no_pair_but_in_batches():
    labels = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [0, 0], [0, 0]])
    sampler = PairSampler(labels, 6, 2)
    drawn = np.array([sampler.draw(np.random.default_rng(seed)) for seed in range(60)])
    assert sampler.unpaired_classes == []
    assert drawn[:, :4].max() == 3 and {4, 5} <= set(drawn[:, 4:].ravel())


def test_pairs_never_exceed_the_batch(labels):
    assert len(PairSampler(labels, 4, 3).draw(np.random.default_rng(0))) == 4


def test_whole_videos_repeat_the_last_snippet_under_a_false_mask():
    index, mask = whole_videos(np.array([2, 4]))
    assert index.tolist() == [[0, 1, 1, 1], [0, 1, 2, 3]]
    assert mask.tolist() == [[True, True, False, False], [True] * 4]


def test_an_epoch_holds_every_video_once_and_epochs_differ():
    sampler, rng = EpochSampler(10, 4), np.random.default_rng(0)
    epochs = [[sampler.draw(rng) for _ in range(3)] for _ in range(2)]
    assert [[len(b) for b in batches] for batches in epochs] == [[4, 4, 2]] * 2
    first, second = (np.concatenate(batches) for batches in epochs)
    assert sorted(first) == sorted(second) == list(range(10))
    assert first.tolist() != second.tolist()


def test_a_restored_epoch_goes_on_where_it_was():
    sampler, rng = EpochSampler(10, 4), np.random.default_rng(0)
    sampler.draw(rng)
    other = EpochSampler(10, 4)
    other.restore(sampler.state())
    assert sampler.draw(rng).tolist() == other.draw(np.random.default_rng(5)).tolist()


def test_the_data_section_names_the_sampler():
    labels, nonzero = np.eye(4), np.ones(4, dtype=bool)
    epochs = DataSettings(length=None, batch=2, order="epochs")
    assert isinstance(build_sampler(labels, epochs, nonzero), EpochSampler)
    random = DataSettings(length=None, batch=2, order="random", pairs=1)
    assert isinstance(build_sampler(labels, random, nonzero), PairSampler)
    with pytest.raises(WstalError, match="cannot draw pairs, but pairs is 1"):
        DataSettings(length=None, batch=2, order="epochs", pairs=1)
