"""The page: one file that holds its content, and in which untrusted text never becomes markup."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import h5py
import numpy as np
import pytest
from evaluation_cases import DATABASE, PROTOCOL, detections, truth
from viewer_cases import STEP, decoded, small_material, small_scores
from wstal import viewer
from wstal.base.array_store import Record, write_shard
from wstal.base.errors import WstalError
from wstal.plots.style import GROUND_TRUTH
from wstal.viewer.content import (
    FLOOR,
    Entries,
    doubtful_format,
    judge_seconds,
    read_loudness,
    sound_files,
    video_url,
    viewer_content,
)
from wstal.viewer.page import SCRIPTS, match_proposals, safe_json, viewer_page

HOSTILE = "</script><img src=x onerror=alert(1)><!--<script>&\u2028'\""
SOURCES = Path(viewer.__file__).parent


class Elements(HTMLParser):
    """Tags with their attributes, and the text of each script and style."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts, self._open = [], [], None
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._open = tag
        if tag in ("script", "style"):
            self.texts.append([tag, dict(attributes), ""])

    def handle_endtag(self, tag):
        self._open = None

    def handle_data(self, text):
        if self._open in ("script", "style"):
            self.texts[-1][2] += text


def small_content(folder, **changes):
    return viewer_content(small_material(folder, **changes), folder / "viewer.html", folder)


def test_the_data_comes_back_as_it_was(tmp_path):
    content = small_content(tmp_path)
    texts = Elements(viewer_page(content, "t")).texts
    data = [text for tag, attributes, text in texts if attributes.get("id") == "data"]
    assert json.loads(data[0]) == json.loads(json.dumps(content))


def test_hostile_ids_labels_and_notes_stay_text(tmp_path):
    database = {
        HOSTILE: DATABASE["v2"]
        | {"labels": [HOSTILE], "annotations": [{"segment": [0, 4], "label": HOSTILE}]}
    }
    content = small_content(
        tmp_path,
        about={"title": HOSTILE, "note": HOSTILE},
        truth=truth(tmp_path, classes=[HOSTILE], database=database),
        scores=small_scores({HOSTILE: 5}, [HOSTILE]),
        found=detections([(HOSTILE, 0.0, 4.0, HOSTILE, 1.0)]),
        manifest={
            HOSTILE: {"path": f"/elsewhere/{HOSTILE}.mp4", "status": HOSTILE, "reason": HOSTILE}
        },
    )
    page = viewer_page(content, HOSTILE)
    plain = Elements(viewer_page(small_content(tmp_path), "t"))
    elements = Elements(page)
    assert [tag for tag, _ in elements.tags] == [tag for tag, _ in plain.tags]
    assert HOSTILE not in page and "<img" not in page
    data = next(text for _, attributes, text in elements.texts if attributes.get("id") == "data")
    assert not set("<>&\u2028") & set(data)
    assert json.loads(data)["videos"][0]["id"] == HOSTILE == json.loads(data)["classes"][0]
    assert f"<title>{html.escape(HOSTILE)}</title>" in page


def test_braces_in_the_data_are_not_places_of_the_template(tmp_path):
    page = viewer_page(small_content(tmp_path, about={"note": "{{script}}"}), "{{data}}")
    assert '"{{script}}"' in page and "<title>{{data}}</title>" in page


def test_only_the_pages_own_script_and_style_may_run(tmp_path):
    elements = Elements(viewer_page(small_content(tmp_path), "t"))
    policy = next(a["content"] for tag, a in elements.tags if a.get("http-equiv"))
    assert "default-src 'none'" in policy and "unsafe" not in policy
    for tag, attributes, text in elements.texts:
        if attributes.get("type") != "application/json":
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"{tag}-src 'sha256-{digest}'" in policy


def test_the_page_needs_no_other_file(tmp_path):
    elements = Elements(viewer_page(small_content(tmp_path), "t"))
    assert not [a for tag, a in elements.tags if tag == "link" or {"src", "href", "style"} & set(a)]
    style = next(text for tag, _, text in elements.texts if tag == "style")
    assert GROUND_TRUTH in style and "url(" not in style and "@import" not in style


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_make_text_nodes_only(name):
    script = (SOURCES / name).read_text()
    danger = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|fetch\(|</script|<!--"
    assert not re.search(danger, script)


def test_every_place_the_scripts_look_for_is_in_the_page():
    page = (SOURCES / "page.html").read_text()
    wanted = {
        i
        for name in SCRIPTS
        for i in re.findall(r'byId\("([^"]+)"\)', (SOURCES / name).read_text())
    }
    there = re.findall(r'\bid="([^"]+)"', page)
    assert wanted <= set(there) and len(there) == len(set(there))
    assert {path.name for path in SOURCES.glob("*.js")} == set(SCRIPTS)


def test_json_in_a_script_element_is_still_json():
    assert json.loads(safe_json({"a": HOSTILE})) == {"a": HOSTILE}
    with pytest.raises(ValueError):
        safe_json(float("nan"))


BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)


def dom(folder, content):
    """The page as its scripts leave it."""
    path = folder / "viewer.html"
    path.write_text(viewer_page(content, "t"), encoding="utf-8")
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={folder / 'profile'}",
    ]
    command = [BROWSER, *options, "--virtual-time-budget=2000", "--dump-dom", path.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout


@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on this machine")
def test_the_page_draws_itself_and_hostile_text_stays_text(tmp_path):
    text = dom(tmp_path, small_content(tmp_path))
    assert text.count('aria-current="true"') == 1 and "2 of 2 videos" in text
    assert "2 of 2 instances found at tIoU 0.50" in text and "made up" in text
    assert "true positive</td>" in text and "false positive</td>" in text
    database = {HOSTILE: DATABASE["v2"] | {"labels": [HOSTILE], "annotations": []}}
    hostile = small_content(
        tmp_path,
        about={"title": HOSTILE, "note": HOSTILE},
        truth=truth(tmp_path, classes=[HOSTILE], database=database),
        scores=small_scores({HOSTILE: 5}, [HOSTILE]),
        found=detections([(HOSTILE, 0.0, 4.0, HOSTILE, 1.0)]),
        manifest={},
    )
    text = dom(tmp_path, hostile)
    assert "1 of 1 videos" in text and "<img" not in text
    assert html.escape(HOSTILE, quote=False).replace("\u2028", "") in text.replace("\u2028", "")


def write_sound(path, sound, rate=1000):
    with h5py.File(path, "w") as file:
        file["sound"] = np.rint(sound * 32767).astype(np.int16)
        file.attrs["rate"] = rate
    return path


def test_each_snippet_has_the_level_of_its_own_seconds(tmp_path):
    t = np.arange(3000) / 1000
    sound = np.sin(2 * np.pi * 50 * t) * np.repeat([1.0, 0.1, 0.0], 1000)
    level = read_loudness(write_sound(tmp_path / "a.h5", sound), 1.0, 0.0, 5)
    assert level[:2] == pytest.approx([-3.01, -23.01], abs=0.05)
    assert level[2:].tolist() == [FLOOR] * 3  # silence, and past the end


def test_snippets_may_begin_later_and_be_short(tmp_path):
    sound = np.repeat([0.0, 0.5], 500)
    level = read_loudness(write_sound(tmp_path / "a.h5", sound), 0.25, 0.25, 3)
    assert level == pytest.approx([FLOOR, -6.02, -6.02], abs=0.05)


def test_files_are_those_of_videos_with_sound(tmp_path):
    records = [
        Record("a", "ok", 10, "0", "a.h5", "0"),
        Record("b", "no_audio", 0, "", "", "0", "no sound track"),
        Record("c", "missing", 0, "", "", "0", "not there"),
    ]
    write_shard(tmp_path / "audio/shard0.csv", records)
    assert sound_files([tmp_path / "audio/shard0.csv"]) == {"a": tmp_path / "audio/a.h5"}


def make_entry(material, folder, video):
    verdicts = match_proposals(material.truth, material.found, material.protocol)
    page = folder / "run/viewer.html"
    return Entries(material, material.found, verdicts, page, folder).make(video)


def test_a_videos_entry_holds_what_its_files_hold(tmp_path):
    material = small_material(tmp_path, coverage={"v1": {"status": "no_audio", "reason": "mute"}})
    entry = make_entry(material, tmp_path, "v1")
    assert (entry["id"], entry["url"], entry["duration"]) == ("v1", "./../videos/v1.mp4", 20.0)
    assert (entry["status"], entry["reason"], entry["fps"]) == ("no_audio", "mute", 25.0)
    assert entry["labels"] == [0, 1] and entry["kept"] == [0, 1]
    scores = material.scores.videos["v1"].video_score
    assert entry["videoScore"] == pytest.approx([scores[1], scores[0]], abs=1e-4)
    low, high = entry["activation"]["range"]
    dive = low + decoded(entry["activation"]["curves"][0], "u1") / 255 * (high - low)
    assert np.abs(dive - material.scores.videos["v1"].cas[:, 1]).max() < (high - low) / 255
    assert decoded(entry["proposals"]["score"], "f4") == pytest.approx([0.9, 0.8, 0.1])


def test_of_equal_scores_the_later_row_ranks_first_as_in_matching(tmp_path):
    material = small_material(tmp_path)
    material.found["score"] = 0.5
    entry = make_entry(material, tmp_path, "v1")
    assert decoded(entry["proposals"]["start"], "f4").tolist() == [8.0, 1.0, 15.0]


def test_a_video_without_file_scores_or_duration_still_has_a_length(tmp_path):
    material = small_material(tmp_path, manifest={}, scores=None)
    material.truth.duration["v2"] = None
    entry = make_entry(material, tmp_path, "v2")
    assert (entry["url"], entry["duration"], entry["end"]) == ("", 0.0, 4.0)
    assert "activation" not in entry and "videoScore" not in entry


def test_sound_is_drawn_on_the_scores_grid(tmp_path):
    loud = write_sound(tmp_path / "v2.h5", np.full(5000, 0.5))
    entry = make_entry(small_material(tmp_path, sounds={"v2": loud}), tmp_path, "v2")
    level = FLOOR + decoded(entry["sound"], "u1") / 255 * -FLOOR
    assert len(level) == 20 and STEP * 10 == 5.0
    assert level[:10] == pytest.approx([-6.02] * 10, abs=0.13) and (level[10:] == FLOOR).all()


def test_events_have_a_class_a_second(tmp_path):
    protocol = replace(PROTOCOL, tious=(), averages=(), select="", task="events", seconds=10)
    material = small_material(tmp_path, found=None, protocol=protocol)
    cas = material.scores.videos["v2"].cas
    cas[:] = 0
    cas[:6, 1], cas[6:, 2] = 1, 1  # dive for three seconds, then background
    seconds = judge_seconds(material)["v2"]
    assert seconds == {"truth": [0] * 4 + [2] * 6, "given": [0] * 3 + [2] * 7}
    assert judge_seconds(small_material(tmp_path)) == {}


PAGE = "/p/results/demo/co2net/viewer.html"


def test_a_file_of_the_project_is_found_from_the_page():
    url = video_url("/p/results/demo/videos/a b#1.mp4", PAGE, "/p")
    assert url == "./../videos/a%20b%231.mp4"
    assert (Path(PAGE).parent / unquote(url)).resolve() == Path("/p/results/demo/videos/a b#1.mp4")
    assert video_url("/p/data/x.mp4", PAGE, "/p") == "./../../../data/x.mp4"


def test_relative_paths_are_those_of_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert video_url("clips/a.mp4", "results/x/y/viewer.html", tmp_path) == "./../../../clips/a.mp4"


def test_a_file_elsewhere_has_its_absolute_address():
    assert video_url("/media/big disk/a.avi", PAGE, "/p") == "file:///media/big%20disk/a.avi"
    assert video_url("", PAGE, "/p") == ""


@pytest.mark.parametrize("name", ["javascript:alert(1).mp4", "http:x.mp4", '"><img>.mp4'])
def test_a_file_name_is_never_another_kind_of_address(name):
    for folder in ("/p/results/demo/co2net", "/elsewhere"):
        url = video_url(f"{folder}/{name}", PAGE, "/p")
        assert url.startswith(("./", "file:///")) and not set('<>"') & set(url)


def test_formats_that_browsers_rarely_play_are_named():
    assert doubtful_format("a.AVI") == "avi" and doubtful_format("/x/a.mkv") == "mkv"
    assert doubtful_format("a.mp4") == doubtful_format("") == ""


def test_columns_follow_names_not_places(tmp_path):
    material = small_material(tmp_path)
    assert material.truth.classes == ["dive", "jump"]
    assert material.columns == {"dive": 1, "jump": 0}
    assert small_material(tmp_path, scores=None).columns == {}


def test_scores_of_other_classes_are_refused(tmp_path):
    with pytest.raises(WstalError, match="trained on other annotations"):
        small_material(tmp_path, scores=small_scores({"v1": 3}, ["dive", "swim"]))
