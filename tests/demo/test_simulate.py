"""The simulated bench: frozen, fair to both streams, free of leaks, with THUMOS14's statistics."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import warm_python
import yaml
from wstal.base.errors import WstalError
from wstal.base.files import canonical_json
from wstal.config.catalog import load_catalog
from wstal.datasets.annotations import (
    Annotations,
    read_annotations,
    training_view,
    write_annotations,
)
from wstal.demo.simulate import (
    GRID,
    Channels,
    Columns,
    Evidence,
    StreamChannels,
    Video,
    correlated,
    covered,
    draw_annotations,
    generator,
    manifest_rows,
    on_grid,
    read_settings,
    simulate_features,
    simulated_videos,
    stream_concepts,
)
from wstal.features.pack import FeatureFile

CONFIG_DIGEST = "6d9c311ffc87e24cf0c3e25c9c3b2fd655d335e903a673e3685ddb94fa045e8e"
VIDEOS_DIGEST = "91205bf568471db76b5a52c6852d2cdb9862159756f42c8a4e4c90b243eb5a44"
VAL_DIGEST = "3f103c722175ef7cb996d95c1c74e07c2cbe8439c37b92a1ba6dd6e93f424c6d"
NUMBERS_DIGEST = "e4ffce60c197b772e3ba6f21911516565506ff5f699d40ac4adbf6280426b2c2"
STEP = 0.64
RECIPE = {"simulated": {"dims": {"rgb": 128, "flow": 128}}, "dtype": "float16"}


def every(annotations: Annotations, n: int) -> Annotations:
    """Each n-th video."""
    kept = list(annotations.database)[::n]
    return replace(annotations, database={i: annotations.database[i] for i in kept})


def digest(value: object) -> str:
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def test_the_simulator_is_frozen(simulation: dict, drawn: Annotations, project: Path) -> None:
    """A change here changes the bench: every number made on it would have to be made again."""
    recipes = [
        yaml.safe_load((project / f"workflow/config/features/{name}.yaml").read_text())
        for name in ("sim128", "sim1024")
    ]
    assert digest([simulation, *recipes]) == CONFIG_DIGEST
    assert digest(drawn.database) == VIDEOS_DIGEST
    numbers = [
        np.round(features[:3, ::8].astype(float), 2).tolist()
        for recipe in recipes
        for _, streams in simulated_videos(every(drawn, 150), simulation, recipe)
        for features in streams.values()
    ]
    assert digest(numbers) == NUMBERS_DIGEST


def test_the_validation_videos_are_frozen_beside_the_same_training_videos(
    simulation: dict, drawn: Annotations, project: Path
) -> None:
    path = project / "workflow/config/datasets/thumos14_sim_val.yaml"
    own = yaml.safe_load(path.read_text())
    assert own["settings"] == own["like"] == "thumos14_sim"
    assert set(own["simulate"]) == {"test_seed"}
    settings = load_catalog().datasets["thumos14_sim_val"]["simulate"]
    val = draw_annotations(settings)
    assert digest(val.database) == VAL_DIGEST
    trained, scored = val.ids("train"), val.ids("test")
    assert {i: val.database[i] for i in trained} == {
        i: drawn.database[i] for i in drawn.ids("train")
    }
    assert len(scored) == len(drawn.ids("test")) and not set(scored) & set(drawn.database)
    entries = [drawn.database[i] for i in drawn.ids("test")]
    assert not [i for i in scored if val.database[i] in entries]
    ours, theirs = (
        dict(simulated_videos(replace(each, database=some), config, RECIPE))
        for each, config in ((drawn, simulation), (val, settings))
        for some in [{i: each.database[i] for i in trained[::50]}]
    )
    for video, streams in ours.items():
        for name, features in streams.items():
            np.testing.assert_array_equal(features, theirs[video][name])


def test_a_video_does_not_depend_on_the_others(simulation: dict, drawn: Annotations) -> None:
    few, fewer = every(drawn, 40), every(drawn, 80)
    features = dict(simulated_videos(few, simulation, RECIPE))
    for video, streams in simulated_videos(fewer, simulation, RECIPE):
        for name, array in streams.items():
            np.testing.assert_array_equal(array, features[video][name])
    reseeded = dict(simulated_videos(fewer, {**simulation, "seed": 1}, RECIPE))
    assert all(not np.array_equal(reseeded[v]["rgb"], features[v]["rgb"]) for v in reseeded)


def test_features_look_like_a_rectified_networks(simulation: dict, drawn: Annotations) -> None:
    for video, streams in simulated_videos(every(drawn, 60), simulation, RECIPE):
        for array in streams.values():
            assert array.shape == (int(drawn.database[video]["duration"] / STEP + 1e-3), 128)
            assert array.dtype == np.float16
            assert array.min() == 0
            assert 0.3 < (array == 0).mean() < 0.8
            assert 0.1 < array.mean() < 1.0


def separability(x: np.ndarray, action: np.ndarray, train: np.ndarray) -> float:
    """Area under the curve of a ridge probe that is told which snippets are action."""
    x = np.c_[x - x[train].mean(0), np.ones(len(x))]
    gram = x[train].T @ x[train] + 10 * np.eye(x.shape[1])
    score = x[~train] @ np.linalg.solve(gram, x[train].T @ action[train].astype(float))
    rank = score.argsort().argsort() + 1
    positive = action[~train]
    n, m = positive.sum(), (~positive).sum()
    return (rank[positive].sum() - n * (n + 1) / 2) / (n * m)


def test_two_streams_tell_more_than_either(simulation: dict, drawn: Annotations) -> None:
    some = every(drawn, 3)
    streams: dict[str, list] = {"rgb": [], "flow": []}
    action, train = [], []
    for video, features in simulated_videos(some, simulation, RECIPE):
        rows = len(features["rgb"])
        for name in streams:
            streams[name].append(features[name].astype(np.float32))
        items = some.database[video]["annotations"]
        shares = [covered(*item["segment"], rows, STEP) for item in items]
        action.append(np.max(shares, 0) >= 0.5)
        train.append(np.full(rows, some.database[video]["subset"] == "train"))
    truth, split = np.concatenate(action), np.concatenate(train)
    rgb, flow = (np.concatenate(streams[name]) for name in ("rgb", "flow"))
    alone = max(separability(rgb, truth, split), separability(flow, truth, split))
    both = separability(np.c_[rgb, flow], truth, split)
    assert 0.7 < alone < both - 0.02
    assert both < 0.98


def test_the_file_holds_features_and_nothing_of_the_segments(
    simulation: dict, drawn: Annotations, tmp_path: Path
) -> None:
    few = every(drawn, 60)
    path = tmp_path / "features.h5"
    coverage = simulate_features(
        path, few, simulation, RECIPE, dataset="thumos14_sim", recipe_name="sim128"
    )
    assert [row["id"] for row in coverage] == list(few.database)
    with FeatureFile(path) as file:
        assert file.streams == ["flow", "rgb"]
        assert file.attrs["note"] == "simulated data"
        assert file.attrs["step"] == STEP
        assert set(file.ids("train")) == set(few.ids("train"))
        assert set(json.loads(file.attrs["provenance_json"])["simulator"]) == {
            "dims",
            "dtype",
            "simulate",
        }
        for row in coverage:
            assert file.read(row["id"], ["rgb", "flow"]).shape == (row["rows"], 256)
            assert set(file.video_attrs(row["id"])) == {"id", "split", "duration", "status"}
    view = training_view(few)
    assert set(view.database) == set(few.ids("train"))
    assert not any(entry["annotations"] for entry in view.database.values())


def test_the_manifest_says_that_nothing_was_filmed(drawn: Annotations) -> None:
    rows = manifest_rows(drawn)
    assert len(rows) == 412
    assert {row["reason"] for row in rows} == {"simulated data"}


def test_bad_settings_are_named(simulation: dict, drawn: Annotations) -> None:
    few = every(drawn, 200)
    with pytest.raises(WstalError, match="simulate.evidence.*nois"):
        list(simulated_videos(few, {**simulation, "evidence": {"nois": 1}}, RECIPE))
    wrong = {**simulation["channels"], "density": -1}
    with pytest.raises(WstalError, match="simulate.channels.*density"):
        list(simulated_videos(few, {**simulation, "channels": wrong}, RECIPE))
    with pytest.raises(WstalError, match="expected rgb and flow"):
        list(simulated_videos(few, simulation, {"simulated": None, "dtype": "float16"}))
    untimed = replace(few, database={"x": {**next(iter(few.database.values())), "duration": None}})
    with pytest.raises(WstalError, match="x has no duration"):
        list(simulated_videos(untimed, simulation, RECIPE))


def test_scripts_write_what_the_rules_ask_for(
    simulation: dict, drawn: Annotations, project: Path, tmp_path: Path
) -> None:
    given = tmp_path / "given.json"
    write_annotations(given, every(drawn, 80))

    def script(name: str, **options: object) -> None:
        words = [str(x) for key, value in options.items() for x in (f"--{key}", value)]
        command = [sys.executable, project / f"scripts/{name}.py", *words]
        warm_python.run(command, check=True, cwd=tmp_path)

    settings = json.dumps(simulation)
    script(
        "simulate_annotations",
        **{"config": settings, "annotations": given, "output": "annotations.json"},
        **{"training": "training_labels.json", "manifest": "manifest.csv"},
    )
    read = read_annotations(tmp_path / "annotations.json")
    assert read.database == every(drawn, 80).database
    assert "simulated" in (tmp_path / "annotations.json").read_text()[:80]
    assert not read_annotations(tmp_path / "training_labels.json").ids("test")
    script(
        "simulate_features",
        **{"dataset": "thumos14_sim", "config": settings, "recipe": "sim128"},
        **{"recipe-json": json.dumps(RECIPE), "annotations": tmp_path / "annotations.json"},
        **{"output": "features.h5", "coverage": "coverage.csv", "missing": "missing.csv"},
    )
    with FeatureFile(tmp_path / "features.h5") as file:
        assert sorted(file.ids()) == sorted(read.database)
    assert len((tmp_path / "coverage.csv").read_text().splitlines()) == 1 + len(read.database)
    assert (tmp_path / "missing.csv").read_text() == "id,split,status,rows,reason\n"


PLAIN = Channels(0.2, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def test_without_disturbance_a_channel_is_the_rectified_sum_of_its_concepts() -> None:
    channels = StreamChannels("rgb", 10, 64, PLAIN, 3)
    assert (channels.excitation > 0).mean() == pytest.approx(0.2, abs=0.05)
    concepts = on_grid(generator(0, "test").standard_normal((7, 10)))
    expected = (concepts @ channels.excitation).clip(0)
    np.testing.assert_array_equal(channels.features("v", concepts), expected)


def test_videos_and_streams_differ_in_gain_and_shift() -> None:
    disturbed = Channels(0.2, 0.3, 0.0, 0.0, 0.1, 0.2, 0.1)
    ones = np.ones((4, 10))
    rgb, flow = (StreamChannels(s, 10, 64, disturbed, 3) for s in ("rgb", "flow"))
    assert not np.allclose(rgb.features("a", ones), rgb.features("b", ones))
    assert not np.allclose(rgb.excitation, flow.excitation)
    np.testing.assert_allclose(rgb.features("a", ones), rgb.features("a", ones)[:1].repeat(4, 0))


def test_sums_on_the_grid_are_exact_in_any_order() -> None:
    rng = generator(1, "grid")
    a, b = on_grid(rng.standard_normal((3, 200))), on_grid(rng.standard_normal((200, 2)))
    exact = [
        [sum(Fraction(x) * Fraction(y) for x, y in zip(row, column, strict=True)) for column in b.T]
        for row in a.tolist()
    ]
    assert (a @ b).tolist() == [[float(x) for x in row] for row in exact]
    assert np.all(a * GRID == np.round(a * GRID))


def test_a_purpose_has_its_own_numbers() -> None:
    first = generator(5, "video", "noise").random(4)
    np.testing.assert_array_equal(first, generator(5, "video", "noise").random(4))
    for other in (generator(6, "video", "noise"), generator(5, "video", "concepts")):
        assert not np.array_equal(first, other.random(4))


@dataclass(frozen=True)
class Pair:
    a: float
    b: float


def test_settings_are_read_or_named() -> None:
    assert read_settings(Pair, {"pair": {"a": 1, "b": 2}}, "pair") == Pair(1, 2)
    for given, message in (
        ({"a": 1}, "missing .*b"),
        ({"a": 1, "b": 2, "c": 3}, "unknown .*c"),
        ({"a": 1, "b": -2}, "b.* must not be negative"),
    ):
        with pytest.raises(WstalError, match=f"simulate.pair.*{message}"):
            read_settings(Pair, {"pair": given}, "pair")


@pytest.fixture
def columns(simulation):
    return Columns(5, read_settings(Evidence, simulation, "evidence"))


def test_every_column_has_one_meaning_and_none_is_left_over(columns):
    classes, phases = columns.classes, columns.evidence.phases
    actions = [columns.action(label, phase) for label in range(classes) for phase in range(phases)]
    own = [columns.context(label)[0] for label in range(classes)]
    shared = {columns.context(label)[1] for label in range(classes)}
    rest = chain.from_iterable(
        range(*columns.of(kind).indices(columns.count))
        for kind in ("movers", "clutter_kinds", "scenes")
    )
    used = [*actions, *own, *shared, *rest]
    assert len(used) == len(set(used))
    unused_groups = max(columns.evidence.groups - classes, 0)
    assert len(used) == columns.count - unused_groups
    assert max(used) == columns.count - 1


def test_unknown_kind_is_refused(columns):
    with pytest.raises(KeyError, match="weather"):
        columns.of("weather")


def test_actions_show_in_both_streams_and_false_evidence_in_one(simulation: dict) -> None:
    evidence = Evidence(**{**simulation["evidence"], "weak_stream": 0, "false_per_minute": 6})
    columns = Columns(20, evidence)
    video = Video("v", [3], [(100.0, 110.0, 3)], 2000)
    shown = stream_concepts(video, 20, evidence, 0, STEP)
    action = {s: x[:, : 20 * evidence.phases].max(1) for s, x in shown.items()}
    inside = covered(100.0, 110.0, 2000, STEP) > 0.99
    for stream, strength in action.items():
        assert strength[inside].mean() > 0.6, stream
        phase = shown[stream][inside][:, columns.action(3, 0) : columns.action(4, 0)]
        assert phase.max() == strength[inside].max()
    false = {s: (x > 0.7) & ~inside for s, x in action.items()}
    assert min(false["rgb"].sum(), false["flow"].sum()) > 50
    both = (false["rgb"] & false["flow"]).sum()
    assert both < 0.2 * min(false["rgb"].sum(), false["flow"].sum())


def test_surroundings_are_strongest_beside_the_action(simulation: dict) -> None:
    evidence = Evidence(**{**simulation["evidence"], "context_probability": 1.0})
    segments = [(40.0 * k, 40.0 * k + 5, 3) for k in range(1, 30)]
    shown = stream_concepts(Video("v", [3], segments, 2000), 20, evidence, 0, STEP)
    own = shown["rgb"][:, Columns(20, evidence).context(3)[0]]
    beside = np.max([covered(s - STEP, s, 2000, STEP) for s, _, _ in segments], 0) > 0
    far = np.max([covered(s + 15, s + 30, 2000, STEP) for s, _, _ in segments], 0) > 0
    assert own[beside].mean() > own[far].mean() + 0.15


def test_concepts_have_columns_of_their_own(simulation: dict) -> None:
    evidence = Evidence(**simulation["evidence"])
    columns = Columns(20, evidence)
    used = [columns.action(c, p) for c in range(20) for p in range(evidence.phases)]
    used += sorted({column for c in range(20) for column in columns.context(c)})
    for kind in ("movers", "clutter_kinds", "scenes"):
        used += range(columns.count)[columns.of(kind)]
    assert sorted(used) == list(range(columns.count))
    with pytest.raises(KeyError):
        columns.of("dragons")


def test_noise_is_as_correlated_as_it_says() -> None:
    noise = correlated((50_000, 2), 0.7, np.random.default_rng(0))
    assert noise.std(0) == pytest.approx([1, 1], rel=0.03)
    for column in noise.T:
        assert np.corrcoef(column[1:], column[:-1])[0, 1] == pytest.approx(0.7, abs=0.02)
    assert abs(np.corrcoef(noise.T)[0, 1]) < 0.03


def test_coverage_of_snippets() -> None:
    np.testing.assert_allclose(covered(0.5, 2.25, 4, 1.0), [0.5, 1, 0.25, 0])


@dataclass(frozen=True)
class Noise:
    spread: float
    kinds: int


def test_settings_become_their_dataclass():
    assert read_settings(Noise, {"noise": {"spread": 0.5, "kinds": 3}}, "noise") == Noise(0.5, 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"spread": 0.5, "kind": 3}, r"simulate.noise .* unknown \['kind'\], missing \['kinds'\]"),
        ({"spread": -0.5, "kinds": 3}, r"simulate.noise .* \['spread'\] must not be negative"),
    ],
)
def test_mistakes_are_named(given, message):
    with pytest.raises(WstalError, match=message):
        read_settings(Noise, {"noise": given}, "noise")


def test_counts_are_the_published_ones(drawn: Annotations) -> None:
    assert len(drawn.classes) == 20
    for subset, videos, mixed in (("train", 200, 27), ("test", 212, 34)):
        ids = drawn.ids(subset)
        assert len(ids) == videos
        assert sum(len(drawn.database[i]["labels"]) > 1 for i in ids) == mixed
        assert drawn.label_matrix(ids).sum(0).min() >= 10


@pytest.mark.parametrize("subset", ["train", "test"])
def test_lengths_and_background_are_like_the_published_ones(
    drawn: Annotations, subset: str
) -> None:
    truth = drawn.ground_truth(subset)
    lengths = truth.t_end - truth.t_start
    durations = np.array([drawn.database[i]["duration"] for i in drawn.ids(subset)])
    assert len(truth) / len(durations) == pytest.approx(15, rel=0.1)
    assert lengths.median() == pytest.approx(3.0, rel=0.15)
    assert lengths.mean() == pytest.approx(4.3, rel=0.1)
    assert lengths.quantile(0.95) == pytest.approx(11, rel=0.2)
    assert durations.mean() == pytest.approx(213, rel=0.05)
    assert 1000 < durations.max() <= 1673.5
    once = truth.drop_duplicates(["video_id", "t_start", "t_end"])
    assert (once.t_end - once.t_start).sum() / durations.sum() == pytest.approx(0.3, abs=0.06)


def test_segments_and_labels_agree(drawn: Annotations) -> None:
    for video, entry in drawn.database.items():
        items = entry["annotations"]
        assert entry["labels"] == sorted({item["label"] for item in items}), video
        for item in items:
            start, end = item["segment"]
            assert 0 <= start < end <= entry["duration"]
        dives, cliff_dives = (
            [item["segment"] for item in items if item["label"] == name]
            for name in ("Diving", "CliffDiving")
        )
        assert all(segment in dives for segment in cliff_dives)


def test_the_seed_decides(simulation: dict, drawn: Annotations) -> None:
    assert draw_annotations(simulation).database == drawn.database
    assert draw_annotations({**simulation, "seed": 1}).database != drawn.database


def test_an_unknown_statistic_is_named(simulation: dict) -> None:
    with pytest.raises(WstalError, match="simulate.videos.*durations"):
        draw_annotations({**simulation, "videos": {**simulation["videos"], "durations": 3}})
