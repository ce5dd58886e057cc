"""Scores of other tools: the same arrays in any form give what a score file gives."""

from __future__ import annotations

import json
from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from wstal.base.errors import WstalError
from wstal.commands.localize_scores import COMMAND
from wstal.evaluate.detections import read_detections
from wstal.localize.given_scores import read_given_scores
from wstal.localize.scores import Scores, VideoScores, write_scores
from wstal.methods.contract import localization_half
from wstal.train.scoring import video_score

CLASSES = ["dive", "jump"]


def make_scores(activation="logits"):
    rng, videos = np.random.default_rng(4), {}
    for number, name in enumerate(["v_1", "a/b c", "x-y"]):
        rows = 40 + number
        cas = rng.normal(0, 1, (rows, 3)).astype(np.float32)
        cas[10:20, number % 2] += 4
        attention = np.where((np.arange(rows) // 10) % 2, 0.9, 0.1).astype(np.float32)
        if activation == "probability":
            cas = torch.from_numpy(cas).softmax(1).numpy()
        score = video_score(torch.from_numpy(cas), activation).numpy()
        videos[name] = VideoScores(cas, attention, score)
    return Scores(CLASSES, videos, activation)


SCORES = make_scores()


def named(scores=SCORES):
    return {video: values.arrays() for video, values in scores.videos.items()}


def as_npy(folder, videos):
    for video, arrays in videos.items():
        for name, array in arrays.items():
            np.save(folder / f"{video.replace('/', '%2F')}_{name}.npy", array)
    return folder


def as_folders(folder, videos):
    for video, arrays in videos.items():
        for name, array in arrays.items():
            (folder / name).mkdir(exist_ok=True)
            np.save(folder / name / f"{video.replace('/', '%2F')}.npy", array)
    return folder


def as_npz_per_video(folder, videos):
    for video, arrays in videos.items():
        np.savez(folder / f"{video.replace('/', '%2F')}.npz", **arrays)
    return folder


def as_npz(folder, videos):
    slashed = {
        f"{v.replace('/', '%2F')}/{n}": a for v, each in videos.items() for n, a in each.items()
    }
    np.savez(folder / "scores.npz", **slashed)
    return folder / "scores.npz"


def as_h5(folder, videos):
    with h5py.File(folder / "scores.h5", "w") as file:
        for number, (video, arrays) in enumerate(videos.items()):
            group = file.create_group(f"{number}")
            group.attrs["id"] = video
            for name, array in arrays.items():
                group[name] = array
    return folder / "scores.h5"


def as_json(folder, videos):
    plain = {v: {n: a.tolist() for n, a in arrays.items()} for v, arrays in videos.items()}
    (folder / "scores.json").write_text(json.dumps(plain))
    return folder / "scores.json"


FORMS = [as_npy, as_folders, as_npz_per_video, as_npz, as_h5, as_json]


@pytest.mark.parametrize("write", FORMS)
def test_every_form_gives_the_same_scores(tmp_path, write):
    found, notes = read_given_scores(write(tmp_path, named()), CLASSES)
    ids = {video.replace("%2F", "/") for video in found.videos}
    assert not notes and ids == set(SCORES.videos)
    for video, values in found.videos.items():
        wanted = SCORES.videos[video.replace("%2F", "/")].arrays()
        assert values.arrays().keys() == wanted.keys()
        for name, array in values.arrays().items():
            np.testing.assert_array_equal(array, wanted[name])


@pytest.mark.parametrize("method", ["co2net", "cavf", "tssam", "untrimmednet"])
def test_every_methods_localization_takes_them(tmp_path, method):
    activation = "probability" if method == "untrimmednet" else "logits"
    scores = make_scores(activation)
    found, _ = read_given_scores(as_h5(tmp_path, named(scores)), CLASSES, activation=activation)
    half = localization_half(method)
    ours, theirs = (half.localize(each, half.settings()) for each in (scores, found))
    assert len(ours)
    pd.testing.assert_frame_equal(
        *(f.sort_values(list(f), ignore_index=True) for f in (ours, theirs))
    )


@pytest.mark.parametrize("activation", ["logits", "probability"])
def test_what_is_lacking_is_completed_and_said(tmp_path, activation):
    scores = make_scores(activation)
    alone = {video: {"cas": values.cas} for video, values in scores.videos.items()}
    path = as_json(tmp_path, alone)
    found, notes = read_given_scores(path, CLASSES, activation=activation)
    assert "3 videos have no attention: an attention of 1" in notes[0] and len(notes) == 2
    for video, values in found.videos.items():
        assert (values.attention == 1).all()
        wanted = scores.videos[video].video_score
        np.testing.assert_allclose(values.video_score, wanted, rtol=1e-5)


def test_background_may_be_first_or_absent_and_axes_of_one_go(tmp_path):
    first = {v: a | {"cas": np.roll(a["cas"], 1, 1)[None]} for v, a in named().items()}
    found, _ = read_given_scores(as_h5(tmp_path, first), CLASSES, background="first")
    absent = {
        v: {"logits": a["cas"][:, :2], "att": a["attention"][:, None], "other": a["cas"]}
        for v, a in named().items()
    }
    names = {"logits": "cas", "att": "attention"}
    path = as_json(tmp_path, absent)
    without, notes = read_given_scores(path, CLASSES, names=names, background="none")
    assert "3 arrays are not used, such as v_1/other" in notes[0]
    for video, wanted in SCORES.videos.items():
        np.testing.assert_array_equal(found.videos[video].cas, wanted.cas)
        np.testing.assert_array_equal(without.videos[video].cas[:, :2], wanted.cas[:, :2])
        assert (without.videos[video].cas[:, 2] < wanted.cas.min() - 40).all()
        np.testing.assert_array_equal(without.videos[video].attention, wanted.attention)


def bad(**arrays):
    return {"v": named()["v_1"] | arrays}


CAS = SCORES.videos["v_1"].cas
REFUSED = {
    "cas has the shape [3, 40]; expected [T, 3] for 2 classes and background: is it transposed?": bad(
        cas=CAS.T
    ),
    "cas has the shape [40, 2]; expected [T, 3] for 2 classes and background: is the background none?": bad(
        cas=CAS[:, :2]
    ),
    "cas has the shape [40, 7]": bad(cas=np.zeros((40, 7))),
    "cas has the shape [40]": bad(cas=CAS[:, 0]),
    "cas has the shape [0, 3]": bad(cas=CAS[:0]),
    "attention has the shape [39]; expected [40], as cas has 40 rows": bad(attention=np.ones(39)),
    "attention has the shape [8, 5]": bad(attention=np.ones((8, 5))),
    "video_score has the shape [5]; expected [2]": bad(video_score=np.ones(5)),
    "cas has values that are not finite": bad(cas=CAS * np.nan),
    "cas holds <U1, not numbers": bad(cas=np.array([["a"]])),
}


@pytest.mark.parametrize("message", REFUSED)
def test_bad_shapes_are_refused_by_name(tmp_path, message):
    path = as_npz(tmp_path, REFUSED[message])
    with pytest.raises(WstalError) as error:
        read_given_scores(path, CLASSES)
    assert str(error.value).startswith(f"{path}: video v: {message}")


def test_files_without_scores_are_refused(tmp_path):
    np.savez(tmp_path / "other.npz", rgb=np.zeros(3))
    with pytest.raises(WstalError, match=r"other\.npz has no array named cas.*it has rgb"):
        read_given_scores(tmp_path / "other.npz", CLASSES)
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(WstalError, match="name the folder of all"):
        read_given_scores(tmp_path / "one.npy", CLASSES)
    np.save(tmp_path / "objects_cas.npy", np.array([{}], object))
    with pytest.raises(WstalError, match=r"objects_cas\.npy cannot be read"):
        read_given_scores(tmp_path, CLASSES)
    for name in ("broken.npz", "broken.json", "broken.h5"):
        (tmp_path / name).write_bytes(b"PK\x03\x04 cut")
        with pytest.raises(WstalError, match=name):
            read_given_scores(tmp_path / name, CLASSES)
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(WstalError, match="expected"):
        read_given_scores(tmp_path / "list.json", CLASSES)
    twice = {f"{v}/cas": CAS for v in ("v", "w/v")} | {"v_cas": CAS}
    np.savez(tmp_path / "twice.npz", **twice)
    with pytest.raises(WstalError, match="video v has two arrays cas"):
        read_given_scores(tmp_path / "twice.npz", CLASSES)


def run(*words):
    with pytest.raises(SystemExit) as done:
        COMMAND.run([str(word) for word in words])
    return done.value.code


def test_the_command_localizes_scores_and_evaluates(tmp_path, capsys):
    path = as_npz(tmp_path, {v: a for v, a in named().items() if "/" not in v})
    (tmp_path / "classes.txt").write_text("dive\njump\n")
    database = {
        v: {"subset": "test", "annotations": [{"segment": [6.4, 12.8], "label": CLASSES[n]}]}
        for v, n in (("v_1", 0), ("x-y", 0))
    }
    (tmp_path / "gt.json").write_text(json.dumps({"database": database}))
    call = [path, "--run", "co2net", "--classes", tmp_path / "classes.txt", "--output"]
    scored = ["--ground-truth", tmp_path / "gt.json", "--protocol", "th14_213"]
    saved = ["--save-scores", tmp_path / "scores.h5"]
    assert not run(*call, tmp_path / "p.json", *scored, *saved)
    assert "mAP@0.50" in capsys.readouterr().out
    found = read_detections(tmp_path / "p.json")
    assert set(found["video_id"]) == {"v_1", "x-y"}
    again = [tmp_path / "scores.h5", "--run", "co2net", "--output", tmp_path / "q.json"]
    assert not run(*again)
    pd.testing.assert_frame_equal(read_detections(tmp_path / "q.json"), found)
    other = ["--config", '{"thresholds": {"num": 1}}', "--output", tmp_path / "r.json"]
    assert not run(tmp_path / "scores.h5", "--run", "co2net", *other)
    assert len(read_detections(tmp_path / "r.json")) < len(found)
    assert "needs the array" in run(tmp_path / "scores.h5", "--run", "acn-rgb", *other[2:])
    assert "threshold_" in run(
        tmp_path / "scores.h5", "--run", "co2net", "--config", '{"threshold_": 1}', *other[2:]
    )
    assert "needs --ground-truth" in run(*again, "--protocol", "th14_213")
    assert "is not THEIRS=OURS" in run(*again, "--names", "logits")


def test_a_score_file_is_taken_as_it_is(tmp_path):
    scores = replace(SCORES, step=0.32, t0=0.1)
    write_scores(tmp_path / "scores.h5", scores)
    found, notes = read_given_scores(tmp_path / "scores.h5", [])
    assert not notes and (found.step, found.t0, found.classes) == (0.32, 0.1, CLASSES)
