"""A misspelt target is met with the names that are near."""

import pytest
from wstal.config.targets import misspelt

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
