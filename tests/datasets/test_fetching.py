"""Published files from a local server: checked, kept, tried again; archives unpacked safely."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import subprocess
import sys
import zipfile

import pytest
import warm_python
import yaml
from local_server import serving
from wstal.base.download import download, size_of
from wstal.base.errors import WstalError
from wstal.datasets.fetching import fetch_files, fetch_videos, find_members, unpack

TEXT = b"Category&VideoID\n" * 1000
DIGEST = hashlib.sha256(TEXT).hexdigest()


def archive(*names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in names:
            file.writestr(f"videos/{name}.mp4", name.encode() * 100)
    return buffer.getvalue()


def test_files_are_fetched_once_and_identified(tmp_path):
    with serving({"a.txt": TEXT}) as (address, server):
        files = [{"file": "a.txt", "url": f"{address}/a.txt", "sha256": DIGEST}]
        for _ in range(2):
            rows = fetch_files(files, tmp_path)
        assert len(server.asked) == 1
    expected = {"file": "a.txt", "url": files[0]["url"], "bytes": len(TEXT), "sha256": DIGEST}
    assert rows == [expected] and (tmp_path / "a.txt").read_bytes() == TEXT


def test_a_file_without_a_published_checksum_is_recorded(tmp_path):
    with serving({"a.txt": TEXT}) as (address, _):
        rows = fetch_files([{"file": "a.txt", "url": f"{address}/a.txt"}], tmp_path)
    assert rows[0]["sha256"] == DIGEST


def test_another_file_is_refused_and_not_kept(tmp_path):
    with serving({"a.txt": TEXT}) as (address, _):
        files = [{"file": "a.txt", "url": f"{address}/a.txt", "sha256": "0" * 64}]
        with pytest.raises(WstalError, match=f"found {DIGEST}"):
            fetch_files(files, tmp_path, attempts=1)
    assert not list(tmp_path.iterdir())


def test_a_changed_file_that_is_there_is_refused_and_left(tmp_path):
    (tmp_path / "a.txt").write_text("mine")
    with pytest.raises(WstalError, match="is not the published file"):
        download("http://127.0.0.1:9/a.txt", tmp_path / "a.txt", DIGEST)
    assert (tmp_path / "a.txt").read_text() == "mine"


def test_a_failing_server_is_asked_again(tmp_path):
    with serving({"a.txt": TEXT}, failures=2) as (address, server):
        files = [{"file": "a.txt", "url": f"{address}/a.txt", "sha256": DIGEST}]
        fetch_files(files, tmp_path, attempts=3, pause=0.01)
        assert len(server.asked) == 3
    with (
        serving({"b.txt": TEXT}, failures=9) as (address, _),
        pytest.raises(WstalError, match="503"),
    ):
        fetch_files([{"file": "b.txt", "url": f"{address}/b.txt"}], tmp_path, pause=0.01)


def test_an_interrupted_download_is_resumed(tmp_path):
    (tmp_path / "a.txt.part").write_bytes(TEXT[:5000])
    with serving({"a.txt": TEXT}) as (address, server):
        assert download(f"{address}/a.txt", tmp_path / "a.txt", DIGEST) == DIGEST
        assert server.asked == [("a.txt", "bytes=5000-")]


def test_a_web_page_in_place_of_the_file_costs_nothing_that_has_arrived(tmp_path):
    part = tmp_path / "v.zip.part"
    part.write_bytes(b"20 GB")
    with (
        serving({"v.zip": b"<html>log in to this network</html>"}) as (address, _),
        pytest.raises(WstalError, match="a web page arrived in place of the file"),
    ):
        download(f"{address}/v.zip", tmp_path / "v.zip")
    assert part.read_bytes() == b"20 GB" and not (tmp_path / "v.zip").exists()


def test_a_partial_file_larger_than_the_file_is_discarded(tmp_path):
    part = tmp_path / "a.txt.part"
    with serving({"a.txt": TEXT}) as (address, _):
        part.write_bytes(TEXT)
        assert download(f"{address}/a.txt", tmp_path / "a.txt") == DIGEST, "all had arrived"
        (tmp_path / "a.txt").unlink()
        part.write_bytes(TEXT + b"of an older file")
        fetch_files([{"file": "a.txt", "url": f"{address}/a.txt"}], tmp_path, pause=0.01)
    assert (tmp_path / "a.txt").read_bytes() == TEXT


def test_no_addresses_are_an_error(tmp_path):
    with pytest.raises(WstalError, match="not known"):
        fetch_files([], tmp_path)


def test_the_size_is_asked_for_ahead(tmp_path):
    with serving({"a.txt": TEXT}) as (address, _):
        assert size_of(f"{address}/a.txt") == len(TEXT)
        with pytest.raises(WstalError, match="does not answer"):
            size_of(f"{address}/b.txt")


def test_videos_are_fetched_after_the_needed_space_is_reported(tmp_path):
    content = archive("one", "two", "three")
    reported = []
    with serving({"v.zip": content}) as (address, server):
        archives = [{"file": "v.zip", "url": f"{address}/v.zip"}]
        for _ in range(2):
            rows = fetch_videos(
                archives, tmp_path, {"one", "two"}, passwords={}, report=reported.append
            )
        assert len(server.asked) == 1
    assert "v.zip 0.0 GB" in reported[0] and "Free at" in reported[0] and "none" in reported[1]
    assert [row["id"] for row in rows] == ["one", "two"]
    assert (tmp_path / "one.mp4").read_bytes() == b"one" * 100
    assert (tmp_path / "archives/v.zip").read_bytes() == content


def test_nothing_is_fetched_without_the_password_or_the_room(tmp_path, monkeypatch):
    with serving({"v.zip": archive("one")}) as (address, server):
        entry = {"file": "v.zip", "url": f"{address}/v.zip"}
        with pytest.raises(WstalError, match="MY_PASSWORD"):
            fetch_videos([entry | {"password": "MY_PASSWORD"}], tmp_path, {"one"}, passwords={})
        full = type("Usage", (), {"free": 10})
        monkeypatch.setattr("wstal.datasets.fetching.disk_usage", lambda path: full)
        with pytest.raises(WstalError, match="does not fit"):
            fetch_videos([entry], tmp_path, {"one"}, passwords={})
        assert server.asked == []


def run(project, script, folder, *arguments):
    command = [sys.executable, project / "scripts" / script, "--dataset", "ave", *arguments]
    return warm_python.run(command, cwd=folder)


def test_scripts_fetch_what_the_facts_name_and_list_it(project, tmp_path):
    database = {"one": {"subset": "test", "duration": None, "labels": [], "annotations": []}}
    (tmp_path / "a.json").write_text(json.dumps({"classes": [], "database": database}))
    facts = tmp_path / "facts.yaml"
    with serving({"a.txt": TEXT, "v.zip": archive("one", "two")}) as (address, _):
        addresses = {
            "annotations": [{"file": "a.txt", "url": f"{address}/a.txt"}],
            "videos": [{"file": "v.zip", "url": f"{address}/v.zip"}],
        }
        facts.write_text(yaml.safe_dump(addresses))
        labels = ["--facts", facts, "--output", "published/fetched.csv"]
        done = run(project, "fetch_annotations.py", tmp_path, *labels)
        assert done.returncode == 0, done.stderr
        videos = ["--facts", facts, "--annotations", "a.json", "--output", "videos/fetched.csv"]
        done = run(project, "fetch_videos.py", tmp_path, *videos)
        assert done.returncode == 0 and "To download: v.zip" in done.stderr, done.stderr
    assert DIGEST in (tmp_path / "published/fetched.csv").read_text()
    assert "one,one.mp4,300,v.zip" in (tmp_path / "videos/fetched.csv").read_text()
    assert not (tmp_path / "videos/two.mp4").exists()


def test_scripts_end_with_the_page_when_nothing_can_be_fetched(project, tmp_path):
    (tmp_path / "facts.yaml").write_text("annotations: []\n")
    arguments = ["--facts", "facts.yaml", "--output", "published/fetched.csv"]
    done = run(project, "fetch_annotations.py", tmp_path, *arguments)
    assert done.returncode == 1
    assert "data/ave/annotations" in done.stderr and "Terms:" in done.stderr


CONTENT = {"video_test_0000001": b"one" * 5000, "video_test_0000002": bytes(range(256)) * 40}


@pytest.fixture
def videos_zip(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in CONTENT.items():
            file.writestr(f"TH14_test_set_mp4/{name}.mp4", content)
        file.writestr("TH14_test_set_mp4/video_test_0000077.mp4", b"unwanted")
        file.writestr("readme.txt", b"text")
    return path


def written(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("jobs", [1, 2])
def test_wanted_videos_are_written_flat(videos_zip, tmp_path, jobs):
    rows = unpack(videos_zip, tmp_path / "out", set(CONTENT) | {"video_test_0000009"}, jobs=jobs)
    assert written(tmp_path / "out") == {f"{name}.mp4": c for name, c in CONTENT.items()}
    assert [row["id"] for row in rows] == list(CONTENT)
    assert rows[0] | {"id": ""} == {
        "id": "",
        "file": "video_test_0000001.mp4",
        "bytes": 15000,
        "archive": "a.zip",
    }


def test_whole_videos_are_kept_and_partial_ones_replaced(videos_zip, tmp_path):
    unpack(videos_zip, tmp_path / "out", set(CONTENT))
    first, second = (tmp_path / "out" / f"{name}.mp4" for name in CONTENT)
    before = first.stat().st_mtime_ns
    second.write_bytes(b"cut")
    seen = []
    unpack(
        videos_zip,
        tmp_path / "out",
        set(CONTENT),
        track=lambda items: seen.extend(items) or seen,
    )
    assert len(seen) == 1 and first.stat().st_mtime_ns == before
    assert second.read_bytes() == CONTENT[second.stem]


@pytest.mark.parametrize(
    "name",
    [
        "../video_test_0000001.mp4",
        "a/../../video_test_0000001.mp4",
        "/etc/video_test_0000001.mp4",
        "..\\video_test_0000001.mp4",
        "C:/video_test_0000001.mp4",
    ],
)
def test_members_that_point_outside_are_refused_with_their_archive(tmp_path, name):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(zipfile.ZipInfo(name), b"x")
    with pytest.raises(WstalError, match="points outside"):
        unpack(path, tmp_path / "out", set(CONTENT))
    assert not (tmp_path / "out").exists()


def test_links_are_refused(tmp_path):
    link = zipfile.ZipInfo("video_test_0000001.mp4")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(link, "/etc/passwd")
    with pytest.raises(WstalError, match="points outside"):
        find_members(tmp_path / "a.zip", set(CONTENT))


def test_a_video_that_is_there_twice_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("a/video_test_0000001.mp4", b"x")
        file.writestr("b/video_test_0000001.mp4", b"y")
    with pytest.raises(WstalError, match="twice"):
        find_members(tmp_path / "a.zip", set(CONTENT))


def test_damage_is_found_by_the_checksum(videos_zip, tmp_path):
    damaged = bytearray(videos_zip.read_bytes())
    damaged[100] ^= 255
    videos_zip.write_bytes(damaged)
    with pytest.raises(WstalError, match="damaged"):
        unpack(videos_zip, tmp_path / "out", set(CONTENT))
    assert not list((tmp_path / "out").glob("*0000001*"))


def test_a_file_that_is_not_an_archive_is_named(tmp_path):
    (tmp_path / "a.zip").write_text("an error page")
    with pytest.raises(WstalError, match=r"a\.zip is not a zip archive"):
        unpack(tmp_path / "a.zip", tmp_path / "out", set(CONTENT))


def test_a_full_disk_is_reported_before_anything_is_written(videos_zip, tmp_path, monkeypatch):
    full = type("Usage", (), {"free": 100})
    monkeypatch.setattr("wstal.datasets.fetching.disk_usage", lambda path: full)
    with pytest.raises(WstalError, match="25,240 bytes to unpack, 100 free"):
        unpack(videos_zip, tmp_path / "out", set(CONTENT))
    assert not list((tmp_path / "out").iterdir())


@pytest.fixture
def locked(tmp_path):
    for name, content in CONTENT.items():
        (tmp_path / f"{name}.mp4").write_bytes(content)
    names = [f"{name}.mp4" for name in CONTENT]
    try:
        subprocess.run(
            ["zip", "-q", "-P", "secret", "locked.zip", *names], cwd=tmp_path, check=True
        )
    except FileNotFoundError:
        pytest.skip("no zip program here to make an archive with a password")
    return tmp_path / "locked.zip"


@pytest.fixture(params=["stream-unzip", "zipfile"])
def decryption(request, monkeypatch):
    if request.param == "zipfile":
        monkeypatch.setitem(sys.modules, "stream_unzip", None)
    else:
        pytest.importorskip("stream_unzip")
    return request.param


def test_an_archive_with_a_password_opens_with_it_alone(locked, tmp_path, decryption):
    for password in (None, "wrong"):
        with pytest.raises(WstalError, match="password"):
            unpack(locked, tmp_path / "out", set(CONTENT), password=password)
    assert not list((tmp_path / "out").iterdir())
    lines = []
    unpack(locked, tmp_path / "out", set(CONTENT), password="secret", report=lines.append)
    assert written(tmp_path / "out") == {f"{name}.mp4": c for name, c in CONTENT.items()}
    if decryption == "zipfile":
        assert len(lines) == 1 and "pip install 'wstal[archives]'" in lines[0]
    else:
        assert not lines


def test_nothing_is_reported_of_archives_without_a_password(videos_zip, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "stream_unzip", None)
    lines = []
    unpack(videos_zip, tmp_path / "out", set(CONTENT), report=lines.append)
    assert not lines


def test_damage_under_a_password_is_found(locked, tmp_path, decryption):
    content = bytearray(locked.read_bytes())
    member = find_members(locked, set(CONTENT))["video_test_0000002"]
    content[member.header_offset + 30 + len(member.filename) + 60] ^= 255
    locked.write_bytes(content)
    with pytest.raises(WstalError, match="video_test_0000002.mp4 is damaged"):
        unpack(locked, tmp_path / "out", {"video_test_0000002"}, password="secret")
    assert not list((tmp_path / "out").iterdir())


def test_a_member_gives_no_more_than_the_list_of_files_says(locked, tmp_path):
    pytest.importorskip("stream_unzip")
    content, start = bytearray(locked.read_bytes()), locked.read_bytes().index(b"PK\x01\x02")
    assert int.from_bytes(content[start + 24 : start + 28], "little") == 15000
    content[start + 24 : start + 28] = (14999).to_bytes(4, "little")
    locked.write_bytes(content)
    with pytest.raises(WstalError, match="damaged .not the 14,999 bytes"):
        unpack(locked, tmp_path / "out", {"video_test_0000001"}, password="secret")
    assert not list((tmp_path / "out").iterdir())


AES = (  # one video encrypted by AES, which Python's zipfile does not read
    "P)h>@6aWDLV*tf~eq8_n002M$005Xe000&M3jlU$WMyw(bY*jNUobE*FfcGNE^Tl$0htE?0suip0|)@S{g-9VzW<jmwY"
    "yF(y={FniD_Z<>oYao!Wr<Ua<8Z2Z|z`{x5%?!FTbR@U!4+*uv^G;F^Q|jCpa5akJH>xO928D0~7!O0Am2ffPP&70000"
    "$0001(IsgC`01E&B000000001h0RR910Cs6)Wp7_}Wpi|2FfcGMFfcJLZE!RJnFjy@06|3q2mnw^1qJ{B000310RT?`0"
    "04gg00000"
)


@pytest.mark.filterwarnings("ignore:PBKDF2")  # zip archives prescribe its parameters
def test_an_archive_encrypted_by_aes_is_read_with_the_extra(tmp_path, decryption):
    (tmp_path / "a.zip").write_bytes(base64.b85decode(AES))
    name = "video_test_0000001"
    if decryption == "zipfile":
        with pytest.raises(WstalError, match=r"pip install 'wstal\[archives\]'"):
            unpack(tmp_path / "a.zip", tmp_path / "out", {name}, password="secret")
    else:
        unpack(tmp_path / "a.zip", tmp_path / "out", {name}, password="secret")
        assert written(tmp_path / "out") == {f"{name}.mp4": CONTENT[name]}
