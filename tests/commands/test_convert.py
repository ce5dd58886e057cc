"""Segments to and from the files of other tools; the tools' own packages read what is written."""

from __future__ import annotations

import json

import pytest
from video_clips import write_clip
from wstal.base.errors import WstalError
from wstal.commands.convert import COMMAND
from wstal.exchange.formats import (
    FORMATS,
    format_named,
    guess_input,
    guess_output,
    read_files,
    write_files,
)
from wstal.exchange.timelines import Clip, Media, Segment, Timelines, find_losses, video_name
from wstal.exchange.xml_formats import parse_xml

FPS = 25.0
SEGMENTS = [  # two overlap, two of one class; on the grid of 25 fps, and of whole milliseconds
    Segment("a", 1.0, 2.52, "wave"),
    Segment("a", 2.0, 4.0, "jump <1>"),
    Segment("a", 2.4, 3.0, "wave"),
    Segment("sub/b", 0.0, 0.04, "wave"),
    Segment("sub/b", 3723.48, 3724.0, "jump <1>"),
]


rates, unknown = Media(fps=FPS), Media()


def content(scores=False, segments=SEGMENTS):
    found = Timelines()
    for number, each in enumerate(segments):
        found.add(*each[:4], number / 8 if scores else None)
    found.fps = dict.fromkeys(found.videos, FPS)
    return found


def only_a(found):
    return next(part for part in found.parts() if "a" in part.videos)


# Of each format: the resolution of its times, whether it keeps scores, overlaps.
KEPT = {
    "csv": (0, True),
    "activitynet": (0, True),
    "label-studio": (1 / FPS, True),
    "via": (0, False),
    "fiftyone": (0, True),
    "boris": (0, False),
    "cvat": (1 / FPS, False),
    "elan": (0.001, False),
    "srt": (0.001, True),
    "webvtt": (0.001, True),
    "audacity": (1e-6, False),
    "edl": (1 / FPS, False),
    "chapters": (1, False),
}
OFF_GRID = [
    Segment("a", 1.0137, 2.5291, "wave"),
    Segment("a", 4.00049, 9.9, "jump"),
    Segment("b", 61.3, 64.8, "wave"),
]


def round_trip(folder, name, before):
    chosen = format_named(name)
    path = folder / (f"out{chosen.suffix}" if not chosen.single else "out")
    written = write_files(before, path, chosen)
    assert all(guess_input(each) == chosen for each in written), name
    return read_files(written, None, rates)


def plain(found):
    return sorted(each[:4] for each in found.segments)


@pytest.mark.parametrize("name", [each.name for each in FORMATS])
def test_a_round_trip_keeps_the_segments(tmp_path, name):
    resolution, scored = KEPT[name]
    if name != "chapters":  # which have no overlap
        before = content(scores=scored)
        after = round_trip(tmp_path / "grid", name, before)
        assert len(after.segments) == len(SEGMENTS)
        for one, other in zip(sorted(before.segments), sorted(after.segments), strict=True):
            video = one.video if not format_named(name).single else video_name(one.video)
            assert (other.video, other.label) == (video, one.label)
            assert other.start == pytest.approx(one.start, abs=1e-6)
            assert other.end == pytest.approx(one.end, abs=1e-6)
            assert other.score == (one.score if scored else None)
    before = content(segments=OFF_GRID)
    after = round_trip(tmp_path / "off", name, before)
    assert [each[0::3] for each in plain(after)] == [each[0::3] for each in plain(before)]
    for one, other in zip(plain(before), plain(after), strict=True):
        assert other[1:3] == pytest.approx(one[1:3], abs=resolution / 2 + 1e-9), name
    losses = find_losses(before, after)
    assert bool(losses) == (resolution > 0.001), losses  # none to 1 ms


def test_a_video_without_segments_is_annotated_or_not(tmp_path):
    """Nobody looked at `open`; written as empty, it would be scored as showing no action."""
    (tmp_path / "in.csv").write_text("video,t_start,t_end,label\na,1,2,x\nempty,,,\n")
    before = read_files([tmp_path / "in.csv"], None, rates)
    before.videos["open"] = None
    before.fps = dict.fromkeys(before.videos, FPS)
    for name in ("activitynet", "label-studio"):
        after = round_trip(tmp_path / name, name, before)
        assert list(after.videos) == ["a", "empty", "open"] and list(after.empty) == ["empty"]
        write_files(after, tmp_path / f"{name}.csv", format_named("csv"))
        text = (tmp_path / f"{name}.csv").read_text()
        assert "empty,,," in text and "open" not in text


def test_losses_are_counted():
    before, after = content(scores=True), content(segments=SEGMENTS[:3])
    before.labels, before.durations = {"a": ["wave"]}, {"a": 9.0}
    after.segments[0] = after.segments[0]._replace(end=2.6)
    assert find_losses(before, after) == [
        "1 videos without segments, such as sub/b",
        "2 of 5 segments",
        "times: the largest change is 0.080 s",
        "the scores of 3 segments",
        "the durations of 1 videos",
        "the labels of whole videos of 1 videos",
    ]


def convert(*words):
    COMMAND.main(COMMAND.parser().parse_args([str(word) for word in words]))


def test_the_command_says_what_it_wrote_and_lost(tmp_path, capsys):
    (tmp_path / "in.csv").write_text(
        "video,t_start,t_end,label,score\na.mp4,1.01,2,wave,0.9\na,3,4,wave,0.2\nb,,,,\n"
    )
    out = tmp_path / "tasks_label_studio.json"
    convert(
        tmp_path / "in.csv", out, "--fps", 25, "--min-score", 0.5, "--labels", tmp_path / "l.csv"
    )
    text = capsys.readouterr().err
    assert "1 segments have a score below 0.5" in text
    assert "1 segments of 2 videos, format label-studio" in text
    assert "warning: format label-studio does not keep times: the largest change is 0.010 s" in text
    assert (tmp_path / "l.csv").read_text() == "video,labels,split\na,wave,\nb,,\n"
    first, second = json.loads(out.read_text())
    assert first["data"] == {"video": "a.mp4", "fps": 25.0} and "annotations" not in first
    assert first["predictions"][0]["result"][0]["value"] == {
        "ranges": [{"start": 26, "end": 50}],
        "timelinelabels": ["wave"],
    }
    assert second["data"] == {"video": "b.mp4", "fps": 25.0}
    assert second["annotations"] == [{"result": []}]


def test_videos_give_their_rates_and_names(tmp_path):
    write_clip(tmp_path / "clips/a.mkv".replace("clips/", ""), count=10)
    (tmp_path / "in.csv").write_text("video,t_start,t_end,label\na,0.2,0.4,wave\n")
    convert(tmp_path / "in.csv", tmp_path / "out.xml", "--videos", tmp_path)
    text = (tmp_path / "out.xml").read_text()
    assert [line.split(" occluded")[0].strip() for line in text.split("\n") if "<box" in line] == [
        '<box frame="5" outside="0"',
        '<box frame="9" outside="0"',  # the last one: frame 10 does not exist
    ]
    assert "<source>a.mkv</source>" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["in.csv", "out.xml"], "a: this format counts frames .* give --fps, or --videos"),
        (["in.csv", "out.pdf"], "format is not clear; name it with --to"),
        (["in.csv", "out", "--to", "webvt"], "nearest: webvtt; formats: csv, activitynet"),
        (["in.csv", "out.xml", "--fps", "0"], "--fps is 0.0; expected frames per second"),
        (["two.csv", "out.srt"], "is about one video and there are 2; name a folder"),
        (["odd.json", "out.csv"], "odd.json: its format is not clear; name it with --from"),
        (["in.csv", "out.csv", "--videos", "nowhere"], "nowhere is not a folder"),
    ],
)
def test_what_cannot_be_converted_says_why(tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.csv").write_text("video,t_start,t_end,label\na,1,2,wave\n")
    (tmp_path / "two.csv").write_text("video,t_start,t_end,label\na,1,2,wave\nb,1,2,wave\n")
    (tmp_path / "odd.json").write_text('{"x": 1}')
    with pytest.raises(WstalError, match=message):
        convert(*words)


def test_outputs_are_guessed_by_name(tmp_path):
    names = {"x.srt": "srt", "tasks_label_studio.json": "label-studio", "x.json": "activitynet"}
    names |= {"my-via.json": "via", "x_fiftyone.json": "fiftyone", "chapters.txt": "chapters"}
    assert {name: guess_output(tmp_path / name).name for name in names} == names


@pytest.mark.parametrize(
    ("path", "video"),
    [
        ("a.mp4", "a"),
        ("./sub/a.mp4", "sub/a"),
        ("sub/a", "sub/a"),
        ("/data/upload/3/a%20b.mp4", "a b"),
        ("https://host/x/b%20c.mov?sig=1", "b c"),
        (r"C:\clips\a.mp4", "a"),
        ("../x/a.mp4", "a"),
        ("s3://bucket/a.webm", "a"),
    ],
)
def test_tools_name_videos_by_paths_and_addresses(path, video):
    assert video_name(path) == video


# What the tools and their packages read and write.


def test_pympi_reads_elan_files_and_the_other_way(tmp_path):
    elan = pytest.importorskip("pympi.Elan")
    (path,) = write_files(only_a(content()), tmp_path / "a.eaf", format_named("elan"))
    read = elan.Eaf(str(path))
    tiers = {
        name: sorted(read.get_annotation_data_for_tier(name)) for name in read.get_tier_names()
    }
    assert tiers == {
        "jump <1>": [(2000, 4000, "jump <1>")],
        "wave": [(1000, 2520, "wave")],
        "wave (2)": [(2400, 3000, "wave")],
    }
    made = elan.Eaf()
    made.add_linked_file("file:///clips/b.mp4", relpath="./b.mp4", mimetype="video/mp4")
    made.add_tier("wave")
    made.add_annotation("wave", 120, 340, "")
    made.add_annotation("wave", 400, 500, "small wave")
    made.to_file(str(tmp_path / "b.eaf"))
    found = read_files([tmp_path / "b.eaf"], None, unknown)
    assert plain(found) == [("b", 0.12, 0.34, "wave"), ("b", 0.4, 0.5, "small wave")]


def test_packages_for_subtitles_read_ours_and_the_other_way(tmp_path):
    srt, webvtt = pytest.importorskip("srt"), pytest.importorskip("webvtt")
    one = only_a(content(scores=True))
    write_files(one, tmp_path / "a.srt", format_named("srt"))
    write_files(one, tmp_path / "a.vtt", format_named("webvtt"))
    cues = list(srt.parse((tmp_path / "a.srt").read_text()))
    assert [(c.start.total_seconds(), c.end.total_seconds(), c.content) for c in cues] == [
        (1.0, 2.52, "wave (score 0.000)"),
        (2.0, 4.0, "jump <1> (score 0.125)"),
        (2.4, 3.0, "wave (score 0.250)"),
    ]
    captions = webvtt.read(tmp_path / "a.vtt").captions
    assert [(c.start, c.end) for c in captions][:1] == [("00:00:01.000", "00:00:02.520")]
    (tmp_path / "b.srt").write_text(srt.compose(cues))
    assert plain(read_files([tmp_path / "b.srt"], None, unknown)) == [
        ("b", *each[1:4]) for each in sorted(one.segments)
    ]
    captions[0].text = "two\nlabels"
    (tmp_path / "c.vtt").write_text(webvtt.WebVTT(captions=captions).content)
    found = read_files([tmp_path / "c.vtt"], None, unknown)
    assert {each.label for each in found.segments} == {"two", "labels", "jump <1>", "wave"}


def test_scores_are_never_minus_zero(tmp_path):
    found = Timelines()
    found.add("a", 0, 1, "wave", -0.0)
    write_files(found, tmp_path / "a.srt", format_named("srt"))
    assert "wave (score 0.000)" in (tmp_path / "a.srt").read_text()


def test_label_studio_exports(tmp_path):
    """A task as the tool exports it: an uploaded file, a cancelled annotation, other regions."""
    region = {"type": "timelinelabels", "value": {"ranges": [{"start": 1, "end": 25}]}}
    region["value"]["timelinelabels"] = ["wave"]
    sound = {"type": "labels", "value": {"start": 1.5, "end": 2.5, "labels": ["speech"]}}
    choice = {"type": "choices", "value": {"choices": ["outdoors"]}}
    box = {"type": "videorectangle", "value": {"sequence": []}}
    task = {
        "id": 7,
        "data": {"video": "/data/upload/1/0123abcd-my%20clip.mp4"},
        "annotations": [
            {"was_cancelled": True, "result": [region]},
            {"was_cancelled": False, "result": [region, sound, choice, box]},
        ],
    }
    (tmp_path / "x.json").write_text(json.dumps([task]))
    found = read_files([tmp_path / "x.json"], None, rates)
    assert plain(found) == [("my clip", 0.0, 1.0, "wave"), ("my clip", 1.5, 2.5, "speech")]
    assert found.labels == {"my clip": ["outdoors"]}
    assert found.notes == ["my clip: a region of the kind 'videorectangle'"]


def test_cvat_exports(tmp_path):
    """Tracks as the tool exports them: a shape per frame, one that comes back, one to the end."""
    shapes = [(3, 0), (4, 0), (5, 1), (8, 0), (9, 0)]
    boxes = "".join(f'<box frame="{frame}" outside="{out}" keyframe="1"/>' for frame, out in shapes)
    (tmp_path / "annotations.xml").write_text(
        "<annotations><version>1.1</version><meta><task><name>job</name><source>my clip.mp4</source>"
        f'</task></meta><track id="0" label="wave">{boxes}</track></annotations>'
    )
    found = read_files([tmp_path / "annotations.xml"], None, rates)
    assert plain(found) == [("my clip", 0.12, 0.2, "wave"), ("my clip", 0.32, 0.4, "wave")]


def test_cvat_gets_no_frame_that_the_video_does_not_have(tmp_path):
    """CVAT refuses the whole file for one; a person may mark up to, or behind, the last frame."""
    media = Media(lambda video: Clip("a.mp4", FPS, 4.0))
    content = Timelines(media=media)
    for start, end in ((1, 2), (3, 4), (3.5, 9), (3.96, 4), (4, 5)):
        content.add("a", start, end, "wave")
    (path,) = write_files(content, tmp_path / "a.xml", format_named("cvat"))
    root = parse_xml(path.read_text(), "a.xml", "annotations")
    boxes = [
        [(int(box.get("frame")), box.get("outside")) for box in track]
        for track in root.iter("track")
    ]
    assert boxes == [
        [(25, "0"), (50, "1")],
        [(75, "0"), (99, "0")],
        [(88, "0"), (99, "0")],
        [(99, "0")],
    ]
    assert root.findtext("meta/task/size") == "100"
    found = read_files([path], None, media)
    assert plain(found) == [("a", *each, "wave") for each in ((1, 2), (3, 4), (3.52, 4), (3.96, 4))]


CVAT_TASK = (
    "<task><id>{id}</id><name>t{id}</name><size>{size}</size><start_frame>0</start_frame>"
    "<frame_filter>{step}</frame_filter><subset>{subset}</subset><source>{source}</source></task>"
)


def test_a_cvat_project_numbers_frames_across_its_tasks(tmp_path):
    """The frames of a task follow those of the tasks before it in its subset."""
    tasks = [("3", 50, "", "Train", "a.mp4"), ("5", 20, "step=5", "Train", "b.mp4")]
    tasks += [("7", 50, "", "Train", "sub c.mp4"), ("4", 50, "", "Test", "d.mp4")]
    names = ("id", "size", "step", "subset", "source")
    meta = "".join(CVAT_TASK.format(**dict(zip(names, each, strict=True))) for each in tasks)
    tracks = [("3", 25, 50), ("5", 50, 75), ("7", 150 + 25, 150 + 50), ("4", 0, 25)]
    text = "".join(
        f'<track id="{number}" label="wave" task_id="{task}" subset="x">'
        f'<box frame="{first}" outside="0"/><box frame="{end}" outside="1"/></track>'
        for number, (task, first, end) in enumerate(tracks)
    )
    path = tmp_path / "annotations.xml"
    path.write_text(
        f"<annotations><meta><project><tasks>{meta}</tasks></project></meta>{text}</annotations>"
    )
    found = read_files([path], None, rates)
    assert list(found.videos) == ["a", "b", "sub c", "d"]
    assert plain(found) == [
        ("a", 1.0, 2.0, "wave"),
        ("b", 0.0, 1.0, "wave"),
        ("d", 0.0, 1.0, "wave"),
        ("sub c", 1.0, 2.0, "wave"),
    ]


def test_a_cvat_job_is_named_by_its_file(tmp_path):
    text = (
        "<annotations><meta><job><id>3</id></job></meta>"
        '<track id="0" label="wave"><box frame="0" outside="0"/></track></annotations>'
    )
    for name in ("annotations.xml", "my clip.xml"):
        (tmp_path / name).write_text(text)
    with pytest.raises(WstalError, match="job, which does not name its video; rename it"):
        read_files([tmp_path / "annotations.xml"], None, rates)
    assert plain(read_files([tmp_path / "my clip.xml"], None, rates)) == [
        ("my clip", 0.0, 0.04, "wave")
    ]


def test_what_a_person_wrote_is_not_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hand = "video,t_start,t_end,label\na,1,2,wave\n"
    labels = "video,labels,split,annotated\na.mp4,wave,test,yes\nb.mp4,jump,train,\n"
    for name, text in (("segments.csv", hand), ("labels.csv", labels), ("a.srt", "mine")):
        (tmp_path / name).write_text(text)
    (tmp_path / "in.csv").write_text("video,t_start,t_end,label,score\na,3,4,jump,0.1\n")
    for words in (
        ["in.csv", "segments.csv"],
        ["in.csv", "new.csv", "--labels", "labels.csv"],
        ["in.csv", ".", "--to", "srt"],
    ):
        with pytest.raises(WstalError, match="exists; name another output, or say --force"):
            convert(*words)
    with pytest.raises(WstalError, match="segments.csv is an input .*which it would replace"):
        convert("segments.csv", "../" + tmp_path.name + "/segments.csv", "--force")
    assert (tmp_path / "segments.csv").read_text() == hand
    assert (tmp_path / "labels.csv").read_text() == labels
    assert (tmp_path / "a.srt").read_text() == "mine" and not (tmp_path / "new.csv").exists()
    convert("in.csv", "segments.csv", "--force")
    assert "a,3.0,4.0,jump,0.1" in (tmp_path / "segments.csv").read_text()


def test_labels_that_change_are_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.csv").write_text(
        "video,labels,split,annotated\na.mp4,clap,train,no\nb.mp4,jump,test,\nc.mp4,,,\n"
    )
    (tmp_path / "in.csv").write_text("video,t_start,t_end,label\na,1,2,spin\nb,1,2,jump\n")
    (tmp_path / "segments.csv").write_text("video,t_start,t_end,label\nb,5,6,jump\n")
    convert("in.csv", "segments.csv", "--merge", "--labels", "labels.csv")
    text = capsys.readouterr().err
    assert "labels.csv: a.mp4 (split train): clap is now clap;spin; correct it" in text
    assert "labels.csv: a.mp4 has annotated: no, so that its segments are not scored" in text
    assert "b.mp4" not in text and "labels.csv: 3 videos; fill in the split of 1" in text


def test_a_probability_is_the_score(tmp_path, capsys):
    (tmp_path / "in.csv").write_text(
        "video,t_start,t_end,label,score,probability\na,1,2,wave,3.1,0.8\na,3,4,wave,0.9,0.2\n"
    )
    convert(tmp_path / "in.csv", tmp_path / "out.csv", "--min-score", 0.5)
    assert (tmp_path / "out.csv").read_text().split("\n")[1:2] == ["a,1.0,2.0,wave,0.8"]
    assert "1 segments have a score below 0.5" in capsys.readouterr().err


def test_label_studio_counts_frames_at_the_rate_of_its_project(tmp_path):
    """Not at the video's: a timeline of 24 frames a second, the default, over a video of 50."""
    region = {"type": "timelinelabels", "value": {"ranges": [{"start": 25, "end": 48}]}}
    region["value"]["timelinelabels"] = ["wave"]
    task = {"id": 7, "data": {"video": "a.mp4"}, "annotations": [{"result": [region]}]}
    path = tmp_path / "export.json"
    path.write_text(json.dumps([task]))
    clips = Media(lambda video: Clip("a.mp4", 50.0, 9.0))
    with pytest.raises(WstalError, match="task 7: .*frameRate .*24 unless set.*give --fps"):
        read_files([path], None, clips)
    assert plain(read_files([path], None, Media(clips.clip, fps=24))) == [("a", 1.0, 2.0, "wave")]
    path.write_text(json.dumps([task | {"data": {"video": "a.mp4", "fps": 12}}]))
    assert plain(read_files([path], None, clips)) == [("a", 2.0, 4.0, "wave")]


def test_a_video_without_segments_needs_no_rate(tmp_path):
    """As one in which nobody found anything, or that cannot be opened."""
    (tmp_path / "in.csv").write_text("video,t_start,t_end,label\na,,,\n")
    convert(tmp_path / "in.csv", tmp_path / "out_label-studio.json")
    (task,) = json.loads((tmp_path / "out_label-studio.json").read_text())
    assert task["data"] == {"video": "a.mp4"} and task["annotations"] == [{"result": []}]


def test_what_a_tool_needs_before_is_written_beside(tmp_path, capsys):
    (tmp_path / "in.csv").write_text(
        "video,t_start,t_end,label,score\nsub/a,1,2,wave <1>,0.9\nb,2,3,jump,0.5\n"
    )
    out = tmp_path / "tasks_label_studio.json"
    convert(tmp_path / "in.csv", out, "--fps", 25, "--prefix", "/data/local-files/?d=clips/")
    text = capsys.readouterr().err
    assert "does not keep" not in text  # the folder of sub/a comes back, too
    assert "tasks_label_studio_interface.xml: paste it into Settings > Labeling Interface" in text
    assert [task["data"]["video"] for task in json.loads(out.read_text())] == [
        "/data/local-files/?d=clips/sub/a.mp4",
        "/data/local-files/?d=clips/b.mp4",
    ]
    view = parse_xml((tmp_path / "tasks_label_studio_interface.xml").read_text(), "", "View")
    assert view.find("Video").get("frameRate") == "$fps"
    assert [each.get("value") for each in view.iter("Label")] == ["jump", "wave <1>"]
    convert(tmp_path / "in.csv", tmp_path / "cvat", "--to", "cvat", "--fps", 25)
    labels = json.loads((tmp_path / "cvat/labels.json").read_text())
    assert [each["name"] for each in labels] == ["jump", "wave <1>"]


def test_an_archive_is_to_be_unpacked(tmp_path):
    with pytest.raises(WstalError, match="job_1.zip is an archive; unpack it"):
        read_files([tmp_path / "job_1.zip"])


def test_via_projects(tmp_path):
    """A project as VIA 3 saves it: options by number, text, a region on one frame."""
    project = {
        "project": {"vid_list": ["1"]},
        "attribute": {
            "1": {"aname": "action", "anchor_id": "FILE1_Z2_XY0", "options": {"0": "wave"}},
            "2": {"aname": "object", "anchor_id": "FILE1_Z1_XY1", "options": {"0": "cup"}},
        },
        "file": {"5": {"fid": "5", "fname": "clips/a.mp4", "type": 4}},
        "view": {"1": {"fid_list": ["5"]}},
        "metadata": {
            "1_a": {"vid": "1", "z": [1.5, 2.25], "xy": [], "av": {"1": "0"}},
            "1_b": {"vid": "1", "z": [3, 4], "xy": [], "av": {"1": "jump"}},
            "1_c": {"vid": "1", "z": [3], "xy": [2, 1, 1, 5, 5], "av": {"2": "0"}},
            "1_d": {"vid": "1", "z": [5, 6], "xy": [], "av": {}},
        },
    }
    (tmp_path / "x.json").write_text(json.dumps(project))
    found = read_files([tmp_path / "x.json"], None, unknown)
    assert plain(found) == [("clips/a", 1.5, 2.25, "wave"), ("clips/a", 3.0, 4.0, "jump")]
    assert found.notes == [
        "1_c: not a segment of one video",
        "clips/a: a segment without a label at 5 s",
    ]


def test_fiftyone_labels_with_frames(tmp_path):
    labels = {"a": [{"label": 1, "support": [26, 50], "confidence": 0.5}], "b": None}
    (tmp_path / "labels.json").write_text(json.dumps({"classes": ["x", "wave"], "labels": labels}))
    found = read_files([tmp_path / "labels.json"], None, rates)
    assert found.segments == [Segment("a", 1.0, 2.0, "wave", 0.5)] and list(found.videos) == [
        "a",
        "b",
    ]


def test_boris_projects(tmp_path):
    """Events as BORIS saves them: subjects, point events, one that never stops, two files."""
    events = [
        [1.5, "", "wave", "", ""],
        [2.0, "dog", "wave", "", ""],
        [2.5, "", "wave", "", "", 62],
        [3.0, "dog", "wave", "", ""],
        [4.0, "", "click", "", ""],
        [5.0, "", "jump", "", ""],
    ]
    project = {
        "behaviors_conf": {
            "0": {"type": "State event", "code": "wave"},
            "1": {"type": "Point event", "code": "click"},
            "2": {"type": "State event with coding map", "code": "jump"},
        },
        "observations": {
            "one": {
                "file": {"1": ["/home/me/a.mp4"], "2": []},
                "media_info": {"length": {"/home/me/a.mp4": 9.5}},
                "events": events,
            },
            "two": {"file": {"1": ["b.mp4", "c.mp4"]}, "events": []},
        },
    }
    (tmp_path / "x.boris").write_text(json.dumps(project))
    found = read_files([tmp_path / "x.boris"], None, unknown)
    assert plain(found) == [("a", 1.5, 2.5, "wave"), ("a", 2.0, 3.0, "wave")]
    assert found.durations == {"a": 9.5}
    assert found.notes == [
        "a: point event click at 4 s",
        "a: jump at 5 s never stops",
        "observation two: 2 media files, one is expected",
    ]


def test_edl_of_a_timeline_that_begins_at_one_hour(tmp_path):
    (tmp_path / "a.edl").write_text(
        "TITLE: Timeline 1\nFCM: NON-DROP FRAME\n\n"
        "001  001      V     C        01:00:02:05 01:00:02:06 01:00:02:05 01:00:02:06  \n"
        " |C:ResolveColorRed |M:wave |D:10\n"
    )
    found = read_files([tmp_path / "a.edl"], None, rates)
    assert plain(found) == [("a", 2.2, 2.6, "wave")]
    assert not found.notes


def event(clock, marker="|C:ResolveColorRed |M:wave |D:30"):
    return f"001  001      V     C        {clock} {clock} {clock} {clock}  \n {marker}\n"


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("FCM: DROP FRAME\n" + event("01:10:00;00"), 600.0),  # 18 numbers left out a 10 minutes
        (event("01:01:00;02"), 1800 / 29.97),
        (event("10:00:02:00"), 60 / 29.97),
        (event("00:00:02:00"), 60 / 29.97),
        (event("02:00:00:00"), 3600 * 30 / 29.97),  # an hour behind the beginning
    ],
)
def test_edl_timecodes(tmp_path, text, start):
    (tmp_path / "a.edl").write_text(text)
    (found,) = read_files([tmp_path / "a.edl"], None, Media(fps=29.97)).segments
    assert found.start == pytest.approx(start, abs=1e-3)
    assert found.end == pytest.approx(start + 30 / 29.97, abs=1e-3)


def test_an_edl_begins_where_editors_begin(tmp_path):
    content = Timelines(media=rates)
    content.add("a", 3601, 3603, "wave")
    assert plain(round_trip(tmp_path, "edl", content)) == [("a", 3601.0, 3603.0, "wave")]
    assert " 02:00:01:00 " in (tmp_path / "out/a.edl").read_text()
    (tmp_path / "cuts.edl").write_text(event("01:00:00:00", "* FROM CLIP NAME: a.mov"))
    (tmp_path / "blank.edl").write_text(event("01:00:00:00", "|C:ResolveColorRed |M: |D:30"))
    assert "it has no markers" in read_files([tmp_path / "cuts.edl"], None, rates).notes[0]
    assert "without a label" in read_files([tmp_path / "blank.edl"], None, rates).notes[0]


def test_chapters_end_where_the_next_begins(tmp_path):
    (tmp_path / "a.txt").write_text("0:00 (no action)\n0:05 - wave\n1:02:03 jump\n")
    found = read_files([tmp_path / "a.txt"], None, unknown)
    assert plain(found) == [("a", 5.0, 3723.0, "wave")]
    assert "the last chapter, 'jump' at 3723 s, has no end" in found.notes[0]


@pytest.mark.parametrize("line", ["0:30 | wave", "[0:30] wave", "(0:30) wave", "0:30: wave"])
def test_chapters_are_written_in_many_ways(tmp_path, line):
    (tmp_path / "a.txt").write_text(f"0:00 intro\n{line}\n0:45pm is no time\n1:00 end\n")
    found = read_files([tmp_path / "a.txt"], format_named("chapters"), unknown)
    assert plain(found)[1:] == [("a", 30.0, 60.0, "wave")]


def test_chapters_have_one_entry_a_second_and_rules(tmp_path, capsys):
    (tmp_path / "in.csv").write_text(
        "video,t_start,t_end,label\na,0.2,0.4,blink\na,3,4,run\na,3.1,9,jump\na,5,6,hop\n"
    )
    convert(tmp_path / "in.csv", tmp_path / "chapters.txt", "--to", "chapters")
    assert (tmp_path / "chapters.txt").read_text() == (
        "0:00:00 (no action)\n0:00:03 jump\n0:00:05 hop\n0:00:06 (no action)\n"
    )
    assert "YouTube shows chapters only if 3 or more have 10 s" in capsys.readouterr().err
    (tmp_path / "in.csv").write_text("video,t_start,t_end,label\na,10,20,run\n")
    convert(tmp_path / "in.csv", tmp_path / "chapters.txt", "--to", "chapters", "--force")
    assert "YouTube" not in capsys.readouterr().err


def test_subtitles_lose_their_markup(tmp_path):
    cue = "00:01.000 --> 00:02.000\n"
    texts = ["<v Bob>run</v>", "<c.yellow>walk</c> &amp; hop", "<i>jump</i>&nbsp;", ""]
    (tmp_path / "a.vtt").write_text("WEBVTT\n\n" + "\n\n".join(cue + each for each in texts))
    found = read_files([tmp_path / "a.vtt"], None, unknown)
    assert [each.label for each in found.segments] == ["run", "walk & hop", "jump"]
    assert found.notes == ["a: a segment without a label at 1 s"]
    (tmp_path / "a.srt").write_text(
        '1\n00:00:01,000 --> 00:00:02\n{\\an8}<font color="#fff">run</font> <3>\n'
    )
    assert plain(read_files([tmp_path / "a.srt"], None, unknown)) == [("a", 1.0, 2.0, "run <3>")]


def test_audacity_labels_may_be_empty(tmp_path):
    (tmp_path / "a.txt").write_text("1.0\t2.0\twave\n4.0\t5.0\t\n")
    found = read_files([tmp_path / "a.txt"], None, unknown)
    assert plain(found) == [("a", 1.0, 2.0, "wave")]
    assert found.notes == ["a: a segment without a label at 4 s"]


def test_elan_times_count_from_an_origin(tmp_path):
    """A recording of sound comes first; the video begins 2.5 s before it."""
    path = tmp_path / "clip7.eaf"
    media = (
        '<MEDIA_DESCRIPTOR MEDIA_URL="file:///x/a.wav" MIME_TYPE="audio/x-wav"/>'
        '<MEDIA_DESCRIPTOR MEDIA_URL="file:///x/a.mp4" MIME_TYPE="video/mp4" TIME_ORIGIN="2500"/>'
    )
    text = (
        "<ANNOTATION_DOCUMENT><HEADER>{media}</HEADER><TIME_ORDER>"
        '<TIME_SLOT TIME_SLOT_ID="t1" TIME_VALUE="1000"/><TIME_SLOT TIME_SLOT_ID="t2" '
        'TIME_VALUE="2000"/></TIME_ORDER><TIER TIER_ID="wave"><ANNOTATION><ALIGNABLE_ANNOTATION '
        'ANNOTATION_ID="a1" TIME_SLOT_REF1="t1" TIME_SLOT_REF2="t2"/></ANNOTATION></TIER>'
        "</ANNOTATION_DOCUMENT>"
    )
    path.write_text(text.format(media=media))
    assert plain(read_files([path], None, unknown)) == [("a", 3.5, 4.5, "wave")]
    path.write_text(text.format(media=""))
    assert plain(read_files([path], None, unknown)) == [("clip7", 1.0, 2.0, "wave")]


def test_via_options_to_tick_and_further_attributes(tmp_path):
    project = {
        "attribute": {
            "1": {
                "aname": "action",
                "anchor_id": "FILE1_Z2_XY0",
                "type": 2,
                "options": {"0": "wave", "1": "jump"},
            },
            "2": {"aname": "note", "anchor_id": "FILE1_Z2_XY0", "type": 1, "options": {}},
        },
        "file": {"5": {"fid": "5", "fname": "https://host/b%20c.mp4?sig=1", "type": 4}},
        "view": {"1": {"fid_list": ["5"]}},
        "metadata": {"1_a": {"vid": "1", "z": [1, 2], "xy": [], "av": {"1": "0,1", "2": "odd"}}},
    }
    (tmp_path / "x.json").write_text(json.dumps(project))
    found = read_files([tmp_path / "x.json"], None, unknown)
    assert plain(found) == [("b c", 1.0, 2.0, "jump"), ("b c", 1.0, 2.0, "wave")]
    assert found.notes == ["b c: the attribute note at 1 s"]


def test_fiftyone_labels_of_all_kinds(tmp_path):
    times = [[1, 2.5], ["00:00:03.000", "00:01:04.500"], [3, 3]]
    entries = [{"label": "wave", "timestamps": each} for each in times]
    (tmp_path / "labels.json").write_text(json.dumps({"labels": {"/data/clips/a.mp4": entries}}))
    found = read_files([tmp_path / "labels.json"], None, unknown)
    assert plain(found) == [("a", 1.0, 2.5, "wave"), ("a", 3.0, 64.5, "wave")]
    assert found.notes == ["a: wave at 3 s has no length"]


def test_boris_gets_what_its_player_needs(tmp_path):
    """A KeyError in BORIS otherwise: a state's subject by name, a file's length and rate."""
    overlapping = [Segment("a", 1, 3, "run"), Segment("a", 2, 4, "run"), Segment("ä", 1, 2, "run")]
    content = Timelines(media=Media(lambda video: Clip(f"{video}.mp4", FPS, 9.0)))
    for each in overlapping:
        content.add(*each)
    (path,) = write_files(content, tmp_path / "x.boris", format_named("boris"))
    assert path.read_bytes().isascii()  # BORIS opens it in the system's encoding
    project = json.loads(path.read_text())
    assert [each["name"] for each in project["subjects_conf"].values()] == ["subject 2"]
    info = project["observations"]["a"]["media_info"]
    assert info["length"] == {"a.mp4": 9.0} and info["fps"] == {"a.mp4": 25.0}
    assert info["offset"] == {"1": 0.0} and info["hasVideo"] == info["hasAudio"] == {}
    bare = Timelines()
    bare.add("a", 1, 2, "run")
    write_files(bare, path, format_named("boris"))
    info = json.loads(path.read_text())["observations"]["a"]["media_info"]
    assert info["length"] == info["fps"] == {}


def test_boris_events_have_an_offset(tmp_path):
    observation = {
        "file": {"1": ["a.mp4"]},
        "time offset": 100.0,
        "events": [[102.5, "", "wave", "", ""], [105.0, "", "wave", "", ""]],
    }
    project = {"behaviors_conf": {}, "observations": {"one": observation}}
    path = tmp_path / "x.boris"
    path.write_text(json.dumps(project))
    assert plain(read_files([path], None, unknown)) == [("a", 2.5, 5.0, "wave")]
    observation["media_creation_date_as_offset"] = True
    path.write_text(json.dumps(project))
    assert "begin at the date of the recording" in read_files([path], None, unknown).notes[0]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.txt", "Intro 0:00\n", "x.txt has no chapters; expected lines such as"),
        ("x.json", '{"labels": {"a": [{"label": "x", "timestamps": [1]}]}}', "expected two times"),
        (
            "x.json",
            '[{"data": {"video": "a", "fps": 25}, "annotations": [{"result": [{"type": '
            '"timelinelabels", "value": {"ranges": [{"end": 3}], "timelinelabels": ["x"]}}]}]}]',
            "task 0: a frame of ranges is None",
        ),
        ("x.eaf", "<!DOCTYPE x [<!ENTITY a 'b'>]><x/>", "a document type definition; remove"),
        ("x.eaf", "<a", "is not XML"),
        ("x.eaf", "<a/>", "its root is <a>; expected <ANNOTATION_DOCUMENT>"),
        (
            "x.xml",
            '<annotations><track id="3"><box frame="x"/></track></annotations>',
            "track 3: frame",
        ),
        ("x.csv", "video,t_start,t_end,label,score\na,1,2,x,high\n", "line 2: score is 'high'"),
        ("x.csv", "video,t_start,t_end,label\na,1,,x\n", "line 2: t_end is ''; expected seconds"),
        ("x.json", '{"database": {"a": 3}}', "a is '3'; expected an object"),
        (
            "x.json",
            '{"database": {"a": {"annotations": [{"segment": [2, 1], "label": "x"}]}}}',
            "a: .*inverted",
        ),
        ("x.json", "[3]", "task 0 is '3'; expected an object"),
        ("x.json", '{"labels": {"a": [{"label": "x"}]}}', "neither timestamps nor support"),
    ],
)
def test_bad_files_are_refused(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(WstalError, match=message):
        read_files([tmp_path / name], None, unknown)


def test_xml_keeps_names_that_need_escapes():
    root = parse_xml("<a b='&lt;&amp;'>&gt;</a>", "x", "a")
    assert root.get("b") == "<&" and root.text == ">"
