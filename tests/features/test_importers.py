"""Published features: the reader of each layout."""

from __future__ import annotations

import os

import h5py
import numpy as np
import pytest
import yaml
from published_features import (
    DIMS,
    VIDEOS,
    annotations,
    features,
    import_settings,
    write_acmnet,
    write_autoloc,
    write_ave_arrays,
    write_basnet,
    write_cmcs,
    write_streams,
    write_wtalc,
)
from published_sets import AVE_ROWS, write_ave, write_numpy, write_object_array
from small_set import write_small_set
from wstal.apply.extraction import write_arrays
from wstal.base.array_store import safe_name
from wstal.base.errors import MediaError, WstalError
from wstal.datasets.annotations import Annotations
from wstal.datasets.ave import read_ave
from wstal.datasets.published_sets import FilesMissing
from wstal.datasets.thumos14 import read_thumos14
from wstal.features.importers.autoloc import find_autoloc
from wstal.features.importers.conversion import match_names
from wstal.features.importers.layouts import (
    find_acmnet,
    find_basnet,
    find_cmcs,
    find_features,
    find_streams,
)
from wstal.features.pack import FeatureFile


def find_video(found, name):
    return next(video for video in found.videos if video.name == name)


def test_a_joint_file_holds_rgb_then_flow(tmp_path):
    content = features()
    write_acmnet(tmp_path, content, prefix="v_")
    found = find_acmnet(tmp_path, import_settings("acmnet"))
    assert sorted(video.name for video in found.videos) == sorted(f"v_{v}" for v in VIDEOS)
    for video in found.videos:
        streams = video.read().streams
        for name in DIMS:
            np.testing.assert_array_equal(streams[name], content[video.name[2:]][name])


def test_the_order_in_a_joint_file_is_the_recipes(tmp_path):
    content = features()
    write_acmnet(tmp_path, content)
    settings = import_settings("acmnet", order=["flow", "rgb"])
    streams = find_acmnet(tmp_path, settings).videos[0].read().streams
    assert list(streams) == ["flow", "rgb"]
    first = sorted(VIDEOS)[0]
    np.testing.assert_array_equal(streams["flow"], content[first]["rgb"])


def test_another_width_is_refused_with_the_remedy(tmp_path):
    write_acmnet(tmp_path, features())
    settings = import_settings("acmnet", dims={"rgb": 6, "flow": 5})
    with pytest.raises(WstalError, match=r"\[T, 11\].*import.dims"):
        find_acmnet(tmp_path, settings).videos[0].read()


AUTOLOC = import_settings("autoloc", order=["flow", "rgb"])


def test_every_column_becomes_a_stream(tmp_path):
    content = features()
    activations = write_autoloc(tmp_path / "att_unfused/val.all.tsv", content)
    found = find_autoloc(tmp_path, AUTOLOC)
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
    videos = {video.name: video for video in find_autoloc(tmp_path, AUTOLOC).videos}
    assert videos.keys() == set(VIDEOS)
    assert videos[VIDEOS[1]].files == () and videos[VIDEOS[2]].files[0].suffix == ".tsv"


def test_lines_cut_off_and_of_another_width(tmp_path):
    path = tmp_path / "val.all.tsv"
    write_autoloc(path, {VIDEOS[0]: features()[VIDEOS[0]]})
    text = path.read_text()
    path.write_text(text.rsplit(";", 3)[0])
    with pytest.raises(MediaError, match="cut off"):
        find_autoloc(tmp_path, AUTOLOC).videos[0].read()
    path.write_text(text.rsplit("\t", 1)[0])
    with pytest.raises(WstalError, match="4 columns"):
        find_autoloc(tmp_path, AUTOLOC).videos[0].read()
    path.write_text(text.replace("\t3;4\t", "\t3;4\tx;"))
    with pytest.raises(MediaError, match="damaged"):
        find_autoloc(tmp_path, AUTOLOC).videos[0].read()
    path.write_text(text)
    wide = import_settings("autoloc", dims={"rgb": 7, "flow": 7})
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
    found = {video.name: video.read().streams for video in find_autoloc(tmp_path, AUTOLOC).videos}
    assert found.keys() == content.keys()
    for video, streams in content.items():
        np.testing.assert_array_equal(found[video]["rgb"], streams["rgb"])


def test_files_of_single_videos_with_numbers(tmp_path):
    content = features()
    for video in VIDEOS:
        folder = "val" if "_validation_" in video else "test"
        write_autoloc(tmp_path / f"{folder}/{video[-7:]}.tsv", numbered({video: content[video]}))
    assert {video.name for video in find_autoloc(tmp_path, AUTOLOC).videos} == set(VIDEOS)


@pytest.mark.parametrize("place", ["att_unfused_onlytrain", ".", ".."])
def test_numbers_of_activitynet_are_looked_up_in_a_list(tmp_path, place):
    folder = tmp_path / "features"
    path = folder / "att_unfused_onlytrain/train.all.tsv"
    one, other, *_ = features().values()
    write_autoloc(path, {"1": one, "0000002": other})
    (folder / place / "org2idx.map").write_text("train\t-abc_DEF123\t0000001\nval\tx\t0000002\n")
    found = find_autoloc(folder, AUTOLOC)
    assert [video.name for video in found.videos] == ["-abc_DEF123", "x"]


def test_numbers_that_stand_for_nothing(tmp_path):
    (video, streams), *_ = features().items()
    write_autoloc(tmp_path / "train.all.tsv", {"7": streams})
    with pytest.raises(WstalError, match=r"video 7 .* org2idx.map"):
        find_autoloc(tmp_path, AUTOLOC)
    (tmp_path / "org2idx.map").write_text("train\tabc\t0000001\n")
    with pytest.raises(WstalError, match=r"video 7 .* org2idx.map"):
        find_autoloc(tmp_path, AUTOLOC)


AVE = import_settings("ave", order=["rgb", "audio"], dims={"rgb": 6, "audio": 5})


@pytest.fixture
def database(tmp_path):
    return read_ave(write_ave(tmp_path / "labels"), {}, {})[0]


def test_rows_of_ave_follow_annotations_txt_also_for_repeated_videos(tmp_path, database):
    arrays = write_ave_arrays(tmp_path / "features", len(AVE_ROWS))
    found = find_features(tmp_path / "features", AVE, database)
    videos = {video.name: video for video in found.videos}
    assert videos.keys() == set(database.database)
    for name, row in (("bbbbbbbbbbb", 1), ("aaaaaaaaaaa.2", 3), ("eeeeeeeeeee", 5)):
        streams = videos[name].read().streams
        np.testing.assert_allclose(streams["rgb"], arrays["visual"][row].mean((1, 2)), rtol=1e-6)
        np.testing.assert_array_equal(streams["audio"], arrays["audio"][row])


def test_arrays_of_fewer_rows_and_other_annotations_are_refused(tmp_path, database):
    write_ave_arrays(tmp_path / "features", 3)
    with pytest.raises(WstalError, match="same release"):
        find_features(tmp_path / "features", AVE, database)
    with pytest.raises(WstalError, match="Annotations.txt"):
        find_features(tmp_path / "features", AVE, annotations())


def test_background_clips_stand_in_arrays_of_their_own(tmp_path):
    files = write_ave(tmp_path / "labels")
    with h5py.File(tmp_path / "labels/labels_noisy.h5", "w") as file:
        file["avadataset"] = np.zeros((3, 29))
    database = read_ave([*files, tmp_path / "labels/labels_noisy.h5"], {}, {})[0]
    write_ave_arrays(tmp_path / "features", len(AVE_ROWS))
    with pytest.raises(WstalError, match="visual_feature_noisy.h5"):
        find_features(tmp_path / "features", AVE, database)
    arrays = write_ave_arrays(tmp_path / "features", 3, suffix="_noisy")
    found = find_features(tmp_path / "features", AVE, database)
    streams = {video.name: video for video in found.videos}["background_002"].read().streams
    np.testing.assert_allclose(streams["rgb"], arrays["visual"][2].mean((1, 2)), rtol=1e-6)
    np.testing.assert_array_equal(streams["audio"], arrays["audio"][2])
    assert len(found.shared) == 4 and len(found.videos) == len(database.database)


BASNET = import_settings("basnet")


def test_a_stream_may_be_set_off_by_a_hyphen_and_the_first_have_no_name(tmp_path):
    content = features()
    (first, streams), (second, others), *_ = content.items()
    np.save(tmp_path / f"{first}.npy", streams["rgb"])
    np.save(tmp_path / f"{first}-flow.npy", streams["flow"])
    np.save(tmp_path / f"{second}-rgb.npy", others["rgb"])
    np.save(tmp_path / f"{second}_flow.npy", others["flow"])
    np.save(tmp_path / "duration.npy", np.zeros(3))  # belongs to no video
    found = find_streams(tmp_path, import_settings("streams"))
    assert {video.name for video in found.videos} == {first, second}
    for name in (first, second):
        read = find_video(found, name).read().streams
        for stream in ("rgb", "flow"):
            np.testing.assert_array_equal(read[stream], content[name][stream])


def test_streams_come_from_the_folders_named_for_them(tmp_path):
    content = features()
    write_basnet(tmp_path / "THUMOS14/features", content)
    found = find_basnet(tmp_path, BASNET)
    assert sorted(video.name for video in found.videos) == sorted(VIDEOS)
    for video in found.videos:
        assert [path.parent.name for path in video.files] == ["rgb", "flow"]
        streams = video.read().streams
        np.testing.assert_array_equal(streams["flow"], content[video.name]["flow"])


def test_a_video_without_a_folder_of_each_stream_is_named(tmp_path):
    write_basnet(tmp_path, features())
    (tmp_path / "test/flow" / f"{VIDEOS[2]}.npy").unlink()
    found = find_basnet(tmp_path, BASNET)
    assert len(found.videos) == 3 and found.facts["lacking_a_stream"] == [VIDEOS[2]]


def test_pickles_are_refused_and_damage_is_a_status(tmp_path):
    write_basnet(tmp_path, features())
    path = tmp_path / "train/rgb" / f"{VIDEOS[0]}.npy"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(MediaError, match="damaged"):
        find_video(find_basnet(tmp_path, BASNET), VIDEOS[0]).read()
    write_object_array(path, [np.zeros((2, 6))])
    with pytest.raises(WstalError, match="refused.*pickled"):
        find_video(find_basnet(tmp_path, BASNET), VIDEOS[0]).read()


VIDEO = VIDEOS[0]


def read_cmcs(folder, **changes):
    found = find_cmcs(folder, import_settings("cmcs", **changes))
    return find_video(found, VIDEO).read()


def test_the_centre_is_the_first_crop_and_the_mean_is_over_all(tmp_path):
    content = features()
    write_cmcs(tmp_path, content, crops=3, frames=330)
    centre = read_cmcs(tmp_path)
    np.testing.assert_array_equal(centre.streams["flow"], content[VIDEO]["flow"])
    assert centre.frames == 330
    mean = read_cmcs(tmp_path, crop="mean").streams["flow"]
    np.testing.assert_allclose(mean, content[VIDEO]["flow"] * 5 / 3, rtol=1e-6)


def test_untrimmednets_axes_are_put_in_order(tmp_path):
    content = features()
    write_cmcs(tmp_path, content)
    for name in ("rgb", "flow"):
        array = content[VIDEO][name]
        stack = np.stack([array, 2 * array], 1)[..., None, None]  # [T, crops, D, 1, 1]
        np.savez(tmp_path / f"{VIDEO}-{name}.npz", feature=stack)
    np.testing.assert_array_equal(read_cmcs(tmp_path).streams["rgb"], content[VIDEO]["rgb"])


def test_pickles_damage_and_other_shapes(tmp_path):
    write_cmcs(tmp_path, features())
    path = tmp_path / f"{VIDEO}-rgb.npz"
    np.savez(path, feature=np.zeros(5))
    with pytest.raises(WstalError, match="crops, T, D"):
        read_cmcs(tmp_path)
    np.savez(path, feature=np.array([{}], dtype=object))
    with pytest.raises(WstalError, match="refused"):
        read_cmcs(tmp_path)
    path.write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(MediaError, match="damaged"):
        read_cmcs(tmp_path)


def test_the_file_name_gives_video_and_stream(tmp_path):
    content = features()
    write_streams(tmp_path / "i3d", content)
    for other in ("fps", "timestamps_ms"):  # what video_features writes besides
        np.save(tmp_path / "i3d" / f"{VIDEOS[0]}_{other}.npy", np.float32(25))
    found = find_streams(tmp_path, import_settings("streams"))
    assert sorted(video.name for video in found.videos) == sorted(VIDEOS)
    for video in found.videos:
        streams = video.read().streams
        assert list(streams) == ["rgb", "flow"]
        for name, array in streams.items():
            np.testing.assert_array_equal(array, content[video.name][name])


def test_one_stream_alone_is_enough_and_no_other_is_read(tmp_path):
    write_streams(tmp_path, features())
    found = find_streams(tmp_path, import_settings("streams", order=["flow"]))
    assert len(found.videos) == len(VIDEOS)
    assert [list(video.read().streams) for video in found.videos] == [["flow"]] * len(VIDEOS)


def test_a_video_without_a_file_of_each_stream_is_named(tmp_path):
    write_streams(tmp_path, features())
    (tmp_path / f"{VIDEOS[0]}_flow.npy").unlink()
    found = find_streams(tmp_path, import_settings("streams"))
    assert len(found.videos) == len(VIDEOS) - 1
    assert found.facts["lacking_a_stream"] == [VIDEOS[0]]
    with pytest.raises(FilesMissing, match=r"_audio.npy"):
        find_streams(tmp_path, import_settings("streams", order=["audio"]))


def test_what_extract_features_writes_is_read_back(tmp_path):
    path, annotations = write_small_set(tmp_path)
    with FeatureFile(path) as packed:
        write_arrays(packed, tmp_path / "out", "streams")
        settings = import_settings("streams", order=["rgb", "flow", "audio"])
        found = find_streams(tmp_path / "out", settings)
        assert {video.name for video in found.videos} == set(annotations.database)
        for video in found.videos:
            for name, array in video.read().streams.items():
                np.testing.assert_array_equal(array, packed.read(video.name, [name]))


def test_an_id_that_is_a_path_is_read_back(tmp_path):
    for name in ("sub/50% clip", "a_b"):
        np.save(tmp_path / f"{safe_name(name)}_rgb.npy", np.ones((2, 6)))
    found = find_streams(tmp_path, import_settings("streams", order=["rgb"]))
    assert {video.name for video in found.videos} == {"sub/50% clip", "a_b"}


def test_an_id_whose_name_was_cut_is_matched(tmp_path):
    video = "".join(chr(0x4E00 + number) for number in range(40))
    np.save(tmp_path / f"{safe_name(video)}_rgb.npy", np.ones((2, 6)))
    found = find_streams(tmp_path, import_settings("streams", order=["rgb"]))
    given = Annotations(
        ["run"], {video: {"subset": "test", "duration": 9.0, "labels": ["run"], "annotations": []}}
    )
    assert list(match_names(given, found.videos)) == [video]


def test_pickled_objects_are_refused(tmp_path):
    np.save(tmp_path / "a_rgb.npy", np.array([{}], dtype=object), allow_pickle=True)
    found = find_streams(tmp_path, import_settings("streams", order=["rgb"]))
    with pytest.raises(WstalError, match="pickled"):
        found.videos[0].read()


def find_joint(folder, labels=()):
    return find_features(folder, import_settings("wtalc"), annotations(), labels)


def test_each_video_has_its_element_split_into_streams(tmp_path):
    content = features()
    write_wtalc(tmp_path, content)
    videos = find_joint(tmp_path).videos
    assert [video.name for video in videos] == VIDEOS
    for video in videos:
        streams = video.read().streams
        for name in ("rgb", "flow"):
            np.testing.assert_array_equal(streams[name], content[video.name][name])


def test_names_may_lie_with_the_label_files_as_bytes(tmp_path):
    write_wtalc(tmp_path / "features", features())
    (tmp_path / "features/videoname.npy").unlink()
    labels = write_numpy(tmp_path / "labels")
    assert [video.name for video in find_joint(tmp_path / "features", labels).videos] == VIDEOS


def test_videos_of_equal_length_make_a_plain_array(tmp_path):
    np.save(tmp_path / "XFeatures.npy", np.arange(4 * 3 * 12, dtype=np.float32).reshape(4, 3, 12))
    np.save(tmp_path / "videoname.npy", np.array(VIDEOS))
    last = find_joint(tmp_path).videos[-1].read().streams
    assert last["flow"][-1].tolist() == list(range(138, 144))


def test_names_of_another_number_are_refused(tmp_path):
    write_wtalc(tmp_path, features(), names=VIDEOS[:3])
    with pytest.raises(WstalError, match="has 4 videos.*names 3"):
        find_joint(tmp_path)


def test_two_joint_arrays_are_not_guessed_between(tmp_path):
    write_wtalc(tmp_path / "i3d", features())
    write_wtalc(tmp_path / "unt", features())
    with pytest.raises(WstalError, match="2 joint arrays.*named like its recipe"):
        find_joint(tmp_path)


class Attack:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def test_a_hostile_joint_array_is_refused_and_runs_nothing(tmp_path):
    write_wtalc(tmp_path, features())
    marker = tmp_path / "ran"
    write_object_array(tmp_path / "Small-I3D-JOINTFeatures.npy", [Attack(marker)] * 4)
    with pytest.raises(WstalError, match="refused"):
        find_joint(tmp_path)
    assert not marker.exists()


def test_an_element_that_is_no_array_is_refused(tmp_path):
    write_wtalc(tmp_path, features())
    write_object_array(tmp_path / "Small-I3D-JOINTFeatures.npy", [["text"]] * 4)
    with pytest.raises(WstalError, match="not hold an array of numbers"):
        find_joint(tmp_path).videos[0].read()


def test_the_real_names_cover_thumos14_but_for_one_video(tmp_path, reference, project):
    labels = sorted((reference / "data/annotations/thumos14").rglob("*.*"))
    facts = yaml.safe_load((project / "workflow/reference/datasets/thumos14.yaml").read_text())
    given, _ = read_thumos14(labels, {}, facts)
    names = np.load(
        reference / "data/annotations/thumos14/Thumos14reduced-Annotations/videoname.npy"
    )
    arrays = [np.full((2, 12), i, dtype=np.float32) for i in range(len(names))]
    write_object_array(tmp_path / "Thumos14reduced-I3D-JOINTFeatures.npy", arrays)
    settings = import_settings("wtalc")
    matched = match_names(given, find_features(tmp_path, settings, given, labels).videos)
    assert len(names) == len(matched) == 412
    assert set(given.database) - set(matched) == {"video_test_0001292"}
    assert matched["video_validation_0000051"].read().streams["rgb"][0, 0] == [
        name.decode() if isinstance(name, bytes) else name for name in names
    ].index("video_validation_0000051")
