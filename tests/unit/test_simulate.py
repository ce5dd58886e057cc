"""The simulated bench: deterministic, frozen, fair to both streams, free of leaks."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from wstal.config.layers import canonical
from wstal.data.annotations import (
    Annotations,
    read_annotations,
    training_view,
    write_annotations,
)
from wstal.data.simulate import manifest_rows, simulate_features, simulated_videos
from wstal.data.simulation.evidence import covered
from wstal.errors import WstalError
from wstal.features.pack import FeatureFile

CONFIG_DIGEST = "6d9c311ffc87e24cf0c3e25c9c3b2fd655d335e903a673e3685ddb94fa045e8e"
VIDEOS_DIGEST = "91205bf568471db76b5a52c6852d2cdb9862159756f42c8a4e4c90b243eb5a44"
NUMBERS_DIGEST = "e4ffce60c197b772e3ba6f21911516565506ff5f699d40ac4adbf6280426b2c2"
STEP = 0.64
RECIPE = {"simulated": {"dims": {"rgb": 128, "flow": 128}}, "dtype": "float16"}


def every(annotations: Annotations, n: int) -> Annotations:
    """Each n-th video."""
    kept = list(annotations.database)[::n]
    return replace(annotations, database={i: annotations.database[i] for i in kept})


def digest(value: object) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()


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
    with pytest.raises(WstalError, match="not rgb and flow"):
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
        subprocess.run(command, check=True, cwd=tmp_path, capture_output=True)

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
