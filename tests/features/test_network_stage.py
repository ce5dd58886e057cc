"""A shard of features: keys that say what made them, statuses passed on, files reused."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from wstal.base.array_store import Record, create_arrays, read_arrays, read_attrs, write_shard
from wstal.base.errors import MediaError, WstalError
from wstal.base.stage import Job, LoadedNetwork
from wstal.features.network_stage import NetworkStage


@dataclass(frozen=True)
class SmallSettings:
    NO_NUMBERS: ClassVar[tuple[str, ...]] = ("batch",)

    weights: str = "a_name"
    crop: int = 112
    batch: int = 8


class SmallStage(NetworkStage):
    name, settings, inputs = "small", SmallSettings, ("frames",)

    def __init__(self, extract):
        self.extract = extract

    def weights(self, settings):
        return {"weights": settings.weights}

    def extractor(self, settings, job):
        return self.extract


@pytest.fixture
def run(tmp_path):
    frames = tmp_path / "frames/shard0.csv"
    rows = [
        Record("a", "ok", 40, "s", "a.h5", "ka"),
        Record("b", "partial", 40, "s", "b.h5", "kb", "ends early"),
        Record("c", "missing", 0, "", "", "kc", "not in the folder"),
    ]
    write_shard(frames, rows)
    for video, decoder in (("a", "pyav"), ("b", "decord")):
        made = {"stage": "frames", "recipe": {"decoder": decoder}}
        path = frames.parent / f"{video}.h5"
        with create_arrays(path, id=video, stage="frames", key="k", provenance=made):
            pass

    def extract(video):
        run.seen.append(video.id)
        if video.id == run.broken:
            raise MediaError("cannot be decoded")
        return np.full((2, 4), len(run.seen), np.float32)

    def run(settings=SmallSettings(), weights="f" * 64, code="c1"):
        run.seen = []
        job = Job(code, tmp_path / "small", network=LoadedNetwork(None, "w.pt", weights))
        records = SmallStage(extract).shard({"frames": frames}, settings, job)
        return {record.id: record for record in records}

    run.broken, run.folder = None, Path(tmp_path / "small")
    return run


def test_statuses_and_provenance(run):
    records = run()
    assert {i: (r.status, r.rows) for i, r in records.items()} == {
        "a": ("ok", 2),
        "b": ("partial", 2),
        "c": ("missing", 0),
    }
    assert records["b"].reason == "ends early" and records["c"].reason == "not in the folder"
    file = run.folder / records["a"].path
    assert read_arrays(file)["features"].dtype == np.float32
    provenance = json.loads(read_attrs(file)["provenance_json"])
    assert provenance["weights"] == "f" * 64 and provenance["device"].startswith("cpu")
    assert (
        provenance["recipe"] == {"weights": "a_name", "crop": 112, "batch": 8}
        and provenance["code"] == "c1"
    )
    assert {"wstal", "torch"} <= set(provenance["versions"])


def test_each_file_says_how_the_files_before_it_were_made(run):
    records = run()
    files = {video: run.folder / records[video].path for video in ("a", "b")}
    made = {video: json.loads(read_attrs(file)["provenance_json"]) for video, file in files.items()}
    assert made["a"]["frames"] == {"stage": "frames", "recipe": {"decoder": "pyav"}}
    assert made["b"]["frames"]["recipe"]["decoder"] == "decord"


def test_only_what_changes_the_features_makes_them_anew(run):
    run()
    for same in ({}, {"settings": SmallSettings("another_name", batch=1)}):
        run(**same)
        assert run.seen == [], same
    for other in ({"weights": "untrained"}, {"code": "c2"}, {"settings": SmallSettings(crop=96)}):
        run(**other)
        assert run.seen == ["a", "b"], other


def test_a_broken_file_is_a_status(run):
    run.broken = "a"
    records = run()
    assert records["a"].status == "broken" and "decoded" in records["a"].reason
    assert records["b"].rows == 2


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n cut short"])
def test_a_damaged_file_of_a_stage_before_is_named_with_the_remedy(run, content):
    damaged = run.folder.parent / "frames/a.h5"
    damaged.write_bytes(content)
    with pytest.raises(
        WstalError, match=rf"{damaged} is damaged or missing .* remove it and shard"
    ):
        run()
    assert run.seen == ["b"]
