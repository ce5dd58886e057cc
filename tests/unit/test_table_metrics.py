import pandas as pd
import pytest
from wstal.errors import WstalError
from wstal.tables.metrics import metric_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("mAP@0.5", "mAP@0.50"),
        ("mAP@0.75", "mAP@0.75"),
        ("AVG(0.1:0.7)", "mAP@0.1:0.7"),
        ("AVG(0.5:0.05:0.95)", "mAP@0.5:0.95"),
        ("mAP@0.1:0.5", "mAP@0.1:0.5"),
        ("accuracy(weakly supervised)", "accuracy"),
        ("MFLOPs(per snippet)", "mmacs"),
    ],
)
def test_metrics_have_one_spelling(text, name):
    assert metric_name(text) == name


def test_unknown_metric_is_refused():
    with pytest.raises(WstalError, match="'map50' is spelled"):
        metric_name("map50")


def test_every_metric_of_the_papers_is_understood(project):
    for path in (project / "workflow/reference/paper_tables").glob("*_table*.csv"):
        assert all(metric_name(metric) for metric in pd.read_csv(path)["metric"])
