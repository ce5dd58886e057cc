from wstal.tables.expand import table_runs

ROWS = [
    {"variant": "all", "dataset": "thumos14", "run": "co2net"},
    {"variant": "mil", "dataset": "thumos14", "run": "co2net-loss_mil"},
    {"variant": "all again", "dataset": "thumos14", "run": "co2net"},
]
TABLE = {"rows": ROWS}


def test_rows_that_share_a_run_share_one_training():
    assert table_runs(TABLE) == [("thumos14", "co2net"), ("thumos14", "co2net-loss_mil")]
    assert table_runs(TABLE, "demo")[0] == ("demo", "co2net")
