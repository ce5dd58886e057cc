"""The demo dataset as files: an independent reader finds what the plan says."""

from __future__ import annotations

import csv
import json
import sys
from fractions import Fraction
from itertools import islice

import av
import numpy as np
import pytest
import warm_python
from wstal.datasets.folder import read_folder_annotations
from wstal.demo.videos import draw_frames, plan_videos, render_demo, render_video, write_mp4

SMALL = {"seed": 7, "train": 4, "test": 2}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A small demo set: (folder, plan)."""
    folder = tmp_path_factory.mktemp("demo")
    return folder, render_demo(folder, SMALL)


def test_every_planned_file_stands_and_is_small(demo):
    folder, plans = demo
    assert {p.stem for p in folder.glob("*.mp4")} == {p.id for p in plans}
    assert sum(p.stat().st_size for p in folder.glob("*.mp4")) < len(plans) * 20e6 / 37
    assert not [p for p in folder.iterdir() if p.name.startswith(".")]


def test_rate_size_length_and_sound_are_as_planned(demo):
    folder, plans = demo
    for plan in plans:
        if plan.truncated:
            continue
        with av.open(str(folder / f"{plan.id}.mp4")) as file:
            video = file.streams.video[0]
            assert video.codec_context.name == "h264"
            assert video.average_rate == Fraction(*plan.fps)
            assert (video.width, video.height) == (plan.width, plan.height)
            assert bool(file.streams.audio) == plan.audio
            if plan.audio:
                audio = file.streams.audio[0]
                assert audio.codec_context.name == "aac"
                assert float(audio.duration * audio.time_base) == pytest.approx(
                    plan.duration, abs=0.1
                )
            assert sum(1 for _ in file.decode(video=0)) == plan.frames
    assert sum(not p.audio for p in plans) == 1


def test_truncated_file_refuses_to_open(demo):
    folder, plans = demo
    (cut,) = [p for p in plans if p.truncated]
    assert (folder / f"{cut.id}.mp4").stat().st_size > 10_000
    with pytest.raises(av.error.InvalidDataError):
        av.open(str(folder / f"{cut.id}.mp4"))


def test_labels_and_segments_read_as_own_videos(demo):
    folder, plans = demo
    annotations = read_folder_annotations(folder / "labels.csv", folder / "segments.csv")
    assert set(annotations.database) == {p.id for p in plans}
    for plan in plans:
        entry = annotations.database[plan.id]
        assert entry["subset"] == plan.split
        assert sorted(entry["labels"]) == sorted(plan.labels)
        assert [a["segment"] for a in entry["annotations"]] == [
            [a.start, a.end] for a in plan.actions
        ]
    with (folder / "labels.csv").open() as file:
        assert csv.DictReader(file).fieldnames == ["video", "labels", "split"]


def test_rendering_twice_gives_the_same_pictures(demo, tmp_path):
    folder, plans = demo
    plan = plans[0]
    again = render_video(plan, tmp_path)
    assert again.path.read_bytes() == (folder / f"{plan.id}.mp4").read_bytes()


def test_two_processes_render_through_the_script(project, tmp_path):
    command = [sys.executable, project / "scripts/render_demo.py", "--output", tmp_path]
    config = json.dumps({"seed": 7, "train": 1, "test": 1})
    done = warm_python.run([*command, "--config", config, "--jobs", "2"])
    assert done.returncode == 0, done.stderr
    assert "render 3/3 test_00" in done.stderr
    assert len((tmp_path / "labels.csv").read_text().splitlines()) == 4
    with av.open(str(tmp_path / "test_00.mp4")) as file:
        assert np.ptp(next(file.decode(video=0)).to_ndarray(format="rgb24")) > 50


def test_progress_sees_every_video_before_the_labels_stand(tmp_path, monkeypatch):
    monkeypatch.setattr("wstal.demo.videos.render_video", lambda plan, directory: None)
    seen = []

    def track(items):
        for item in items:
            assert not (tmp_path / "labels.csv").exists()
            seen.append(item.id)
            yield item

    plans = render_demo(tmp_path, SMALL, track=track)
    assert seen == [plan.id for plan in plans]
    assert (tmp_path / "segments.csv").exists()


def test_clips_of_events_read_as_own_videos_with_background(tmp_path):
    config = {"content": "events", "seed": 1, "train": 2, "background": 1, "val": 1, "test": 1}
    plans = render_demo(tmp_path, config)
    annotations = read_folder_annotations(tmp_path / "labels.csv", tmp_path / "segments.csv")
    assert [len(annotations.ids(split)) for split in ("train", "val", "test")] == [3, 1, 1]
    assert annotations.database["background_000"]["labels"] == []
    for plan in plans:
        entry = annotations.database[plan.id]
        assert [a["segment"] for a in entry["annotations"]] == [
            [a.start, a.end] for a in plan.actions
        ]
        with av.open(str(tmp_path / f"{plan.id}.mp4")) as file:
            assert file.streams.video[0].average_rate == 16 and file.streams.audio
            assert sum(1 for _ in file.decode(video=0)) == 160


def frames(count, size=(64, 48)):
    for k in range(count):
        yield np.full((size[1], size[0], 3), 40 + 4 * k, np.uint8)


@pytest.mark.parametrize("fps", [Fraction(24), Fraction(25), Fraction(30000, 1001)])
def test_frames_and_times_come_back(tmp_path, fps):
    write_mp4(tmp_path / "a.mp4", frames(40), fps, (64, 48), options={"bf": "2"})
    with av.open(str(tmp_path / "a.mp4")) as file:
        assert file.streams.video[0].codec_context.name == "h264"
        assert file.streams.video[0].average_rate == fps
        assert not file.streams.audio
        decoded = list(file.decode(video=0))
    assert len(decoded) == 40
    assert np.allclose([f.time for f in decoded], np.arange(40) / float(fps), atol=1e-4)
    levels = [f.to_ndarray(format="rgb24").mean() for f in decoded]
    assert np.allclose(levels, 40 + 4 * np.arange(40), atol=3)


@pytest.mark.parametrize("channels", [1, 2])
def test_sound_comes_back_in_place(tmp_path, channels):
    rate, seconds = 22050, 2.0
    sound = np.zeros((channels, int(rate * seconds)), np.float32)
    sound[:, rate : rate + 2205] = 0.5 * np.sin(np.arange(2205) * 0.2)
    write_mp4(tmp_path / "a.mp4", frames(50), Fraction(25), (64, 48), sound=sound, rate=rate)
    with av.open(str(tmp_path / "a.mp4")) as file:
        stream = file.streams.audio[0]
        assert (stream.codec_context.name, stream.rate) == ("aac", rate)
        blocks = list(file.decode(audio=0))
    wave = np.concatenate([b.to_ndarray() for b in blocks], axis=1)
    assert wave.shape[0] == channels
    loud = np.nonzero(np.abs(wave[0]) > 0.2)[0] / rate + blocks[0].time
    assert loud[0] == pytest.approx(1.0, abs=0.01)
    assert loud[-1] == pytest.approx(1.1, abs=0.01)


def test_same_input_same_bytes(tmp_path):
    """Whatever lay in memory before, and with B-frames."""
    rng = np.random.default_rng(0)
    (plan,) = [p for p in plan_videos({"seed": 7, "train": 24, "test": 1}) if p.id == "train_23"]
    pictures = list(islice(draw_frames(plan), 120))
    kept = set()
    for _ in range(10):
        litter = [
            np.full(int(rng.integers(1000, 400000)), int(rng.integers(256)), np.uint8)
            for _ in range(int(rng.integers(1, 20)))
        ]
        del litter[::2]
        path = tmp_path / "a.mp4"
        options = {"preset": "veryfast", "crf": "21", "g": "48", "bf": "2"}
        size = (plan.width, plan.height)
        write_mp4(path, pictures, Fraction(*plan.fps), size, options=options)
        kept.add(path.read_bytes())
    assert len(kept) == 1
