"""The project's configuration and what is laid over it: complete, checked and kept."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from wstal.base.errors import WstalError
from wstal.config.catalog import CACHE, FOLDER, load_catalog, own_catalog


def load(**overrides):
    return load_catalog(overrides)


def test_all_datasets_of_the_design_are_there(catalog):
    expected = {
        "demo",
        "thumos14",
        "thumos14_sim",
        "activitynet12",
        "activitynet13",
        "ave",
        "demo_ave",
        "demo_val",
        "thumos14_sim_val",
    }
    assert expected <= set(catalog.datasets)
    for dataset in catalog.datasets.values():
        assert dataset["recipe"] in catalog.features and dataset["protocol"] in catalog.protocols


def test_every_run_resolves_on_every_dataset(catalog):
    for dataset in catalog.datasets:
        for run in catalog.runs():
            assert catalog.run_config(dataset, run)["method"] == run.split("-")[0]


def test_every_table_row_names_a_known_run_and_dataset(catalog):
    assert {f"co2net_table{n}" for n in range(1, 7)} <= set(catalog.tables)
    for table in catalog.tables.values():
        for row in table["rows"]:
            assert row["run"] in catalog.runs() and row["dataset"] in catalog.datasets


def test_a_dataset_may_come_from_the_command_line():
    mine = load(datasets={"mine": {"kind": "folder", "videos": "clips"}}).datasets["mine"]
    assert mine["videos"] == "clips" and mine["seeds"] == [0, 1, 2]


SOURCES = [  # a dataset's keys, and whose settings a run of CO2-Net takes
    ({"kind": "folder", "videos": "clips"}, "", "default settings of co2net"),
    (
        {"kind": "folder", "videos": "clips", "settings": "activitynet12"},
        "activitynet12",
        "settings of activitynet12",
    ),
    ({"kind": "thumos14"}, "thumos14", "settings of thumos14"),
    ({"kind": "ave", "task": "events"}, "ave", "settings of ave"),
    ({"kind": "activitynet", "settings": "activitynet13"}, "activitynet13", None),
]


@pytest.mark.parametrize(("keys", "source", "note"), SOURCES)
def test_settings_follow_the_kind_or_what_the_dataset_says(keys, source, note):
    """Not the name: a folder called anet_mine took THUMOS14's without a word."""
    catalog = load(datasets={"anet_mine": {"recipe": "i3d_tvl1", **keys}})
    assert catalog.settings("anet_mine", "co2net") == source
    config = catalog.run_config("anet_mine", "co2net")
    assert config == catalog.run_config(source or "thumos14", "co2net", "i3d_tvl1")
    if note is not None:
        assert catalog.settings_note("anet_mine", "co2net", "i3d_tvl1") == note
    assert catalog.settings_note("demo", "co2net", "demo_i3d") == ""


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"kind": "activitynet"}, "choose by `settings: activitynet12`"),
        ({"kind": "folder", "videos": "c", "settings": "activitynet1"}, "nearest: activitynet13"),
    ],
)
def test_settings_that_are_not_one_datasets_are_refused(keys, message):
    with pytest.raises(WstalError, match=message):
        load(datasets={"anet_mine": keys})


def test_what_an_editor_or_a_disk_leaves_beside_a_file_is_not_read(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "config")
    (tmp_path / "config/datasets/.#demo.yaml").symlink_to("somebody@a.host:1")  # Emacs' lock
    (tmp_path / "config/methods/._co2net.yaml").write_bytes(b"\0\5\x16\7")  # a Mac's second fork
    catalog = load_catalog({}, tmp_path / "config")
    assert set(catalog.datasets) == set(load().datasets)


def test_paths_may_start_at_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    given = {"kind": "folder", "videos": "~/clips", "labels": "a~b.csv"}
    given["proposals"] = {"theirs": "~/found.json"}
    mine = load(datasets={"mine": given}).datasets["mine"]
    assert (mine["videos"], mine["labels"]) == ("/home/me/clips", "a~b.csv")
    assert mine["segments"] is None and mine["proposals"] == {"theirs": "/home/me/found.json"}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"datasets": {"demo": {"shard": 3}}}, r"demo\.yaml .*: shard: unknown key; did you mean 'shards'"),
        ({"datasets": {"Mine": {"kind": "folder"}}}, "'Mine' cannot name one of the datasets"),
        ({"datasets": {"tables": {"kind": "folder"}}}, "'tables' cannot name one of the datasets"),
        ({"features": {"co2net": {}}}, r"\['co2net'\] name a feature recipe and a run"),
        ({"methods": {"co2net": {"loss": {"nrom": 1}}}}, r"co2net\.yaml .*loss\.nrom: unknown key"),
        ({"methods": {"co2net": {"paper_protocols": {"demo": "th14"}}}}, r"paper_protocols\.demo: no protocol 'th14'"),
        ({"methods": {"co2net": {"paper_checkpoint": "best"}}}, "paper_checkpoint: 'best' is not known; nearest: best_val"),
        ({"methods": {"co2net": {"paper_features": {"demo": "wtalc"}}}}, r"paper_features\.demo: 'wtalc' is not known; nearest: wtalc_"),
        ({"methods": {"co2net": {"gap": {"length_32": "shorter"}}}}, "gap: 'length_32' is not known; nearest: length_320"),
        ({"datasets": {"demo": {"checkpoints": {"co2net": ["a.pkl"]}}}}, "checkpoints: 'co2net' is not known; nearest: co2net-imported"),
        ({"protocols": {"demo": {"kinds": ["thumos"]}}}, "kinds: 'thumos' is not known; nearest: thumos14"),
        ({"datasets": {"mine": "clips"}}, r"datasets\.mine: expected a mapping, got 'clips'"),
        ({"datasets": {"mine": {"kind": "ave", "labels": ""}}}, r"datasets\.mine: labels: '': String should have at least 1"),
        ({"datasets": "text"}, "datasets: expected a mapping"),
        ({"datasets": {"demo": {"recipe": "demo_i3"}}}, "recipe: 'demo_i3' is not known; nearest: demo_i3d"),
        ({"datasets": {"demo": {"protocol": "foldr"}}}, "protocol: 'foldr' is not known; nearest: folder"),
        ({"methods": {"co2net": {"datasets": {"demmo": {}}}}}, "datasets: 'demmo' is not known; nearest: demo"),
        ({"methods": {"co2net": {"datasets": {"demo": {"train": {"lrr": 1}}}}}}, r"train\.lrr: unknown key"),
        ({"methods": {"co2net": {"variants": {"mine": {"loss": {"mutal": "kl"}}}}}}, r"\(mine on .*loss\.mutal"),
        ({"datasets": {2024: {"kind": "folder"}}}, "2024 cannot name one of the datasets"),
        ({"datasets": {False: {"kind": "folder"}}}, "False cannot name one of the datasets"),
        ({"methods": {"co2net": {"variants": {1: {}}}}}, "1 cannot name one of the variants"),
        ({"methods": {"co2net": {"variants": ["a"]}}}, r"variants: expected a mapping, got \['a'\]"),
        ({"methods": {"co2net": {"datasets": {"demo": "x"}}}}, r"datasets\.demo: expected a mapping, got 'x'"),
        ({"methods": {"co2net": {"data": {"length": None}}}}, "data.length is null, but co2net takes a fixed number"),
        ({"methods": {"newnet": {}}}, "method 'newnet': methods/newnet/loss.py is missing"),
    ],
)  # fmt: skip
def test_mistakes_are_named_where_they_are(overrides, message):
    with pytest.raises(WstalError, match=message):
        load(**overrides)


@pytest.mark.parametrize("section", ["variants", "datasets", "recipes", "paper_protocols"])
def test_a_section_of_a_method_may_be_empty(section):
    # `gap` names variants, so it is empty, too.
    catalog = load(methods={"co2net": {section: None, "gap": None}})
    assert catalog.run_config("demo", "co2net")["method"] == "co2net"
    assert catalog.paper_protocol("demo", "co2net") == catalog.protocol("demo")


def test_runs_that_others_build_on_must_be_known():
    change = {"methods": {"co2net": {"variants": {"late": {"init_from": "co2net-loss_mill"}}}}}
    with pytest.raises(WstalError, match="init_from: 'co2net-loss_mill'.*co2net-loss_mil"):
        load_catalog(change)
    change["methods"]["co2net"]["variants"]["late"]["init_from"] = "co2net"
    late = load_catalog(change).run_config("demo", "co2net-late")
    assert late["init_from"] == "co2net" and late["scores_from"] is None


def test_a_teacher_must_be_known_and_score_training_videos():
    for named, said in (("tsam", "'tsam'.*nearest: tssam"), ("acn", "acn joins .* acn-rgb and")):
        with pytest.raises(WstalError, match=f"teachers: {said}"):
            load_catalog({"methods": {"concord": {"teachers": ["co2net", named]}}})


def test_a_mistake_laid_over_a_file_is_not_blamed_on_the_file_alone():
    change = {"datasets": {"demo": {"shard": 3}}}
    with pytest.raises(WstalError, match=r"--configfile \(datasets.demo\).*did you mean 'shards'"):
        load_catalog(change)


def test_unknown_run_names_its_neighbours(catalog):
    with pytest.raises(WstalError, match="nearest: co2net"):
        catalog.run_config("demo", "co2ne")


def test_the_paper_reading_has_the_papers_protocol(catalog):
    assert (
        catalog.paper_protocol("thumos14", "co2net-mutual_kl")["name"] == "th14_212_snippets_filter"
    )
    assert catalog.paper_protocol("demo", "co2net") == catalog.protocol("demo")
    assert not {"paper_protocols", "paper_checkpoint"} & set(catalog.run_config("demo", "co2net"))


def test_only_a_method_whose_code_chooses_on_test_has_a_paper_reading_that_does(catalog):
    found = {method: catalog.paper_checkpoint(method) for method in catalog.methods}
    assert found == {**dict.fromkeys(found, "last"), "co2net": "best_test"}
    assert catalog.paper_checkpoint("co2net-mutual_kl") == "best_test"


PROGRAM = """
import sys
from pathlib import Path
from wstal.base.files import canonical_json
from wstal.config.catalog import load_catalog

folder, kept = Path(sys.argv[1]), Path(sys.argv[2])
catalog = load_catalog({}, folder, kept)
trees = [catalog.datasets, catalog.features, catalog.protocols, catalog.tables]
trees += [catalog.run_config("demo", "co2net"), catalog.top, catalog.label_choices]
print(canonical_json(trees))
print(*sorted({"torch", "pandas", "pydantic", "numpy"} & set(sys.modules)))
"""


def parse(folder, kept):
    """Load a catalog in a new process: the text of its trees, and what slow modules it imported."""
    command = [sys.executable, "-c", PROGRAM, str(folder), str(kept)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.split("\n")[:2]


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(FOLDER, tmp_path / "config")


def test_what_was_checked_is_kept_and_nothing_slow_is_imported_for_it(folder, tmp_path):
    cold, slow = parse(folder, tmp_path / "kept")
    warm, imported = parse(folder, tmp_path / "kept")
    assert warm == cold and "pydantic" in slow and imported == ""


def test_an_edit_of_a_file_is_seen_at_once_and_so_is_its_undoing(folder, tmp_path):
    kept, path = tmp_path / "kept", folder / "datasets/demo.yaml"
    first = load_catalog({}, folder, kept)
    text, status = path.read_text(), path.stat()
    path.write_text(text.replace("shards: 2", "shards: 3"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # same size, same time
    assert load_catalog({}, folder, kept).datasets["demo"]["shards"] == 3
    path.write_text(text.replace("shards: 2", "shard: 2"))
    with pytest.raises(WstalError, match="did you mean 'shards'"):
        load_catalog({}, folder, kept)
    path.write_text(text)
    assert load_catalog({}, folder, kept).datasets == first.datasets


def test_changes_laid_over_and_the_home_folder_are_part_of_the_key(folder, tmp_path, monkeypatch):
    kept = tmp_path / "kept"

    def videos(**change):
        given = {"datasets": {"mine": {"kind": "folder", "videos": "~/clips"} | change}}
        return load_catalog(given, folder, kept).datasets["mine"]["videos"]

    monkeypatch.setenv("HOME", "/home/me")
    assert videos() == videos() == "/home/me/clips" and videos(videos="x") == "x"
    monkeypatch.setenv("HOME", "/home/you")
    assert videos() == "/home/you/clips"


def test_the_code_of_the_checks_is_part_of_the_key(folder, tmp_path, monkeypatch):
    load_catalog({}, folder, tmp_path)
    monkeypatch.setattr("wstal.config.catalog.source_digest", lambda *_: "another")
    monkeypatch.setattr("wstal.config.validation.read_configuration", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        load_catalog({}, folder, tmp_path)


@pytest.mark.parametrize("content", ["", "{", "null"])
def test_a_damaged_file_is_made_again(folder, tmp_path, content):
    kept = tmp_path / "kept"
    first = load_catalog({}, folder, kept)
    config = first.run_config("demo", "co2net")
    for path in (*kept.glob("catalog/*.json"), *kept.glob("runs/*.json")):
        path.write_text(content)
    again = load_catalog({}, folder, kept)
    assert again.datasets == first.datasets and again.run_config("demo", "co2net") == config


def test_a_checkout_that_cannot_be_written_is_checked_every_time(folder, tmp_path):
    (tmp_path / "kept").write_text("a file where the folder would be")
    catalog = load_catalog({}, folder, tmp_path / "kept")
    assert catalog.run_config("demo", "co2net")["method"] == "co2net"


def test_only_the_last_configurations_are_kept(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("wstal.config.catalog.KEPT", 2)
    for shards in (1, 2, 3):
        load_catalog({"datasets": {"demo": {"shards": shards}}}, folder, tmp_path / "kept")
    assert len(list((tmp_path / "kept/catalog").iterdir())) == 2


def test_a_command_keeps_what_it_checked_where_a_run_keeps_it(tmp_path, monkeypatch):
    monkeypatch.setattr("wstal.config.catalog.work_folder", lambda: tmp_path)
    first = own_catalog(None)
    assert not list(tmp_path.iterdir())  # nobody has run anything here
    (tmp_path / CACHE).mkdir(parents=True)
    assert own_catalog(None).datasets == first.datasets
    assert len(list((tmp_path / CACHE / "catalog").iterdir())) == 1
    (tmp_path / "wstal.yaml").write_text("datasets: {demo: {shards: 7}}\n")
    assert own_catalog(None).datasets["demo"]["shards"] == 7


def test_processes_that_parse_at_once_agree(folder, tmp_path):
    command = [sys.executable, "-c", PROGRAM, str(folder), str(tmp_path / "kept")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    printed = {process.communicate()[0].split("\n")[0] for process in running}
    assert len(printed) == 1 and parse(folder, tmp_path / "kept")[0] in printed
    assert not list((tmp_path / "kept").rglob(".*"))  # no temporary file is left
