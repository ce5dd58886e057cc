"""The limit of videos without features."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import warm_python
from wstal.base.array_store import Record, create_arrays, read_attrs, safe_name, write_shard
from wstal.base.errors import WstalError
from wstal.base.files import read_table, write_csv
from wstal.features.pack import (
    COVERAGE,
    FeatureFile,
    check_ids,
    check_missing,
    gather_streams,
    grid_attrs,
    pack,
)
from wstal.features.rows import RowGrid, common_grid

RECIPE = {
    "streams": {"rgb": "i3d_rgb", "audio": "vggish"},
    "frames": {"fps": 25},
    "i3d": {"snippet": 16, "stride": 16, "weights": {"rgb": "untrained", "flow": "f"}},
    "vggish": {"weights": "v"},
}


def stage(folder, rows, statuses=None, made=None):
    records = []
    for video, count in rows.items():
        path = folder / f"{safe_name(video)}.h5"
        status = (statuses or {}).get(video, "ok")
        digest = ""
        if count:
            with create_arrays(
                path,
                id=video,
                stage=folder.name,
                key="k",
                provenance=(made or {}).get(video, {"d": 1}),
            ) as f:
                f.write("features", np.full((count, 3), len(video), np.float32))
            digest = read_attrs(path)["sha256"]
        status = status if count else "broken"
        records.append(Record(video, status, count, digest, path.name, "k", ""))
    write_shard(folder / "shard0.csv", records)
    return folder / "shard0.csv"


def row(video, split="train", **more):
    return {"id": video, "split": split, "duration": "3", "status": "ok", "reason": "", **more}


def grid(fps):
    return common_grid({"rgb": RowGrid(fps)}, None)


def attrs():
    return grid_attrs("demo", "r", grid(25), "d" * 64, untrained=True, accepted={})


def test_provenance_is_the_streams_own_and_says_what_varies(tmp_path):
    flow = {"flow": {"recipe": {"semantics": "opencv_cpu"}, "backend": "cpu"}, "stage": "i3d_flow"}
    other = {
        "flow": {"recipe": {"semantics": "opencv_cpu"}, "backend": "torch"},
        "stage": "i3d_flow",
    }
    shard = stage(tmp_path / "i3d_flow", {"a": 2, "b": 2}, made={"a": flow, "b": other})
    streams = gather_streams({"flow": "i3d_flow"}, [shard])
    rows = [row("a", sha256="1f"), row("b", sha256="2f")]
    pack(tmp_path / "f.h5", rows, streams, attrs=attrs())
    with FeatureFile(tmp_path / "f.h5") as features:
        made = json.loads(features.attrs["provenance_json"])
        assert made == {"flow": flow | {"varies": ["flow"]}}
        assert features.video_attrs("b")["source_sha256"] == "2f"


def test_a_grid_says_its_step_and_whether_a_network_is_untrained():
    trained, random = (
        grid_attrs("a", "r", grid(16), "d", untrained=untrained, accepted={"new": "old"})
        for untrained in (False, True)
    )
    assert (trained["step"], trained["snippet"], trained["stride"]) == (1.0, 16, 16)
    assert (trained["weights"], random["weights"]) == ("pretrained", "untrained")
    assert trained["accepted_code"] == '{"new":"old"}' and trained["recipe_digest"] == "d"


def test_streams_are_packed_on_one_grid(tmp_path):
    csvs = [
        stage(tmp_path / "i3d_rgb", {"a": 4, "b/c": 2}),
        stage(tmp_path / "vggish", {"a": 4, "b/c": 2}, {"a": "no_audio"}),
    ]
    streams = gather_streams({"rgb": "i3d_rgb", "audio": "vggish"}, csvs)
    out = tmp_path / "features.h5"
    coverage = pack(out, [row("a"), row("b/c", "test")], streams, attrs=attrs())
    assert [c["status"] for c in coverage] == ["no_audio", "ok"]
    with FeatureFile(out) as features:
        assert features.ids() == ["a", "b/c"] and features.ids("test") == ["b/c"]
        assert features.streams == ["audio", "rgb"] and features.dims == {"rgb": 3, "audio": 3}
        assert features.read("a", ["rgb", "audio"]).shape == (4, 6)
        assert features.attrs["weights"] == "untrained" and features.attrs["step"] == 0.64
        with pytest.raises(WstalError, match="video a has no flow features; it has"):
            features.read("a", ["flow"])


def test_streams_of_other_rows_get_those_of_the_grid_and_the_file_says_so(tmp_path):
    """Of 100 frames: flow in five rows from 1.12 s on, audio in one row a second."""
    grids = {
        "rgb": RowGrid(25, 16, stride=4),
        "flow": RowGrid(25, 64, stride=8),
        "audio": RowGrid(25, 25, stride=25),
    }
    counts = {name: {"a": each.count(100)} for name, each in grids.items()}
    assert counts == {"rgb": {"a": 22}, "flow": {"a": 5}, "audio": {"a": 4}}
    shards = [stage(tmp_path / name, count) for name, count in counts.items()]
    streams = gather_streams({name: name for name in grids}, shards)
    out, common = tmp_path / "features.h5", common_grid(grids, "rgb")
    about = grid_attrs("demo", "r", common, "d" * 64, untrained=True, accepted={})
    coverage = pack(out, [row("a")], streams, attrs=about, grid=common)
    assert coverage[0]["rows"] == 22
    assert coverage[0]["reason"] == "9 of 22 rows lie beyond those of flow: its nearest is repeated"
    with FeatureFile(out) as features:
        assert features.read("a", ["rgb", "flow", "audio"]).shape == (22, 9)
        names = ("fps", "snippet", "stride", "t0", "step", "grid", "resample")
        assert [features.attrs[name] for name in names] == [
            *(25, 16, 4, 0.24, 0.16),
            *("rgb", "nearest"),
        ]


def test_absent_videos_are_counted_and_bounded(tmp_path):
    streams = gather_streams({"rgb": "i3d_rgb"}, [stage(tmp_path / "i3d_rgb", {"a": 4, "b": 0})])
    manifest = [row("a"), row("b"), row("c", status="missing", reason="no file named c")]
    out = tmp_path / "features.h5"
    coverage = pack(out, manifest, streams, attrs=attrs(), max_missing=2)
    assert [(c["status"], c["rows"]) for c in coverage] == [
        ("ok", 4),
        ("broken", 0),
        ("missing", 0),
    ]
    assert coverage[2]["reason"] == "no file named c"
    out.unlink()
    with pytest.raises(
        WstalError, match=r"2 videos have no features, max_missing is 1: b .*no file"
    ):
        pack(out, manifest, streams, attrs=attrs(), max_missing=1)
    assert not out.exists()


def test_streams_of_different_length_are_refused(tmp_path):
    csvs = [stage(tmp_path / "i3d_rgb", {"a": 4}), stage(tmp_path / "i3d_flow", {"a": 5})]
    streams = gather_streams({"rgb": "i3d_rgb", "flow": "i3d_flow"}, csvs)
    with pytest.raises(WstalError, match=r"video a: its streams have different lengths \[4, 5\]"):
        pack(tmp_path / "f.h5", [row("a")], streams, attrs=attrs())


@pytest.mark.parametrize(
    "damage", ["cut", "gone", "of another key", "of other values", "overwritten"]
)
def test_a_damaged_file_of_a_video_is_named_with_what_makes_it_anew(tmp_path, damage):
    shard = stage(tmp_path / "vggish", {"a": 2, "b": 2})
    path = shard.with_name("b.h5")
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:900])
    elif damage == "gone":
        path.unlink()
    elif damage == "overwritten":
        content = bytearray(path.read_bytes())
        place = content.index(np.ones(6, np.float32).tobytes())
        content[place + 3] ^= 1
        path.write_bytes(content)
    else:
        key = "other" if damage == "of another key" else "k"
        with create_arrays(path, id="b", stage="vggish", key=key, provenance={}) as file:
            file.write("features", np.full((2, 3), 7, np.float32))
    streams = gather_streams({"audio": "vggish"}, [shard])
    with pytest.raises(WstalError, match=r"vggish/b\.h5.*Remove .*vggish/shard\*\.csv"):
        pack(tmp_path / "f.h5", [row("a"), row("b")], streams, attrs=attrs())
    assert not list(tmp_path.glob("*.h5")) and not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("short", ["manifest", "stream"])
def test_a_video_without_a_record_is_not_packed_as_missing(tmp_path, short):
    counts = {"a": 2} if short == "stream" else {"a": 2, "b": 2}
    streams = gather_streams({"rgb": "i3d_rgb"}, [stage(tmp_path / "i3d_rgb", counts)])
    rows = [row("a")] if short == "manifest" else [row("a"), row("b")]
    named = r"m\.csv has no row .*\(b\)" if short == "manifest" else r"i3d_rgb/shard.*\(b\)"
    with pytest.raises(WstalError, match=named):
        check_ids(tmp_path / "m.csv", rows, streams)
    check_ids("m.csv", [row(video) for video in counts], streams)


def test_a_video_in_two_shards_is_refused(tmp_path):
    shard = stage(tmp_path / "i3d_rgb", {"a": 2})
    again = shard.with_name("shard1.csv")
    again.write_bytes(shard.read_bytes())
    with pytest.raises(WstalError, match=r"shard1\.csv: video a is in another shard"):
        gather_streams({"rgb": "i3d_rgb"}, [shard, again])


def test_other_files_are_refused(tmp_path):
    (tmp_path / "x.h5").write_bytes(b"no")
    with pytest.raises(WstalError, match="x.h5 is damaged or missing"):
        FeatureFile(tmp_path / "x.h5")


ROWS = [
    {"id": "a", "split": "train", "status": "ok", "rows": 4, "reason": ""},
    {"id": "b", "split": "test", "status": "missing", "rows": 0, "reason": "no file named b"},
]


def test_videos_are_counted_and_too_many_named():
    counts = {"videos": 2, "without_features": 1}
    assert check_missing(ROWS, 1) == counts | {"max_missing": 1}
    assert check_missing(ROWS) == counts | {"max_missing": "any"}
    message = (
        r"1 videos have no features, max_missing is 0: b \(missing: no file named b\)\. Supply"
    )
    with pytest.raises(WstalError, match=message):
        check_missing(ROWS, 0)


def test_of_very_many_videos_20_are_named():
    absent = [ROWS[1] | {"id": f"v{n}", "reason": "r" * 80} for n in range(400)]
    with pytest.raises(WstalError, match="v19 .*; and 380 others .380 missing., which") as caught:
        check_missing([*ROWS, *absent[1:]], 0)
    assert "v20" not in str(caught.value) and len(str(caught.value)) < 3000


def test_the_script_writes_the_counts_or_ends_with_the_list(project, tmp_path):
    write_csv(tmp_path / "coverage.csv", COVERAGE, ROWS)
    command = [sys.executable, project / "scripts/check_completeness.py"]
    command += ["--coverage", tmp_path / "coverage.csv", "--output", tmp_path / "c.csv"]
    command += ["--manifest", tmp_path / "coverage.csv"]
    done = warm_python.run([*command, "--max-missing", "0"])
    assert done.returncode and "no file named b" in done.stderr
    assert not (tmp_path / "c.csv").exists()
    done = warm_python.run([*command, "--max-missing", "null"], check=True)
    assert done.stdout == f"1 of 2 videos have no features; why: {tmp_path / 'coverage.csv'}\n"
    (row,) = read_table(tmp_path / "c.csv", (), key=None)
    assert row == {"videos": "2", "without_features": "1", "max_missing": "any"}
