"""Runs from features to files: written, killed, resumed, started from another's weights."""

from __future__ import annotations

import os
import runpy
from dataclasses import replace

import h5py
import pandas as pd
import pytest
import torch
from method_configs import small_config
from small_set import write_small_set
from torch import nn
from wstal.base.errors import WstalError
from wstal.base.lock import only_process
from wstal.datasets.annotations import training_view
from wstal.evaluate.summary import log_summary
from wstal.features.pack import FeatureFile
from wstal.localize.scores import ScoreHistory
from wstal.methods.co2net.loss import TRAINING
from wstal.train import checkpoint
from wstal.train import run as run_module
from wstal.train.run import Block, RunFiles, blocks, initialize, resume, train_run, weights_digest

CPU = torch.device("cpu")


class Killed(Exception):
    pass


@pytest.fixture
def train(tmp_path, project, monkeypatch):
    original, annotations = write_small_set(tmp_path)

    def run(name, *, kill_after=None, view=None, path=original, config=None, **changes):
        folder = tmp_path / name
        names = ("checkpoint.pt", "log.csv", "scores_by_iteration.h5")
        files = RunFiles(*(folder / n for n in names))
        steps = iter(range(10**6))

        def watched_loss(*args):
            if kill_after is not None and next(steps) >= kill_after:
                raise Killed
            return TRAINING.loss(*args)

        watched = replace(TRAINING, loss=watched_loss)
        monkeypatch.setattr("wstal.train.loop.training_half", lambda name: watched)
        settings = config or small_config(project)
        options = {"seed": 0, "code": "c0de", "device": CPU, "save_every": 3} | changes
        with FeatureFile(path) as features:
            labels = view or training_view(annotations)
            notes = train_run(features, labels, settings, files, **options)
        assert "a training sequence has" in notes[0] and "training videos" in notes[1]
        return files, notes[2:]

    return run


def test_a_run_writes_checkpoint_log_and_test_scores(train):
    files, notes = train("a")
    assert notes == []
    content = checkpoint.load(files.checkpoint)
    assert content["iteration"] == 12 and content["code"] == "c0de" and content["seed"] == 0
    assert content["config"]["method"] == "co2net" and content["dims"] == {"rgb": 6, "flow": 6}
    assert set(content) >= {"model", "optimizer", "random", "versions", "classes"}
    assert list(pd.read_csv(files.log)["iteration"]) == [4, 8, 12]
    history = ScoreHistory(files.scores)
    assert history.iterations == [5, 10, 12]
    assert {frozenset(s.videos) for s in history} == {frozenset({"v08", "v09", "v10"})}
    assert sorted(p.name for p in files.checkpoint.parent.iterdir()) == [
        ".finished",
        "checkpoint.pt",
        "log.csv",
        "scores_by_iteration.h5",
    ]


def test_the_log_grows_while_training_runs_and_goes_on_after_a_kill(train, tmp_path):
    rows, live = [], tmp_path / "a/log.part.csv"

    def record(row):
        assert row["iteration"] in list(pd.read_csv(live)["iteration"])
        rows.append(row["iteration"])

    with pytest.raises(Killed):
        train("a", kill_after=11, record=record)
    assert rows == [4, 8] and list(pd.read_csv(live)["iteration"]) == [4, 8]
    with live.open("a") as file:
        file.write("12,0.")  # what a power cut may leave
    rows.clear()
    files, _ = train("a", record=record)  # continues at iteration 9
    assert rows == [4, 8, 12] and not live.exists()
    assert files.log.read_bytes() == train("b")[0].log.read_bytes()


def test_progress_names_iteration_and_loss(train):
    seen = []

    def track(blocks):
        for block in blocks:
            yield block
            seen.append(block.id)

    files, _ = train("a", track=track)
    last = pd.read_csv(files.log).iloc[-1]
    assert seen[-1].startswith("iteration 12, loss ")
    assert len(seen) == 3 and float(seen[-1].split()[-1]) == pytest.approx(last["total"], rel=1e-3)


def test_tensorboard_has_the_rows_of_the_log(train, tmp_path, project):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    script = runpy.run_path(str(project / "scripts/train.py"))
    with pytest.raises(Killed):
        train("a", kill_after=11, record=script["tensorboard"](tmp_path / "events"))
    files, _ = train("a", record=script["tensorboard"](tmp_path / "events"))
    events = EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    log = pd.read_csv(files.log)
    assert set(events.Tags()["scalars"]) == set(log.columns) - {"iteration"}
    for name in log.columns.drop("iteration"):
        found = events.Scalars(name)
        assert [each.step for each in found] == list(log["iteration"])
        assert [each.value for each in found] == pytest.approx(list(log[name]), rel=1e-6)


@pytest.mark.parametrize("kill_after", [2, 3, 7, 10, 11])
def test_a_killed_run_ends_in_the_same_bytes(train, kill_after):
    whole, _ = train("whole")
    with pytest.raises(Killed):
        train("killed", kill_after=kill_after)
    assert not (whole.checkpoint.parent.parent / "killed/checkpoint.pt").exists()
    files, notes = train("killed")
    assert notes == ([f"continued at iteration {kill_after // 3 * 3}"] if kill_after > 2 else [])
    for name in ("checkpoint", "log", "scores"):
        assert getattr(whole, name).read_bytes() == getattr(files, name).read_bytes(), name


def test_a_second_process_does_not_train_the_same_run(train, tmp_path):
    with only_process(tmp_path / "x/.lock", "trains this run and seed"):
        with pytest.raises(WstalError, match=rf"process {os.getpid()} .* trains this run and seed"):
            train("x")
        assert [path.name for path in (tmp_path / "x").iterdir()] == [".lock"]
        train("y")  # another folder
    assert ScoreHistory(train("x")[0].scores).iterations == [5, 10, 12]


@pytest.mark.parametrize("lost", [5, 12])
def test_a_run_that_lost_the_scores_of_an_interval_writes_no_outputs(train, monkeypatch, lost):
    written = run_module.write_scores

    def write(path, scores):
        if scores.iteration != lost:
            written(path, scores)

    monkeypatch.setattr(run_module, "write_scores", write)
    with pytest.raises(WstalError, match=rf"scores of 1 of 3 intervals .*\({lost:08d}\.h5\)"):
        train("x")
    monkeypatch.undo()
    files, notes = train("x")
    assert ScoreHistory(files.scores).iterations == [5, 10, 12]


def test_an_unfinished_run_of_other_code_or_seed_is_not_continued(train):
    for change in ({"code": "0ther"}, {"seed": 1}):
        with pytest.raises(Killed):
            train("x", kill_after=7)
        files, notes = train("x", **change)
        assert notes == [
            f"an unfinished run was not continued, because it differs in: {next(iter(change))}"
        ]
        assert ScoreHistory(files.scores).iterations == [5, 10, 12]
        files.checkpoint.unlink()


def test_validation_videos_are_scored_at_every_interval_too(train, tmp_path):
    (tmp_path / "set").mkdir()
    path, view = write_small_set(tmp_path / "set", val=2)
    files, _ = train("x", path=path, view=training_view(view))
    subsets = {video: entry["subset"] for video, entry in view.database.items()}
    for scores in ScoreHistory(files.scores):
        assert sorted(subsets[video] for video in scores.videos) == ["test"] * 3 + ["val"] * 2
    without, _ = train("y")
    models = [checkpoint.load(f.checkpoint)["model"] for f in (files, without)]
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])


def test_resuming_loads_to_the_cpu_wherever_the_run_is(train, tmp_path, project, monkeypatch):
    with pytest.raises(Killed):
        train("x", kill_after=7)
    whole, _ = train("whole")
    monkeypatch.setattr(run_module, "resume", _resume_elsewhere)
    files, notes = train("x")
    assert notes == ["continued at iteration 6"]
    assert files.checkpoint.read_bytes() == whole.checkpoint.read_bytes()


def _resume_elsewhere(trainer, files, identity):
    """As on a GPU: tensors moved to the trainer's device are of no use to a CPU generator."""
    trainer.device = torch.device("meta")
    return resume(trainer, files, identity)


@pytest.mark.parametrize("interval", [1, 100])
def test_a_run_that_diverges_between_log_lines_stops_and_saves_nothing_of_it(
    train, tmp_path, project, interval
):
    config = small_config(project)
    config["train"] |= {"log_interval": 100, "score_interval": 100}
    config["train"]["lr"] = 1e30
    with pytest.raises(WstalError, match=r"iteration \d+: the (loss is|weights .*) "):
        train("x", config=config, save_every=interval)
    saved = list((tmp_path / "x").glob("*"))
    assert [path.name for path in saved] == ["checkpoint.part.pt"] * (interval == 1)
    for path in saved:
        assert all(value.isfinite().all() for value in checkpoint.load(path)["model"].values())


def _added(folder):
    return write_small_set(folder, train=9, test=2)  # v08 is a training video now


def _relabelled(folder):
    path, annotations = write_small_set(folder)
    annotations.database["v03"]["labels"] = [annotations.classes[1]]
    return path, annotations


def _other_training_features(folder):
    path, annotations = write_small_set(folder)
    with h5py.File(path, "r+") as file:
        file["v05/flow"][2, 3] += 1
    return path, annotations


def _other_test_features(folder):
    path, annotations = write_small_set(folder)
    with h5py.File(path, "r+") as file:
        file["v09/rgb"][0, 0] += 1
    return path, annotations


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_added, "training data, scored videos"),
        (_relabelled, "training data"),
        (_other_training_features, "training data"),
        (_other_test_features, "scored videos"),
    ],
)
def test_an_unfinished_run_on_other_data_is_not_continued(train, tmp_path, project, change, named):
    config = small_config(project)
    config["data"]["standardize"] = "none"  # its statistics would tell, but they are not asked
    with pytest.raises(Killed):
        train("x", kill_after=7, config=config)
    (tmp_path / "other").mkdir()
    path, view = change(tmp_path / "other")
    files, notes = train("x", path=path, view=training_view(view), config=config)
    assert notes == [f"an unfinished run was not continued, because it differs in: {named}"]
    fresh, _ = train("fresh", path=path, view=training_view(view), config=config)
    assert files.checkpoint.read_bytes() == fresh.checkpoint.read_bytes()
    assert files.scores.read_bytes() == fresh.scores.read_bytes()


def test_a_damaged_save_is_named_and_not_used(train, tmp_path):
    with pytest.raises(Killed):
        train("x", kill_after=7)
    (tmp_path / "x/checkpoint.part.pt").write_bytes(b"half")
    files, notes = train("x")
    assert "checkpoint.part.pt is not a readable checkpoint" in notes[0]
    assert files.checkpoint.is_file()


def test_annotations_of_test_videos_change_nothing(train, tmp_path):
    _, annotations = write_small_set(tmp_path)
    first, _ = train("a", view=annotations)
    for video in annotations.ids("test"):
        entry, other = annotations.database[video], annotations.classes[2]
        assert entry["labels"] != [other] or entry["annotations"][0]["segment"] != [0.0, 0.64]
        entry["labels"] = [other]
        entry["annotations"] = [{"segment": [0.0, 0.64], "label": other}]
    second, _ = train("b", view=annotations)
    third, _ = train("c", view=training_view(annotations))
    for files in (second, third):
        assert first.checkpoint.read_bytes() == files.checkpoint.read_bytes()
        assert first.scores.read_bytes() == files.scores.read_bytes()


def test_blocks_end_at_multiples():
    assert blocks(3, 12, 5) == [Block(3, 5), Block(5, 10), Block(10, 12)]
    assert blocks(12, 12, 5) == []
    assert blocks(0, 4, 5)[0].id == "iteration 4"


@pytest.mark.parametrize("damage", ["gone", "empty"])
def test_a_run_without_its_scores_so_far_is_not_continued(train, tmp_path, damage):
    whole, _ = train("whole")
    with pytest.raises(Killed):
        train("x", kill_after=11)
    part = tmp_path / "x/scores_by_iteration.parts/00000005.h5"
    part.unlink() if damage == "gone" else part.write_bytes(b"")
    files, notes = train("x")
    assert "00000005.h5" in notes[0] and "not continued" in notes[0]
    assert files.scores.read_bytes() == whole.scores.read_bytes()
    assert files.checkpoint.read_bytes() == whole.checkpoint.read_bytes()


@pytest.mark.parametrize("lost", ["checkpoint.pt", "log.csv", "all"])
def test_a_finished_run_is_not_trained_again(train, lost):
    files, _ = train("a")
    content = {path: path.read_bytes() for path in files.outputs}
    for path in files.outputs:
        if lost in (path.name, "all"):  # Snakemake removes them before it starts the job again
            path.unlink()
    files.part.write_bytes(b"")  # it was killed before it removed them
    files.score_parts.mkdir()
    _, notes = train("a", kill_after=0)
    assert not files.part.exists() and not files.score_parts.exists()
    assert notes == ["kept the finished run: config, code, seed and data are the same"]
    assert {path: path.read_bytes() for path in files.outputs} == content


def test_a_finished_run_of_other_code_or_with_damage_is_trained_again(train):
    files, _ = train("a")
    with pytest.raises(Killed):
        train("a", kill_after=0, code="0ther")
    with files.log.open("r+b") as file:  # in place: the link has the same bytes
        file.write(b"x")
    with pytest.raises(Killed):
        train("a", kill_after=0)


def test_a_run_killed_while_it_wrote_scores_is_continued(train, tmp_path):
    whole, _ = train("whole")
    with pytest.raises(Killed):
        train("x", kill_after=7)
    parts = tmp_path / "x/scores_by_iteration.parts"
    (parts / ".00000005.0123456789ab.h5").write_bytes(b"half")
    files, notes = train("x")
    assert notes == ["continued at iteration 6"]
    assert files.scores.read_bytes() == whole.scores.read_bytes()
    assert not parts.exists()


def test_weights_of_the_same_name_and_shape_are_copied():
    source, model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2)), nn.Sequential(nn.Linear(3, 2))
    assert initialize(model, source.state_dict()) == []
    assert torch.equal(model[0].weight, source[0].weight)


def test_what_starts_anew_is_said():
    source = nn.Sequential(nn.Linear(3, 2))
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 4))
    before = model[1].weight.clone()
    (note,) = initialize(model, source.state_dict())
    assert note.startswith("drawn anew") and note.endswith(": 1.bias, 1.weight")
    assert torch.equal(model[1].weight, before)


def test_runs_of_different_kinds_are_refused():
    with pytest.raises(WstalError, match="no weight of that run"):
        initialize(nn.Linear(3, 2), nn.Linear(4, 5).state_dict())


def test_the_digest_follows_the_values():
    model = nn.Linear(3, 2)
    before = weights_digest(model.state_dict())
    assert before == weights_digest(model.state_dict())
    with torch.no_grad():
        model.bias[0] += 1
    assert weights_digest(model.state_dict()) != before


def log(*values):
    steps = range(10, 10 * len(values) + 1, 10)
    return pd.DataFrame({"iteration": steps, "total": values, "pseudo_active": 0.5})


def test_the_last_tenth_is_averaged_and_then_the_seeds():
    first, second = log(*[9] * 18, 1, 2), log(*[9] * 18, 3, 6)
    found = log_summary({"a": first, "b": second}).set_index("value")
    assert found.loc["total", "mean"] == pytest.approx(3.0)  # of 1.5 and 4.5
    assert found.loc["total", "sd"] == pytest.approx(4.5**0.5)
    assert found.loc["pseudo_active", "mean"] == 0.5 and found.loc["total", "n"] == 2
    assert set(found["iterations"]) == {"181-200"}


def test_a_log_without_rows_is_named():
    with pytest.raises(WstalError, match="seed0/log.csv has no rows"):
        log_summary({"seed0/log.csv": log()})


def test_a_length_in_seconds_is_the_snippets_that_fit_the_step_of_the_features(train, project):
    weights = {}
    for name, data in (("seconds", {"length_seconds": 6.3}), ("snippets", {"length": 10})):
        files, notes = train(name, config=small_config(project, data=data))
        weights[name] = checkpoint.load(files.checkpoint)["model"]
    assert weights_digest(weights["seconds"]) == weights_digest(weights["snippets"])
