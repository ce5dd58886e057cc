from wstal.atomic import write_csv
from wstal.data.annotations import Annotations
from wstal.manifest import COLUMNS, merge_manifest, read_rows

ENTRY = {"duration": None, "labels": ["x"], "annotations": []}


def test_every_annotated_video_has_a_row_with_its_split(tmp_path):
    probed = {name: "" for name in COLUMNS if name != "split"}
    rows = [
        probed | {"id": "b", "status": "ok", "duration": "2.5", "fps": "25"},
        probed | {"id": "zz", "status": "ok"},
    ]
    write_csv(tmp_path / "shard0.csv", list(probed), rows)
    annotations = Annotations(
        ["x"], {"a": {**ENTRY, "subset": "train"}, "b": {**ENTRY, "subset": "test"}}
    )
    merged = merge_manifest(annotations, [tmp_path / "shard0.csv"])
    assert [(row["id"], row["split"], row["status"]) for row in merged] == [
        ("a", "train", "missing"),
        ("b", "test", "ok"),
    ]
    assert "run again" in merged[0]["reason"] and merged[0]["duration"] == "0"
    write_csv(tmp_path / "manifest.csv", COLUMNS, merged)
    assert read_rows(tmp_path / "manifest.csv")[1]["fps"] == "25"


def test_what_has_only_published_features_is_no_missing_video():
    features_only = {**ENTRY, "subset": "train", "labels": [], "features_only": True}
    database = {"a": {**ENTRY, "subset": "test"}, "background_000": features_only}
    assert [row["id"] for row in merge_manifest(Annotations(["x"], database), [])] == ["a"]
