"""Identities of weight files, and what a user is told when one is missing or wrong."""

import hashlib
import subprocess

import pytest
from wstal.errors import WstalError
from wstal.nets.weight_files import (
    WeightFile,
    git_blob_of,
    identify,
    read_sources,
    sha256_of,
    verify,
)

CONTENT = b"weights" * 1000


@pytest.fixture
def sources(project):
    return read_sources(project / "workflow/reference/weights/sources.yaml")


def test_every_network_of_the_recipes_is_known(sources):
    assert {"i3d_rgb_imagenet", "i3d_flow_imagenet", "vggish", "vggish_pca"} <= set(sources)
    for weights in sources.values():
        assert len(weights.git_blob) in (0, 40)
        assert not weights.url or weights.url.endswith("/" + weights.file)
        if len(weights.sha256) < 64 and weights.sha256:
            assert weights.sha256 in weights.file, "a short sha256 is the one in the file's name"


def test_identities(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    assert sha256_of(path) == hashlib.sha256(CONTENT).hexdigest()
    git = subprocess.run(["git", "hash-object", path], capture_output=True, text=True, check=True)
    assert git_blob_of(path) == git.stdout.strip()


def test_mismatch_names_expected_and_found(tmp_path):
    path = tmp_path / "w.pt"
    path.write_bytes(CONTENT)
    for identity in ({"sha256": "0123abcd"}, {"git_blob": "f" * 40}):
        weights = WeightFile("net", "w.pt", "Net", url="http://x/w.pt", **identity)
        with pytest.raises(WstalError) as error:
            verify(path, weights)
        expected = next(iter(identity.values()))
        found = git_blob_of(path) if "git_blob" in identity else sha256_of(path)
        assert expected in str(error.value) and found in str(error.value)


def test_identify(tmp_path):
    digest = hashlib.sha256(CONTENT).hexdigest()
    far = WeightFile("far", "far.pt", "Far", sha256=digest[:8], url="http://x/far.pt")
    near = WeightFile("near", "near.pt", "Near", sha256=digest, shipped=True)
    table = {"far": far, "near": near}
    with pytest.raises(WstalError, match="own.pt"):
        identify(tmp_path / "own.pt", table)
    with pytest.raises(WstalError) as error:
        identify(tmp_path / "far.pt", table)
    for part in ("fetch_weights.py far", "http://x/far.pt", str(tmp_path / "far.pt"), digest[:8]):
        assert part in str(error.value)
    with pytest.raises(WstalError, match="version control"):
        identify(tmp_path / "near.pt", table)
    for name in ("far", "near", "own"):
        (tmp_path / f"{name}.pt").write_bytes(CONTENT)
        assert identify(tmp_path / f"{name}.pt", table) == digest
    for name in ("near", "own"):
        (tmp_path / f"{name}.pt").write_bytes(b"other")
    assert identify(tmp_path / "own.pt", table) != digest, "own weights need no entry"
    with pytest.raises(WstalError, match="not the published file of near"):
        identify(tmp_path / "near.pt", table)


def test_a_file_without_a_published_hash_is_known_by_its_content_alone(tmp_path):
    weights = WeightFile("net", "w.pyth", "Net", url="http://x/w.pyth", unhashed=True)
    with pytest.raises(WstalError, match=r"download http://x/w.pyth to "):
        identify(tmp_path / "w.pyth", {"net": weights})
    (tmp_path / "w.pyth").write_bytes(CONTENT)
    assert identify(tmp_path / "w.pyth", {"net": weights}) == hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize(
    "identity",
    [
        {},
        {"sha256": "12"},
        {"sha256": "0" * 8, "git_blob": "1" * 40},
        {"sha256": "0" * 8, "unhashed": True},
    ],
)
def test_an_entry_needs_one_identity(identity):
    with pytest.raises(WstalError, match="weights n"):
        WeightFile("n", "f", "N", shipped=True, **identity)


@pytest.mark.parametrize("place", [{}, {"shipped": True, "url": "http://x/f"}])
def test_an_entry_needs_one_place(place):
    with pytest.raises(WstalError, match="shipped: true"):
        WeightFile("n", "f", "N", sha256="0" * 8, **place)


def test_an_unknown_entry_is_refused(tmp_path):
    (tmp_path / "sources.yaml").write_text("n: {file: f, network: N, md5: x}")
    with pytest.raises(WstalError, match="md5"):
        read_sources(tmp_path / "sources.yaml")
