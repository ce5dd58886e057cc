import pytest
from wstal.errors import WstalError
from wstal.tables.expand import Strips, table_figures, table_runs

ROWS = [
    {"variant": "all", "dataset": "thumos14", "run": "co2net"},
    {"variant": "mil", "dataset": "thumos14", "run": "co2net-loss_mil"},
    {"variant": "all again", "dataset": "thumos14", "run": "co2net"},
]
TABLE = {"rows": ROWS}


def test_rows_that_share_a_run_share_one_training():
    assert table_runs(TABLE) == [("thumos14", "co2net"), ("thumos14", "co2net-loss_mil")]
    assert table_runs(TABLE, "demo")[0] == ("demo", "co2net")


def test_a_figure_shows_all_rows_of_its_table_or_some():
    elsewhere = {"variant": "mil", "dataset": "demo", "run": "co2net-loss_mil"}
    table = {
        "title": "Losses",
        "rows": [*ROWS[:2], elsewhere],
        "figure": "a_figure1",
        "figures": {"a_figure2": {"rows": ["mil"], "dataset": "demo", "shows": "class", "skip": 2}},
    }
    figures = table_figures(table)
    assert figures["a_figure1"] == Strips("Losses", "thumos14", ROWS[:2])
    assert figures["a_figure2"] == Strips("Losses", "demo", [elsewhere], "class", 2)
    assert table_figures({**TABLE, "title": ""}) == {}


def test_a_figure_of_rows_that_the_table_lacks_is_refused():
    table = {"title": "", "rows": ROWS, "figures": {"a_figure2": {"rows": ["oppo"]}}}
    with pytest.raises(WstalError, match=r"a_figure2: \['oppo'\] are not rows .* thumos14"):
        table_figures(table)
