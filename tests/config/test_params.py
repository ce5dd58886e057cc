"""What jobs get besides files: params functions of the rules, asked as Snakemake asks them."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from wstal.base.code_digest import code_digest
from wstal.base.errors import WstalError
from wstal.config.catalog import load_catalog
from wstal.config.inputs import Inputs
from wstal.config.params import Params, named_files
from wstal.config.targets import table_runs
from wstal.networks.weights import read_sources
from wstal.tables.paper import build_table, metric_name


class Wildcards(dict):
    """Wildcards as Snakemake gives them: by attribute, by key and with `get`."""

    __getattr__ = dict.__getitem__


def of(**names):
    return Wildcards(names)


@pytest.fixture(scope="module")
def sources(project):
    found = read_sources(project / "workflow/reference/weights/sources.yaml")
    return {name: {"file": each.file, "sha256": each.sha256} for name, each in found.items()}


@pytest.fixture(scope="module")
def values(catalog, project, sources, tmp_path_factory):
    return Params(Inputs(catalog, sources), project, tmp_path_factory.mktemp("kept"), {})


def test_code_is_the_digest_or_the_older_one_it_is_accepted_as(values, project, tmp_path):
    package = project / "workflow/wstal"
    digest = code_digest(project / "scripts/decode_audio.py", package)
    assert values.code("decode_audio") == digest
    accepting = Params(values._inputs, project, tmp_path, {digest: "older"})
    assert accepting.code("decode_audio") == "older"
    assert values.stage_code("audio") == digest
    both = values.stage_codes(code="audio", flow_code="flow")
    assert both[:3] == ["--code", digest, "--flow-code"]
    of_acn = values.method_code("localize", "localize")(of(run="acn-rgb"))
    modules = ["wstal.methods.acn.localize"]
    assert of_acn == code_digest(project / "scripts/localize.py", package, modules)


def test_named_files_are_options(values):
    given = {"scores": "s.h5", "maps": ["a b", "c"], "upstream": []}
    words = named_files(of(), given, {"by_iteration": "p.gz"})
    assert words == ["--scores", "s.h5", "--maps", "a b", "c", "--by-iteration", "p.gz"]


def test_settings_of_a_dataset(values):
    assert values.setting("shards")(of(dataset="demo")) == 2
    assert values.setting("max_missing")(of(dataset="thumos14_sim")) == "null"
    assert json.loads(values.setting("render")(of(dataset="demo")))["train"] == 24
    annotations = json.loads(values.annotation_settings(of(dataset="thumos14")))
    assert annotations["choices"]["out_of_range"] == "keep"
    labels = json.loads(values.label_settings(of(dataset="thumos14")))
    assert labels == {"kind": "thumos14", "labels": None, "choices": {"video_labels": "instances"}}


def test_as_many_videos_may_lack_features_as_the_published_set_lacks(values):
    assert values.missing_limit(of(dataset="thumos14", recipe="i3d_tvl1")) == "0"
    assert values.missing_limit(of(dataset="thumos14", recipe="acmnet_i3d")) == "3"
    assert values.missing_limit(of(dataset="activitynet12", recipe="acmnet_i3d")) == "800"
    assert values.missing_limit(of(dataset="thumos14_sim", recipe="sim128")) == "null"


def test_numbers_of_a_recipe_leave_out_what_changes_none(values):
    whole = json.loads(values.recipe_part("flow")(of(recipe="i3d_tvl1")))
    numbers = json.loads(values.recipe_numbers("i3d", "flow")(of(recipe="i3d_tvl1")))
    assert set(whole) - set(numbers["flow"]) == {"backend", "cache_flow"}
    assert "batch" not in numbers["i3d"]
    backbone = values.recipe_part("{backbone}")(of(recipe="s3d", backbone="s3d"))
    assert json.loads(backbone)["weights"] == "s3d_kinetics"
    assert set(values.recipe_parts("i3d", "flow")) == {"i3d", "flow"}


def test_a_network_is_known_by_the_content_of_its_weights_and_its_numbers(values, sources):
    file, identity, numbers = values.network("i3d", "rgb")(of(recipe="i3d_tvl1"))
    assert file == f"results/weights/{sources['i3d_rgb_imagenet']['file']}"
    assert identity == (sources["i3d_rgb_imagenet"]["sha256"] or "")
    assert json.loads(numbers)["i3d"]["crop"] == 224
    untrained = values.network("i3d", "flow", "flow")(of(recipe="i3d_untrained"))
    assert untrained[:2] == ["untrained", ""] and json.loads(untrained[2])["flow"]["bound"] == 20


def test_options_of_jobs_that_make_a_feature_file(values, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names, output = of(dataset="demo", recipe="wtalc_i3d"), {"features": "f.h5"}
    words = values.packed(names, {"shards": ["a", "b"]}, output)
    assert words[:4] == ["--dataset", "demo", "--recipe-name", "wtalc_i3d"]
    assert json.loads(words[5])["import"]["layout"] == "wtalc"
    assert words[6:] == ["--shards", "a", "b", "--features", "f.h5"]
    imported = values.imported(names, {"shards": ["a", "b"]}, output)
    assert imported == [*words, "--folder", "data/demo/features"]
    assert values.published_listing(names) == ""


def test_a_change_of_localization_does_not_train_again(values):
    names = of(dataset="demo", run="co2net", recipe="demo_i3d")
    training, localization = json.loads(values.training(names)), values.localization(names)
    assert "localize" not in training and training["method"] == "co2net"
    assert json.loads(localization)["nms"]["kind"] == "soft"


def test_protocols_of_a_run_and_of_a_ledger(values, sources, project, tmp_path):
    words = values.protocols(of(dataset="thumos14", run="acn-rgb"))
    assert words[::2] == ["--protocol", "--paper-protocol", "--paper-checkpoint"]
    assert [json.loads(word)["name"] for word in words[1:4:2]] == ["th14_212", "th14_213"]
    assert words[-1] == "last"
    own = {"mine": {"kind": "folder"}}
    named = {"co2net": {"paper_protocols": {"mine": "folder_snippets"}}}
    for methods, paper in (({}, []), (named, ["folder_snippets"])):
        own_catalog = load_catalog({"datasets": own, "methods": methods})
        own_values = Params(Inputs(own_catalog, sources), project, tmp_path, {})
        words = own_values.protocols(of(dataset="mine", run="co2net"))
        assert [json.loads(word)["name"] for word in words[3:4]] == paper  # none scored own videos
    ledger = json.loads(values.ledger_protocols(of(dataset="thumos14")))
    assert ledger[0]["name"] == "th14_212" and len(ledger) == 14


def test_names_of_pages_tables_and_figures(values):
    about = json.loads(values.page_about(of(dataset="demo", run="co2net")))
    assert about["recipe"] == "demo_i3d" and about["seed"] == 0 and about["run"] == "co2net"
    title = values.figure_title(of(figure="tssam_figure3", dataset="demo"))
    assert title == "The losses of TS-SAM (demo data)"
    options = " ".join(values.figure_options(of(figure="cavf_figure4")))
    assert options == "--shows class --videos 4 --skip 2 --chosen annotation --segments"
    hurt = " ".join(values.figure_options(of(figure="cavf_figure5")))
    assert hurt == "--shows class --videos 2 --skip 0 --chosen loss --segments"
    shown = " ".join(values.figure_options(of(figure="tssam_figure3")))
    assert shown == "--shows attended --videos 2 --skip 0 --chosen annotation --segments"
    figures = values._inputs.figures
    figures["x_figure1"] = figures["tssam_figure3"]._replace(classes=("Surfing", "Tango"))
    assert values.figure_options(of(figure="x_figure1"))[-2:] == [
        "--classes",
        '["Surfing","Tango"]',
    ]
    assert "--classes" not in values.figure_options(of(figure="x_figure1", dataset="demo"))
    del figures["x_figure1"]
    assert values.methods_title(of(dataset="demo")) == "Methods on Rendered demo (demo data)"
    assert json.loads(values.methods_left_out(of(dataset="ave")))["acn"].startswith("needs rgb")
    assert json.loads(values.methods_left_out(of(dataset="ave")))["zero_shot"] == (
        "needs a stream in a space with text, which recipe ave_resnet152 does not provide"
    )
    configs = json.loads(values.acn_configs(of()))
    assert [config["streams"] for config in configs] == [["rgb", "flow"], ["flow"]]


@pytest.mark.parametrize(
    ("name", "ours", "theirs"),
    [
        ("acn_table2", "I3D", "UntrimmedNet"),
        ("acn_table4", "I3D", "UntrimmedNet"),
        ("co2net_table1", "I3D", "I3D"),
        ("cavf_table5", "VGGish, resnet152", "VGGish, resnet152"),
        ("tssam_table2", "I3D", "I3D"),
    ],
)
def test_rows_of_a_table_say_which_networks_their_features_are_from(values, name, ours, theirs):
    rows = json.loads(values.table(of(table=name)))["rows"]
    assert {row["features"]["networks"] for row in rows} == {ours}
    assert {row["paper_features"]["networks"] for row in rows} == {theirs}
    elsewhere = json.loads(values.table(of(table=name, dataset="thumos14_sim")))["rows"]
    assert {row["features"]["networks"] for row in elsewhere} == {"simulated"}


def test_every_imported_recipe_names_the_networks_of_its_streams(catalog):
    unnamed = [name for name, each in catalog.networks.items() if "imported" in each.values()]
    assert not unnamed


def test_every_row_of_every_table_names_its_features_and_shows_every_note(values, catalog, project):
    for name, about in catalog.tables.items():
        table = json.loads(values.table(of(table=name)))
        paper = pd.read_csv(project / "workflow/reference/paper_tables" / about["paper"])
        metrics = [metric_name(metric) for metric in paper["metric"].unique()]
        results = {}
        for dataset, run in table_runs(table):
            rows = [
                ("strict", metric, "i3d_tvl1", 1.0, "last", "note of a seed") for metric in metrics
            ]
            columns = ["reading", "metric", "recipe", "mean", "checkpoint", "note"]
            results[dataset, run] = pd.DataFrame(rows, columns=columns)
        built = build_table(table, paper, results)
        ours = built[built["run"].notna() & (built["reading"] == "strict")]
        assert ours["note"].str.contains("features: ").all(), name
        assert ours["note"].str.contains("note of a seed").all(), name
        comparable = ~ours["note"].str.contains("not comparable")
        assert (comparable == (about["method"] != "acn")).all(), name
        assert (ours["delta"].notna() == (comparable & ours["paper"].notna())).all(), name
        variants = {row["variant"] for row in table["rows"]}
        said = paper[paper["variant"].isin(variants) & paper["note"].notna()]
        notes = " | ".join(ours["note"])
        assert all(note in notes for note in said["note"]), name


def test_a_folder_of_weights_is_known_by_its_content(
    catalog, sources, project, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    about = of(recipe="videomae_16x8", backbone="videomae_base")

    def identity():
        values = Params(Inputs(catalog, sources), project, tmp_path / "kept", {})
        return values.network("{backbone}")(about)[:2]

    folder = "results/weights/videomae_base"
    assert identity() == [folder, ""]
    Path(folder).mkdir(parents=True)
    (Path(folder) / "model.safetensors").write_bytes(b"one")
    first = identity()
    (Path(folder) / "model.safetensors").write_bytes(b"other")
    assert first[1] and identity()[1] not in ("", first[1])


def methods_on(recipe, sources, changes):
    """The headlines beside each other in methods.csv of the demo with another recipe."""
    changes = changes | {"datasets": {"demo": {"recipe": recipe}}}
    changes["methods"] = {"tssam": {"recipes": {recipe: {"streams": ["rgb"]}}}}
    return Inputs(load_catalog(changes), sources).suited_maps(of(dataset="demo"))


def test_zero_shot_reads_the_first_stream_that_has_text(project, sources, tmp_path):
    text = {"prompts": ["{}"], "background": ["nothing"]}
    both = {"streams": {"sound": "i3d_rgb", "rgb": "clip_base", "audio": "clap_unfused"}}
    changes = {"features": {"both": both}, "backbones": {"clip_base": {"text": text}}}
    inputs = Inputs(load_catalog(changes), sources)
    values = Params(inputs, project, tmp_path, {})
    about = of(dataset="demo", recipe="both")
    *words, entry = values.class_text(about)
    assert words == ["--stream", "rgb", "--network", "clip_base", "--entry"]
    assert json.loads(entry)["text"] == text and json.loads(entry)["output"] == "embedding"
    assert values.text_network(about)[0] == "results/weights/clip_base"
    before = Params(Inputs(load_catalog(), sources), project, tmp_path, {})
    clip = of(dataset="demo", recipe="clip_frames")
    assert before.text_network(clip)[2] == values.text_network(clip)[2]  # the same features
    assert before.class_text(clip) != values.class_text(clip)
    assert inputs.text_weights(about) == []
    adapter = "wstal.networks.backbones.transformers"
    assert values.text_code(about) == values.code("class_vectors", adapter)
    assert "thresholds" in json.loads(values.zero_shot_localization(about))
    assert values.zero_shot_note(about).startswith("baseline: names of classes alone, no training")
    assert "results/demo/both/zero_shot_map.csv" in methods_on("both", sources, changes)
    untrained = changes | {"features": {"both": both | {"clip_base": {"weights": "untrained"}}}}
    assert not [path for path in methods_on("both", sources, untrained) if "zero_shot" in path]
    with pytest.raises(
        WstalError, match="demo_i3d has no stream in a space with text.*clip_frames"
    ):
        values.class_text(of(dataset="demo", recipe="demo_i3d"))
