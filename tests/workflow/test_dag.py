"""What each target needs on an empty machine: nearly all from one dry run of all of them."""

import json

import pytest
import yaml
from workflow_project import Plan, listed_jobs

SIM_ACN = "results/thumos14_sim/sim128/acn/seed1"
STREAM_FILES = (
    "scores.h5",
    "proposals.json",
    "proposals_by_iteration.json.gz",
    "proposals_constant_attention.json",
)
VIEWED = (
    "demo/co2net",
    "demo/acn",
    "demo_ave/cavf",
    "thumos14/co2net",
    "thumos14_sim/co2net",
    "activitynet12/acn",
    "activitynet13/tssam",
    "ave/cavf",
)
TARGETS = [
    *[f"results/{d}/co2net_map.csv" for d in ("demo", "thumos14", "thumos14_sim", "activitynet12")],
    *["results/thumos14/methods.csv", "results/ave/methods.csv", "results/ave/co2net_map.csv"],
    *[f"results/{run}/viewer.html" for run in VIEWED],
    "results/thumos14/i3d_tvl1/features.h5",
    *[f"results/ave/{recipe}/features.h5" for recipe in ("ave_resnet152", "s3d", "slowfast_r50")],
    "results/ave/i3d_tvl1/vggish/shard0.csv",
    "results/ave/ave_vgg19/co2net/co2net_map.csv",
    "results/demo/i3d_untrained/co2net/co2net_map.csv",
    *[f"results/tables/co2net_table{n}.csv" for n in range(1, 7)],
    *[f"results/tables/acn_table{n}.csv" for n in range(1, 6)],
    *[f"results/tables/cavf_table{n}.csv" for n in range(1, 11)],
    *[f"results/tables/tssam_table{n}.csv" for n in range(1, 7)],
    "results/tables/co2net_table4.on_demo.csv",
    *[f"{SIM_ACN}/{file}" for file in STREAM_FILES],
    *[
        f"results/thumos14_sim/{file}"
        for file in ("acn_protocols.csv", "compare_acn_vs_acn-flow.csv")
    ],
    *[f"results/thumos14_sim/acn/{folder}" for folder in ("timelines", "diagnosis")],
    "results/thumos14/autoloc_unt/acn/acn_map.csv",
    "results/activitynet12/autoloc_unt_anet/acn/acn_map.csv",
    "results/activitynet12/autoloc_unt_anet_30fps/acn/acn_map.csv",
    *[f"results/figures/acn_figure{n}.{kind}" for n in (1, 2) for kind in ("svg", "png")],
    "results/activitynet12/i3d_tvl1/cavf-stages_3_frozen/seed1/checkpoint.pt",
    *[f"results/figures/cavf_figure{n}.svg" for n in (1, 2, 3, 4, 5)],
    "results/figures/cavf_figure2.on_demo.svg",
    "results/figures/tssam_figure3.on_demo.svg",
    *[f"results/figures/tssam_sweep_{name}.svg" for name in ("alpha", "beta.on_demo")],
    "results/thumos14/co2net-audio_map.csv",
    "results/thumos14/cavf_map.csv",
    *[f"results/demo_ave/co2net_{file}.csv" for file in ("map", "protocols")],
    "results/demo_ave/compare_co2net_vs_co2net-loss_mil.csv",
    "results/demo_ave/co2net/timelines",
]
# Hundreds of shards would say the same hundreds of times.
FEW_SHARDS = {"activitynet12": {"shards": 3}, "activitynet13": {"shards": 3}}


@pytest.fixture(scope="module")
def plan(bare_project) -> Plan:
    return bare_project.plan(*TARGETS, "--config", f"datasets={json.dumps(FEW_SHARDS)}")


@pytest.mark.parametrize("dataset", ["demo", "thumos14", "thumos14_sim", "activitynet12"])
def test_headlines_resolve_without_data(plan, dataset):
    listed = plan.rules(f"results/{dataset}/co2net_map.csv")
    assert listed["train"] == listed["localize"] == listed["evaluate"] == 3
    assert listed["headline"] == listed["summarize"] == 1


@pytest.mark.parametrize(("dataset", "methods"), [("thumos14", 6), ("ave", 4)])
def test_all_methods_that_suit_a_dataset_stand_side_by_side(plan, dataset, methods):
    listed = plan.rules(f"results/{dataset}/methods.csv")
    assert listed["headline"] == methods and listed["methods"] == 1


@pytest.mark.parametrize("run", VIEWED)
def test_a_viewer_resolves_without_data_from_the_first_seed(plan, run):
    listed = plan.rules(f"results/{run}/viewer.html")
    assert listed["viewer"] == listed["evaluate"] == 1 and "summarize" not in listed
    assert "simulate_features" in listed or listed["audio"] > 0


def test_shards_are_the_jobs_of_a_large_dataset(plan, project):
    listed = plan.rules("results/thumos14/i3d_tvl1/features.h5")
    path = project / "workflow/config/datasets/thumos14.yaml"
    shards = yaml.safe_load(path.read_text())["shards"]
    for rule in ("probe", "frames", "audio", "flow", "i3d_rgb", "i3d_flow", "vggish"):
        assert listed[rule] == shards
    assert listed.total() < 8 * shards + 10


@pytest.mark.parametrize("recipe", ["ave_resnet152", "s3d", "slowfast_r50"])
def test_a_recipe_of_another_backbone_runs_that_and_not_i3d(plan, recipe):
    listed = plan.rules(f"results/ave/{recipe}/features.h5")
    assert listed["backbone"] == listed["vggish"] == listed["frames"] == 16
    assert listed["fetch_weights"] == 2
    assert not {"i3d_rgb", "i3d_flow", "flow"} & set(listed)


def test_every_row_of_co2nets_tables_resolves_and_shared_runs_train_once(plan):
    trainings = {1: 3, 2: 3, 3: 18, 4: 12, 5: 9, 6: 15}
    for table, expected in trainings.items():
        assert plan.rules(f"results/tables/co2net_table{table}.csv")["train"] == expected
    together = plan.rules(*[f"results/tables/co2net_table{n}.csv" for n in (3, 4, 5, 6)])
    assert together["train"] == 3 * (6 + 3 + 2 + 4)  # the method itself is a row of every table


def test_a_table_elsewhere_takes_its_rows_there(plan):
    listed = plan.rules("results/tables/co2net_table4.on_demo.csv")
    assert listed["train"] == 12 and listed["table_elsewhere"] == 1 and listed["render_demo"] == 1


def test_another_recipe_has_its_own_place(plan):
    listed = plan.rules("results/demo/i3d_untrained/co2net/co2net_map.csv")
    assert listed["train"] == 3 and "fetch_weights" not in listed and "headline" not in listed


# ACN: what starts from what, and that a fused run is never trained.


def test_every_row_of_acns_tables_resolves(plan):
    """Per seed UntrimmedNet once and each row of the ablations once; fused runs train nothing."""
    listed = plan.rules(*[f"results/tables/acn_table{n}.csv" for n in range(1, 6)])
    thumos14 = 1 + 10 + 4  # alpha 0.6 is a row of three tables and a part of the fused run
    activitynet12 = 1 + 2
    assert listed["train"] == 3 * (thumos14 + activitynet12)
    assert listed["fuse"] == 3 * 2 and listed["table"] == 5
    assert listed["evaluate"] == 3 * (thumos14 + 1 + 2)  # and UntrimmedNet and ACN on ActivityNet


def test_what_a_fused_run_is_made_of(plan):
    assert plan.rules(*[f"{SIM_ACN}/{file}" for file in STREAM_FILES]) == {
        "simulate_annotations": 1,
        "simulate_features": 1,
        "train": 3,
        "score": 4,
        "localize": 2,
        "fuse": 1,
    }


def test_a_fused_run_has_all_that_a_trained_one_has(plan):
    targets = ["acn_protocols.csv", "compare_acn_vs_acn-flow.csv", "acn/timelines", "acn/diagnosis"]
    listed = plan.rules(*[f"results/thumos14_sim/{target}" for target in targets])
    assert listed["fuse"] == 3
    assert all(listed[rule] == 1 for rule in ("ledger", "compare", "timelines", "diagnosis"))


def test_the_exact_route_starts_from_published_outputs(plan):
    places = ["thumos14/autoloc_unt", "activitynet12/autoloc_unt_anet"]
    places.append("activitynet12/autoloc_unt_anet_30fps")
    listed = plan.rules(*[f"results/{place}/acn/acn_map.csv" for place in places])
    assert listed["import_features"] == 3 and listed["fuse"] == 9 and "frames" not in listed


def test_runs_that_are_trained_and_fused_exclude_each_other(catalog):
    fused = catalog.fused()
    assert "acn" in fused and not {"acn-rgb", "acn-flow", "untrimmednet"} & set(fused)
    for run in fused:
        config = catalog.run_config("thumos14", run)
        fusion = config["localize"]["fusion"]
        assert (fusion["iou"], fusion["discount"]) == (0.4, 0.5)
        for stream, source in config["fuse_from"].items():
            assert source not in fused
            assert catalog.run_config("thumos14", source)["streams"] == [stream]


def test_acns_figures_are_targets(plan):
    names = [f"results/figures/acn_figure{n}.{kind}" for n in (1, 2) for kind in ("svg", "png")]
    assert plan.rules(*names)["acn_figures"] == 1


# CAVF and TS-SAM: tables, figures, sound.


def test_every_row_of_cavfs_ten_tables_resolves(plan):
    listed = plan.rules(*[f"results/tables/cavf_table{n}.csv" for n in range(1, 11)])
    assert (listed["table"], listed["headline"], listed["macs"]) == (10, 55, 5)
    assert listed["train"] == 3 * 55


def test_frozen_stages_start_from_the_run_they_name(plan):
    folder = "results/activitynet12/i3d_tvl1"
    frozen = plan.makers[f"{folder}/cavf-stages_3_frozen/seed1/checkpoint.pt"]
    assert f"{folder}/cavf/seed1/checkpoint.pt" in frozen.inputs


def test_figures_show_some_rows_of_a_table(plan):
    names = [f"results/figures/cavf_figure{n}.svg" for n in (2, 3, 4, 5)]
    listed = plan.rules(*names, "results/figures/cavf_figure2.on_demo.svg")
    assert (listed["figure"], listed["figure_elsewhere"]) == (4, 1)
    # visual-only, full and O-0 on ActivityNet; O-0 and full on the demo; one seed each
    assert listed["train"] == 3 + 2


def test_sound_joins_the_other_methods(plan):
    listed = plan.rules("results/thumos14/co2net-audio_map.csv", "results/thumos14/cavf_map.csv")
    assert listed["train"] == 6 and listed["vggish"] == 26


def test_every_row_of_tssams_tables_resolves_and_shared_runs_train_once(plan):
    trainings = {1: 3, 2: 3, 3: 15, 4: 15, 5: 9, 6: 9}
    for number, expected in trainings.items():
        assert plan.rules(f"results/tables/tssam_table{number}.csv")["train"] == expected
    together = plan.rules(*[f"results/tables/tssam_table{number}.csv" for number in (1, 3, 5)])
    assert together["train"] == 3 * (5 + 2)  # ladder and branches share baseline and method


def test_tssams_figure_shows_one_seed_of_the_five_losses(plan):
    listed = plan.rules("results/figures/tssam_figure3.on_demo.svg")
    assert listed["train"] == listed["score"] == 5 and listed["figure_elsewhere"] == 1


def test_a_sweep_trains_every_seed_of_its_runs_on_either_dataset(plan):
    listed = plan.rules("results/figures/tssam_sweep_alpha.svg")
    assert listed["train"] == 5 * 3 and listed["sweep"] == 1
    elsewhere = plan.rules("results/figures/tssam_sweep_beta.on_demo.svg")
    assert elsewhere["train"] == 5 * 3 and elsewhere["sweep_elsewhere"] == 1


# Datasets whose seconds have a class.


def test_events_need_neither_flow_nor_proposals(plan):
    listed = plan.rules(
        "results/demo_ave/co2net_map.csv",
        "results/demo_ave/co2net_protocols.csv",
        "results/demo_ave/compare_co2net_vs_co2net-loss_mil.csv",
        "results/demo_ave/co2net/timelines",
    )
    assert listed["train"] == listed["score"] == 6 and listed["evaluate"] == 3
    assert listed["render_demo"] == listed["baselines"] == listed["compare"] == 1
    assert not {"localize", "flow", "i3d_flow"} & set(listed)


def test_ave_resolves_from_videos_and_from_published_features(plan):
    listed = plan.rules("results/ave/co2net_map.csv")
    assert listed["backbone"] == listed["vggish"] == 16 and listed["evaluate"] == 3
    listed = plan.rules("results/ave/ave_vgg19/co2net/co2net_map.csv")
    assert listed["import_features"] == 1 and "probe" not in listed


# What the command line changes.


@pytest.fixture(scope="module")
def changed(bare_project):
    """A dry run on a GPU with flow that is not kept and a recipe more, and its plan."""
    features = {
        "wanted": {"vggish": {"activation": "pre", "postprocess": "pca8"}},
        "i3d_tvl1": {"flow": {"cache_flow": False}},
    }
    override = ("device=cuda", f"features={json.dumps(features)}")
    targets = ("results/ave/wanted/vggish/shard0.csv", "results/thumos14/i3d_tvl1/features.h5")
    done = bare_project.snakemake("--dry-run", *targets, "--config", *override)
    return done.stdout + done.stderr


def test_vggishs_pca_is_fetched_where_the_recipe_asks_for_it(plan, changed):
    asked = Plan(listed_jobs(changed))
    assert asked.rules("results/ave/wanted/vggish/shard0.csv")["fetch_weights"] == 2
    assert plan.rules("results/ave/i3d_tvl1/vggish/shard0.csv")["fetch_weights"] == 1


def test_streamed_flow_is_no_stage_and_no_file(changed):
    listed = Plan(listed_jobs(changed)).rules("results/thumos14/i3d_tvl1/features.h5")
    assert listed["i3d_flow_streamed"] == listed["i3d_rgb"]
    assert "flow" not in listed and "i3d_flow" not in listed


def test_gpu_jobs_are_limited_on_one_machine(project, changed):
    """`gpu=1` alone limits nothing locally; the Snakefile sets the limit."""
    text = (project / "rules/common.smk").read_text()
    assert 'workflow.global_resources.setdefault("gpu"' in text
    assert "gpu=1" in changed


# What is refused, and how.


def test_a_run_that_joins_proposals_is_not_trained(bare_project):
    page = bare_project.refusal(f"{SIM_ACN}/checkpoint.pt")
    assert "acn is not trained, it joins acn-rgb, acn-flow" in page


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("co2net/diagnosis", "dataset demo_ave has `task: events`"),
        ("co2net/operating.csv", "dataset demo_ave has `task: events`"),
        ("demo_i3d_16fps/cavf/seed0/segments.csv", "there are no detections to judge"),
        ("acn_map.csv", "gives no class for a second"),
    ],
)
def test_what_makes_no_sense_for_events_is_refused_with_a_reason(bare_project, target, reason):
    assert reason in bare_project.refusal(f"results/demo_ave/{target}")


def test_a_typo_in_the_configuration_is_named(bare_project):
    override = 'methods={"co2net": {"train": {"iteration": 10}}}'
    page = bare_project.refusal("results/demo/co2net_map.csv", "--config", override)
    assert "train.iteration: unknown key; did you mean 'iterations'?" in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["results/tiny/co2nt_map.csv"], "'co2nt' is not a run; did you mean co2net"),
        (["--", "results/tables/co2net_tabel3.csv"], "is not a table; did you mean co2net_table3"),
    ],
)
def test_a_misspelt_target_is_answered_with_what_is_near(bare_project, arguments, message):
    page = bare_project.refusal(*arguments)
    assert message in page and "Traceback" not in page


def test_the_value_of_an_option_is_no_target(bare_project):
    bare_project.snakemake("--dry-run", "results/tiny/videos.json", "--until", "labels")


@pytest.mark.parametrize("file", ["co2net_map.csv", "training_labels.json", "manifest/shard0.csv"])
def test_missing_labels_are_named_with_the_remedy(bare_project, file):
    override = 'datasets={"tiny": {"labels": "clips/labls.csv"}}'
    page = bare_project.refusal(f"results/tiny/{file}", "--config", override)
    assert "dataset tiny: clips/labls.csv is not there. Write it" in page
    assert "CSV files in its folder: clips/labels.csv, clips/segments.csv" in page


def test_missing_labels_stop_no_other_dataset(bare_project):
    override = 'datasets={"tiny": {"labels": "clips/labls.csv"}}'
    assert bare_project.rules("results/thumos14_sim/co2net_map.csv", "--config", override)
