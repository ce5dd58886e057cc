"""Which files jobs need: input functions of the rules, asked as Snakemake asks them."""

from __future__ import annotations

import pytest
from wstal.base.errors import WstalError
from wstal.config.catalog import load_catalog
from wstal.config.inputs import Inputs


class Wildcards(dict):
    """Wildcards as Snakemake gives them: by attribute, by key and with `get`."""

    __getattr__ = dict.__getitem__


def of(**names):
    return Wildcards(names)


@pytest.fixture(scope="module")
def files(project):
    proposals = {"kind": "folder", "source": "proposals", "proposals": {"theirs": "/their.json"}}
    published = {"kind": "folder", "source": "features", "recipe": "wtalc_i3d"}
    official = {"checkpoints": {"co2net-imported": ["/a.pkl", "/b.pkl"]}}
    changes = {"datasets": {"tool": proposals, "set": published, "thumos14_sim": official}}
    weights = {
        "i3d_rgb_imagenet": {"file": "rgb.pt"},
        "demo_i3d_rgb": {"file": "demo.safetensors", "shipped": True},
        "vggish_pca": {"file": "pca.pth"},
    }
    return Inputs(load_catalog(changes), weights, ancient=lambda path: f"ancient {path}")


def test_weights_are_fetched_shipped_or_none(files):
    rgb = files.weights("i3d", "rgb")
    assert rgb(of(recipe="i3d_tvl1")) == "results/weights/rgb.pt"
    shipped = "workflow/reference/weights/demo.safetensors"
    assert rgb(of(recipe="demo_i3d")) == f"ancient {shipped}"
    assert rgb(of(recipe="i3d_untrained")) == []
    backbone = files.weights("{backbone}")
    assert backbone(of(recipe="s3d", backbone="s3d")) == []  # not among the known ones here
    assert files.pca_parameters(of(recipe="i3d_tvl1")) == []


def test_a_path_for_each_shard_and_seed(files):
    assert files.shards("{dataset}/{shard}")(of(dataset="demo")) == ["demo/0", "demo/1"]
    assert files.seeds("{dataset}/{seed}")(of(dataset="demo")) == ["demo/0", "demo/1", "demo/2"]
    demo = of(dataset="demo", run="co2net", other="acn")
    folder = "results/demo/demo_i3d"
    assert files.of_first_seed("log.csv")(demo) == [f"{folder}/co2net/seed0/log.csv"]
    assert files.of_seeds("x", "other")(demo)[2] == f"{folder}/acn/seed2/x"
    assert files.default_recipe("{dataset}/{recipe}/{run}")(demo) == "demo/demo_i3d/co2net"


def test_an_imported_run_has_a_seed_for_each_checkpoint_that_the_dataset_names(files):
    run = of(dataset="thumos14_sim", run="co2net-imported")
    assert files.given_checkpoint(of(**run, seed="1")) == "/b.pkl"
    assert files.seeds("{seed}")(run) == ["0", "1"]
    folder = "results/thumos14_sim/sim128/co2net-imported"
    assert files.of_seeds("map.csv")(run) == [f"{folder}/seed{n}/map.csv" for n in (0, 1)]
    remedy = r"names 0 checkpoints of co2net-imported; .*\{co2net-imported: \[/path/to/best.pkl\]\}"
    with pytest.raises(WstalError, match=remedy):
        files.given_checkpoint(of(dataset="demo", run="co2net-imported", seed="0"))


def test_features_are_those_of_every_stream(files):
    shards = files.feature_shards(of(dataset="demo", recipe="demo_i3d_16fps"))
    folder = "results/demo/demo_i3d_16fps"
    names = ("i3d_rgb/shard0", "i3d_rgb/shard1", "vggish/shard0", "vggish/shard1")
    assert shards == [f"{folder}/{name}.csv" for name in names]
    sound = files.sound_shards(of(dataset="demo"))
    assert sound == [f"results/demo/demo_i3d/audio/shard{n}.csv" for n in (0, 1)]
    assert files.sound_shards(of(dataset="set")) == []
    assert files.videos_manifest(of(dataset="demo")) == "results/demo/manifest.csv"
    assert files.videos_manifest(of(dataset="set")) == "results/set/wtalc_i3d/manifest.csv"


def test_a_recipe_that_the_dataset_cannot_serve_is_refused(files):
    path = files.unrefused("{dataset}/{recipe}")
    assert path(of(dataset="demo", recipe="s3d")) == "demo/s3d"
    with pytest.raises(WstalError, match="has proposals only"):
        path(of(dataset="tool", recipe="i3d_tvl1"))
    with pytest.raises(WstalError, match=r"has no videos .*own recipe wtalc_i3d"):
        path(of(dataset="set", recipe="i3d_tvl1"))


def test_runs_that_a_run_builds_on(files):
    names = {"dataset": "thumos14", "recipe": "i3d_tvl1", "seed": "1", "part": "_train"}
    upstream = files.of_run("scores_from", "scores{part}.h5")
    folder = "results/thumos14/i3d_tvl1"
    expected = [f"{folder}/untrimmednet/seed1/scores_train.h5"]
    assert upstream(of(run="acn-rgb", **names)) == expected
    assert upstream(of(run="co2net", **names)) == []
    with pytest.raises(WstalError, match="acn is not trained, it joins acn-rgb, acn-flow"):
        upstream(of(run="acn", **names))
    training = files.training(of(run="concord", **names))
    teachers = [f"{folder}/{run}/seed1/scores_train.h5" for run in ("co2net", "tssam")]
    labels = "results/thumos14/training_labels.json"
    assert {name: paths for name, paths in training.items() if paths} == {
        **{"features": f"{folder}/features.h5", "annotations": labels, "teachers": teachers}
    }
    assert files.scoring(of(run="concord", **names))["upstream"] == []
    joined = files.of_run("fuse_from", "a", "b", stream="flow")
    assert joined(of(run="acn", **names)) == [f"{folder}/acn-flow/seed1/{n}" for n in "ab"]


def test_the_task_decides_what_is_scored(files):
    events, detection = files.for_task("events", "{run}.h5"), files.for_task("detection", str)
    assert events(of(dataset="demo", run="acn")) == []
    assert events(of(dataset="ave", run="cavf")) == "cavf.h5"
    assert detection(of(dataset="ave", run="cavf")) == []
    with pytest.raises(WstalError, match="acn joins the proposals.*no class for a second"):
        events(of(dataset="ave", run="acn"))
    with pytest.raises(WstalError, match="there are no detections to judge"):
        files.of_detections(str)(of(dataset="ave", run="cavf"))
    compared = files.compared_files(of(dataset="demo_ave", run="cavf", other="tssam"))
    assert list(compared) == ["a", "a_by_iteration", "b", "b_by_iteration"]
    compared = files.compared_files(of(dataset="demo", run="cavf", other="acn"))
    assert compared["b_by_iteration"][0].endswith("acn/seed0/proposals_by_iteration.json.gz")


def test_given_proposals_are_known_by_name(files):
    assert files.given_proposals(of(dataset="tool", given="theirs")) == "/their.json"
    with pytest.raises(WstalError, match="no proposals 'other'; its YAML names theirs"):
        files.given_proposals(of(dataset="tool", given="other"))


def test_a_mistake_in_own_files_ends_the_run(files):
    def refused(name, dataset):
        raise WstalError(f"{name} has no labels")

    with pytest.raises(WstalError, match="tool has no labels"):
        files.of_dataset(refused)(of(dataset="tool"))
    ended = []
    stopping = Inputs(files.catalog, {}, stop=ended.append)
    stopping.of_dataset(refused)(of(dataset="tool"))
    assert ended == ["tool has no labels"]


def test_tables_and_figures_need_the_results_of_their_runs(files):
    shown = files.figure_files(of(figure="cavf_figure5", dataset="demo"))
    assert [path.rsplit("/", 3)[1] for path in shown["proposals"]] == ["cavf-visual_only", "cavf"]
    assert files.figure_files(of(figure="cavf_figure5", dataset="demo_ave"))["proposals"] == []
    assert files.figure_files(of(figure="cavf_figure2"))["proposals"] == []
    table = of(table="cavf_table4")
    assert files.table_paper(table).endswith("reference/paper_tables/cavf_table4.csv")
    results = files.table_results(table)
    assert {path.rsplit("_", 1)[1] for path in results} == {"map.csv", "macs.csv"}
    elsewhere = files.table_results(of(table="co2net_table3", dataset="demo"))
    assert elsewhere[0] == "results/demo/co2net-loss_mil_map.csv" and len(elsewhere) == 6
    figure = files.figure_files(of(figure="tssam_figure3", dataset="demo"))
    assert figure["annotations"] == "results/demo/annotations.json"
    assert figure["scores"][0] == "results/demo/demo_i3d/tssam-fg/seed0/scores.h5"
    assert "results/ave/cavf_map.csv" in files.suited_maps(of(dataset="ave"))
    assert not any("zero_shot" in path for path in files.suited_maps(of(dataset="ave")))
