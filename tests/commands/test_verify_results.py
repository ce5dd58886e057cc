"""Every kind of result is checked, and a damaged one is named with what to delete."""

from __future__ import annotations

import gzip
import json
import zipfile

import numpy as np
import pytest
from small_set import write_small_set
from wstal.base.array_store import Record, create_arrays, read_attrs, write_shard
from wstal.base.errors import WstalError
from wstal.base.files import write_csv, write_json
from wstal.commands.verify_results import COMMAND, find_damage, result_files
from wstal.localize.scores import Scores, VideoScores, write_iterations, write_scores


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "mine"
    stage = folder / "r/i3d_rgb"
    with create_arrays(stage / "a.h5", id="a", stage="i3d_rgb", key="k", provenance={}) as file:
        file.write("features", np.arange(8, dtype=np.float32).reshape(2, 4))
    record = Record("a", "ok", 2, read_attrs(stage / "a.h5")["sha256"], "a.h5", "k")
    broken = Record("b", "broken", 0, "", "", "k", "no video stream")
    write_shard(stage / "shard0.csv", [record, broken])
    write_small_set(folder / "r")
    values = VideoScores(np.zeros((3, 2)), np.zeros(3), np.zeros(1))
    seed = folder / "r/co2net/seed0"
    write_scores(seed / "scores.h5", Scores(["x"], {"a": values}))
    write_iterations(seed / "scores_by_iteration.h5", [Scores(["x"], {"a": values}, iteration=5)])
    write_json(seed / "proposals.json", {"results": {}})
    (seed / "history.json.gz").write_bytes(gzip.compress(json.dumps([1] * 50).encode(), mtime=0))
    write_csv(seed / "map.csv", ["metric", "value"], [{"metric": "mAP@0.50", "value": 71.25}])
    with zipfile.ZipFile(seed / "checkpoint.pt", "w") as archive:
        archive.writestr("data", bytes(range(200)))
    (folder / "viewer.html").write_text("<p>")
    (folder / "logs").mkdir()
    (folder / "logs/train.log").write_text("")
    return folder


def run(folder, capsys):
    with pytest.raises(SystemExit) as end:
        COMMAND.run([str(folder)], "wstal verify-results")
    out, err = capsys.readouterr()
    return end.value.code, out, err


def test_whole_results_pass(results, capsys):
    code, out, err = run(results, capsys)
    assert not code and out == "9 files checked, 0 damaged\n"
    assert "not checked, as they have no checksum: 1 .html" in err
    with pytest.raises(WstalError, match="does not exist"):
        list(result_files(results / "absent"))


SEALED = ["i3d_rgb/a.h5"] + [
    f"co2net/seed0/{name}"
    for name in ("scores.h5", "scores_by_iteration.h5", "history.json.gz", "checkpoint.pt")
]
WITHOUT_CHECKSUM = ["i3d_rgb/shard0.csv", "features.h5"] + [  # this small features.h5
    f"co2net/seed0/{name}" for name in ("map.csv", "proposals.json")
]


@pytest.mark.parametrize(
    ("name", "damage"),
    [(name, damage) for name in SEALED + WITHOUT_CHECKSUM for damage in ("empty", "cut")]
    + [(name, "overwritten") for name in SEALED],
)
def test_a_damaged_file_is_named(results, capsys, name, damage):
    path = results / "r" / name
    content = path.read_bytes()
    if damage == "overwritten":
        middle = len(content) // 2 if path.suffix != ".h5" else content.index(bytes(16), 2000)
        marks = (b"\0\0\x80\x3f", b"\0\0\x80@", b"video_score")  # 1.0 and 4.0, or a name
        places = [content.find(mark) for mark in marks if content.find(mark) >= 0]
        place = places[0] if path.suffix == ".h5" and places else middle
        path.write_bytes(content[:place] + b"!!!!" + content[place + 4 :])
    else:
        path.write_bytes(content[: len(content) * 2 // 3] if damage == "cut" else b"")
    code, out, _ = run(results, capsys)
    # Of an unreadable file the manifest that lists it cannot be confirmed, either.
    damaged = 2 if name == "i3d_rgb/a.h5" and damage != "overwritten" else 1
    assert code == f"9 files checked, {damaged} damaged"
    assert str(path) in out and "emove it and" in out


def test_a_file_that_is_not_the_one_of_its_record_is_noticed(results):
    stage = results / "r/i3d_rgb"
    with create_arrays(stage / "a.h5", id="a", stage="i3d_rgb", key="k", provenance={}) as file:
        file.write("features", np.ones((2, 4), np.float32))
    assert not find_damage(stage / "a.h5")
    assert "a.h5 is not the file that it lists" in find_damage(stage / "shard0.csv")


def test_links_of_a_finished_run_are_checked_by_their_digests(results):
    kept = results / "r/co2net/seed0/.finished"
    kept.mkdir()
    (kept / "log.csv").write_text("a\n")
    write_json(kept / "sha256.json", {"log.csv": "0" * 64})
    assert kept / "log.csv" not in result_files(results)
    assert "log.csv differs from its digest; also remove" in find_damage(kept / "sha256.json")
