"""The methods that suit a dataset, the names near a misspelt target, the runs of a table."""

from __future__ import annotations

import pytest
import yaml
from wstal.base.errors import WstalError
from wstal.base.files import canonical_json
from wstal.config.catalog import load_catalog
from wstal.config.layers import split_run, tables_of
from wstal.config.targets import (
    Strips,
    gap_runs,
    misspelt,
    misspelt_rule,
    named_first,
    no_method,
    printed_row,
    suited_methods,
    table_figures,
    table_runs,
    unsuited,
)
from wstal.tables.gap import differing


@pytest.fixture(scope="module")
def catalog():
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
    return load_catalog(changes)


def test_with_all_streams_every_method_is_there(catalog):
    every = sorted(catalog.methods)
    assert suited_methods(catalog, "thumos14") == suited_methods(catalog, "demo") == every


def test_a_stream_that_the_recipe_lacks_is_the_reason(catalog):
    assert (
        unsuited(catalog, "pictures")["co2net"] == "needs flow, which recipe s3d does not provide"
    )
    assert "co2net" not in suited_methods(catalog, "pictures")


def test_a_student_needs_what_its_teachers_need():
    student = {"recipes": {"s3d": {"streams": ["rgb"], "teachers": ["tssam", "co2net"]}}}
    alone = {"recipes": {"s3d": {"streams": ["rgb"]}}}
    changes = {"datasets": {"demo": {"recipe": "s3d"}}, "methods": {"concord": student}}
    changes["methods"]["tssam"] = alone
    reason = unsuited(load_catalog(changes), "demo")["concord"]
    lacks = "needs flow, which recipe s3d does not provide"
    assert reason == f"learns from co2net, which {lacks}"
    student["recipes"]["s3d"]["teachers"] = ["tssam"]
    assert unsuited(load_catalog(changes), "demo")["concord"] == ""


def test_joined_proposals_have_nothing_to_say_on_seconds(catalog):
    assert "acn" not in suited_methods(catalog, "ave")
    assert {"cavf", "co2net", "tssam"} <= set(suited_methods(catalog, "ave"))


def test_where_no_method_suits_the_remedy_works():
    own = {"kind": "folder", "source": "features", "recipe": "mae"}
    layout = {"layout": "streams", "order": ["rgb"], "dims": {"rgb": 1408}}
    changes = {
        "datasets": {"mine": own},
        "features": {"mae": {"streams": {"rgb": "imported"}, "import": layout}},
    }
    told = no_method(load_catalog(changes), "mine")
    assert "co2net needs flow, which recipe mae does not provide" in told
    remedy = yaml.safe_load(told[told.index("methods: ") :])
    catalog = load_catalog(changes | remedy)
    assert suited_methods(catalog, "mine") == ["tssam"] and no_method(catalog, "mine") == ""


PATTERNS = [
    "results/{dataset}/{run,co2net|cavf}_log.csv",
    "results/figures/{figure}.svg",
    "results/figures/{figure}.png",
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
    "run": ["co2net", "co2net-mutual_kl", "cavf", "merged"],
    "figure": ["co2net_figure4"],
    "other": ["co2net", "co2net-mutual_kl", "cavf"],
    "table": ["co2net_table1", "co2net_table3"],
}


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("thumos14/co2nt_map.csv", r"'co2nt' is not a run; did you mean co2net\?"),
        ("thumos41/co2net_map.csv", r"'thumos41' is not a dataset; did you mean thumos14\?"),
        (
            "thumos/co2nt_map.csv",
            "'thumos' is not a dataset; .*; 'co2nt' is not a run; did you mean",
        ),
        ("demo/compare_cavf_vs_conet.csv", "'conet' is not a run; did you mean co2net"),
        ("tables/co2net_table2.csv", "'co2net_table2' is not a table; did you mean co2net_table"),
        ("xx/methods.csv", "'xx' is not a dataset; known: activitynet12, demo, thumos14"),
        ("demo/i3d_tvl1/cavff/cavff_map.csv", r"'cavff' is not a run; did you mean cavf\?"),
        ("demo/cavf_map.cvs", "it is made as .csv"),
        ("demo/i3d_tvl1/cavf/seed0/map.cvs", "results/README.md lists the possible targets"),
        ("figures/co2net_figure5.gif", "'co2net_figure5' is not a figure; did you mean .*; it is"),
        ("demo/i3d_tvl1/cavf/seed0/maps.csv", "results/README.md lists the possible targets"),
        ("figures/co2net_figure4.gif", "it is made as .png or .svg"),
        (
            "demo/merged_log.csv",
            "merged joins the proposals of other runs and is not trained itself; ask"
            " for results/demo/acn-rgb_log.csv, results/demo/acn-flow_log.csv",
        ),
    ],
)
def test_the_names_that_are_near(target, told):
    path = f"results/{target}"
    with pytest.raises(ValueError, match=f"^no rule makes {path}: {told}"):
        raise ValueError(misspelt(path, PATTERNS, KNOWN, {"merged": ["acn-rgb", "acn-flow"]}))


def test_of_all_forms_the_one_with_fewest_unknown_names_counts():
    told = misspelt("results/demo/compare_co2net_vs_cavv.csv", PATTERNS, KNOWN)
    assert "'cavv'" in told and "compare_co2net" not in told.split(": ", 1)[1]


# The papers' tables: one file a paper, every row a run, equal runs trained once.


def test_the_file_and_the_key_name_a_table_its_method_its_number_and_its_paper(tmp_path):
    tables = tables_of(tmp_path / "acn.yaml", {"table3": {"title": "T", "rows": []}})
    assert tables == {
        "acn_table3": {
            **{"method": "acn", "table": 3, "paper": "acn_table3.csv"},
            **{"title": "T", "rows": []},
        }
    }
    with pytest.raises(WstalError, match="acn.yaml: 'tables3' is not a table"):
        tables_of(tmp_path / "acn.yaml", {"tables3": {}})
    with pytest.raises(WstalError, match="acn.yaml: table3: expected a mapping"):
        tables_of(tmp_path / "acn.yaml", {"table3": []})


def test_the_papers_have_146_rows_and_equal_ones_share_one_of_101_trainings(catalog):
    rows = [(table["method"], row) for table in catalog.tables.values() for row in table["rows"]]
    own = [row for method, row in rows if split_run(row["run"])[0] == method]
    assert len(catalog.tables) == 27 and len(own) == 146
    others = {row["run"] for _, row in rows} - {row["run"] for row in own}
    assert others == {"untrimmednet"}  # where ACN's tables begin
    runs = {(row["dataset"], row["run"]) for row in own}
    joined = {(dataset, run) for dataset, run in runs if run in catalog.fused()}
    for dataset, run in joined:
        streams = catalog.run_config(dataset, run)["fuse_from"].values()
        runs |= {(dataset, stream) for stream in streams}
    trained = runs - joined
    assert len(trained) == 101 == len({training_key(catalog, *each) for each in trained})


def training_key(catalog, dataset, run):
    """All that a training depends on: runs of one key would train the same thing twice."""
    config = catalog.run_config(dataset, run)
    return dataset, canonical_json({k: v for k, v in config.items() if k != "localize"})


def test_a_gap_is_explained_by_the_papers_features_and_by_variants_that_differ(catalog):
    def causes(dataset, run):
        return {each["cause"]: each for each in gap_runs(catalog, dataset, run)}

    real = causes("thumos14", "co2net")  # whose videos are all long enough
    assert list(real) == ["features' source", "co2net-length_320"]
    source = real["features' source"]
    assert source["target"] == "results/thumos14/wtalc_i3d/co2net/co2net_map.csv"
    assert source["paper"] and not real["co2net-length_320"]["paper"]
    assert "co2net-long_pairs" in causes("activitynet12", "co2net")
    assert list(causes("demo", "co2net")) == ["co2net-length_320"]
    unt = causes("thumos14", "acn")["features' source"]["way"]
    assert unt == "UntrimmedNet (autoloc_unt) instead of I3D (i3d_tvl1)"
    assert "features' source" not in causes("ave", "cavf")  # ours are the paper's


def test_the_row_that_prints_a_runs_number_is_known(catalog):
    row = printed_row(catalog, "thumos14", "co2net")
    assert row == {"table": "co2net_table1", "file": "co2net_table1.csv", "variant": "CO2-Net"}
    assert printed_row(catalog, "demo", "co2net") == {}


def test_conventions_of_a_paper_are_each_in_a_protocol_alone(catalog):
    for method in catalog.methods:
        for dataset in catalog.methods[method].get("paper_protocols", {}):
            own, paper = (catalog.protocol(dataset), catalog.paper_protocol(dataset, method))
            kind = catalog.datasets[dataset]["kind"]
            known = [p for p in catalog.protocols.values() if kind in p["kinds"]]
            for cause in differing(own, paper):
                alone = [p for p in known if differing(own, p) == [cause]]
                assert any(cause not in differing(p, paper) for p in alone), (method, cause)


def test_a_misspelt_rule_is_answered_with_what_is_near():
    rules = ["all", "demo", "demo_all", "train"]
    words = ["snakemake", "demo_al", "train", "--cores", "2", "demo"]
    assert named_first(words) == ["demo_al", "train"]
    expected = "there is no target demo_al; did you mean demo_all or demo?"
    assert misspelt_rule("demo_al", rules) == expected
    assert misspelt_rule("train", rules) == misspelt_rule("results/x.csv", rules) == ""
    assert misspelt_rule("zzzz", rules).endswith("results/README.md lists the targets")


# The runs of a paper's table.

TABLE = {
    "title": "Losses",
    "rows": [
        {"variant": "all", "dataset": "thumos14", "run": "co2net"},
        {"variant": "mil", "dataset": "thumos14", "run": "co2net-loss_mil", "reading": "strict"},
        {"variant": "all again", "dataset": "thumos14", "run": "co2net"},
    ],
}


def test_rows_that_share_a_run_share_one_training():
    assert table_runs(TABLE) == [("thumos14", "co2net"), ("thumos14", "co2net-loss_mil")]
    assert table_runs(TABLE, "demo")[0] == ("demo", "co2net")


def test_a_figure_shows_all_rows_of_its_table_or_some():
    rows = TABLE["rows"][:2]
    elsewhere = {"variant": "mil", "dataset": "demo", "run": "co2net-loss_mil"}
    table = {
        "title": "Losses",
        "rows": [*rows, elsewhere],
        "figure": "a_figure1",
        "figures": {"a_figure2": {"rows": ["mil"], "dataset": "demo", "shows": "class", "skip": 2}},
    }
    figures = table_figures(table)
    assert figures["a_figure1"] == Strips("Losses", "thumos14", rows)
    assert figures["a_figure2"] == Strips("Losses", "demo", [elsewhere], "class", skip=2)
    assert table_figures(TABLE) == {}


def test_a_figure_of_rows_that_are_not_in_the_table_is_refused():
    table = {**TABLE, "figures": {"a_figure2": {"rows": ["oppo"]}}}
    with pytest.raises(WstalError, match=r"a_figure2: \['oppo'\] are not rows .* thumos14"):
        table_figures(table)
