"""ACN's runs: what starts from what, and that a fused run is never trained."""

STREAM_FILES = (
    "scores.h5",
    "proposals.json",
    "proposals_by_iteration.json.gz",
    "proposals_constant_attention.json",
)


def test_every_row_of_the_tables_resolves(bare_project):
    """Per seed UntrimmedNet once and each row of the ablations once; joined runs train nothing."""
    listed = bare_project.rules(*[f"results/tables/acn_table{n}.csv" for n in range(1, 6)])
    thumos14 = 1 + 10 + 4  # alpha 0.6 stands in three tables and in the joined run
    activitynet12 = 1 + 2
    assert listed["train"] == 3 * (thumos14 + activitynet12)
    assert listed["fuse"] == 3 * 2 and listed["table"] == 5
    assert listed["evaluate"] == 3 * (thumos14 + 1 + 2)  # and UntrimmedNet and ACN on ActivityNet


def test_what_a_fused_run_is_made_of(bare_project):
    folder = "results/thumos14_sim/sim128/acn/seed1"
    assert bare_project.rules(*[f"{folder}/{file}" for file in STREAM_FILES]) == {
        "simulate_annotations": 1, "simulate_features": 1, "train": 3, "score": 4,
        "localize": 2, "fuse": 1,
    }  # fmt: skip
    done = bare_project.snakemake("--dry-run", f"{folder}/checkpoint.pt", check=False)
    message = "acn is not trained, it joins acn-rgb, acn-flow"
    assert done.returncode and message in done.stdout + done.stderr


def test_a_fused_run_has_all_that_a_trained_one_has(bare_project):
    targets = ["acn_protocols.csv", "compare_acn_vs_acn-flow.csv", "acn/timelines", "acn/diagnosis"]
    listed = bare_project.rules(*[f"results/thumos14_sim/{target}" for target in targets])
    assert listed["fuse"] == 3
    assert all(listed[rule] == 1 for rule in ("ledger", "compare", "timelines", "diagnosis"))


def test_the_exact_route_starts_from_published_outputs(bare_project):
    places = ["thumos14/autoloc_unt", "activitynet12/autoloc_unt_anet"]
    listed = bare_project.rules(*[f"results/{place}/acn/acn_map.csv" for place in places])
    assert listed["import_features"] == 2 and listed["fuse"] == 6 and "frames" not in listed


def test_runs_that_are_trained_and_joined_exclude_each_other(catalog):
    fused = catalog.fused()
    assert "acn" in fused and not {"acn-rgb", "acn-flow", "untrimmednet"} & set(fused)
    for run in fused:
        config = catalog.run_config("thumos14", run)
        assert config["localize"]["fusion"] == {"iou": 0.4, "discount": 0.5}
        for stream, source in config["fuse_from"].items():
            assert source not in fused
            assert catalog.run_config("thumos14", source)["streams"] == [stream]


def test_the_papers_figures_are_targets(bare_project):
    names = [f"results/figures/acn_figure{n}.{kind}" for n in (1, 2) for kind in ("svg", "png")]
    assert bare_project.rules(*names)["acn_figures"] == 1
