"""Datasets whose seconds have a class: what their DAG has, and what it leaves out."""

import pytest


def test_the_ave_like_demo_resolves_without_data_flow_and_proposals(bare_project):
    listed = bare_project.rules(
        "results/demo_ave/co2net_map.csv",
        "results/demo_ave/co2net_protocols.csv",
        "results/demo_ave/compare_co2net_vs_co2net-loss_mil.csv",
        "results/demo_ave/co2net/timelines",
    )
    assert listed["train"] == listed["score"] == 6 and listed["evaluate"] == 3
    assert listed["render_demo"] == listed["baselines"] == listed["compare"] == 1
    assert not {"localize", "flow", "i3d_flow"} & set(listed)


@pytest.mark.parametrize("dataset", ["thumos14", "demo"])
def test_detection_goes_through_proposals(bare_project, dataset):
    listed = bare_project.rules(f"results/{dataset}/co2net_map.csv")
    assert listed["localize"] == listed["evaluate"] == 3


def test_ave_resolves_from_videos_and_from_published_features(bare_project):
    listed = bare_project.rules("results/ave/co2net_map.csv")
    assert listed["backbone"] == listed["vggish"] == 16 and listed["evaluate"] == 3
    listed = bare_project.rules("results/ave/ave_vgg19/co2net/co2net_map.csv")
    assert listed["import_features"] == 1 and "probe" not in listed


def test_a_diagnosis_of_events_is_refused_with_a_reason(bare_project):
    done = bare_project.snakemake("-n", "results/demo_ave/co2net/diagnosis", check=False)
    assert done.returncode
    assert "dataset demo_ave has `task: events`" in done.stdout + done.stderr


def test_a_run_that_joins_proposals_is_refused_on_events(bare_project):
    done = bare_project.snakemake("-n", "results/demo_ave/acn_map.csv", check=False)
    assert done.returncode and "names no class for a second" in done.stdout + done.stderr
