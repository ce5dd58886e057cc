import pandas as pd
import pytest
import torch
from small_set import small_config, write_small_set
from wstal.data.annotations import training_view
from wstal.features.pack import FeatureFile
from wstal.localize.scores import ScoreHistory
from wstal.models import co2net
from wstal.train import checkpoint
from wstal.train.run import Block, RunFiles, blocks, train_run

CPU = torch.device("cpu")


class Killed(Exception):
    pass


@pytest.fixture
def train(tmp_path, project):
    path, annotations = write_small_set(tmp_path)

    def run(name, *, kill_after=None, code="c0de", seed=0, save_every=3, view=annotations):
        folder = tmp_path / name
        names = ("checkpoint.pt", "log.csv", "scores_by_iteration.h5")
        files = RunFiles(*(folder / n for n in names))
        steps = iter(range(10**6))

        class Watched:
            build = staticmethod(co2net.build)

            @staticmethod
            def loss(*args):
                if kill_after is not None and next(steps) >= kill_after:
                    raise Killed
                return co2net.loss(*args)

        with FeatureFile(path) as features:
            notes = train_run(
                Watched, features, training_view(view), small_config(project), files,
                seed=seed, code=code, device=CPU, save_every=save_every,
            )  # fmt: skip
        return files, notes

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
    assert history.iterations == [5, 10]
    assert {frozenset(s.videos) for s in history} == {frozenset({"v08", "v09", "v10"})}
    assert sorted(p.name for p in files.checkpoint.parent.iterdir()) == [
        "checkpoint.pt",
        "log.csv",
        "scores_by_iteration.h5",
    ]


@pytest.mark.parametrize("kill_after", [2, 3, 7, 10, 11])
def test_a_killed_run_ends_in_the_same_bytes(train, kill_after):
    whole, _ = train("whole")
    with pytest.raises(Killed):
        train("killed", kill_after=kill_after)
    assert not (whole.checkpoint.parent.parent / "killed/checkpoint.pt").exists()
    files, notes = train("killed")
    assert notes == ([f"continued at iteration {kill_after // 3 * 3}"] if kill_after > 2 else [])
    for a, b in ((whole.checkpoint, files.checkpoint), (whole.log, files.log)):
        assert a.read_bytes() == b.read_bytes()
    for a, b in zip(ScoreHistory(whole.scores), ScoreHistory(files.scores), strict=True):
        assert all((a.videos[v].cas == b.videos[v].cas).all() for v in a.videos)


def test_an_unfinished_run_of_other_code_or_seed_is_not_continued(train):
    for change in ({"code": "0ther"}, {"seed": 1}):
        with pytest.raises(Killed):
            train("x", kill_after=7)
        files, notes = train("x", **change)
        assert notes == [
            f"an unfinished run was not continued, it differs in: {next(iter(change))}"
        ]
        assert ScoreHistory(files.scores).iterations == [5, 10]
        files.checkpoint.unlink()


def test_a_damaged_save_is_named_and_not_used(train, tmp_path):
    with pytest.raises(Killed):
        train("x", kill_after=7)
    (tmp_path / "x/checkpoint.part.pt").write_bytes(b"half")
    files, notes = train("x")
    assert "checkpoint.part.pt is not a readable checkpoint" in notes[0]
    assert files.checkpoint.is_file()


def test_labels_of_test_videos_change_nothing(train, tmp_path):
    _, annotations = write_small_set(tmp_path)
    first, _ = train("a", view=annotations)
    for video in annotations.ids("test"):
        annotations.database[video]["labels"] = [annotations.classes[0]]
    second, _ = train("b", view=annotations)
    assert first.checkpoint.read_bytes() == second.checkpoint.read_bytes()
    assert first.scores.read_bytes() == second.scores.read_bytes()


def test_blocks_end_at_multiples():
    assert blocks(3, 12, 5) == [Block(3, 5), Block(5, 10), Block(10, 12)]
    assert blocks(12, 12, 5) == []
    assert blocks(0, 4, 5)[0].id == "iteration 4"
