import pytest
from wstal.errors import WstalError
from wstal.viewer.choice import chosen_videos

LABELS = {f"v{i:03d}": [f"c{i % 10 if i % 7 else 0}"] for i in range(100)}


def test_all_are_shown_in_their_order_where_there_is_room():
    assert chosen_videos(LABELS, 100) == list(LABELS)


@pytest.mark.parametrize("count", [1, 10, 37, 99])
def test_a_choice_has_its_size_keeps_the_order_and_is_the_same_again(count):
    chosen = chosen_videos(LABELS, count)
    assert len(chosen) == count and chosen == sorted(chosen)
    backwards = chosen_videos(dict(reversed(LABELS.items())), count)
    assert sorted(backwards) == chosen


def test_every_class_has_its_turn():
    chosen = chosen_videos(LABELS, 10)
    assert {LABELS[video][0] for video in chosen} == {f"c{i}" for i in range(10)}


def test_videos_of_several_classes_or_none_count_once():
    labels = {"a": ["x", "y"], "b": ["x", "y"], "c": [], "d": ["y"]}
    assert len(set(chosen_videos(labels, 3))) == 3


def test_no_videos_are_too_few():
    with pytest.raises(WstalError, match="0 videos"):
        chosen_videos(LABELS, 0)
