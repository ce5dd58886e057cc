"""AutoLoc's lines of text."""

import numpy as np
import pytest
from published_features import VIDEOS, features, recipe, write_autoloc
from wstal.errors import MediaError, WstalError
from wstal.features.importers.autoloc import find_autoloc

SETTINGS = recipe("autoloc", order=["flow", "rgb"])["import"]


def test_every_column_becomes_a_stream(tmp_path):
    content = features()
    activations = write_autoloc(tmp_path / "att_unfused/val.all.tsv", content)
    found = find_autoloc(tmp_path, SETTINGS)
    assert [video.name for video in found.videos] == VIDEOS
    assert [path.name for path in found.shared] == ["val.all.tsv"]
    for video in found.videos:
        streams = video.read().streams
        for index, name in enumerate(("flow", "rgb")):
            np.testing.assert_array_equal(streams[name], content[video.name][name])
            np.testing.assert_array_equal(streams[f"{name}_scp"], activations[video.name][:, index])
        rows = len(content[video.name]["rgb"])
        assert streams["flow_attention"].tolist() == [[t] for t in range(rows)]
        assert streams["rgb_attention"].tolist() == [[-t] for t in range(rows)]


def test_files_of_single_videos_count_where_no_stacked_one_has_them(tmp_path):
    content = features()
    write_autoloc(tmp_path / "val.all.tsv", dict(list(content.items())[:2]))
    for video in VIDEOS[1:]:
        write_autoloc(tmp_path / f"a_{video}.tsv", {video: content[video]})
    videos = {video.name: video for video in find_autoloc(tmp_path, SETTINGS).videos}
    assert videos.keys() == set(VIDEOS)
    assert videos[VIDEOS[1]].files == () and videos[VIDEOS[2]].files[0].suffix == ".tsv"


def test_lines_cut_off_and_of_another_width(tmp_path):
    path = tmp_path / "val.all.tsv"
    write_autoloc(path, {VIDEOS[0]: features()[VIDEOS[0]]})
    text = path.read_text()
    path.write_text(text.rsplit(";", 3)[0])
    with pytest.raises(MediaError, match="cut off"):
        find_autoloc(tmp_path, SETTINGS).videos[0].read()
    path.write_text(text.rsplit("\t", 1)[0])
    with pytest.raises(WstalError, match="4 columns"):
        find_autoloc(tmp_path, SETTINGS).videos[0].read()
    path.write_text(text.replace("\t3;4\t", "\t3;4\tx;"))
    with pytest.raises(MediaError, match="damaged"):
        find_autoloc(tmp_path, SETTINGS).videos[0].read()
    path.write_text(text)
    wide = recipe("autoloc", dims={"rgb": 7, "flow": 7})["import"]
    with pytest.raises(WstalError, match="import.dims"):
        find_autoloc(tmp_path, wide).videos[0].read()


def numbered(content):
    """The same videos by the number in their name."""
    return {str(int(video[-7:])): streams for video, streams in content.items()}


def test_numbers_of_thumos_are_counted_in_each_subset(tmp_path):
    content = features()
    for name, word in (("val", "validation"), ("test", "test")):
        own = {video: streams for video, streams in content.items() if f"_{word}_" in video}
        write_autoloc(tmp_path / f"att_unfused/{name}.all.tsv", numbered(own))
    found = {video.name: video.read().streams for video in find_autoloc(tmp_path, SETTINGS).videos}
    assert found.keys() == content.keys()
    for video, streams in content.items():
        np.testing.assert_array_equal(found[video]["rgb"], streams["rgb"])


def test_files_of_single_videos_with_numbers(tmp_path):
    content = features()
    for video in VIDEOS:
        folder = "val" if "_validation_" in video else "test"
        write_autoloc(tmp_path / f"{folder}/{video[-7:]}.tsv", numbered({video: content[video]}))
    assert {video.name for video in find_autoloc(tmp_path, SETTINGS).videos} == set(VIDEOS)


@pytest.mark.parametrize("place", ["att_unfused_onlytrain", ".", ".."])
def test_numbers_of_activitynet_stand_in_a_list(tmp_path, place):
    folder = tmp_path / "features"
    path = folder / "att_unfused_onlytrain/train.all.tsv"
    one, other, *_ = features().values()
    write_autoloc(path, {"1": one, "0000002": other})
    (folder / place / "org2idx.map").write_text("train\t-abc_DEF123\t0000001\nval\tx\t0000002\n")
    found = find_autoloc(folder, SETTINGS)
    assert [video.name for video in found.videos] == ["-abc_DEF123", "x"]


def test_numbers_that_stand_for_nothing(tmp_path):
    (video, streams), *_ = features().items()
    write_autoloc(tmp_path / "train.all.tsv", {"7": streams})
    with pytest.raises(WstalError, match=r"video 7 .* org2idx.map"):
        find_autoloc(tmp_path, SETTINGS)
    (tmp_path / "org2idx.map").write_text("train\tabc\t0000001\n")
    with pytest.raises(WstalError, match=r"video 7 .* org2idx.map"):
        find_autoloc(tmp_path, SETTINGS)
