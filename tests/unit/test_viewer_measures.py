from dataclasses import replace

from evaluation_cases import PROTOCOL
from wstal.viewer.measures import measures


def row(metric, label, value, checkpoint="last", protocol="small"):
    return {
        "protocol": protocol, "checkpoint": checkpoint, "metric": metric, "class": label,
        "value": value, "coverage": "2/2 videos; 3/3 instances",
    }  # fmt: skip


def test_only_the_last_iterate_under_the_pages_own_protocol_counts():
    rows = [
        row("mAP@0.50", "all", "50.0"), row("mAP@0.3:0.7", "all", "41.5"), row("mAP@0.30", "all", "60"),
        row("mAP@0.3:0.7", "dive", "41.5"), row("mAP@0.3:0.7", "jump", ""),
        row("mAP@0.50", "all", "99", checkpoint="best_test"), row("mAP@0.50", "all", "98", protocol="other"),
    ]  # fmt: skip
    found = measures(rows, PROTOCOL)
    assert [(m["metric"], m["value"]) for m in found["means"]] == [
        ("mAP@0.50", 50.0),
        ("mAP@0.3:0.7", 41.5),
    ]
    assert found["means"][0]["coverage"] == "2/2 videos; 3/3 instances"
    assert (found["of"], found["classes"]) == ("AP@0.3:0.7", {"dive": 41.5})


def test_events_have_accuracy_and_recall():
    rows = [row("accuracy", "all", "89.1"), row("accuracy", "dive", "34.9")]
    found = measures(rows, replace(PROTOCOL, select="", averages=(), tious=(), task="events"))
    assert found["means"][0]["metric"] == "accuracy"
    assert (found["of"], found["classes"]) == ("recall", {"dive": 34.9})


def test_without_numbers_there_are_none():
    assert measures([], PROTOCOL)["means"] == []
