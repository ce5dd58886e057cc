import pytest
from wstal.errors import WstalError
from wstal.evaluate.fitting import fitting_paper, fitting_protocol


def test_snippets_of_another_length_are_refused():
    with pytest.raises(WstalError, match="features a step of 0.5 s"):
        fitting_protocol("demo_snippets", (0.5, 0.0))
    assert fitting_protocol("demo_snippets", (0.64, 0.0)).units == "snippets"
    assert fitting_protocol("demo_snippets", (None, None)).units == "snippets"
    assert fitting_protocol("demo", (0.5, 0.1)).units == "seconds"


def test_a_paper_that_cannot_be_followed_is_told_and_left():
    told = []
    assert fitting_paper("demo_snippets", (0.5, 0.0), told.append) is None
    assert "the dataset's own protocol" in told[0] and "0.5 s" in told[0]
    assert fitting_paper("demo_snippets", (0.64, 0.0), told.append).name == "demo_snippets"
    assert fitting_paper(None, (0.5, 0.0), told.append) is None and len(told) == 1


def test_an_unknown_paper_protocol_is_an_error_all_the_same():
    with pytest.raises(WstalError, match="no_such"):
        fitting_paper("no_such", (None, None), print)
