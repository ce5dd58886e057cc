"""Where a dataset enters the DAG."""

import os

import pytest
from wstal.config.entry import check_entries, features_folder, folder_listing, refusal
from wstal.errors import WstalError

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
