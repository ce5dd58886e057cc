from pathlib import Path
from urllib.parse import unquote

import pytest
from wstal.viewer.location import doubtful_format, video_url

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
