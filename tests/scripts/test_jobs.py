"""Jobs called by hand: training to proposals, fusion, and everything that scores a run."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest
import warm_python
from backbone_cases import TINY_CLIP, entries, save_tiny_clip
from evaluation_cases import (
    DATABASE,
    PERFECT,
    detections,
    results_of,
    write_detections,
    write_truth,
)
from method_configs import small_config
from small_set import write_small_set
from wstal.base.provenance import read_provenance
from wstal.base.settings import to_plain
from wstal.config.protocols import protocol_names
from wstal.datasets.annotations import training_view, write_annotations
from wstal.evaluate.detections import read_detections, read_detections_by_iteration
from wstal.evaluate.map_table import COLUMNS
from wstal.localize.proposals import write_proposals, write_proposals_by_iteration
from wstal.localize.scores import Scores, VideoScores, read_scores, write_iterations, write_scores
from wstal.networks.weights import identify
from wstal.train import checkpoint


def run(project, script, *arguments):
    command = [sys.executable, str(project / "scripts" / script), *map(str, arguments)]
    done = warm_python.run(command)
    return done.returncode, done.stderr


def test_from_features_to_proposals(tmp_path, project):
    features, annotations = write_small_set(tmp_path, train=4)
    write_annotations(tmp_path / "labels.json", training_view(annotations))
    config = small_config(project)
    localize = json.dumps(config.pop("localize"))
    out = tmp_path / "seed0"
    code, said = run(
        project, "train.py", "--features", features,
        "--annotations", tmp_path / "labels.json", "--config", json.dumps(config), "--seed", 0,
        "--device", "cpu", "--code", "abc", "--checkpoint", out / "checkpoint.pt",
        "--log", out / "log.csv", "--scores-by-iteration", out / "history.h5",
    )  # fmt: skip
    assert code == 0, said
    assert (
        "iteration 8" in said
        and "classes with a single training video train without pairs: class1, class2" in said
    )
    assert checkpoint.load(out / "checkpoint.pt")["code"] == "abc"
    code, said = run(
        project, "score.py", "--features", features, "--checkpoint", out / "checkpoint.pt",
        "--device", "cpu", "--output", out / "scores.h5",
    )  # fmt: skip
    assert code == 0, said
    code, said = run(
        project, "localize.py", "--method", "co2net", "--scores", out / "scores.h5",
        "--scores-by-iteration", out / "history.h5", "--config", localize,
        "--output", out / "proposals.json", "--by-iteration", out / "history.json.gz",
        "--constant-attention", out / "constant.json",
    )  # fmt: skip
    assert code == 0, said
    found = read_detections(out / "proposals.json")
    assert set(found["video_id"]) <= set(annotations.ids("test"))
    assert list(read_detections_by_iteration(out / "history.json.gz")) == [5, 10, 12]
    constant = read_detections(out / "constant.json")
    assert (constant["t_start"] == 0).all() and len(constant) >= 3
    code, said = run(
        project, "score.py", "--features", features, "--checkpoint", out / "log.csv",
        "--output", out / "x.h5",
    )  # fmt: skip
    assert code == 1 and "not a readable checkpoint" in said and "Traceback" not in said


def test_localization_needs_no_torch(project):
    code = "import sys, wstal.methods.co2net.localize, wstal.localize.proposals; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


FILES = (
    "scores.h5",
    "proposals.json",
    "proposals_by_iteration.json.gz",
    "proposals_constant_attention.json",
)
DETECTION = ["video_id", "t_start", "t_end", "label", "score"]


def frame(*rows):
    return pd.DataFrame(rows, columns=DETECTION)


def write_stream(folder, value, found, iterations):
    folder.mkdir()
    own = VideoScores(np.full((4, 2), value), np.full(4, value), np.array([value]))
    quiet = VideoScores(np.zeros((2, 2)), np.zeros(2), np.zeros(1))
    scores = Scores(["run"], {"a": own, "b": quiet}, "probability", 9, provenance={"v": value})
    paths = [folder / name for name in FILES]
    write_scores(paths[0], scores)
    write_proposals(paths[1], found, scores, {})
    pairs = ((Scores(["run"], scores.videos, "probability", n), found) for n in iterations)
    write_proposals_by_iteration(paths[2], pairs, {})
    write_proposals(paths[3], found.assign(t_start=0.0, t_end=2.0), scores, {})
    return [str(path) for path in paths]


@pytest.fixture
def fuse(project, tmp_path):
    def run(rgb, flow, config='{"fusion": {"iou": 0.4, "discount": 0.5}}'):
        paths = [str(tmp_path / "acn" / name) for name in FILES]
        command = ["scripts/fuse.py", "--rgb", *rgb, "--flow", *flow, "--config", config]
        done = warm_python.run(
            [sys.executable, *command, "--output", *paths],
            cwd=project,
        )
        return done, [tmp_path / "acn" / name for name in FILES]

    return run


def test_four_files_of_a_run(fuse, tmp_path):
    rgb = write_stream(tmp_path / "rgb", 0.2, frame(("a", 0.0, 1.0, "run", 0.6)), (1, 2, 3))
    flow = write_stream(tmp_path / "flow", 0.4, frame(("a", 2.0, 3.0, "run", 0.2)), (2, 3, 4))
    done, paths = fuse(rgb, flow)
    assert done.returncode == 0, done.stderr
    expected = frame(("a", 2.0, 3.0, "run", 0.2), ("a", 0.0, 1.0, "run", 0.3))
    pd.testing.assert_frame_equal(read_detections(paths[1]), expected)
    later = read_detections_by_iteration(paths[2])
    assert list(later) == [2, 3]
    pd.testing.assert_frame_equal(later[3], expected)
    assert len(read_detections(paths[3])) == 1  # alike in both streams there
    scores = read_scores(paths[0])
    assert scores.videos["a"].cas == pytest.approx(np.full((4, 2), 0.3))
    assert scores.videos["a"].attentions.keys() == {"rgb", "flow"}
    content = json.loads(paths[1].read_text())
    assert content["results"]["b"] == []
    provenance = content["external_data"]["provenance"]
    assert provenance["fused"] == {"rgb": {"v": 0.2}, "flow": {"v": 0.4}}
    folder = tmp_path.name  # {run}/seed{n}/scores.h5 in the DAG
    assert provenance["runs"] == {"rgb": folder, "flow": folder}


def test_streams_without_a_common_iteration(fuse, tmp_path):
    one = frame(("a", 0.0, 1.0, "run", 0.6))
    rgb = write_stream(tmp_path / "rgb", 0.2, one, (1,))
    done, paths = fuse(rgb, write_stream(tmp_path / "flow", 0.4, one, (2,)))
    assert done.returncode and "train.score_interval" in done.stderr
    assert not paths[0].exists() and not paths[2].exists()


@pytest.fixture
def case(tmp_path, project):
    """A folder of files, and a function that runs a script in it."""
    write_truth(tmp_path / "gt.json")
    write_detections(tmp_path / "good.json", detections(PERFECT))
    write_detections(tmp_path / "half.json", detections(PERFECT[:2]))
    history = {"iterations": {"10": results_of(detections(PERFECT)), "20": {}}}
    (tmp_path / "history.json.gz").write_bytes(gzip.compress(json.dumps(history).encode()))
    (tmp_path / "manifest.csv").write_text("id,duration\nv1,20\nv2,10\n")

    def run(script, *arguments, fails=False):
        done = warm_python.run(
            [sys.executable, str(project / "scripts" / f"{script}.py"), *arguments],
            cwd=tmp_path,
        )
        assert (done.returncode != 0) == fails, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    return tmp_path, run


COMMON = ["--ground-truth", "gt.json", "--protocol", "demo"]


def test_evaluate_summarize_and_compare(case):
    folder, run = case
    for name in ("good", "half"):
        said = run(
            *("evaluate", *COMMON, "--predictions", f"{name}.json", "--output", f"{name}.csv"),
            *("--proposals-by-iteration", "history.json.gz", "--constant-attention", "half.json"),
        )
        assert re.search(r"demo last mAP@0\.1:0\.7 (100|75)\.00 \(2/2 videos", said)
        assert "demo last mAP@0.3:0.7" in said
        best = [line for line in said.splitlines() if "best_test" in line]
        assert best and all("chosen on test" in line for line in best)
    assert list(pd.read_csv(folder / "good.csv").columns) == COLUMNS
    run("baselines", *COMMON, "--manifest", "manifest.csv", "--output", "baselines.csv")
    run(
        *("summarize", "--seeds", "good.csv", "half.csv", "--baselines", "baselines.csv"),
        *("--dataset", "d", "--recipe", "r", "--run", "co2net", "--note", "demo data"),
        *("--protocol", "demo", "--paper-protocol", "demo", "--paper-checkpoint", "best_test"),
        *("--output", "map.csv"),
    )
    made = read_provenance(folder / "map.csv")  # digests, all the way to the proposals
    good, half = (each["provenance"] for each in made["inputs"]["seeds"])
    sha256 = hashlib.sha256((folder / "good.json").read_bytes()).hexdigest()
    assert good["inputs"]["predictions"][0] == {"path": "good.json", "sha256": sha256}
    assert [each["name"] for each in good["protocols"]] == ["demo"]
    assert good["protocols"] == half["protocols"] and len(good["protocols"][0]["sha256"]) == 64
    table = pd.read_csv(folder / "map.csv")
    average = table[table["metric"] == "mAP@0.1:0.7"].set_index(["run", "reading"])["mean"]
    assert average["co2net", "strict"] == 87.5 and average["co2net", "paper"] == 100
    assert average["constant_attention", "baseline"] == 75
    assert average["co2net", "best_test"] == average["co2net", "best_seed"] == 100
    assert len(average) == 8 and table["note"].str.contains("demo data").all()
    said = run(
        *("compare_runs", *COMMON, "--a", "good.json", "--b", "half.json", "half.json"),
        *("--names", "x", "y", "--resamples", "50", "--output", "compare.csv"),
    )
    assert "warning: no interval: 2 videos are too few, at least 10 are needed" in said
    table = pd.read_csv(folder / "compare.csv").set_index("metric")
    assert table["p"].isna().all()
    assert table.loc["mAP@0.1:0.7", "difference"] == 25 and set(table["seeds_b"]) == {2}
    assert set(table["checkpoint"]) == {"last"}


def test_the_papers_protocol_and_checkpoint(case):
    folder, run = case
    run(
        *("evaluate", *COMMON, "--predictions", "good.json", "--output", "own.csv"),
        *("--proposals-by-iteration", "history.json.gz", "--paper-protocol", "demo_snippets"),
        *("--paper-checkpoint", "best_test"),
    )
    table = pd.read_csv(folder / "own.csv")
    assert {*table[["checkpoint", "protocol"]].itertuples(index=False, name=None)} == {
        ("last", "demo"),
        ("best_test", "demo"),
        ("best_test", "demo_snippets"),
    }
    arguments = ["evaluate", *COMMON, "--predictions", "good.json", "--paper-protocol", "ave"]
    assert "of the same task" in run(*arguments, fails=True)


def test_ledger_and_diagnosis(case):
    folder, run = case
    run(
        *("ledger", "--ground-truth", "gt.json", "--predictions", "good.json", "half.json"),
        *("--proposals-by-iteration", "history.json.gz", "history.json.gz"),
        *("--protocols", "demo", "demo_snippets", "--note", "demo data", "--output", "l.csv"),
    )
    table = pd.read_csv(folder / "l.csv")
    assert set(table["protocol"]) == {"demo", "demo_snippets"}
    assert set(table["checkpoint"]) == {"last", "best_test"}
    assert table["note"].str.startswith("demo data").all()
    run(
        *("diagnose", *COMMON, "--predictions", "half.json", "--manifest", "manifest.csv"),
        *("--note", "demo data", "--output", "diagnosis"),
    )
    names = {path.name for path in (folder / "diagnosis").iterdir()}
    tables = ("false_positives", "error_impact", "sensitivity", "per_class")
    assert names == {f"{name}.{end}" for name in tables for end in ("csv", "svg")}


def test_any_tools_files_with_no_option_but_the_protocol(case):
    folder, run = case
    entries = {
        video: {"subset": "validation", "annotations": entry["annotations"]}
        for video, entry in DATABASE.items()
    }
    (folder / "anet.json").write_text(json.dumps({"database": entries}))
    arguments = ["--ground-truth", "anet.json", "--protocol", "activitynet"]
    said = run("evaluate", *arguments, "--predictions", "good.json")
    assert "activitynet last mAP@0.5:0.95 75.00 (4/4 videos" in said  # v3's jump is missed


def test_empty_predictions_score_zero_and_it_says_so(case):
    folder, run = case
    (folder / "none.json").write_text('{"results": {}}')
    said = run("evaluate", *COMMON, "--predictions", "none.json")
    assert "mAP@0.1:0.7 0.0" in said and "no detection in any scored video" in said


def test_bad_predictions_end_in_one_line(case):
    folder, run = case
    entry = {"segment": [2, 1], "score": 1, "label": "dive"}
    (folder / "bad.json").write_text(json.dumps({"results": {"v1": [entry]}}))
    said = run("evaluate", *COMMON, "--predictions", "bad.json", fails=True)
    assert "ends before it starts" in said and "bad.json" in said and said.count("\n") == 1


def test_what_is_left_out_or_differs_from_the_protocol_is_said(case):
    folder, run = case
    found = [*PERFECT, ("v3", 2.0, 4.0, "jump", 0.5), ("v4", 2.0, 4.0, "jump", 0.5)]
    write_detections(folder / "more.json", detections(found))
    left_out = "more.json: 2 detections of 2 videos that protocol demo does not score"
    assert left_out in run("evaluate", *COMMON, "--predictions", "more.json")
    arguments = ["--a", "more.json", "--b", "good.json", "--resamples", "9", "--output", "c.csv"]
    assert run("compare_runs", *COMMON, *arguments).count("does not score") == 1
    assert "warning" not in run("evaluate", *COMMON, "--predictions", "good.json")
    foreign = [*COMMON[:2], "--protocol", "th14_210", "--predictions", "good.json"]
    said = run("evaluate", *foreign)
    assert "is for 210 videos and finds 2" in said and "excludes (3 of 3 absent)" in said


def test_what_the_list_itself_leaves_out_is_no_warning(case):
    folder, run = case
    entry = {"subset": "test", "annotations": [{"segment": [0.0, 4.0], "label": "dive"}]}
    left_out = [f"video_test_{number}" for number in ("0000270", "0001292", "0001496")]
    names = [f"video_test_9{number:06}" for number in range(210)]
    for listed in (names, names + left_out):  # the ground truth has the excluded ones, or not
        (folder / "gt.json").write_text(json.dumps({"database": dict.fromkeys(listed, entry)}))
        found = [(video, 0.0, 4.0, "dive", 1.0) for video in listed]
        write_detections(folder / "found.json", detections(found))
        words = ("--ground-truth", "gt.json", "--predictions", "found.json")
        said = run("evaluate", *words, "--protocol", "th14_210")
        assert "warning" not in said and "210/210 videos" in said
    (folder / "gt.json").write_text(json.dumps({"database": dict.fromkeys(names[1:], entry)}))
    found = [(names[1], 0.0, 4.0, "dive", 1.0)]
    write_detections(folder / "found.json", detections(found))
    said = run("evaluate", *words, "--protocol", "th14_210")
    assert "is for 210 videos and finds 209" in said and "spelled differently" not in said


def test_csv_in_and_a_table_per_class(case):
    folder, run = case
    (folder / "gt.csv").write_text(
        "video,t_start,t_end,label\nv1.mp4,1,3,dive\nv1.mp4,8,9.7,jump\nv2.mp4,0,4,dive\n"
    )
    lines = ["video,t_start,t_end,label,score", "v1,1,3,dive,0.9", "v1.mp4,8,9.7,jump,0.8"]
    (folder / "found.csv").write_text("\n".join(lines))
    words = ("--ground-truth", "gt.csv", "--predictions", "found.csv", "--protocol", "folder")
    said = run("evaluate", *words, "--per-class", "--output", "map.csv")
    assert "folder last mAP@0.1:0.7 75.00 (2/2 videos; 3/3 instances)" in said
    shown = [line.split() for line in said.splitlines()[-3:]]
    assert shown == [
        ["class", "AP@0.1:0.7", "instances", "detections"],
        ["jump", "100.00", "1", "1"],
        ["dive", "50.00", "2", "1"],
    ]
    assert "AP@0.1:0.7" not in run("evaluate", *words).replace("mAP", "")
    run("evaluate", *words[:2], "--predictions", "good.json", *words[4:], "--per-class")


def test_every_protocol_is_listed_without_any_other_argument(case):
    said = case[1]("evaluate", "--list-protocols")
    lines = dict(line.split(maxsplit=1) for line in said.splitlines())
    assert set(lines) == set(protocol_names())
    assert lines["th14_210"].startswith("THUMOS14, 210 test videos")


@pytest.mark.parametrize(
    ("protocol", "more", "nearest"),
    [
        ("th14_212_snippets_filter", (), "suits is th14_212_snippets$"),
        ("th14_213_neutral", (), "suits is th14_213$"),
        ("demo_snippets", ("--step", "0.32"), "suits is demo$"),
        ("demo_ave", (), "suits is (demo|demo_missing_is_miss)$"),
        ("th14_212_filtr", (), "nearest: th14_212"),
        ("th14_filter", (), "of those that suit the files, nearest: (?!.*filter)th14_21"),
    ],
)
def test_an_error_names_the_nearest_protocol_that_suits_the_files(case, protocol, more, nearest):
    words = ("--ground-truth", "gt.json", "--predictions", "good.json", *more)
    said = case[1]("evaluate", *words, "--protocol", protocol, fails=True)
    assert re.search(nearest, said, re.MULTILINE), said


def test_snippets_of_another_length_are_refused_and_left_out_of_the_ledger(case):
    folder, run = case
    given = ["--ground-truth", "gt.json", "--predictions", "good.json"]
    said = run("evaluate", *given, "--protocol", "demo_snippets", "--step", "0.32", fails=True)
    assert "demo_snippets has 1.5625 snippets per second" in said
    paper = ["--protocol", "demo", "--paper-protocol", "demo_snippets"]
    said = run("evaluate", *given, *paper, "--t0", "0.2")
    assert "begin at 0.2 s" in said and "the dataset's own protocol" in said
    both = ["ledger", *given, "--protocols", "demo", "demo_snippets", "--output", "l.csv"]
    assert "left out: protocol demo_snippets" in run(*both, "--step", "0.32")
    assert set(pd.read_csv(folder / "l.csv")["protocol"]) == {"demo"}
    run(*both, "--step", "0.64", "--t0", "0")
    assert set(pd.read_csv(folder / "l.csv")["protocol"]) == {"demo", "demo_snippets"}


def test_the_score_file_tells_the_features_grid(case):
    folder, run = case
    videos = {
        video: VideoScores(np.zeros((4, 3)), np.zeros(4), np.array([0.9, 0.2]))
        for video in ("v1", "v2")
    }
    given = ["--ground-truth", "gt.json", "--predictions", "good.json", "--scores", "s.h5"]
    classes = json.loads((folder / "gt.json").read_text())["classes"]
    write_scores(folder / "s.h5", Scores(classes, videos, step=0.5))
    said = run("evaluate", *given, "--protocol", "demo_snippets", fails=True)
    assert "the features a step of 0.5 s" in said
    write_scores(folder / "s.h5", Scores(classes, videos, step=0.64))
    run("evaluate", *given, "--protocol", "demo_snippets")


def test_unknown_videos_protocols_and_help(case):
    folder, run = case
    (folder / "bad.json").write_text(
        '{"results": {"zz": [{"segment": [0,1], "score": 1, "label": "dive"}]}}'
    )
    assert "'zz'" in run("evaluate", *COMMON, "--predictions", "bad.json", fails=True)
    said = run("evaluate", *COMMON[:2], "--protocol", "dem", "--predictions", "x", fails=True)
    assert "nearest: demo" in said
    assert "Examples:" in run("evaluate", "--help")


def write_answers(folder, name, answers):
    """scores.h5 and one of the same as iteration 7, as one-hot sequences of a second each."""
    videos = {
        video: VideoScores(np.eye(3)[each], np.zeros(10), np.zeros(2))
        for video, each in answers.items()
    }
    scores = Scores(["dive", "jump"], videos, iteration=7, step=1.0)
    write_scores(folder / f"{name}.h5", scores)
    write_iterations(folder / f"{name}_all.h5", [scores])


def test_events_from_scores_to_every_table(case):
    folder, run = case
    right = {"v1": [2, 0, 0, 2, 2, 2, 2, 2, 1, 1], "v2": [0] * 4 + [2] * 6, "v3": [2] * 10}
    write_answers(folder, "good", right)
    write_answers(folder, "half", {**right, "v2": [2] * 10})
    common = ["--ground-truth", "gt.json", "--protocol", "demo_ave"]
    for name in ("good", "half"):
        run(
            *("evaluate", *common, "--scores", f"{name}.h5", "--output", f"{name}.csv"),
            *("--scores-by-iteration", f"{name}_all.h5"),
        )
    run("baselines", *common, "--output", "baselines.csv")
    run(
        *("summarize", "--seeds", "good.csv", "half.csv", "--baselines", "baselines.csv"),
        *("--dataset", "d", "--recipe", "r", "--run", "cavf", "--output", "map.csv"),
        *("--protocol", "demo_ave", "--paper-protocol", "demo_ave"),
    )
    table = pd.read_csv(folder / "map.csv").set_index(["run", "reading"])
    assert table["mean"].to_dict() == {
        ("cavf", "strict"): 90,
        ("cavf", "paper"): 90,
        ("cavf", "best_test"): 90,
        ("cavf", "best_seed"): 100,
        ("majority_class", "baseline"): 60,
        ("true_class_throughout", "baseline"): 30,
    }
    assert table.loc[("cavf", "strict"), "checkpoint"] == "best_val"
    assert table.loc[("cavf", "paper"), "checkpoint"] == "last"
    assert set(table["metric"]) == {"accuracy"}
    assert "chosen on test" in table.loc[("cavf", "best_test"), "note"]
    run(
        *("compare_runs", *common, "--a", "good.h5", "--b", "half.h5", "--output", "compare.csv"),
        *("--a-by-iteration", "good_all.h5", "--b-by-iteration", "half_all.h5"),
    )
    line = pd.read_csv(folder / "compare.csv").iloc[0]
    assert (line["metric"], line["difference"], line["checkpoint"]) == ("accuracy", 20, "best_val")
    run(
        *("ledger", "--ground-truth", "gt.json", "--scores", "good.h5", "half.h5"),
        *("--scores-by-iteration", "good_all.h5", "half_all.h5", "--output", "ledger.csv"),
        *("--protocols", "demo_ave", "demo_ave_with_val", "demo"),
    )
    table = pd.read_csv(folder / "ledger.csv").set_index(["protocol", "checkpoint"])
    assert table.loc[("demo_ave", "last"), "mean"] == 90
    assert table.loc[("demo_ave_with_val", "last"), "mean"] == pytest.approx(100 * 52 / 60)
    assert "demo" not in table.index.unique("protocol")


def test_a_page_of_detections_alone_and_with_all_that_a_run_has(case):
    folder, run = case
    run("view", *COMMON, "--predictions", "good.json", "--output", "alone.html")
    rng = np.random.default_rng(0)
    own = {
        video: VideoScores(rng.random((20, 3)), rng.random(20), rng.random(2))
        for video in ("v1", "v2")
    }
    write_scores(folder / "scores.h5", Scores(["dive", "jump"], own))
    run("evaluate", *COMMON, "--predictions", "good.json", "--output", "map.csv")
    run(
        *("view", *COMMON, "--predictions", "good.json", "--scores", "scores.h5"),
        *("--manifest", "manifest.csv", "--map", "map.csv", "--about", '{"note": "demo data"}'),
        *("--output", "page.html"),
    )
    page = (folder / "page.html").read_text()
    content = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert content["about"]["note"] == "demo data" and "<title>demo data</title>" in page
    means = {row["metric"]: row["value"] for row in content["measured"]["means"]}
    assert means["mAP@0.1:0.7"] == 100 and len(content["videos"]) == 2
    said = run("view", *COMMON, "--predictions", "gt.json", "--output", "x.html", fails=True)
    assert "not in ActivityNet's format" in said and not (folder / "x.html").exists()


def test_calibrate_and_operate(project, tmp_path):
    """A perfect seed and two false alarms: what the two jobs write, and that they fit together."""
    truth = write_truth(tmp_path / "annotations.json")
    alarms = [("v1", 12.0, 14.0, "dive", 0.2), ("v2", 6.0, 8.0, "dive", 0.1)]
    found = write_detections(tmp_path / "proposals.json", detections([*PERFECT, *alarms]))
    videos = {
        video: VideoScores(np.zeros((2, 3)), np.zeros(2), np.array([0.75, 0.25]))
        for video in ("v1", "v2")
    }
    write_scores(tmp_path / "scores.h5", Scores(["dive", "jump"], videos))
    common = ["--ground-truth", truth, "--protocol", "folder", "--predictions", found]
    made = {name: tmp_path / name for name in ("c.json", "s.csv", "o.csv", "o.svg")}
    job = [sys.executable, project / "scripts/calibrate.py", *common]
    job += ["--scores", tmp_path / "scores.h5", "--output", made["c.json"]]
    warm_python.run([*job, "--segments", made["s.csv"]], check=True)
    fitted = json.loads(made["c.json"].read_text())
    assert (fitted["detections"], fitted["right"], fitted["subset"]) == (5, 3, "test")
    segments = pd.read_csv(made["s.csv"])
    assert segments["rank"].tolist() == [1, 2, 3, 1, 2]
    assert segments["video_probability"].tolist() == [0.75, 0.25, 0.75, 0.75, 0.75]
    assert (segments["probability"].diff()[segments["rank"] > 1] < 0).all()

    job = [sys.executable, project / "scripts/operate.py", *common, "--note", "made up"]
    job += ["--calibrations", made["c.json"], "--output", made["o.csv"], "--figure", made["o.svg"]]
    done = warm_python.run(job, check=True)
    points = pd.read_csv(made["o.csv"])
    assert points.loc[0, ["precision", "recall", "segments"]].tolist() == [60, 100, 5]
    assert points["f1"].max() == 100 and "F1 100.0 (made up; 1 seeds, test videos" in done.stderr
    assert "made up" in made["o.svg"].read_text()
    write_detections(tmp_path / "proposals.json", detections(PERFECT))
    refused = warm_python.run(job)
    assert refused.returncode == 1 and "was fitted on other detections" in refused.stderr


def test_from_names_of_classes_to_a_headline(tmp_path, project):
    pytest.importorskip("transformers")
    features, annotations = write_small_set(tmp_path, train=1, dim=24)
    write_annotations(tmp_path / "annotations.json", annotations)
    save_tiny_clip(tmp_path / "clip")
    weights = identify(tmp_path / "clip", {})
    with h5py.File(features, "a") as file:
        file.attrs["provenance_json"] = json.dumps({"rgb": {"weights": weights}})
    entry = to_plain(replace(entries()["clip_base"], **TINY_CLIP))
    names = ("vectors.h5", "scores.h5", "proposals.json", "map.csv", "zero_shot_map.csv")
    vectors, scores, proposals, rows, headline = (tmp_path / name for name in names)
    truth = ("--ground-truth", tmp_path / "annotations.json", "--protocol", "demo")
    jobs = [
        ("class_vectors.py", "--annotations", tmp_path / "annotations.json", "--stream", "rgb",
         "--network", "clip_base", "--entry", json.dumps(entry), "--weights", tmp_path / "clip",
         "--output", vectors),
        ("zero_shot.py", "--features", features, "--text", vectors, "--output", scores),
        ("localize.py", "--method", "co2net", "--config", "{}", "--scores", scores,
         "--output", proposals),
        ("evaluate.py", *truth, "--scores", scores, "--predictions", proposals, "--output", rows),
        ("summarize.py", "--seeds", rows, "--features", features, "--dataset", "small",
         "--recipe", "small", "--run", "zero_shot", "--protocol", "demo", "--note=no labels",
         "--output", headline),
    ]  # fmt: skip
    for script, *words in jobs:
        code, said = run(project, script, *words)
        assert code == 0, said
    assert read_scores(scores).provenance["zero_shot"]["weights"] == weights
    found = pd.read_csv(headline)
    assert set(found["run"]) == {"zero_shot"} and set(found["note"]) == {"no labels"}
    assert found["metric"].str.startswith("mAP@").any() and set(found["reading"]) == {"strict"}
