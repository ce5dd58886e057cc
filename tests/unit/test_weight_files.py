"""Identities of weight files, and what a user is told when one is missing or wrong."""

import hashlib
import subprocess

import pytest
import yaml
from wstal.errors import WstalError
from wstal.nets.weight_files import WeightFile, git_blob_of, locate, read_sources, sha256_of, verify

CONTENT = b"weights" * 1000


@pytest.fixture
def sources(project):
    path = project / "workflow/reference/weights/sources.yaml"
    return read_sources(yaml.safe_load(path.read_text()))


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
        weights = WeightFile("net", "w.pt", "Net", **identity)
        with pytest.raises(WstalError) as error:
            verify(path, weights)
        expected = next(iter(identity.values()))
        found = git_blob_of(path) if "git_blob" in identity else sha256_of(path)
        assert expected in str(error.value) and found in str(error.value)


def test_locate(tmp_path):
    digest = hashlib.sha256(CONTENT).hexdigest()
    far = WeightFile("far", "far.pt", "Far", sha256=digest[:8], url="http://x/far.pt")
    near = WeightFile("near", "near.pt", "Near", sha256=digest)
    table = {"far": far, "near": near}
    folders = {"shipped": tmp_path / "s", "fetched": tmp_path / "f"}
    with pytest.raises(WstalError, match="nope.*far, near, untrained"):
        locate("nope", table, **folders)
    with pytest.raises(WstalError) as error:
        locate("far", table, **folders)
    for part in ("fetch_weights.py far", "http://x/far.pt", str(tmp_path / "f/far.pt"), digest[:8]):
        assert part in str(error.value)
    with pytest.raises(WstalError, match="version control"):
        locate("near", table, **folders)
    for name, folder in (("far", "f"), ("near", "s")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}.pt").write_bytes(CONTENT)
        assert locate(name, table, **folders) == tmp_path / folder / f"{name}.pt"
    (tmp_path / "s/near.pt").write_bytes(b"other")
    with pytest.raises(WstalError, match="not the published file of near"):
        locate("near", table, **folders)


@pytest.mark.parametrize(
    "identity", [{}, {"sha256": "12"}, {"sha256": "0" * 8, "git_blob": "1" * 40}]
)
def test_an_entry_needs_one_identity(identity):
    with pytest.raises(WstalError, match="weights n"):
        WeightFile("n", "f", "N", **identity)


def test_an_unknown_entry_is_refused():
    with pytest.raises(WstalError, match="md5"):
        read_sources({"n": {"file": "f", "network": "N", "md5": "x"}})
