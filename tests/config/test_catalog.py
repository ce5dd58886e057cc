"""Methods that a dataset's recipe and task allow, and the reason for the others.

A misspelt target is met with the names that are near.
"""

from __future__ import annotations

import shutil

import pytest
import yaml
from wstal.base.errors import WstalError
from wstal.config.catalog import load_catalog, misspelt, no_method, suited_methods, unsuited


def load(project, **overrides):
    return load_catalog(project / "workflow/config", project / "workflow/schemas", overrides)


def test_all_datasets_of_the_design_are_there(catalog):
    expected = {
        "demo",
        "thumos14",
        "thumos14_sim",
        "activitynet12",
        "activitynet13",
        "ave",
        "demo_ave",
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


def test_a_dataset_may_come_from_the_command_line(project):
    mine = load(project, datasets={"mine": {"kind": "folder", "videos": "clips"}}).datasets["mine"]
    assert mine["videos"] == "clips" and mine["seeds"] == [0, 1, 2]


def test_what_an_editor_or_a_disk_leaves_beside_a_file_is_not_read(project, tmp_path):
    shutil.copytree(project / "workflow/config", tmp_path / "config")
    (tmp_path / "config/datasets/.#demo.yaml").symlink_to("somebody@a.host:1")  # Emacs' lock
    (tmp_path / "config/models/._co2net.yaml").write_bytes(b"\0\5\x16\7")  # a Mac's second fork
    catalog = load_catalog(tmp_path / "config", project / "workflow/schemas", {})
    assert set(catalog.datasets) == set(load(project).datasets)


def test_paths_may_start_at_home(project, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    given = {"kind": "folder", "videos": "~/clips", "labels": "a~b.csv"}
    given["proposals"] = {"theirs": "~/found.json"}
    mine = load(project, datasets={"mine": given}).datasets["mine"]
    assert (mine["videos"], mine["labels"]) == ("/home/me/clips", "a~b.csv")
    assert mine["segments"] is None and mine["proposals"] == {"theirs": "/home/me/found.json"}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"datasets": {"demo": {"shard": 3}}}, r"demo\.yaml .*: shard: unknown key; did you mean 'shards'"),
        ({"datasets": {"Mine": {"kind": "folder"}}}, "'Mine' cannot name one of the datasets"),
        ({"datasets": {"tables": {"kind": "folder"}}}, "'tables' cannot name one of the datasets"),
        ({"features": {"co2net": {}}}, r"\['co2net'\] name a feature recipe and a run"),
        ({"models": {"co2net": {"loss": {"nrom": 1}}}}, r"co2net\.yaml .*loss\.nrom: unknown key"),
        ({"models": {"co2net": {"paper_protocols": {"demo": "th14"}}}}, r"paper_protocols\.demo: no protocol 'th14'"),
        ({"datasets": {"mine": "clips"}}, r"datasets\.mine: expected a mapping, got 'clips'"),
        ({"datasets": {"mine": {"kind": "ave", "labels": ""}}}, r"datasets\.mine: labels: '' "),
        ({"datasets": "text"}, "datasets: expected a mapping"),
        ({"datasets": {"demo": {"recipe": "demo_i3"}}}, "recipe: 'demo_i3' is not known; nearest: demo_i3d"),
        ({"datasets": {"demo": {"protocol": "foldr"}}}, "protocol: 'foldr' is not known; nearest: folder"),
        ({"models": {"co2net": {"datasets": {"demmo": {}}}}}, "datasets: 'demmo' is not known; nearest: demo"),
        ({"models": {"co2net": {"datasets": {"demo": {"train": {"lrr": 1}}}}}}, r"train\.lrr: unknown key"),
        ({"models": {"co2net": {"variants": {"mine": {"loss": {"mutal": "kl"}}}}}}, r"\(mine on .*loss\.mutal"),
        ({"datasets": {2024: {"kind": "folder"}}}, "2024 cannot name one of the datasets"),
        ({"datasets": {False: {"kind": "folder"}}}, "False cannot name one of the datasets"),
        ({"models": {"co2net": {"variants": {1: {}}}}}, "1 cannot name one of the variants"),
        ({"models": {"co2net": {"variants": ["a"]}}}, r"variants: expected a mapping, got \['a'\]"),
        ({"models": {"co2net": {"datasets": {"demo": "x"}}}}, r"datasets\.demo: expected a mapping, got 'x'"),
        ({"models": {"co2net": {"data": {"length": None}}}}, r"data\.length: None is not of type 'integer'"),
        ({"models": {"newnet": {}}}, "no schema model_newnet.schema.json"),
    ],
)  # fmt: skip
def test_mistakes_are_named_where_they_are(project, overrides, message):
    with pytest.raises(WstalError, match=message):
        load(project, **overrides)


@pytest.mark.parametrize("section", ["variants", "datasets", "recipes", "paper_protocols"])
def test_a_section_of_a_method_may_stand_empty(project, section):
    catalog = load(project, models={"co2net": {section: None}})
    assert catalog.run_config("demo", "co2net")["method"] == "co2net"
    assert catalog.paper_protocol("demo", "co2net") == catalog.protocol("demo")


def test_runs_that_others_build_on_must_be_known(project):
    folder, schemas = project / "workflow/config", project / "workflow/schemas"
    change = {"models": {"co2net": {"variants": {"late": {"init_from": "co2net-loss_mill"}}}}}
    with pytest.raises(WstalError, match="init_from: 'co2net-loss_mill'.*co2net-loss_mil"):
        load_catalog(folder, schemas, change)
    change["models"]["co2net"]["variants"]["late"]["init_from"] = "co2net"
    late = load_catalog(folder, schemas, change).run_config("demo", "co2net-late")
    assert late["init_from"] == "co2net" and late["scores_from"] is None


def test_a_mistake_laid_over_a_file_is_not_blamed_on_the_file_alone(project):
    change = {"datasets": {"demo": {"shard": 3}}}
    with pytest.raises(WstalError, match=r"--configfile \(datasets.demo\).*did you mean 'shards'"):
        load_catalog(project / "workflow/config", project / "workflow/schemas", change)


def test_sections_shared_by_methods_stand_in_one_schema(catalog):
    data = catalog.schemas["model_cavf"]["properties"]["data"]
    assert data == catalog.schemas["run_parts"]["$defs"]["data"]


def test_unknown_run_names_its_neighbours(catalog):
    with pytest.raises(WstalError, match="nearest: co2net"):
        catalog.run_config("demo", "co2ne")


def test_the_paper_reading_has_the_papers_protocol(catalog):
    assert (
        catalog.paper_protocol("thumos14", "co2net-mutual_kl")["name"] == "th14_212_snippets_filter"
    )
    assert catalog.paper_protocol("demo", "co2net") == catalog.protocol("demo")
    assert "paper_protocols" not in catalog.run_config("thumos14", "co2net")


@pytest.fixture(scope="module")
def catalog(project):
    changes = {
        "datasets": {
            "silent": {
                "kind": "folder",
                "videos": "v",
                "recipe": "wtalc_i3d",
                "source": "features",
            },
            "pictures": {"kind": "folder", "videos": "v", "recipe": "s3d"},
        }
    }
    return load_catalog(project / "workflow/config", project / "workflow/schemas", changes)


def test_with_all_streams_every_method_is_there(catalog):
    every = sorted(catalog.models)
    assert suited_methods(catalog, "thumos14") == suited_methods(catalog, "demo") == every


def test_a_stream_that_the_recipe_lacks_is_the_reason(catalog):
    assert unsuited(catalog, "pictures")["co2net"] == "takes flow, which recipe s3d has not"
    assert "co2net" not in suited_methods(catalog, "pictures")


def test_joined_proposals_have_nothing_to_say_on_seconds(catalog):
    assert "acn" not in suited_methods(catalog, "ave")
    assert {"cavf", "co2net", "tssam"} <= set(suited_methods(catalog, "ave"))


def test_where_no_method_suits_the_remedy_is_told_and_works(project):
    own = {"kind": "folder", "source": "features", "recipe": "mae"}
    layout = {"layout": "streams", "order": ["rgb"], "dims": {"rgb": 1408}}
    changes = {
        "datasets": {"mine": own},
        "features": {"mae": {"streams": {"rgb": "imported"}, "import": layout}},
    }
    folders = project / "workflow/config", project / "workflow/schemas"
    told = no_method(load_catalog(*folders, changes), "mine")
    assert "co2net takes flow, which recipe mae has not" in told
    remedy = yaml.safe_load(told[told.index("models: ") :])
    catalog = load_catalog(*folders, changes | remedy)
    assert suited_methods(catalog, "mine") == ["tssam"] and no_method(catalog, "mine") == ""


PATTERNS = [
    "results/{dataset}/{run}_map.csv",
    "results/{dataset}/{recipe}/{run}/{run}_map.csv",
    "results/{dataset}/compare_{run}_vs_{other}.csv",
    "results/{dataset}/{recipe}/{run}/seed{seed,[0-9]+}/map.csv",
    "results/tables/{table}.csv",
    "results/{dataset}/methods.csv",
]
KNOWN = {
    "dataset": ["thumos14", "activitynet12", "demo"],
    "recipe": ["i3d_tvl1"],
    "run": ["co2net", "co2net-mutual_kl", "cavf"],
    "other": ["co2net", "co2net-mutual_kl", "cavf"],
    "table": ["co2net_table1", "co2net_table3"],
}


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("thumos14/co2nt_map.csv", r"'co2nt' is no run; did you mean co2net\?"),
        ("thumos41/co2net_map.csv", r"'thumos41' is no dataset; did you mean thumos14\?"),
        ("thumos/co2nt_map.csv", "'thumos' is no dataset; .*; 'co2nt' is no run; did you mean"),
        ("demo/compare_cavf_vs_conet.csv", "'conet' is no run; did you mean co2net"),
        ("tables/co2net_table2.csv", "'co2net_table2' is no table; did you mean co2net_table"),
        ("xx/methods.csv", "'xx' is no dataset; there are activitynet12, demo, thumos14"),
        ("demo/i3d_tvl1/cavff/cavff_map.csv", r"'cavff' is no run; did you mean cavf\?"),
        ("demo/i3d_tvl1/cavf/seed0/map.cvs", "results/README.md says what there is to ask for"),
    ],
)
def test_the_names_that_are_near(target, told):
    path = f"results/{target}"
    with pytest.raises(ValueError, match=f"^no rule makes {path}: {told}"):
        raise ValueError(misspelt(path, PATTERNS, KNOWN))


def test_of_all_forms_the_one_with_fewest_unknown_names_counts():
    told = misspelt("results/demo/compare_co2net_vs_cavv.csv", PATTERNS, KNOWN)
    assert "'cavv'" in told and "compare_co2net" not in told.split(": ", 1)[1]
