"""TS-SAM's tables and figure resolve on an empty machine."""

TABLES = "results/tables/tssam_table{}.csv"


def test_every_row_of_the_tables_resolves_and_shared_runs_train_once(bare_project):
    trainings = {1: 3, 2: 3, 3: 15, 4: 15, 5: 9, 6: 9}
    for number, expected in trainings.items():
        assert bare_project.rules(TABLES.format(number))["train"] == expected
    together = bare_project.rules(*[TABLES.format(number) for number in (1, 3, 5)])
    assert together["train"] == 3 * (5 + 2)  # ladder and branches share baseline and method


def test_the_figure_shows_one_seed_of_the_five_losses(bare_project):
    listed = bare_project.rules("results/figures/tssam_figure3.on_demo.svg")
    assert listed["train"] == listed["score"] == 5 and listed["figure_elsewhere"] == 1
