import numpy as np
from wstal.data.digest import data_digest


def test_every_part_type_shape_and_border_counts():
    rows = np.arange(6, dtype=np.float32)
    cases = [
        ["a", rows],
        ["b", rows],
        ["a", rows + 1],
        ["a", rows.astype(np.float64)],
        ["a", rows.reshape(2, 3)],
        ["a", rows[:3], rows[3:]],
        ["a", "b"],
        ["ab"],
        [],
    ]
    assert len({data_digest(parts) for parts in cases}) == len(cases)


def test_memory_layout_does_not_count():
    rows = np.arange(6.0).reshape(2, 3)
    assert data_digest([np.asfortranarray(rows)]) == data_digest([rows])
    assert data_digest([np.empty((0, 4))]) == data_digest([np.empty((0, 4))])
