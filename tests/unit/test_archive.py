"""Unpacking of published archives: only what is wanted, nothing outside, every byte checked."""

import subprocess
import zipfile

import pytest
from wstal.data.archive import unpack, wanted_members
from wstal.errors import WstalError

CONTENT = {"video_test_0000001": b"one" * 5000, "video_test_0000002": bytes(range(256)) * 40}


@pytest.fixture
def archive(tmp_path):
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
def test_wanted_videos_are_written_flat(archive, tmp_path, jobs):
    rows = unpack(archive, tmp_path / "out", set(CONTENT) | {"video_test_0000009"}, jobs=jobs)
    assert written(tmp_path / "out") == {f"{name}.mp4": c for name, c in CONTENT.items()}
    assert [row["id"] for row in rows] == list(CONTENT)
    assert rows[0] | {"id": ""} == {
        "id": "",
        "file": "video_test_0000001.mp4",
        "bytes": 15000,
        "archive": "a.zip",
    }


def test_whole_videos_are_kept_and_partial_ones_replaced(archive, tmp_path):
    unpack(archive, tmp_path / "out", set(CONTENT))
    first, second = (tmp_path / "out" / f"{name}.mp4" for name in CONTENT)
    before = first.stat().st_mtime_ns
    second.write_bytes(b"cut")
    seen = []
    unpack(archive, tmp_path / "out", set(CONTENT), track=lambda items: seen.extend(items) or seen)
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
        wanted_members(tmp_path / "a.zip", set(CONTENT))


def test_a_video_that_is_there_twice_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("a/video_test_0000001.mp4", b"x")
        file.writestr("b/video_test_0000001.mp4", b"y")
    with pytest.raises(WstalError, match="twice"):
        wanted_members(tmp_path / "a.zip", set(CONTENT))


def test_damage_is_found_by_the_checksum(archive, tmp_path):
    damaged = bytearray(archive.read_bytes())
    damaged[100] ^= 255
    archive.write_bytes(damaged)
    with pytest.raises(WstalError, match="damaged"):
        unpack(archive, tmp_path / "out", set(CONTENT))
    assert not list((tmp_path / "out").glob("*0000001*"))


def test_what_is_no_archive_is_named(tmp_path):
    (tmp_path / "a.zip").write_text("an error page")
    with pytest.raises(WstalError, match=r"a\.zip is not a zip archive"):
        unpack(tmp_path / "a.zip", tmp_path / "out", set(CONTENT))


def test_a_full_disk_is_told_before_anything_is_written(archive, tmp_path, monkeypatch):
    full = type("Usage", (), {"free": 100})
    monkeypatch.setattr("wstal.data.archive.shutil.disk_usage", lambda path: full)
    with pytest.raises(WstalError, match="25,240 bytes to unpack, 100 free"):
        unpack(archive, tmp_path / "out", set(CONTENT))
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


def test_an_archive_with_a_password_opens_with_it_alone(locked, tmp_path):
    for password in (None, "wrong"):
        with pytest.raises(WstalError, match="password"):
            unpack(locked, tmp_path / "out", set(CONTENT), password=password)
    unpack(locked, tmp_path / "out", set(CONTENT), password="secret")
    assert written(tmp_path / "out") == {f"{name}.mp4": c for name, c in CONTENT.items()}
