import numpy as np
import pytest
import torch
from small_set import small_config, write_small_set
from wstal.data.annotations import Annotations, training_view
from wstal.data.batch import Batch
from wstal.data.dataset import TrainingSet
from wstal.errors import WstalError
from wstal.features.pack import FeatureFile
from wstal.localize.scores import Scores, VideoScores

CPU = torch.device("cpu")


@pytest.fixture
def small(tmp_path):
    path, annotations = write_small_set(tmp_path)
    with FeatureFile(path) as features:
        yield features, annotations


def test_batches_hold_rows_of_the_drawn_videos(small, project):
    features, annotations = small
    config = small_config(project)
    config["data"]["standardize"] = "none"
    data = TrainingSet(features, training_view(annotations), config, CPU)
    batch = data.draw(np.random.default_rng(0))
    assert isinstance(batch, Batch)
    assert batch.features.shape == (6, 12, 12) and batch.pairs == 2
    known = {row.tobytes() for v in data.ids for row in features.read(v, ["rgb", "flow"])}
    assert all(row.numpy().tobytes() in known for row in batch.features.flatten(0, 1))
    for pair in range(batch.pairs):
        assert torch.equal(batch.labels[2 * pair], batch.labels[2 * pair + 1])


def test_each_video_keeps_its_own_label(small, project):
    features, annotations = small
    config = small_config(project)
    config["data"] |= {"standardize": "none", "length": 40}
    data = TrainingSet(features, annotations, config, CPU)
    batch = data.draw(np.random.default_rng(1))
    for rows, label in zip(batch.features, batch.labels, strict=True):
        first = rows[0].numpy()
        video = next(
            v for v in data.ids if (features.read(v, ["rgb", "flow"]) == first).all(1).any()
        )
        assert label.tolist() == annotations.label_matrix([video])[0].tolist()


def test_only_training_videos_are_resident(small, project):
    features, annotations = small
    data = TrainingSet(features, annotations, small_config(project), CPU)
    assert set(data.ids) == set(annotations.ids("train"))
    assert len(data.rows) == data.lengths.sum()
    torch.testing.assert_close(data.rows.mean(0), torch.zeros(12), atol=1e-5, rtol=0)


def test_what_the_data_do_not_offer_is_said(tmp_path, project):
    path, annotations = write_small_set(tmp_path, train=4, classes=3)  # classes 1 and 2: one video
    config = small_config(project)
    with FeatureFile(path) as features:
        notes = TrainingSet(features, annotations, config, CPU).notes
        assert notes == ["classes with a single training video train without pairs: class1, class2"]
        config["data"]["min_snippets"] = 19
        notes = TrainingSet(features, annotations, config, CPU).notes
        assert any("fewer than 19 snippets left out" in note for note in notes)


def test_a_single_video_trains_without_pairs_and_says_so(tmp_path, project):
    path, annotations = write_small_set(tmp_path, train=1, classes=2)
    with FeatureFile(path) as features:
        data = TrainingSet(features, annotations, small_config(project), CPU)
    assert data.draw(np.random.default_rng(0)).pairs == 0
    assert "no class has two training videos: the run trains without pairs" in data.notes
    assert "classes without a training video: class1" in data.notes


def test_no_training_video_is_an_error(small, project):
    features, annotations = small
    empty = Annotations(annotations.classes, {})
    with pytest.raises(WstalError, match="no training video has features"):
        TrainingSet(features, empty, small_config(project), CPU)


def test_whole_videos_are_padded_with_zeros_under_a_mask(small, project):
    features, annotations = small
    config = small_config(project)
    config["data"] |= {"standardize": "none", "length": None, "order": "epochs", "pairs": 0}
    data = TrainingSet(features, training_view(annotations), config, CPU)
    batch = data.draw(np.random.default_rng(0))
    lengths = batch.mask.sum(1)
    assert batch.features.shape[1] == lengths.max() and len(set(lengths.tolist())) > 1
    assert not batch.features[~batch.mask].any()
    known = {features.read(v, ["rgb", "flow"]).tobytes() for v in data.ids}
    for rows, mask in zip(batch.features, batch.mask, strict=True):
        assert rows[mask].numpy().tobytes() in known
    assert data.updates_per_epoch == 2


def test_upstream_scores_follow_the_snippets(small, project):
    features, annotations = small
    config = small_config(project)
    config["data"]["standardize"] = "none"
    videos = {
        v: VideoScores(rows[:, :4], rows[:, 0], rows[0, :3])
        for v in annotations.ids("train")
        for rows in [features.read(v, ["rgb", "flow"])]
    }
    upstream = Scores(annotations.classes, videos)
    data = TrainingSet(features, annotations, config, CPU, upstream)
    batch = data.draw(np.random.default_rng(0))
    assert torch.equal(batch.upstream["cas"], batch.features[..., :4])
    assert torch.equal(batch.upstream["attention"], batch.features[..., 0])
    assert batch.upstream["video_score"].shape == (6, 3)
    assert data.digest() != TrainingSet(features, annotations, config, CPU).digest()
