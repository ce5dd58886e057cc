"""Published features converted to features.h5: names, lengths, the common time grid, arrays."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from published_features import (
    VIDEOS,
    annotations,
    features,
    import_settings,
    write_acmnet,
    write_basnet,
    write_cmcs,
    write_wtalc,
)
from wstal.base.errors import MediaError, WstalError
from wstal.base.settings import from_plain
from wstal.config.stages import recipe_grid
from wstal.features.importers.conversion import (
    _root_attrs,
    convert_features,
    estimate_frame_rate,
    nearest_rows,
)
from wstal.features.importers.layouts import PAGES, find_features
from wstal.features.importers.published import (
    ImportSettings,
    Layout,
    PublishedFeatures,
    check_numbers,
    files_below,
    load_array,
    split_joint,
)
from wstal.features.pack import FeatureFile, grid_attrs


def convert(folder, settings, given=None, **options):
    given = given or annotations()
    found = find_features(folder / "published", settings, given)
    return convert_features(
        folder / "features.h5", found, given, settings, dataset="small", recipe="r", **options
    )


def test_the_file_is_the_projects_own_form(tmp_path):
    content = features()
    write_wtalc(tmp_path / "published", content)
    done = convert(tmp_path, import_settings("wtalc"), max_missing=0)
    with FeatureFile(tmp_path / "features.h5") as file:
        assert file.ids() == sorted(VIDEOS) and file.ids("test") == sorted(VIDEOS[2:])
        assert file.streams == ["flow", "rgb"] and file.dims == {"rgb": 6, "flow": 6}
        np.testing.assert_array_equal(file.read(VIDEOS[1], ["flow"]), content[VIDEOS[1]]["flow"])
        assert file.attrs["step"] == 0.64 and file.attrs["t0"] == 0
        assert file.attrs["weights"] == "published"
        about = json.loads(file.attrs["provenance_json"])
        source = tmp_path / "published/Small-I3D-JOINTFeatures.npy"
        assert about["files"][str(source)] == hashlib.sha256(source.read_bytes()).hexdigest()
        assert about["import"]["layout"] == "wtalc" and about["facts"]["order"] == ["rgb", "flow"]
        assert file.video_attrs(VIDEOS[0])["duration"] == 12.8
    assert [row["rows"] for row in done.coverage] == [20, 21, 22, 23]
    assert {row["status"] for row in done.manifest} == {"ok"}


def test_ids_match_with_and_without_v_and_others_are_named(tmp_path):
    content = features(videos=["x", "v_y", "z"])
    write_acmnet(
        tmp_path / "published", {"v_x": content["x"], "y": content["v_y"], "w": content["z"]}
    )
    done = convert(
        tmp_path, import_settings("acmnet"), annotations(videos=["x", "v_y", "z"]), max_missing=1
    )
    with FeatureFile(tmp_path / "features.h5") as file:
        assert file.ids() == ["v_y", "x"]
        np.testing.assert_array_equal(file.read("v_y", ["rgb"]), content["v_y"]["rgb"])
        sources = json.loads(file.video_attrs("x")["sources_json"])
        ((path, digest),) = sources.items()
        assert path.endswith("v_x.npy") and len(digest) == 64
    absent = done.coverage[2]
    assert (absent["id"], absent["status"], absent["rows"]) == ("z", "missing", 0)
    assert done.manifest[0]["path"].endswith("v_x.npy")
    assert any("1 published videos are not annotated: w" in note for note in done.notes)


def test_too_many_missing_videos_end_with_their_list_and_leave_no_file(tmp_path):
    content = features()
    del content[VIDEOS[3]]
    write_acmnet(tmp_path / "published", content)
    with pytest.raises(WstalError, match=f"1 videos have no features.*{VIDEOS[3]} .missing"):
        convert(tmp_path, import_settings("acmnet"), max_missing=0)
    assert not (tmp_path / "features.h5").exists()
    assert convert(tmp_path, import_settings("acmnet", max_missing=1), max_missing=0).coverage


def test_features_of_another_dataset_are_refused(tmp_path):
    write_acmnet(tmp_path / "published", features(videos=["other"]))
    with pytest.raises(WstalError, match="none of the 1 published.*other.*these features of this"):
        convert(tmp_path, import_settings("acmnet"))


def test_a_stream_that_no_video_has_is_reported(tmp_path):
    write_basnet(tmp_path / "published", features())
    for path in (tmp_path / "published").glob("*/flow/*.npy"):
        path.unlink()
    with pytest.raises(
        WstalError, match="no video has a file of every stream: one is missing for .*; place"
    ):
        convert(tmp_path, import_settings("basnet"))


def test_streams_that_differ_by_a_row_are_cut_by_more_are_broken(tmp_path):
    content = features()
    content[VIDEOS[0]]["flow"] = content[VIDEOS[0]]["flow"][:-1]
    content[VIDEOS[1]]["flow"] = content[VIDEOS[1]]["flow"][:-3]
    content[VIDEOS[2]]["rgb"][0, 0] = np.nan
    write_basnet(tmp_path / "published", content)
    coverage = {row["id"]: row for row in convert(tmp_path, import_settings("basnet")).coverage}
    assert coverage[VIDEOS[0]]["rows"] == 19 and "cut to 19 rows" in coverage[VIDEOS[0]]["reason"]
    assert coverage[VIDEOS[1]]["status"] == "broken" and "differ" in coverage[VIDEOS[1]]["reason"]
    assert coverage[VIDEOS[2]]["status"] == "broken" and "finite" in coverage[VIDEOS[2]]["reason"]


def test_another_width_names_the_video(tmp_path):
    content = features()
    content[VIDEOS[1]]["flow"] = content[VIDEOS[1]]["flow"][:, :5]
    write_basnet(tmp_path / "published", content)
    with pytest.raises(WstalError, match=f"{VIDEOS[1]}: flow is 5 wide, expected 6"):
        convert(tmp_path, import_settings("basnet"))


def test_rows_at_own_rates_end_on_one_grid(tmp_path):
    content = features(rows=300)
    write_cmcs(tmp_path / "published", content, frames=1216)
    settings = import_settings("cmcs", fps=30, stride=4, snippet=16, rates=[24, 25, 30])
    done = convert(tmp_path, settings, annotations(1216 / 25))
    assert done.coverage[0]["rows"] == 360 and "25 fps" in done.coverage[0]["reason"]
    with FeatureFile(tmp_path / "features.h5") as file:
        assert file.attrs["step"] == pytest.approx(4 / 30)
        assert file.attrs["t0"] == pytest.approx(0.2)
        assert len(file.read(VIDEOS[0], ["rgb"])) == 360


def test_rows_at_own_rates_may_keep_a_grid_of_their_own(tmp_path):
    content = features(rows=40)
    write_acmnet(tmp_path / "published", content)
    settings = import_settings(
        "acmnet", order=["rgb", "flow"], fps=30, stride=15, snippet=15, rates=[], grid="own"
    )
    done = convert(tmp_path, settings, annotations(40.5 * 15 / 24))
    assert done.manifest[0]["fps"] == pytest.approx(24)
    with FeatureFile(tmp_path / "features.h5") as file:
        assert file.step_of(VIDEOS[0]) == pytest.approx(15 / 24)
        np.testing.assert_array_equal(file.read(VIDEOS[0], ["rgb"]), content[VIDEOS[0]]["rgb"])
    common = convert(tmp_path, replace(settings, grid="common"), annotations(40.5 * 15 / 24))
    assert common.coverage[0]["rows"] == 50  # ten rows twice
    with FeatureFile(tmp_path / "features.h5") as file:
        assert file.step_of(VIDEOS[0]) is None and file.attrs["step"] == 0.5


def test_a_recipe_from_videos_has_the_grid_of_the_published_dense_features(recipes):
    """i3d_tvl1_dense and cmcs_i3d_dense: the same step and first second, and number of rows."""
    made = recipe_grid(recipes["i3d_tvl1_dense"])
    published = from_plain(ImportSettings, recipes["cmcs_i3d_dense"]["import"])
    about = _root_attrs(PublishedFeatures([]), published, "float32", "thumos14", "cmcs_i3d_dense")
    own = grid_attrs("thumos14", "i", made, "d", untrained=False, accepted={})
    for name in ("fps", "snippet", "stride", "t0", "step"):
        assert own[name] == about[name], name
    for frames in (900, 1001, 5678):  # estimated from the rows, a video's rate is 30 only if equal
        rows = made.rows.count(frames)
        assert estimate_frame_rate(rows, None, frames / 30, published) == (30, "")
        assert len(nearest_rows(rows, 30, published)) == rows


@pytest.mark.parametrize("changes", [{"rates": None}, {"rates": [25], "snippet": 16}])
def test_a_grid_of_its_own_needs_rates_and_no_overlap(changes):
    with pytest.raises(WstalError, match="grid: own is for rows at each video's own rate"):
        import_settings("acmnet", **{"stride": 15, "snippet": 15, "grid": "own", **changes})


def test_a_wrong_frame_rate_is_pointed_at(tmp_path):
    write_acmnet(tmp_path / "published", features(rows=100))
    notes = convert(tmp_path, import_settings("acmnet"), annotations(100 * 16 / 30)).notes
    assert any("cover 1.2" in note and "25 against 30" in note for note in notes)


def test_durations_that_are_unknown_follow_from_the_rows(tmp_path):
    write_acmnet(tmp_path / "published", features())
    done = convert(tmp_path, import_settings("acmnet", order=["rgb", "flow"]), annotations(None))
    assert done.manifest[0]["duration"] == pytest.approx(12.8)
    assert "published features" in done.manifest[0]["reason"]


@pytest.mark.parametrize("layout", PAGES)
def test_without_files_a_page_says_what_to_place_where(tmp_path, layout):
    settings = import_settings(layout, **({"order": ["rgb", "audio"]} if layout == "ave" else {}))
    with pytest.raises(WstalError) as caught:
        find_features(tmp_path / "absent", settings, annotations())
    page = str(caught.value)
    for part in (str(tmp_path / "absent"), "features:", "https://github.com/", "Terms:"):
        assert part in page
    assert "Not there yet" in page


def test_every_layout_has_a_page_and_others_are_refused(tmp_path):
    assert set(get_args(Layout)) == set(PAGES)
    with pytest.raises(WstalError, match="layout: missing"):
        from_plain(ImportSettings, {})
    with pytest.raises(WstalError, match="not one of"):
        find_features(tmp_path, ImportSettings("other"), annotations())
    with pytest.raises(WstalError, match="order names a stream twice"):
        import_settings("streams", order=["rgb", "rgb"])


DENSE = import_settings("cmcs", fps=30, snippet=16, stride=4, rates=[24, 25, 30])


@pytest.mark.parametrize(("fps", "seconds"), [(24, 90.0), (25, 61.3), (30, 200.0), (30, 7.0)])
def test_the_rate_follows_from_rows_and_duration(fps, seconds):
    frames = int(fps * seconds)
    rows = (frames - 16) // 4 + 1
    assert estimate_frame_rate(rows, None, seconds, DENSE) == (fps, "")
    assert estimate_frame_rate(rows, frames, seconds, DENSE) == (fps, "")


def test_an_assumed_rate_is_noted():
    rate, note = estimate_frame_rate(100, None, None, DENSE)
    assert rate == 30 and "not known" in note
    rate, note = estimate_frame_rate(1000, 4016, 200.0, DENSE)
    assert rate == 30 and "20.08 frames per second fit none of 24, 25, 30" in note
    assert estimate_frame_rate(1000, 4000, 200.0, replace(DENSE, rates=())) == (20.0, "")
    assert estimate_frame_rate(1000, 4000, 200.0, replace(DENSE, rates=None)) == (30, "")


def test_rows_keep_their_time_on_the_common_grid():
    index = nearest_rows(500, 25.0, DENSE)
    assert len(index) == 600 and index[0] == 0 and index[-1] <= 499
    centres = (np.arange(600) * 4 + 8) / 30
    own = (index * 4 + 8) / 25
    inside = index < 499
    assert np.abs(own - centres)[inside].max() <= 2 / 25 + 0.03
    np.testing.assert_array_equal(nearest_rows(7, 30.0, DENSE), np.arange(7))


def test_only_arrays_of_numbers_are_loaded(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(6).reshape(2, 3))
    assert load_array(tmp_path / "a.npy").shape == (2, 3)
    np.save(tmp_path / "b.npy", np.array(["text"]))
    with pytest.raises(WstalError, match="not hold an array of numbers"):
        load_array(tmp_path / "b.npy")
    (tmp_path / "c.npy").write_bytes(b"")
    with pytest.raises(MediaError, match=r"c\.npy is damaged"):
        load_array(tmp_path / "c.npy")
    with pytest.raises(WstalError):
        check_numbers([1, 2], tmp_path)


def test_joint_arrays_are_split_in_order(tmp_path):
    parts = split_joint(
        np.arange(10).reshape(2, 5), ["flow", "rgb"], {"rgb": 3, "flow": 2}, tmp_path
    )
    assert parts["flow"].tolist() == [[0, 1], [5, 6]] and parts["rgb"].shape == (2, 3)
    with pytest.raises(WstalError, match="flow 2 [+] rgb 4"):
        split_joint(np.zeros((2, 5)), ["flow", "rgb"], {"rgb": 4, "flow": 2}, tmp_path)


def test_hidden_files_are_not_read(tmp_path):
    for name in ("b.npy", "a.npy", "._a.npy"):
        (tmp_path / name).touch()
    assert [path.name for path in files_below(tmp_path, ".npy")] == ["a.npy", "b.npy"]
