"""The papers' tables: one file a paper, every row a run, equal runs trained once."""

from __future__ import annotations

import pytest
from wstal.base.errors import WstalError
from wstal.base.files import canonical_json
from wstal.config.families import tables_of
from wstal.config.layers import split_run


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
