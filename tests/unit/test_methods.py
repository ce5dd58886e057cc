"""Methods side by side: the best first, shared baselines once, a method's own left to its page."""

import subprocess
import sys

import pandas as pd
import pytest
from wstal.tables.methods import headline, methods_frame, methods_markdown


def headlines(run, mean, constant, **changes):
    rows = [
        ("strict", run, "mAP@0.50", mean - 9), ("strict", run, "mAP@0.1:0.5", mean + 5),
        ("strict", run, "mAP@0.1:0.7", mean), ("paper", run, "mAP@0.1:0.7", mean + 1),
        ("baseline", "random_segments", "mAP@0.1:0.7", 3.5),
        ("baseline", "constant_attention", "mAP@0.1:0.7", constant),
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["reading", "run", "metric", "mean"])
    known = {"dataset": "mine", "recipe": "r", "protocol": "own", "checkpoint": "last", "sd": 0.5}
    return frame.assign(**known | {"n": 3, "coverage": "9/9 videos", "note": "demo data"} | changes)


@pytest.fixture
def maps():
    return [headlines("a", 40.0, 20.0), headlines("b", 50.0, 30.0), headlines("c", 45.0, 20.0)]


def test_the_best_comes_first_and_baselines_of_the_data_once(maps):
    frame = methods_frame(maps)
    assert list(frame.columns) == list(maps[0].columns)
    strict = frame[frame["reading"] == "strict"]
    assert list(strict["run"]) == ["b"] * 3 + ["c"] * 3 + ["a"] * 3
    assert list(frame[frame["reading"] == "paper"]["run"]) == ["b", "c", "a"]
    last = frame[frame["reading"] == "baseline"]
    assert list(last["run"]) == ["random_segments"] and list(last["mean"]) == [3.5]
    assert frame["reading"].drop_duplicates().tolist() == ["strict", "paper", "baseline"]


@pytest.mark.parametrize("constants", [[20.0], [20.0, 20.0], [20.0, 30.0]])
def test_a_baseline_that_belongs_to_a_run_is_left_to_its_page_however_many_runs(constants):
    maps = [headlines(f"m{n}", 40.0 + n, each) for n, each in enumerate(constants)]
    frame = methods_frame(maps)
    assert list(frame[frame["reading"] == "baseline"]["run"]) == ["random_segments"]


def test_what_methods_are_ordered_by():
    names = ["mAP@0.50", "mAP@0.1:0.5", "mAP@0.1:0.7"]
    assert headline(pd.DataFrame({"metric": names})) == "mAP@0.1:0.7"
    assert headline(pd.DataFrame({"metric": ["accuracy"]})) == "accuracy"
    assert headline(pd.DataFrame({"metric": ["mAP@0.50", "mAP@0.3:0.7"]})) == "mAP@0.3:0.7"
    assert headline(pd.DataFrame({"metric": ["video_mAP"]})) == "video_mAP"


def test_markdown_names_readings_spread_and_what_is_left_out(maps):
    left = {"cavf": "takes audio, which recipe r has not", "a": ""}
    text = methods_markdown(methods_frame(maps), "Methods on mine", left)
    lines = text.splitlines()
    assert lines[0] == "# Methods on mine"
    assert (
        lines[2] == "run | reading | mAP@0.50 | mAP@0.1:0.5 | mAP@0.1:0.7 | n | coverage | protocol"
    )
    assert lines[4] == "b | strict | 41.0 ± 0.5 | 55.0 ± 0.5 | 50.0 ± 0.5 | 3 | 9/9 videos | own"
    assert "b | paper protocol |  |  | 51.0 ± 0.5 | 3 | 9/9 videos | own" in lines
    assert "- cavf is left out: it takes audio, which recipe r has not." in lines
    assert lines.count("- demo data") == 1 and not any("- a is" in line for line in lines)


def test_script(maps, tmp_path, project):
    paths = []
    for frame in maps:
        paths.append(tmp_path / f"{frame['run'][0]}_map.csv")
        frame.to_csv(paths[-1], index=False)
    out = tmp_path / "methods.csv"
    call = [sys.executable, project / "scripts/list_methods.py", "--maps", *paths]
    call += ["--output", out, "--markdown", tmp_path / "methods.md"]
    subprocess.run(call, check=True)
    pd.testing.assert_frame_equal(pd.read_csv(out), methods_frame(maps), check_dtype=False)
    assert (tmp_path / "methods.md").read_text().startswith("# Methods\n")
