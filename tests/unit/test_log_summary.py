import pandas as pd
import pytest
from wstal.errors import WstalError
from wstal.train.log_summary import log_summary


def log(*values):
    steps = range(10, 10 * len(values) + 1, 10)
    return pd.DataFrame({"iteration": steps, "total": values, "pseudo_active": 0.5})


def test_the_last_tenth_is_averaged_and_then_the_seeds():
    first, second = log(*[9] * 18, 1, 2), log(*[9] * 18, 3, 6)
    found = log_summary({"a": first, "b": second}).set_index("value")
    assert found.loc["total", "mean"] == pytest.approx(3.0)  # of 1.5 and 4.5
    assert found.loc["total", "sd"] == pytest.approx(4.5**0.5)
    assert found.loc["pseudo_active", "mean"] == 0.5 and found.loc["total", "n"] == 2
    assert set(found["iterations"]) == {"190-200"}


def test_a_log_without_rows_is_named():
    with pytest.raises(WstalError, match="seed0/log.csv has no rows"):
        log_summary({"seed0/log.csv": log()})
