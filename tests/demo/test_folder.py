"""The folder of somebody with a camera: what is planned, and what a person says of it."""

from __future__ import annotations

from collections import Counter

import pytest
from wstal.base.errors import WstalError
from wstal.commands.demo_folder import COMMAND
from wstal.demo.folder import LABELS, LATER, folder_answers, plan_folder


def test_each_class_is_in_every_split_and_actions_lie_in_their_clip():
    plans = plan_folder(0)
    assert len({plan.id for plan in plans}) == len(plans) == 27
    counts = Counter((plan.split, plan.labels[0]) for plan in plans if not plan.truncated)
    assert counts == {
        **{("train", label): 4 for label in LABELS},
        **{("test", label): count for label, count in zip(LABELS, (5, 5, 4), strict=True)},
    }
    assert sum(plan.truncated for plan in plans) == 1
    for plan in plans:
        ends = [0.0, *(t for each in plan.actions for t in (each.start, each.end)), plan.duration]
        assert ends == sorted(ends) and len(plan.labels) == 1
    assert plan_folder(0) == plans != plan_folder(1)


def test_a_person_leaves_a_label_and_two_clips_open():
    plans = plan_folder(0)
    answers = folder_answers(plans)
    assert [row["video"] for row in answers.labels if not row["labels"]] == ["clip_22.mp4"]
    later = {row["video"] for row in answers.later}
    assert later == {"clip_18", "clip_22"} and len(later) == LATER
    marked = {row["video"] for row in answers.segments}
    assert marked | later == {plan.id for plan in plans if plan.split == "test"}
    assert not marked & later


def test_a_folder_with_files_is_refused(tmp_path):
    (tmp_path / "a.mp4").touch()
    with pytest.raises(WstalError, match="is not an empty folder"):
        COMMAND.main(COMMAND.parser().parse_args([str(tmp_path)]))
