import threading
import time

import pytest
from wstal.read_ahead import read_ahead


def test_items_come_in_order_and_all():
    assert list(read_ahead(range(50), depth=3)) == list(range(50))
    assert list(read_ahead([])) == []


def test_the_producer_runs_only_so_far_ahead():
    made = []

    def items():
        for k in range(20):
            made.append(k)
            yield k

    reader = read_ahead(items(), depth=2)
    assert next(reader) == 0
    time.sleep(0.3)
    assert len(made) <= 4  # one taken, two waiting, one in hand
    reader.close()


def test_an_error_comes_after_the_items_before_it():
    def items():
        yield 1
        raise ValueError("no more")

    seen = []
    with pytest.raises(ValueError, match="no more"):
        for item in read_ahead(items()):
            seen.append(item)
    assert seen == [1]


def test_a_reader_that_leaves_ends_the_thread():
    before = threading.active_count()
    reader = read_ahead(iter(range(1000)))
    next(reader)
    reader.close()
    assert threading.active_count() == before
