"""Every headline resolves on an empty machine, and names mean one thing."""

import pytest
import yaml


def jobs(project, *targets):
    text = project.snakemake("--dry-run", "--quiet", "rules", *targets).stdout
    return text


@pytest.mark.parametrize("dataset", ["demo", "thumos14", "thumos14_sim", "activitynet12"])
def test_headlines_resolve_without_data(bare_project, dataset):
    listed = bare_project.rules(f"results/{dataset}/co2net_map.csv")
    assert listed["train"] == listed["evaluate"] == 3
    assert listed["headline"] == listed["summarize"] == 1


@pytest.mark.parametrize(("dataset", "methods"), [("thumos14", 5), ("ave", 3)])
def test_all_methods_that_suit_a_dataset_stand_side_by_side(bare_project, dataset, methods):
    listed = bare_project.rules(f"results/{dataset}/methods.csv")
    assert listed["headline"] == methods and listed["methods"] == 1


VIEWED = [
    "demo/co2net",
    "demo/acn",
    "demo_ave/cavf",
    "thumos14/co2net",
    "thumos14_sim/co2net",
    "activitynet12/acn",
    "activitynet13/tssam",
    "ave/cavf",
]


@pytest.mark.parametrize("run", VIEWED)
def test_a_viewer_resolves_without_data_from_the_first_seed(bare_project, run):
    listed = bare_project.rules(f"results/{run}/viewer.html")
    assert listed["viewer"] == listed["evaluate"] == 1 and "summarize" not in listed
    assert "simulate_features" in listed or listed["audio"] > 0


def test_shards_are_the_jobs_of_a_large_dataset(bare_project):
    listed = bare_project.rules("results/thumos14/i3d_tvl1/features.h5")
    shards = yaml.safe_load(
        (bare_project.root / "workflow/config/datasets/thumos14.yaml").read_text()
    )["shards"]
    for rule in ("probe", "frames", "audio", "flow", "i3d_rgb", "i3d_flow", "vggish"):
        assert listed[rule] == shards
    assert sum(listed.values()) < 8 * shards + 10


@pytest.mark.parametrize("recipe", ["ave_resnet152", "s3d", "slowfast_r50"])
def test_a_recipe_of_another_backbone_runs_that_and_not_i3d(bare_project, recipe):
    listed = bare_project.rules(f"results/ave/{recipe}/features.h5")
    assert listed["backbone"] == listed["vggish"] == listed["frames"] == 16
    assert listed["fetch_weights"] == 2
    assert not {"i3d_rgb", "i3d_flow", "flow"} & set(listed)


def test_the_parameters_of_vggishs_components_are_fetched_where_the_recipe_wants_them(bare_project):
    override = 'features={"wanted": {"vggish": {"activation": "pre", "postprocess": "pca8"}}}'
    listed = bare_project.rules("results/ave/wanted/vggish/shard0.csv", "--config", override)
    assert listed["fetch_weights"] == 2
    assert bare_project.rules("results/ave/i3d_tvl1/vggish/shard0.csv")["fetch_weights"] == 1


def test_every_row_of_the_tables_resolves_and_shared_runs_train_once(bare_project):
    trainings = {1: 3, 2: 3, 3: 18, 4: 12, 5: 9, 6: 15}
    for table, expected in trainings.items():
        assert bare_project.rules(f"results/tables/co2net_table{table}.csv")["train"] == expected
    together = bare_project.rules(*[f"results/tables/co2net_table{n}.csv" for n in (3, 4, 5, 6)])
    assert together["train"] == 3 * (6 + 3 + 2 + 4)  # the method itself stands in every table


def test_a_table_elsewhere_takes_its_rows_there(bare_project):
    listed = bare_project.rules("results/tables/co2net_table4.on_demo.csv")
    assert listed["train"] == 12 and listed["table_elsewhere"] == 1 and listed["render_demo"] == 1


def test_another_recipe_has_its_own_place(bare_project):
    target = "results/demo/i3d_untrained/co2net/co2net_map.csv"
    listed = bare_project.rules(target)
    assert listed["train"] == 3 and "fetch_weights" not in listed and "headline" not in listed


def test_a_typo_in_the_configuration_is_named(bare_project):
    override = 'models={"co2net": {"train": {"iteration": 10}}}'
    done = bare_project.snakemake(
        "-n", "results/demo/co2net_map.csv", "--config", override, check=False
    )
    assert done.returncode
    message = done.stdout + done.stderr
    assert "train.iteration: unknown key; did you mean 'iterations'?" in message


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["results/tiny/co2nt_map.csv"], "'co2nt' is no run; did you mean co2net"),
        (["--", "results/tables/co2net_tabel3.csv"], "is no table; did you mean co2net_table3"),
    ],
)
def test_a_misspelt_target_is_told_what_is_near(bare_project, arguments, told):
    done = bare_project.snakemake("--dry-run", *arguments, check=False)
    assert done.returncode and told in done.stderr and "Traceback" not in done.stderr


def test_the_value_of_an_option_is_no_target(bare_project):
    bare_project.snakemake("--dry-run", "results/tiny/videos.json", "--until", "labels")


@pytest.mark.parametrize("file", ["co2net_map.csv", "training_labels.json", "manifest/shard0.csv"])
def test_labels_that_are_not_there_are_named_with_the_remedy(bare_project, file):
    override = 'datasets={"tiny": {"labels": "clips/labls.csv"}}'
    done = bare_project.snakemake("-n", f"results/tiny/{file}", "--config", override, check=False)
    assert done.returncode
    page = done.stdout + done.stderr
    assert "dataset tiny: clips/labls.csv is not there. Write it" in page
    assert "CSV files in its folder: clips/labels.csv, clips/segments.csv" in page
    assert bare_project.rules("results/demo/co2net_map.csv", "--config", override)  # others go on


def test_gpu_jobs_are_limited_on_one_machine(bare_project):
    """`gpu=1` alone limits nothing locally; the Snakefile sets the limit."""
    text = (bare_project.root / "rules/common.smk").read_text()
    assert 'workflow.global_resources.setdefault("gpu"' in text
    done = bare_project.snakemake("-n", "results/demo/co2net_map.csv", "--config", "device=cuda")
    assert "gpu=1" in done.stdout + done.stderr


def test_streamed_flow_is_no_stage_and_no_file(bare_project):
    override = 'features={"i3d_tvl1": {"flow": {"cache_flow": false}}}'
    listed = bare_project.rules("results/thumos14/i3d_tvl1/features.h5", "--config", override)
    assert listed["i3d_flow_streamed"] == listed["i3d_rgb"]
    assert "flow" not in listed and "i3d_flow" not in listed
