"""What a target costs is estimated from measurements of this machine, before anything runs."""

from __future__ import annotations

import re
import time
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from wstal.apply import calibration
from wstal.apply.calibration import RecipeCost, RunCost, StartCost, render_clip
from wstal.base.code_digest import import_closure
from wstal.base.files import read_cached, write_csv
from wstal.commands import plan
from wstal.commands.watch import opening
from wstal.commands.why import Job
from wstal.config import run_progress
from wstal.config.catalog import load_catalog
from wstal.config.footage import Footage, dataset_footage
from wstal.config.run_progress import RunProgress, job_kind
from wstal.config.stages import STAGES
from wstal.media.manifest import COLUMNS

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def catalog():
    mine = {"kind": "folder", "videos": "clips", "recipe": "demo_i3d", "shards": 2}
    return load_catalog({"datasets": {"mine": mine}})


@pytest.fixture
def clips(tmp_path):
    (tmp_path / "clips").mkdir()
    for name, seconds in (("a", 1.0), ("b", 2.0), ("c", 1.0)):
        render_clip(tmp_path / f"clips/{name}.mp4", seconds, (96, 64))
    rows = "video,labels,split\na,wave,train\nb,jump,train\nc,wave,test\n"
    (tmp_path / "clips/labels.csv").write_text(rows)


# How much video there is


def test_before_probing_the_headers_give_durations_and_the_labels_the_splits(catalog, clips):
    footage = dataset_footage("mine", catalog.datasets["mine"])
    assert footage.videos == {"train": 2, "test": 1} and footage.classes == 2
    assert footage.of("train") == (2, pytest.approx(3.0, abs=0.2))
    assert footage.size == (96, 64) and footage.source == "the headers of the files"


def test_of_many_files_the_rest_is_taken_from_their_bytes(catalog, clips, monkeypatch):
    monkeypatch.setattr("wstal.config.footage.OPENED", 2)
    footage = dataset_footage("mine", catalog.datasets["mine"])
    assert footage.count == 3 and footage.total == pytest.approx(4.0, rel=0.5)
    assert "2 files, and the size of the others" in footage.source


def test_after_probing_the_manifest_counts_and_broken_videos_do_not(catalog, clips, tmp_path):
    rows = [
        {"id": "a", "split": "train", "duration": "10", "width": "64", "height": "48"},
        {"id": "c", "split": "test", "duration": "6", "width": "64", "height": "48"},
        {"id": "b", "split": "train", "duration": "0", "status": "broken"},
    ]
    rows = [{"status": "ok", **row} for row in rows]
    write_csv(tmp_path / "results/mine/manifest.csv", COLUMNS, rows)
    footage = dataset_footage("mine", catalog.datasets["mine"])
    assert (footage.count, footage.total, footage.source) == (2, 16, "manifest.csv")


def test_the_demo_is_counted_before_it_is_rendered(catalog):
    footage = dataset_footage("demo", catalog.datasets["demo"])
    assert footage.videos == {"train": 25, "test": 12} and 600 < footage.total < 900


# What the machine needs


def test_a_recipe_is_measured_once_for_each_size_of_video(catalog, monkeypatch):
    recipe = {**catalog.features["demo_i3d"], "streams": {"rgb": "i3d_rgb", "audio": "vggish"}}
    assert calibration.recipe_cost(recipe, CPU, (96, 64), measure=False) is None
    cost = calibration.recipe_cost(recipe, CPU, (96, 64))
    assert cost.dims == {"rgb": 256, "audio": 128} and cost.memory > 1e8
    assert set(cost.stages) == {"probe", "frames", "audio", "i3d_rgb", "vggish"}
    assert 0 < cost.stages["i3d_rgb"] < 10
    monkeypatch.setattr(calibration, "_measure_recipe", None)
    assert calibration.recipe_cost(recipe, CPU, (96, 64)) == cost
    assert calibration.recipe_cost(recipe, CPU, (64, 48), measure=False) is None


@pytest.mark.parametrize("run", ["tssam", "acn-rgb"])
def test_updates_of_a_run_are_timed_on_drawn_features(catalog, run):
    config = catalog.run_config("demo", run)
    cost = calibration.run_cost(config, {"rgb": 16, "flow": 16}, 3, 20, CPU)
    assert 0 < cost.update < 5 and 0 < cost.row < cost.update and cost.weights > 1000


def test_an_update_of_long_videos_takes_proportionally_longer(catalog):
    config = catalog.run_config("demo", "tssam")
    config["data"]["length"] = 100 * calibration.LONGEST
    long = calibration.run_cost(config, {"rgb": 16, "flow": 16}, 3, 9999, CPU)
    config["data"]["length"] = calibration.LONGEST
    short = calibration.run_cost(config, {"rgb": 16, "flow": 16}, 3, 9999, CPU)
    assert long.update > 10 * short.update


def test_a_job_costs_what_its_process_spends_from_start_to_end(tmp_path, monkeypatch):
    code = """
import atexit, time

@atexit.register
def burn():
    while time.process_time() < 4:
        pass
"""
    (tmp_path / "slow_end.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert calibration._import_seconds("slow_end") > 3.9
    assert calibration._import_seconds("no_such_module") == 0


def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


class SlowAtFirst:
    """In place of an extraction: its first video takes 0.6 s, others 0.2 s, however long."""

    def __init__(self, *given, tracks, **options):
        self.videos, self.track = 0, tracks("vggish")

    def probe(self, name, path):
        return {}

    def extract(self, row, output):
        self.videos += 1
        for seconds in self.track([0.6 if self.videos == 1 else 0.2]):
            burn(seconds)


def test_a_job_pays_what_its_first_video_takes_longer(catalog, monkeypatch):
    features = SimpleNamespace(dims={"audio": 128})
    monkeypatch.setattr(calibration, "Extraction", SlowAtFirst)
    monkeypatch.setattr(calibration, "FeatureFile", lambda path: nullcontext(features))
    monkeypatch.setattr(calibration, "render_clip", lambda *given: None)
    recipe = {**catalog.features["demo_i3d"], "streams": {"audio": "vggish"}}
    cost = calibration.recipe_cost(recipe, CPU)
    assert 0 < cost.stages["vggish"] < 0.1
    assert cost.setup["vggish"] == pytest.approx(0.4, abs=0.1)
    assert cost.videos["vggish"] == pytest.approx(0.2, abs=0.1)


def test_stages_whose_jobs_import_no_torch_are_the_light_ones(project):
    package = project / "workflow/wstal"
    for name, stage in STAGES.items():
        files = import_closure(project / f"scripts/{stage.script}.py", package)
        found = any(re.search("^import torch", path.read_text(), re.M) for path in files)
        assert found != (name in plan.LIGHT), name


# What a benchmark says of a job


def test_of_a_long_job_the_seconds_after_the_last_look_are_as_those_before(tmp_path):
    from benchmarks.speed.plan import processor_seconds

    rows = {"probe/shard0": (10, 4), "demo_i3d/flow/shard0": (60, 30)}
    rows |= {"demo_i3d/co2net/train.seed0": (14, 7), "demo_i3d/co2net/train.seed1": (14, 5)}
    rows |= {"demo_i3d/other/train.seed0": (9, 9)}
    for name, (wall, cpu) in rows.items():
        path = tmp_path / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\tcpu_time\n{wall}\t{cpu}\n")
    taken, jobs = processor_seconds(tmp_path, "co2net")
    assert taken == {"probe": 4, "flow": pytest.approx(30 * 60 / 45), "train": 12}
    assert jobs == {"probe": 1, "flow": 1, "train": 2}


# What a plan is


@pytest.fixture
def costs(monkeypatch):
    """A machine that needs a second for a second of video, 0.5 s for an update."""
    stages = dict.fromkeys(("probe", "frames", "flow", "i3d_rgb", "i3d_flow"), 1.0)
    recipe = RecipeCost(
        stages, {"flow": 4.5}, {"flow": 0.25}, {"rgb": 256, "flow": 256, "audio": 128}, 3e9
    )
    monkeypatch.setattr(plan, "start_cost", lambda: StartCost(2.0, 0.5))
    monkeypatch.setattr(plan, "recipe_cost", lambda *given: recipe)
    monkeypatch.setattr(plan, "run_cost", lambda *given: RunCost(0.5, 0.01, 1e6, 3.0))
    footage = Footage({"train": 3, "test": 1}, {"train": 30, "test": 6.4}, 2, (340, 256), "here")
    monkeypatch.setattr(plan, "dataset_footage", lambda *given: footage)


def jobs(*rules, **names):
    return [Job(rule, "", "", ", ".join(f"{k}={v}" for k, v in names.items())) for rule in rules]


def estimated(catalog, *planned, durations=()):
    return plan.Estimate([*planned], catalog, dict(durations), CPU)


def test_a_stage_takes_its_start_and_its_share_of_the_videos(catalog, costs):
    names = {"dataset": "mine", "recipe": "demo_i3d"}
    shards = [job for shard in (0, 1) for job in jobs("flow", **names, shard=shard)]
    estimate = estimated(catalog, *shards)
    flow = estimate.stages["flow"]
    assert flow.jobs == 2 and flow.longest == pytest.approx(2 + 4.5 + 2 * 0.25 + 36.4 / 2)
    assert flow.bytes == pytest.approx(36.4 * 25 * (149 * 112 * 0.25 + 1200), rel=0.02)
    assert estimate.expected == {job_kind("flow", names): flow.longest}
    assert estimate.seconds(2) == flow.longest and estimate.seconds(1) == 2 * flow.longest


def test_training_takes_its_updates_and_the_scoring_between_them(catalog, costs):
    names = {"dataset": "mine", "recipe": "demo_i3d", "run": "co2net", "seed": 0}
    train = estimated(catalog, *jobs("train", **names)).stages["train"]
    settings = catalog.run_config("mine", "co2net")["train"]
    updates, scorings = settings["iterations"], settings["iterations"] / settings["score_interval"]
    assert train.seconds == pytest.approx(2 + 3 + updates * 0.5 + scorings * 10 * 0.01)
    assert train.bytes > 3e6 and train.notes == {f"{updates} updates of 0.500 s"}


def test_other_jobs_take_as_long_as_earlier_ones_or_as_their_start(catalog, costs):
    names = {"dataset": "mine", "recipe": "demo_i3d", "run": "co2net"}
    known = {job_kind("viewer", names): 7.0}
    estimate = estimated(catalog, *jobs("viewer", "headline", **names), durations=known)
    assert [each.seconds for each in estimate.stages.values()] == [7.0, 0.5]


def test_the_plan_has_a_line_for_each_stage_that_matters(catalog, costs):
    names = {"dataset": "mine", "recipe": "demo_i3d"}
    text = [*plan.lines(estimated(catalog, *jobs("headline", "probe", "flow", **names)), 2)]
    assert text[0].startswith("3 jobs: about 44 s on 2 cores (CPU), ")
    assert "up to 3.0 GB of memory a job" in text[0]
    assert text[1] == "mine: 4 videos, 36 s of video (here)"
    assert [line.split()[0] for line in text[2:]] == ["flow", "probe", "others"]


def test_shards_that_do_not_run_are_named_as_kept(tmp_path):
    for shard in (0, 1):
        write_csv(tmp_path / f"results/mine/demo_i3d/flow/shard{shard}.csv", ["id"], [])
    runs = jobs("flow", dataset="mine", shard=1)
    assert [*plan.kept_stages(runs, ["mine"], tmp_path)] == ["mine: kept flow (1 shards)"]
    assert [*plan.kept_stages([*runs, *runs], ["mine"], tmp_path)] == []


# The first lines of a run


def test_a_run_begins_with_its_videos_and_its_time_or_how_to_get_it():
    footage = {"mine": Footage({"train": 2}, {"train": 120.0}, 1, None, "manifest.csv")}
    state = {
        "targets": ["results/mine/co2net_map.csv"], "waiting": {"flow dataset=mine": 2},
        "jobs": {}, "stages": {}, "started": 0.0, "root": ".", "durations": {},
    }  # fmt: skip
    first, second = opening(state, 2, footage)
    assert first == "mine: 2 videos, 2 min of video (manifest.csv)"
    assert second.endswith("how long they take: wstal plan results/mine/co2net_map.csv")
    state["durations"] = {"flow dataset=mine": 40.0}
    assert opening(state, 2, footage)[1] == "2 jobs, about 40 s on 2 cores"


def test_the_command_prints_a_plan_that_the_next_run_counts_down_from(
    catalog, costs, clips, tmp_path, capsys
):
    (tmp_path / "wstal.yaml").write_text("datasets: {mine: {kind: folder, videos: clips}}\n")
    changes = "datasets={mine: {recipe: demo_i3d, shards: 2}}"
    words = ["results/mine/untrimmednet_map.csv", "--cores", "3", "--config", changes]
    assert plan.plan(plan.argparse.Namespace(words=words)) is None
    text = capsys.readouterr().out.splitlines()
    assert re.match(r"\d+ jobs: about .* on 3 cores \(CPU\), .* of disk", text[0])
    assert text[2].startswith("  train ") and text[2].endswith("400 updates of 0.500 s")
    expected = read_cached(tmp_path / run_progress.FOLDER / run_progress.EXPECTED)
    assert expected["flow dataset=mine recipe=demo_i3d"] == pytest.approx(
        2 + 4.5 + 2 * 0.25 + 36.4 / 2
    )
    assert RunProgress(tmp_path / run_progress.FOLDER).snapshot()["durations"] == expected
