"""Where a dataset's own files are, what changes them, and the pages that say what to fetch."""

from __future__ import annotations

import os

import pytest
from wstal.base.errors import WstalError
from wstal.config.dataset_files import (
    annotation_files,
    facts_file,
    features_folder,
    folder_listing,
    label_contents,
    own_lists,
    refusal,
    sound_annotation_files,
    sound_video_files,
    video_files,
    videos_folder,
)
from wstal.datasets.fetching import PAGES, how_to_get


def dataset(**keys):
    return {
        "kind": "thumos14",
        "source": "videos",
        "recipe": "i3d_tvl1",
        **dict.fromkeys(("videos", "labels", "segments", "features")),
        "proposals": {},
        "choices": {},
    } | keys


def test_refusals_say_what_can_be_asked_for():
    assert refusal("a", dataset(), "i3d_tvl1", False) == ""
    assert refusal("a", dataset(), "wtalc_i3d", True) == ""
    entry = dataset(source="features", recipe="wtalc_i3d")
    assert refusal("a", entry, "wtalc_i3d", True) == ""
    assert "wtalc_i3d" in refusal("a", entry, "i3d_tvl1", False)
    given = dataset(source="proposals", proposals={"x": "x.json"})
    assert "results/a/given/x/map.csv" in refusal("a", given, "wtalc_i3d", True)


def test_a_folder_named_like_the_recipe_is_preferred(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert features_folder("a", dataset(), "wtalc_i3d") == "data/a/features"
    (tmp_path / "data/a/features/wtalc_i3d").mkdir(parents=True)
    assert features_folder("a", dataset(), "wtalc_i3d") == "data/a/features/wtalc_i3d"
    assert features_folder("a", dataset(features="/disk"), "wtalc_i3d") == "/disk"


def test_the_listing_changes_with_the_files(tmp_path):
    assert folder_listing(tmp_path / "absent") == folder_listing(tmp_path) == ""
    file = tmp_path / "deep/a.npy"
    file.parent.mkdir()
    file.write_bytes(b"1")
    first = folder_listing(tmp_path)
    assert first and first == folder_listing(tmp_path)
    os.utime(file, (1, 1))
    assert folder_listing(tmp_path) == first
    file.write_bytes(b"2")
    assert folder_listing(tmp_path) != first


def test_label_files_count_by_content(here):
    (here / "clips").mkdir()
    labels = here / "clips/labels.csv"
    labels.write_text("video,labels,split\na,x,train\nb,x,test\n")
    own = dataset_sources("folder", videos="clips")
    before = label_contents("mine", own)
    os.utime(labels, (1, 1))
    assert before and label_contents("mine", own) == before
    labels.write_text("video,labels,split\na,y,train\nb,y,test\n")
    os.utime(labels, (1, 1))
    assert label_contents("mine", own) != before
    assert label_contents("demo", dataset_sources("demo")) == ""


def dataset_sources(kind, **keys):
    return {"kind": kind, "videos": None, "labels": None, "segments": None, "shards": 2} | keys


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_published_label_files_are_those_the_user_placed(here):
    folder = here / "data/thumos14/annotations/inner"
    folder.mkdir(parents=True)
    for name in ("a.txt", "b.npy", ".hidden.txt", "c.md", "d.json"):
        (folder / name).write_text("x")
    found = annotation_files("thumos14", dataset_sources("thumos14"))
    inner = "data/thumos14/annotations/inner"
    assert found == [f"{inner}/a.txt", f"{inner}/b.npy", f"{inner}/d.json"]
    one = annotation_files("thumos14", dataset_sources("thumos14", labels=f"{inner}/d.json"))
    assert one == [f"{inner}/d.json"]


def test_large_files_are_no_label_files(here, monkeypatch):
    monkeypatch.setattr("wstal.config.dataset_files.LABEL_BYTES", 10)
    folder = here / "data/ave/annotations"
    folder.mkdir(parents=True)
    (folder / "videos.zip").write_bytes(bytes(11))
    (folder / "Annotations.txt").write_text("x")
    assert annotation_files("ave", dataset_sources("ave")) == [
        "data/ave/annotations/Annotations.txt"
    ]


def test_with_nothing_placed_the_files_are_fetched(here):
    for name, kind in (("thumos14", "thumos14"), ("activitynet12", "activitynet")):
        expected = [f"results/{name}/published/fetched.csv"]
        assert annotation_files(name, dataset_sources(kind)) == expected


@pytest.mark.parametrize("kind", ["thumos14", "activitynet", "ave"])
def test_labels_that_the_setting_names_are_never_replaced_by_others(here, kind):
    (here / "data/set/annotations").mkdir(parents=True)
    (here / "data/set/annotations/a.json").write_text("{}")
    for path in ("/no/such/labels", "own/labels.json"):
        with pytest.raises(WstalError, match=rf"dataset set: `labels:` names {path}.* not there"):
            annotation_files("set", dataset_sources(kind, labels=path))
    (here / "own").mkdir()
    (here / "own/readme.md").write_text("x")
    for path in ("own", "own/readme.md"):
        with pytest.raises(WstalError, match=rf"names {path}.* no label file .*\.json") as error:
            video_files("set", dataset_sources(kind, labels=path))
        assert "correct the path" in str(error.value) and "leave `labels:` out" in str(error.value)
    (here / "own/a.json").write_text("{}")
    assert annotation_files("set", dataset_sources(kind, labels="own")) == ["own/a.json"]


def test_videos_and_labels_are_read_without_own_segments(here):
    (here / "clips").mkdir()
    for name in ("labels.csv", "segments.csv"):
        (here / "clips" / name).write_text("x")
    mine = dataset_sources("folder", videos="clips")
    assert annotation_files("mine", mine) == ["clips/labels.csv", "clips/segments.csv"]
    assert video_files("mine", mine) == ["clips/labels.csv"]
    assert video_files("demo", dataset_sources("demo")) == ["results/demo/videos/labels.csv"]
    assert video_files("ave", dataset_sources("ave")) == annotation_files(
        "ave", dataset_sources("ave")
    )


def test_videos_are_where_the_yaml_says_or_where_they_were_placed(here):
    assert videos_folder("ave", dataset_sources("ave", videos="/disk")) == "/disk"
    assert videos_folder("ave", dataset_sources("ave")) == "results/ave/videos"
    (here / "data/ave/videos").mkdir(parents=True)
    assert videos_folder("ave", dataset_sources("ave")) == "data/ave/videos"
    assert videos_folder("ave", dataset_sources("folder")) == "results/ave/videos"


def test_facts_are_found_by_name_then_by_kind(project, monkeypatch):
    monkeypatch.chdir(project)
    folder = "workflow/reference/datasets"
    assert facts_file("activitynet12", dataset_sources("activitynet")) == [
        f"{folder}/activitynet12.yaml"
    ]
    assert facts_file("my_thumos", dataset_sources("thumos14")) == [f"{folder}/thumos14.yaml"]
    assert facts_file("my_net", dataset_sources("activitynet")) == []
    assert facts_file("mine", dataset_sources("folder")) == []


def test_every_published_dataset_has_a_page_with_places_and_terms():
    for name in PAGES:
        page = how_to_get(name)
        assert f"data/{name}/annotations" in page and f"data/{name}/videos" in page
        assert "Terms:" in page
    assert "labels.csv" in how_to_get("other")


def test_the_page_names_only_existing_password_variable_and_target(project):
    facts = (project / "workflow/reference/datasets/thumos14.yaml").read_text()
    assert "WSTAL_THUMOS14_PASSWORD" in facts and "WSTAL_THUMOS14_PASSWORD" in PAGES["thumos14"]
    assert "results/thumos14/videos/fetched.csv" in PAGES["thumos14"]
    assert '"results/{dataset}/videos/fetched.csv"' in (project / "rules/videos.smk").read_text()


def test_own_labels_that_are_not_there_are_named_with_what_to_write(here):
    (here / "clips").mkdir()
    (here / "clips/lables.csv").write_text("video,labels,split\n")
    own = dataset_sources("folder", videos="clips")
    with pytest.raises(WstalError, match=r"clips/labels.csv is not there.*video,labels,split"):
        annotation_files("mine", own)
    with pytest.raises(WstalError, match="clips/lables.csv"):
        annotation_files("mine", own)
    (here / "clips/labels.csv").write_text("video,labels,split\n")
    assert annotation_files("mine", own) == ["clips/labels.csv"]
    with pytest.raises(WstalError, match=r"seg.csv is not there.*`segments:`"):
        annotation_files("mine", own | {"segments": "clips/seg.csv"})


def test_own_label_files_are_read_before_they_are_given_to_a_job(here):
    (here / "clips").mkdir()
    (here / "clips/labels.csv").write_text("video,labels,split\na,x,train\nb,x,test\n")
    (here / "clips/segments.csv").write_text("video,t_start,t_end,label\nb,2,1,x\n")
    own = dataset_sources("folder", videos="clips")
    assert sound_video_files("mine", own) == ["clips/labels.csv"]
    with pytest.raises(WstalError, match=r"segments.csv, line 2: the segment: 2 to 1 s is empty"):
        sound_annotation_files("mine", own)
    (here / "clips/segments.csv").write_text("video,t_start,t_end,label\nb,1,2,x\n")
    assert sound_annotation_files("mine", own) == annotation_files("mine", own)
    (here / "clips/labels.csv").write_text("video,labels,split\na,x,trian\n")
    with pytest.raises(WstalError, match=r"labels.csv, line 2: split 'trian'"):
        sound_video_files("mine", own)
    assert sound_annotation_files("demo", dataset_sources("demo")) == annotation_files(
        "demo", dataset_sources("demo")
    )


def test_what_own_labels_list_is_known_by_its_content(here):
    own, file = dataset_sources("folder", labels="labels.csv"), here / "labels.csv"
    assert (
        own_lists("ave", dataset_sources("ave")) == own_lists("demo", dataset_sources("demo")) == ""
    )

    def listed(*rows):
        file.write_text("\n".join(("video,labels,split", "a,x,train", *rows)) + "\n")
        return own_lists("mine", own)

    first = listed("b,y,train", "c,x,test", "d,x,val")
    assert listed("b,y,train", "c,y;x,test", "d,y,val") == first
    for rows in (
        ("b,x;y,train", "c,x,test", "d,x,val"),
        ("b,y,train", "c,x,val", "d,x,test"),
        ("b,y,train", "c,x,test"),
        ("b,y,train", "c,x;z,test", "d,x,val"),  # a class more for the networks
    ):
        assert listed(*rows) != first
