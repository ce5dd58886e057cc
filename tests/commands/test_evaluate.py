"""`wstal evaluate` on the files of a user: nothing of theirs is lost, and what is scored is said."""

from __future__ import annotations

import json
import os

import pytest
from evaluation_cases import PERFECT, detections, write_detections
from wstal.base.errors import WstalError
from wstal.commands import compare, evaluate

SEGMENTS = "video,t_start,t_end,label\nv1.mp4,1,3,dive\nv1.mp4,8,9.7,jump\nv2.mp4,0,4,dive\n"
OTHERS = [("v8", 1.0, 2.0, "jump", 0.5), ("v9", 1.0, 2.0, "jump", 0.5), ("v9", 4, 5, "dive", 0.2)]


def call(*words, command=evaluate):
    program = command.COMMAND
    return program.main(program.parser().parse_args([str(word) for word in words]))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of the user's, where two of four videos are annotated."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "segments.csv").write_text(SEGMENTS)
    rows = [f"{v},{s},{e},{label},{score}" for v, s, e, label, score in [*PERFECT, *OTHERS]]
    (tmp_path / "det.csv").write_text("\n".join(["video,t_start,t_end,label,score", *rows]))
    write_detections(tmp_path / "det.json", detections(PERFECT))
    return tmp_path


GIVEN = ("--ground-truth", "segments.csv", "--protocol", "folder", "--predictions", "det.csv")


@pytest.mark.parametrize("output", ["det.csv", "../{0}/./det.csv", "link.csv", "segments.csv"])
def test_an_output_never_replaces_an_input(folder, output):
    (folder / "link.csv").symlink_to("det.csv")
    before = [(folder / name).read_text() for name in ("det.csv", "segments.csv")]
    with pytest.raises(WstalError, match=r"--output \S+ is an input .* name another file"):
        call(*GIVEN, "--output", output.format(folder.name))
    assert [(folder / name).read_text() for name in ("det.csv", "segments.csv")] == before
    call(*GIVEN, "--output", "map.csv")
    call(*GIVEN, "--output", "map.csv")  # its own output may be there
    assert (folder / "map.csv").is_file()


def test_a_hard_link_is_the_same_file(folder):
    os.link("det.csv", "other.csv")
    with pytest.raises(WstalError, match=r"other\.csv is an input"):
        call(*GIVEN, "--output", "other.csv")


def test_nor_does_a_comparison(folder):
    before = (folder / "det.json").read_text()
    words = ("--a", "det.json", "--b", "det.csv", "--output", "./det.json", "--resamples", 5)
    with pytest.raises(WstalError, match=r"--output \S*det\.json is an input"):
        call(*GIVEN[:4], *words, command=compare)
    assert (folder / "det.json").read_text() == before


def test_own_videos_that_nobody_annotated_are_left_out_with_a_warning(folder, capsys):
    call(*GIVEN)
    alone = capsys.readouterr()
    assert "mAP@0.1:0.7 100.00 (2/2 videos; 3/3 instances)" in alone.out
    (line,) = [line for line in alone.err.splitlines() if line.startswith("warning: det.csv")]
    assert "3 detections of 2 videos" in line and "'v8'" in line and "'v1'" in line
    call(*GIVEN[:4], "--predictions", "det.json")
    annotated = capsys.readouterr()
    assert annotated.out == alone.out and "warning" not in annotated.err


def test_so_it_is_in_what_is_compared_and_by_iteration(folder, capsys):
    words = ("--a", "det.json", "--b", "det.csv", "--output", "c.csv", "--resamples", 5)
    call(*GIVEN[:4], *words, command=compare)
    assert capsys.readouterr().err.count("3 detections of 2 videos") == 1
    results = json.loads((folder / "det.json").read_text())["results"]
    results["v8"] = results["v2"]
    history = {"5": {"v8": results["v2"]}, "10": results}  # the first has none in a known video
    (folder / "history.json").write_text(json.dumps({"iterations": history}))
    call(*GIVEN, "--proposals-by-iteration", "history.json")
    said = capsys.readouterr()
    assert "best_test mAP@0.1:0.7 100.00" in said.out
    assert said.err.count("history.json: 2 detections of 1 videos") == 1


def test_no_known_video_and_other_protocols_are_refused(folder):
    write_detections(folder / "none.json", detections(OTHERS))
    with pytest.raises(WstalError, match=r"2 videos that are not in the ground truth.*Rename"):
        call(*GIVEN[:4], "--predictions", "none.json")
    with pytest.raises(WstalError, match=r"2 videos that are not in the ground truth.*Rename"):
        call(*GIVEN[:2], "--protocol", "demo", "--predictions", "det.csv")


def test_a_class_without_annotated_segments_costs_nothing_but_a_misspelt_one_is_refused(
    folder, capsys
):
    other = [*PERFECT, ("v1", 5.0, 6.0, "clap", 0.95)]
    write_detections(folder / "more.json", detections(other))
    call(*GIVEN[:4], "--predictions", "more.json")
    said = capsys.readouterr()
    assert "mAP@0.1:0.7 100.00" in said.out
    assert "more.json: 1 detections of 1 classes" in said.err and "'clap'" in said.err
    for label in ("Dive", "dives"):
        write_detections(folder / "more.json", detections([*other, ("v1", 5, 6, label, 0.1)]))
        with pytest.raises(WstalError, match=f"1 labels that are not .*'{label}'"):
            call(*GIVEN[:4], "--predictions", "more.json")


LISTS = {210: ("0000270", "0001292", "0001496"), 211: ("0000270", "0001292"), 212: ("0001292",)}


@pytest.mark.parametrize("protocol", ["th14_210", "th14_211", "th14_212"])
@pytest.mark.parametrize("count", [209, 210, 211, 212])
def test_ids_of_the_right_form_are_not_called_misspelt(folder, capsys, protocol, count):
    number = int(protocol[-3:])
    names = [f"video_test_9{each:06}" for each in range(count)]
    write_list(folder, names)
    call(*THUMOS, "--protocol", protocol)
    said = capsys.readouterr().err
    assert ("warning" in said) == (count != number)
    assert "spelled differently" not in said
    assert count == number or f"is for {number} videos and finds {count}" in said


@pytest.mark.parametrize("form", ["test_{:07}", "video_test_{:06}", "Video_test_{:07}"])
def test_ids_of_another_form_are(folder, capsys, form):
    names = [form.format(each) for each in range(1, 213)]
    write_list(folder, [*names, form.format(1292)])
    call(*THUMOS, "--protocol", "th14_212")
    assert "video_test_0001292" in (said := capsys.readouterr().err)
    assert "are its ids spelled differently?" in said and f"such as {names[0]}" in said


THUMOS = ("--ground-truth", "thumos.json", "--predictions", "found.json")


def write_list(folder, names):
    entry = {"subset": "test", "annotations": [{"segment": [0.0, 4.0], "label": "dive"}]}
    content = {"database": dict.fromkeys(names, entry)}
    (folder / "thumos.json").write_text(json.dumps(content))
    write_detections(folder / "found.json", detections([(names[0], 0.0, 4.0, "dive", 1.0)]))


def test_an_unknown_protocol_is_answered_by_those_of_these_files(folder):
    names = [f"video_test_9{each:06}" for each in range(210)]
    write_list(folder, [*names, *(f"video_test_{each}" for each in LISTS[210])])
    with pytest.raises(WstalError, match=r"nearest: th14_213, th14_212, th14_211"):
        call(*THUMOS, "--protocol", "thumos")
    with pytest.raises(WstalError, match=r"nearest: folder"):
        call(*GIVEN[:2], *GIVEN[4:], "--protocol", "foldr")
    write_list(folder, names)  # the list of 210: only its own protocol has the count that it states
    with pytest.raises(WstalError, match=r"nearest: th14_210, "):
        call(*THUMOS, "--protocol", "thumos")
