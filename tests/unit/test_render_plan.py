"""The plan of the demo videos: balance, coverage, variety, and its frozen digest."""

from collections import Counter

import pytest
import yaml
from wstal.data.render.motion import ACTIONS
from wstal.data.render.plan import (
    CLASS_SOUNDS,
    FRAME_RATES,
    SIZES,
    plan_digest,
    plan_videos,
)
from wstal.errors import WstalError

FROZEN = "84732eaa0591960d381086806aedd4d66e1cc2fefb0b8fe50bf2f3cdeb08fcc4"


@pytest.fixture(scope="module")
def config(project):
    return yaml.safe_load((project / "workflow/config/datasets/demo.yaml").read_text())["render"]


@pytest.fixture(scope="module")
def plans(config):
    return plan_videos(config)


def split(plans, name):
    return [p for p in plans if p.split == name and not p.truncated]


def test_the_demo_is_frozen(plans):
    """Nobody tunes the data until a method wins: change this only with the whole demo."""
    assert plan_digest(plans) == FROZEN


def test_counts(plans, config):
    assert len(split(plans, "train")) == config["train"]
    assert len(split(plans, "test")) == config["test"]
    assert len({p.id for p in plans}) == len(plans)


@pytest.mark.parametrize("name", ["train", "test"])
def test_classes_are_balanced(plans, name):
    counts = Counter(a.label for p in split(plans, name) for a in p.actions)
    assert set(counts) == set(ACTIONS)
    assert len(set(counts.values())) == 1


def test_actions_cover_a_tenth_to_under_half_of_every_video(plans):
    for plan in plans:
        share = sum(a.end - a.start for a in plan.actions) / plan.duration
        assert 0.10 <= share <= 0.45


def test_actions_vary_in_number_and_length_and_keep_apart(plans):
    assert {len(p.actions) for p in plans} == {2, 3, 4}
    lengths = [a.end - a.start for p in plans for a in p.actions]
    assert 1.79 <= min(lengths) < 2.0 and 3.8 < max(lengths) <= 4.21
    for plan in plans:
        assert 15.9 <= plan.duration <= 24
        assert plan.actions[0].start >= 1 and plan.duration - plan.actions[-1].end >= 1
        for before, after in zip(plan.actions[:-1], plan.actions[1:], strict=True):
            assert after.start - before.end >= 1


def test_some_videos_have_two_classes_in_both_splits(plans):
    for name in ("train", "test"):
        several = [p for p in split(plans, name) if len(p.labels) == 2]
        assert 2 <= len(several) <= len(split(plans, name)) / 3
    assert all(1 <= len(p.labels) <= 2 for p in plans)


def test_rates_and_sizes_are_mixed_in_both_splits(plans):
    for name in ("train", "test"):
        assert {p.fps for p in split(plans, name)} == set(FRAME_RATES)
        assert {(p.width, p.height) for p in split(plans, name)} == set(SIZES)


def test_one_video_is_silent_and_one_is_cut_short(plans):
    assert [p.split for p in plans if not p.audio] == ["train"]
    assert [p.split for p in plans if p.truncated] == ["train"]
    assert not any(p.truncated and not p.audio for p in plans)


def test_some_classes_sound_and_others_do_not(plans):
    assert 0 < len(CLASS_SOUNDS) < len(ACTIONS)
    near = Counter()
    for plan in plans:
        for action in plan.actions:
            sound = CLASS_SOUNDS.get(action.label)
            near[sound] += any(
                s.label == sound and abs(s.start - action.start) <= 0.21 for s in plan.sounds
            )
            assert all(s.end <= plan.duration + 0.25 for s in plan.sounds)
    for name, sound in CLASS_SOUNDS.items():
        total = sum(a.label == name for p in plans for a in p.actions)
        assert 0.6 * total < near[sound] <= total
    owned = set(CLASS_SOUNDS.values())
    assert all(any(s.label not in owned for s in plan.sounds) for plan in plans)


def test_the_seed_changes_the_plan(config):
    assert plan_digest(plan_videos({**config, "seed": 8})) != plan_digest(plan_videos(config))


@pytest.mark.parametrize(
    "bad", [{"seed": 1, "train": 2}, {"seed": 1, "train": 0, "test": 1}, {"train": "x"}]
)
def test_bad_config_is_named(bad):
    with pytest.raises(WstalError, match="render:"):
        plan_videos(bad)
