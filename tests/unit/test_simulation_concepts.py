from itertools import chain

import pytest
from wstal.data.simulation.concepts import Columns, Evidence
from wstal.data.simulation.settings import read_settings


@pytest.fixture
def columns(simulation):
    return Columns(5, read_settings(Evidence, simulation, "evidence"))


def test_every_column_has_one_meaning_and_none_is_left_over(columns):
    classes, phases = columns.classes, columns.evidence.phases
    actions = [columns.action(label, phase) for label in range(classes) for phase in range(phases)]
    own = [columns.context(label)[0] for label in range(classes)]
    shared = {columns.context(label)[1] for label in range(classes)}
    rest = chain.from_iterable(
        range(*columns.of(kind).indices(columns.count))
        for kind in ("movers", "clutter_kinds", "scenes")
    )
    used = [*actions, *own, *shared, *rest]
    assert len(used) == len(set(used))
    unused_groups = max(columns.evidence.groups - classes, 0)
    assert len(used) == columns.count - unused_groups
    assert max(used) == columns.count - 1


def test_unknown_kind_is_refused(columns):
    with pytest.raises(KeyError, match="weather"):
        columns.of("weather")
