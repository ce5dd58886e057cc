import pandas as pd
import pytest
from wstal.errors import WstalError
from wstal.tables.build import COLUMNS, as_markdown, build_table

TABLE = {
    "method": "co2net",
    "table": 3,
    "title": "Losses",
    "paper": "p.csv",
    "metrics": [],
    "rows": [
        {"variant": "all", "dataset": "thumos14", "run": "co2net"},
        {"variant": "mil", "dataset": "thumos14", "run": "co2net-loss_mil", "reading": "strict"},
        {"variant": "all again", "dataset": "thumos14", "run": "co2net"},
    ],
}
PAPER = pd.DataFrame(
    [
        ("other", "THUMOS14", "mAP@0.5", 20.0, "quoted_weak", None),
        ("all", "THUMOS14", "mAP@0.5", 38.3, "own", None),
        ("all", "THUMOS14", "AVG(0.1:0.7)", 44.6, "own", None),
        ("mil", "THUMOS14", "AVG(0.1:0.7)", 38.1, "ablation", "stated in the text"),
        ("all again", "THUMOS14", "AVG(0.1:0.7)", 44.6, "own", None),
    ],
    columns=["variant", "dataset", "metric", "value", "group", "note"],
)


def result(run, values, dataset="thumos14", note="", recipe="i3d_tvl1"):
    rows = [
        (dataset, recipe, run, reading, "th14_212", "last", metric, value, 0.5, 3, 1.0, note)
        for reading, metric, value in values
    ]
    columns = "dataset recipe run reading protocol checkpoint metric mean sd n coverage note"
    return pd.DataFrame(rows, columns=columns.split())


RESULTS = {
    ("thumos14", "co2net"): result(
        "co2net",
        [
            ("strict", "mAP@0.50", 37.3),
            ("strict", "mAP@0.1:0.7", 43.0),
            ("paper", "mAP@0.50", 38.5),
        ],
    ),
    ("thumos14", "co2net-loss_mil"): result("co2net-loss_mil", [("strict", "mAP@0.1:0.7", 38.6)]),
}


def test_paper_ours_and_difference():
    table = build_table(TABLE, PAPER, RESULTS)
    assert list(table.columns) == COLUMNS

    def line(variant, metric, reading):
        same = (table.variant == variant) & (table.metric == metric) & (table.reading == reading)
        return table[same].iloc[0]

    assert line("all", "mAP@0.50", "strict")["delta"] == -1.0
    assert line("all", "mAP@0.50", "paper")["delta"] == pytest.approx(0.2)
    assert line("mil", "mAP@0.1:0.7", "strict")["note"] == "stated in the text"
    assert table[table.variant == "mil"].reading.tolist() == ["strict"]
    absent = line("all", "mAP@0.1:0.7", "paper")
    assert pd.isna(absent["ours_mean"]) and "not a metric" in absent["note"]
    quoted = table[table.variant == "other"].iloc[0]
    assert quoted["paper"] == 20.0 and pd.isna(quoted["ours_mean"]) and pd.isna(quoted["run"])


def test_elsewhere_nothing_of_the_paper_stands_beside_ours():
    values = [("strict", "mAP@0.50", 70.0), ("strict", "mAP@0.1:0.7", 80.0)]
    results = {
        ("demo", run): result(run, values, "demo", "demo data", "demo_i3d")
        for run in ("co2net", "co2net-loss_mil")
    }
    table = build_table(TABLE, PAPER, results, "demo")
    assert table["paper"].isna().all() and table["delta"].isna().all()
    assert set(table["dataset"]) == {"demo"} and "other" not in set(table["variant"])
    assert table["note"].str.contains("demo data").any()
    text = as_markdown(table, "Losses on demo (demo data)")
    assert "demo data" in text.splitlines()[0] and "38.3" not in text and "80.0 ± 0.5" in text


def test_markdown_reads_paper_then_ours_and_labels_the_paper_protocol():
    text = as_markdown(build_table(TABLE, PAPER, RESULTS), "Losses")
    assert "38.3 / 37.3 ± 0.5 (-1.0)" in text and "paper protocol" in text and "quoted" in text


def test_a_row_the_paper_lacks_is_an_error():
    table = {**TABLE, "rows": [{"variant": "nowhere", "dataset": "thumos14", "run": "co2net"}]}
    with pytest.raises(WstalError, match=r"'nowhere', 'thumos14'.* not rows of p.csv"):
        build_table(table, PAPER, RESULTS)


def test_a_variant_on_two_datasets_is_two_rows_and_one_elsewhere():
    paper = pd.DataFrame(
        [
            ("full", "AVE", "accuracy", 75.0, "own", None),
            ("full", "THUMOS14", "mAP@0.5", 38.3, "own", None),
        ],
        columns=PAPER.columns,
    )
    rows = [{"variant": "full", "dataset": name, "run": "cavf"} for name in ("ave", "thumos14")]
    table = {**TABLE, "method": "cavf", "rows": rows}
    results = {
        ("ave", "cavf"): result("cavf", [("strict", "accuracy", 74.0)], "ave"),
        ("thumos14", "cavf"): result("cavf", [("strict", "mAP@0.50", 37.0)]),
        ("demo", "cavf"): result("cavf", [("strict", "mAP@0.50", 90.0)], "demo"),
    }
    built = build_table(table, paper, results)
    strict = built[built["reading"] == "strict"].set_index("dataset")
    assert strict.loc["ave", "delta"] == -1.0 and strict.loc["thumos14", "delta"] == pytest.approx(
        -1.3
    )
    assert built["n"].dtype == "Int64"
    elsewhere = build_table(table, paper, results, "demo")
    assert len(elsewhere[elsewhere["reading"] == "strict"]) == 1
    with pytest.raises(WstalError, match="listed twice"):
        build_table({**table, "rows": rows + rows[:1]}, paper, results)


def test_one_seed_has_no_spread_in_the_markdown():
    lines = RESULTS["thumos14", "co2net"].assign(sd=float("nan"), n=1)
    text = as_markdown(build_table(TABLE, PAPER, {**RESULTS, ("thumos14", "co2net"): lines}), "x")
    assert "nan" not in text and "38.3 / 37.3 (-1.0)" in text
