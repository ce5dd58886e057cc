"""What a dataset or a recipe may not say: contradictions, and names that mislead."""

from __future__ import annotations

import re

import av
import numpy as np
import pytest
import yaml
from wstal.base.errors import WstalError
from wstal.config.catalog import load_catalog
from wstal.config.stages import numbers_part, section_of
from wstal.config.targets import suited_methods
from wstal.config.validation import check_entries, check_recipe, checked_recipe
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


@pytest.mark.parametrize("key", ["videos", "labels", "segments", "features"])
def test_a_path_that_snakemake_would_take_for_a_pattern_is_refused(key):
    with pytest.raises(WstalError, match=rf"mine.*{key}: .*'{{take}}', which Snakemake reads"):
        load_catalog({"datasets": {"mine": {"kind": "folder", key: "clips/{take}"}}})
    load_catalog({"datasets": {"mine": {"kind": "folder", key: "clips {}/{ä-b}"}}})


@pytest.mark.parametrize("text", ["</script><script>alert(1)", "<SCRIPT src=x>", "a <!-- b"])
def test_text_that_would_run_in_the_report_is_refused(text):
    for key in ("note", "title", "videos"):
        with pytest.raises(WstalError, match=f"mine: {key}: .* write it without `<`"):
            load_catalog({"datasets": {"mine": {"kind": "folder", key: text}}})
    load_catalog({"datasets": {"mine": {"kind": "folder", "note": "a < b, <b> & c"}}})


def test_a_dataset_like_another_has_its_settings_but_for_its_own():
    changed = {"datasets": {"mine": {"like": "demo", "render": {"test": 3}}, "demo": {"shards": 3}}}
    datasets = load_catalog(changed).datasets
    assert datasets["mine"] == datasets["demo"] | {"render": {"seed": 7, "train": 24, "test": 3}}
    for other in ("dem", "demo_val", ["demo"]):  # unknown, itself like another, no name
        with pytest.raises(WstalError, match="datasets.mine: like: .* is not known; nearest: "):
            load_catalog({"datasets": {"mine": {"like": other}}})


def of_dataset(name, **keys):
    return load_catalog({"datasets": {name: keys}}).datasets[name]


def test_numbers_of_made_data_may_be_text_as_snakemake_passes_them_on():
    shorter = {"duration": "30", "duration_range": ["10", "90"], "instances": "2.5"}
    read = of_dataset("thumos14_sim", simulate={"seed": "3", "videos": shorter})["simulate"]
    assert read["seed"] == 3 and "test_seed" not in read
    assert read["videos"]["duration_range"] == [10, 90] and read["videos"]["instances"] == 2.5
    assert of_dataset("demo_ave", render={"train": "8"})["render"]["train"] == 8
    assert of_dataset("demo_ave")["render"]["content"] == "events"


def test_a_simulated_set_of_given_videos_states_none(simulation):
    given = {key: part for key, part in simulation.items() if key != "videos"}
    about = {"kind": "simulated", "labels": "annotations.json", "simulate": given}
    assert of_dataset("mine", recipe="sim128", **about)["simulate"] == given


@pytest.mark.parametrize(
    ("simulate", "message"),
    [
        ({"video": {"duration": 3}}, "simulate.video: unknown key; did you mean 'videos'"),
        ({"videos": {"duration": "soon"}}, "simulate.videos.duration: expected a number"),
        ({"evidence": {"phase": 2}}, "simulate.evidence.phase: unknown key; did you mean 'phases'"),
    ],
)
def test_a_wrong_setting_of_the_simulator_is_named_before_any_job(simulate, message):
    with pytest.raises(WstalError, match=message):
        of_dataset("thumos14_sim", simulate=simulate)


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


FRAMES = {"frames": {"fps": 25}}


def test_a_stream_without_its_section_is_named():
    with pytest.raises(WstalError, match="recipe mine: the stream visual is made by s3d.*`s3d:`"):
        check_recipe("mine", {"streams": {"visual": "s3d"}, "i3d": {}})
    check_recipe("mine", {"streams": {"visual": "s3d"}, "s3d": {}, **FRAMES})
    check_recipe("other", {"streams": {"rgb": "imported", "flow": "simulated"}})
    check_recipe("bare", {})


def test_ten_crops_stand_in_the_name():
    with pytest.raises(WstalError, match="crop_mode is ten.*with `tencrop`"):
        check_recipe("mine", {"i3d": {"crop_mode": "ten"}})
    with pytest.raises(WstalError, match="crop_mode is centre.*without `tencrop`"):
        check_recipe("mine_tencrop", {"i3d": {"crop_mode": "centre"}})
    check_recipe("mine_tencrop", {"i3d": {"crop_mode": "ten"}})
    check_recipe("mine", {"i3d": {"crop_mode": "centre"}})


TWO = {"streams": {"rgb": "i3d_rgb", "audio": "vggish"}, **FRAMES}


def test_streams_of_different_rows_need_a_grid():
    differs = {**TWO, "i3d": {"tail": "repeat"}, "vggish": {}}
    rows = r"rgb: one row in 0.64 s from 0 s, tail repeat; audio: .*tail drop\); give all the same"
    with pytest.raises(WstalError, match=f"recipe mine: grid: the streams have .*{rows}"):
        check_recipe("mine", differs)
    check_recipe("mine", {**differs, "grid": "rgb"})
    check_recipe("mine", {**TWO, "i3d": {"tail": "drop"}, "vggish": {}, "s3d": {"tail": "repeat"}})
    for name in ("i3d", "vggish"):
        other = {"i3d": {"stride": 4}, "vggish": {"stride": 4}} | {name: {"stride": 8}}
        with pytest.raises(
            WstalError, match="rgb: one row in .*audio: one row in .*name the stream"
        ):
            check_recipe("mine", {**TWO, **other})
        with pytest.raises(WstalError, match="grid: 'flow' is not a stream .*rgb, audio"):
            check_recipe("mine", {**TWO, **other, "grid": "flow"})
    with pytest.raises(WstalError, match="mine: grid: rgb: its streams are imported.*remove"):
        check_recipe("mine", {"streams": {"rgb": "imported"}, "grid": "rgb"})


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"i3d": {"stride": 0}}, r"i3d\.stride: 0: should be greater than or equal to 1"),
        ({"i3d": {"every": 0}}, r"i3d\.every: 0: should be greater than or equal to 1"),
        ({"vggish": {"window": 0}}, r"vggish\.window: 0: should be"),
        ({"i3d": {"window": 8}}, "i3d: window is 8 for rgb, fewer than the 16 .*set window to 16"),
        ({"i3d": {"fps": 30}}, r"i3d: fps is given for flow.*set frames\.fps"),
        ({"i3d": {"tail": "cut"}}, r"i3d\.tail: 'cut' is not one of 'drop', 'repeat' or 'pad'"),
        ({"i3d": {"snippet": 16, "window": 16}}, "i3d: snippet is the former name of window"),
        ({"i3d": {"per_stream": {"sound": {"stride": 4}}}}, "i3d: per_stream names 'sound'"),
        (
            {"i3d": {"per_stream": {"rgb": {"strid": 4}}}},
            r"i3d\.per_stream\.rgb\.strid: unknown key",
        ),
        ({"resample": "linear"}, "resample: 'linear' is not one of 'nearest' or 'mean'"),
        (
            {"s3d": {"weights": "untrained", "short_side": 64, "crop": 64, "stride": 0}},
            r"s3d\.stride",
        ),
    ],
)
def test_rows_that_cannot_be_are_refused_with_key_value_and_remedy(catalog, section, message):
    with pytest.raises(WstalError, match=rf"mine\.yaml: {message}"):
        checked_recipe("mine", section, "mine.yaml", catalog.backbones)


def test_a_length_in_seconds_is_in_the_config_only_where_it_is_given(catalog):
    demo = catalog.run_config("demo", "co2net")
    assert not {"length_seconds", "fit_length"} & set(demo["data"])
    assert "lr_width" not in demo["train"]
    change = {"methods": {"untrimmednet": {"data": {"length_seconds": 13.4}}}}
    changed = load_catalog(change).run_config("demo", "untrimmednet")
    assert changed["data"]["length_seconds"] == 13.4
    with pytest.raises(WstalError, match=r"data\.length_seconds: 0: should be greater than 0"):
        load_catalog({"methods": {"co2net": {"data": {"length_seconds": 0}}}})


def test_a_window_may_have_its_former_name():
    rows = {"i3d": {"snippet": 32, "stride": 16}, "vggish": {"window": 32}}
    tree = checked_recipe("mine", rows, "mine.yaml", {})
    assert tree["i3d"]["window"] == 32 and "snippet" not in tree["i3d"]
    assert numbers_part(tree)["i3d"]["snippet"] == 32


def test_every_recipe_names_known_weights(catalog, project):
    known = {*read_sources(project / "workflow/reference/weights/sources.yaml"), "untrained"}
    checked = 0
    for name, recipe in catalog.features.items():
        check_recipe(name, recipe)
        for stage in recipe["streams"].values():
            weights = recipe.get(section_of(stage), {}).get("weights", [])
            named = weights.values() if isinstance(weights, dict) else [weights] if weights else []
            assert set(named) <= {*known, f"results/weights/{stage}"}, name
            checked += len(named)
    assert checked > 20


# The examples in docs/other_data.md work.


@pytest.fixture
def blocks(project):
    text = (project / "docs/other_data.md").read_text()
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
    assert suited_methods(catalog, "mine") == ["tssam", "untrimmednet"]


def test_the_labels_are_read_and_the_weights_are_an_entry(blocks, tmp_path):
    (tmp_path / "mine.json").write_text(
        next(code for language, code in blocks if language == "json")
    )
    with pytest.raises(WstalError, match="no video is left to test"):  # one training video alone
        read_own_database(tmp_path / "mine.json")
    ((name, entry),) = next(yaml.safe_load(c) for _, c in blocks if "my_i3d:" in c).items()
    assert WeightFile(name=name, **(entry | {"sha256": "0" * 64})).shipped
