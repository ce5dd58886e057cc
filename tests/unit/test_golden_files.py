"""Golden files: from a folder or fetched, refused if they are others."""

import hashlib

import numpy as np
import pytest
import torch
from local_server import serving
from wstal.errors import WstalError
from wstal.features.golden_files import Absent, GoldenFiles, weights_in
from wstal.nets.weight_files import WeightFile

NUMBERS = np.arange(6.0).reshape(2, 3)


@pytest.fixture
def published(tmp_path):
    """A folder as a publisher has it, and the description of its files."""
    folder = tmp_path / "published"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/clip.mp4").write_bytes(b"clip")
    torch.save({"data": NUMBERS}, folder / "rows.pt")
    golden = {
        "files": {"clip": {"file": "clip.mp4", "sha256": hashlib.sha256(b"clip").hexdigest()}},
        "arrays": {"rows": {"file": "rows.pt", "packed": "a/rows"}},
    }
    golden["files"]["clip"]["url"] = "http://127.0.0.1:9/deep/clip.mp4"
    golden["arrays"]["rows"] |= {
        "sha256": hashlib.sha256(NUMBERS.tobytes()).hexdigest(),
        "url": "http://127.0.0.1:9/rows.pt",
    }
    return folder, golden


def test_from_a_folder_at_any_depth(published, tmp_path):
    folder, golden = published
    files = GoldenFiles(golden, tmp_path / "cache", folder)
    assert files.file("clip") == folder / "deep/clip.mp4"
    np.testing.assert_array_equal(files.array("rows"), NUMBERS)
    assert not (tmp_path / "cache").exists()
    (folder / "rows.pt").unlink()
    with pytest.raises(Absent, match=r"rows\.pt.*rows\.pt"):
        files.array("rows")
    np.savez(folder / "video_features_refs.npz", **{"a/rows": NUMBERS})
    np.testing.assert_array_equal(files.array("rows"), NUMBERS)


def test_other_files_are_refused(published, tmp_path):
    folder, golden = published
    files = GoldenFiles(golden, tmp_path / "cache", folder)
    (folder / "deep/clip.mp4").write_bytes(b"other")
    with pytest.raises(WstalError, match="sha256") as error:
        files.file("clip")
    assert not isinstance(error.value, Absent)
    torch.save({"data": NUMBERS + 1e-9}, folder / "rows.pt")
    with pytest.raises(WstalError, match="numbers of rows"):
        files.array("rows")
    with pytest.raises(WstalError, match="no folder"):
        GoldenFiles(golden, tmp_path, tmp_path / "nowhere")


@pytest.mark.parametrize("content", [[1, 2], {"rows": NUMBERS}, {"data": "text"}])
def test_a_file_without_the_numbers_is_refused(published, tmp_path, content):
    folder, golden = published
    torch.save(content, folder / "rows.pt")
    with pytest.raises(WstalError, match="no array `data`"):
        GoldenFiles(golden, tmp_path / "cache", folder).array("rows")


@pytest.mark.parametrize("damaged", [True, False])
def test_a_pack_without_the_numbers_is_refused(published, tmp_path, damaged):
    folder, golden = published
    (folder / "rows.pt").unlink()
    pack = folder / "video_features_refs.npz"
    if damaged:
        pack.write_bytes(b"PK\x03\x04 cut off")
    else:
        np.savez(pack, other=NUMBERS)
    with pytest.raises(WstalError, match="no array a/rows"):
        GoldenFiles(golden, tmp_path / "cache", folder).array("rows")


def test_without_a_folder_they_are_fetched_once(published, tmp_path):
    folder, golden = published
    content = {name: (folder / name).read_bytes() for name in ("deep/clip.mp4", "rows.pt")}
    with serving(content) as (address, _):
        for entry in (golden["files"]["clip"], golden["arrays"]["rows"]):
            entry["url"] = entry["url"].replace("http://127.0.0.1:9", address)
        files = GoldenFiles(golden, tmp_path / "cache")
        assert files.file("clip").read_bytes() == b"clip"
        np.testing.assert_array_equal(files.array("rows"), NUMBERS)
    assert files.file("clip").parent == tmp_path / "cache", "no server is asked again"
    golden["arrays"]["rows"]["file"] = "else.pt"
    with pytest.raises(Absent, match=r"give a folder that holds else\.pt"):
        files.array("rows")


def test_weights(tmp_path):
    sources = {"net": WeightFile("net", "w.pt", "Net", sha256="0" * 8, url="http://x/w.pt")}
    with pytest.raises(Absent, match=r"fetch_weights\.py net"):
        weights_in(tmp_path, sources, "net")
    (tmp_path / "w.pt").write_bytes(b"other")
    with pytest.raises(WstalError, match="not the published file"):
        weights_in(tmp_path, sources, "net")
