"""Where a dataset enters the DAG.

Where a dataset's files are looked for, and the pages that say what to fetch.

A recipe has what its streams need, and what its name says.

What docs/own_data.md shows is what works.
"""

from __future__ import annotations

import os
import re

import av
import numpy as np
import pytest
import yaml
from wstal.base.errors import WstalError
from wstal.config.catalog import load_catalog
from wstal.config.entry import (
    annotation_files,
    check_entries,
    check_recipe,
    facts_argument,
    facts_file,
    features_folder,
    folder_listing,
    own_lists,
    refusal,
    sound_annotation_files,
    sound_video_files,
    video_files,
    videos_folder,
)
from wstal.config.stages import section_of
from wstal.config.targets import suited_methods
from wstal.datasets.fetching import PAGES, how_to_get
from wstal.datasets.folder import read_own_database
from wstal.networks.weights import WeightFile, read_sources

RECIPES = {"i3d_tvl1": {}, "wtalc_i3d": {"import": {"layout": "wtalc"}}}


def dataset(**keys):
    return {
        "kind": "thumos14",
        "source": "videos",
        "recipe": "i3d_tvl1",
        **dict.fromkeys(("videos", "labels", "segments", "features")),
        "proposals": {},
        "choices": {},
    } | keys


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"source": "features"}, "recipe i3d_tvl1.*wtalc_i3d"),
        ({"source": "proposals"}, "proposals: {their_name"),
        ({"source": "features", "kind": "demo"}, "makes its own data"),
        (
            {"choices": {"cliff_divin": "both"}},
            "dataset mine: choices: 'cliff_divin' .* cliff_diving",
        ),
        (
            {"choices": {"cliff_diving": "bot"}},
            r"mine: choices.cliff_diving: 'bot' is not one of .*",
        ),
        ({"kind": "folder", "choices": {"split": "text"}}, "mine: choices: kind folder has none"),
    ],
)
def test_contradictions_are_named_with_the_remedy(keys, message):
    with pytest.raises(WstalError, match=message):
        check_entries({"mine": dataset(**keys)}, RECIPES)


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        *((kind, "segments") for kind in ("thumos14", "activitynet", "ave", "demo", "simulated")),
        *(("demo", key) for key in ("videos", "labels")),
        *(("simulated", key) for key in ("videos", "features")),
    ],
)
def test_a_path_that_the_kind_does_not_read_is_refused(kind, key):
    with pytest.raises(
        WstalError, match=rf"dataset mine: `{key}:` names own/x.*kind {kind}.*remove"
    ):
        check_entries({"mine": dataset(kind=kind, **{key: "own/x"})}, RECIPES)


def test_sound_entries_pass():
    check_entries(
        {
            "a": dataset(),
            "b": dataset(recipe="wtalc_i3d"),
            "c": dataset(source="features", recipe="wtalc_i3d"),
            "d": dataset(source="proposals", proposals={"x": "x.json"}),
            "e": dataset(videos="v", labels="l", features="f"),
            "f": dataset(kind="folder", videos="v", labels="l", segments="s", features="f"),
            "g": dataset(kind="simulated", labels="l"),
        },
        RECIPES,
    )


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
    assert folder_listing(tmp_path) != first


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
    monkeypatch.setattr("wstal.config.entry.LABEL_BYTES", 10)
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
    assert facts_argument("ave", dataset_sources("ave")) == f"--facts {folder}/ave.yaml"
    assert facts_argument("mine", dataset_sources("folder")) == ""


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
    with pytest.raises(WstalError, match=r"segments.csv, line 2: segment 2.0 to 1.0 s is empty"):
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


def test_a_stream_without_its_section_is_named():
    with pytest.raises(WstalError, match="recipe mine: the stream visual is made by s3d.*`s3d:`"):
        check_recipe("mine", {"streams": {"visual": "s3d"}, "i3d": {}})
    check_recipe("mine", {"streams": {"visual": "s3d"}, "s3d": {}})
    check_recipe("other", {"streams": {"rgb": "imported", "flow": "simulated"}})
    check_recipe("bare", {})


def test_ten_crops_stand_in_the_name():
    with pytest.raises(WstalError, match="crop_mode is ten.*with `tencrop`"):
        check_recipe("mine", {"i3d": {"crop_mode": "ten"}})
    with pytest.raises(WstalError, match="crop_mode is centre.*without `tencrop`"):
        check_recipe("mine_tencrop", {"i3d": {"crop_mode": "centre"}})
    check_recipe("mine_tencrop", {"i3d": {"crop_mode": "ten"}})
    check_recipe("mine", {"i3d": {"crop_mode": "centre"}})


def test_tails_must_agree():
    streams = {"streams": {"rgb": "i3d_rgb", "audio": "vggish"}}
    with pytest.raises(WstalError, match="recipe mine: tail is repeat in i3d, drop in vggish"):
        check_recipe("mine", {**streams, "i3d": {"tail": "repeat"}, "vggish": {}})
    check_recipe(
        "mine", {**streams, "i3d": {"tail": "drop"}, "vggish": {}, "s3d": {"tail": "repeat"}}
    )


def test_every_recipe_names_known_weights(catalog, project):
    known = {*read_sources(project / "workflow/reference/weights/sources.yaml"), "untrained"}
    checked = 0
    for name, recipe in catalog.features.items():
        check_recipe(name, recipe)
        for stage in recipe["streams"].values():
            weights = recipe.get(section_of(stage), {}).get("weights", [])
            named = weights.values() if isinstance(weights, dict) else [weights] if weights else []
            assert set(named) <= known, name
            checked += len(named)
    assert checked > 20


@pytest.fixture
def blocks(project):
    text = (project / "docs/own_data.md").read_text()
    return re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL)


def test_the_frames_of_a_folder_become_a_video_of_the_same_pictures(blocks, tmp_path, monkeypatch):
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    (tmp_path / "frames").mkdir()
    shade = np.linspace(0, 255, 64 * 48).reshape(48, 64)
    for number in range(10):
        picture = Image.fromarray((np.stack([shade] * 3, -1) * number / 9).astype(np.uint8))
        picture.save(tmp_path / f"frames/{number:05d}.jpg", quality=90)
    exec(next(code for language, code in blocks if language == "python"), {})
    with av.open("clip.mkv") as video:
        found = [(frame.time, frame.to_ndarray(format="gray")) for frame in video.decode(video=0)]
    assert [time for time, _ in found] == pytest.approx([n / 25 for n in range(10)], abs=1e-3)
    for number, (_, array) in enumerate(found):
        stored = Image.open(tmp_path / f"frames/{number:05d}.jpg").convert("L")
        assert np.abs(array - np.array(stored, dtype=float)).max() <= 2


def test_the_configuration_is_valid_and_runs_the_methods_that_it_names(blocks, project):
    shown = next(yaml.safe_load(code) for language, code in blocks if "datasets" in code)
    catalog = load_catalog(shown)
    check_entries(catalog.datasets, catalog.features)
    assert suited_methods(catalog, "mine") == ["tssam", "untrimmednet"]


def test_the_labels_are_read_and_the_weights_are_an_entry(blocks, tmp_path):
    (tmp_path / "mine.json").write_text(
        next(code for language, code in blocks if language == "json")
    )
    with pytest.raises(WstalError, match="no video is left to test"):  # one training video alone
        read_own_database(tmp_path / "mine.json")
    ((name, entry),) = next(yaml.safe_load(c) for _, c in blocks if "my_i3d:" in c).items()
    assert WeightFile(name=name, **(entry | {"sha256": "0" * 64})).shipped
