"""CAVF's tables, figures and costs resolve on an empty machine."""


def test_every_row_of_the_ten_tables_resolves(bare_project):
    listed = bare_project.rules(*[f"results/tables/cavf_table{n}.csv" for n in range(1, 11)])
    assert (listed["table"], listed["headline"], listed["macs"]) == (10, 55, 5)
    assert listed["train"] == 3 * 55


def test_frozen_stages_start_from_the_run_they_name(bare_project):
    folder = "results/activitynet12/i3d_tvl1/cavf-stages_3_frozen/seed1"
    text = bare_project.snakemake("--dry-run", f"{folder}/checkpoint.pt").stdout
    assert "results/activitynet12/i3d_tvl1/cavf/seed1/checkpoint.pt" in text


def test_figures_show_some_rows_of_a_table(bare_project):
    names = [f"results/figures/cavf_figure{n}.svg" for n in (2, 3, 4, 5)]
    listed = bare_project.rules(*names, "results/figures/cavf_figure2.on_demo.svg")
    assert (listed["figure"], listed["figure_elsewhere"]) == (4, 1)
    # visual-only, full and O-0 on ActivityNet; O-0 and full on the demo; one seed each
    assert listed["train"] == 3 + 2


def test_sound_joins_the_other_methods(bare_project):
    listed = bare_project.rules(
        "results/thumos14/co2net-audio_map.csv", "results/thumos14/cavf_map.csv"
    )
    assert listed["train"] == 6 and listed["vggish"] == 26
