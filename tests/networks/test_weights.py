"""Weights load exactly or not at all; each published file is recognised and can be downloaded.

Downloads come from a local server: whole, resumed, without ranges, interrupted, wrong.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product

import pytest
import torch
import warm_python
from safetensors.torch import load_file, save_file
from torchvggish.torchvggish import VGG, make_layers
from wstal.base.errors import WstalError
from wstal.base.torch_files import read_plain
from wstal.base.user_files import file_sha256
from wstal.flow.algorithm import load_raft
from wstal.networks.i3d.network import InceptionI3D, load_i3d, untrained_i3d
from wstal.networks.vggish import load_vggish, untrained_vggish
from wstal.networks.weights import (
    WeightFile,
    fetch,
    git_blob_of,
    identify,
    read_sources,
    read_state,
    save_half,
    verify,
)
from wstal.train import checkpoint


def public_state(in_channels, classes=400):
    """A state dict as the public checkpoints have it, made without our network's help."""
    generator = torch.Generator().manual_seed(3)
    widths = {
        "Mixed_3b": (192, 64, 96, 128, 16, 32, 32),
        "Mixed_3c": (256, 128, 128, 192, 32, 96, 64),
        "Mixed_4b": (480, 192, 96, 208, 16, 48, 64),
        "Mixed_4c": (512, 160, 112, 224, 24, 64, 64),
        "Mixed_4d": (512, 128, 128, 256, 24, 64, 64),
        "Mixed_4e": (512, 112, 144, 288, 32, 64, 64),
        "Mixed_4f": (528, 256, 160, 320, 32, 128, 128),
        "Mixed_5b": (832, 256, 160, 320, 32, 128, 128),
        "Mixed_5c": (832, 384, 192, 384, 48, 128, 128),
    }
    units = {
        "Conv3d_1a_7x7": (in_channels, 64, 7),
        "Conv3d_2b_1x1": (64, 64, 1),
        "Conv3d_2c_3x3": (64, 192, 3),
    }
    for name, (inputs, b0, b1a, b1b, b2a, b2b, b3b) in widths.items():
        units |= {
            f"{name}.b0": (inputs, b0, 1),
            f"{name}.b1a": (inputs, b1a, 1),
            f"{name}.b1b": (b1a, b1b, 3),
            f"{name}.b2a": (inputs, b2a, 1),
            f"{name}.b2b": (b2a, b2b, 3),
            f"{name}.b3b": (inputs, b3b, 1),
        }
    state = {}
    for name, (inputs, outputs, kernel) in units.items():
        shape = (outputs, inputs, kernel, kernel, kernel)
        state[f"{name}.conv3d.weight"] = torch.randn(shape, generator=generator) * 0.05
        for part in ("weight", "bias", "running_mean", "running_var"):
            state[f"{name}.bn.{part}"] = torch.rand(outputs, generator=generator) + 0.5
        state[f"{name}.bn.num_batches_tracked"] = torch.tensor(7)
    state["logits.conv3d.weight"] = torch.randn(classes, 1024, 1, 1, 1, generator=generator)
    state["logits.conv3d.bias"] = torch.randn(classes, generator=generator)
    return state


@pytest.mark.parametrize("in_channels", [2, 3])
def test_public_layout_loads_exactly(tmp_path, in_channels):
    state = public_state(in_channels)
    torch.save(state, tmp_path / "i3d.pt")
    network = load_i3d(tmp_path / "i3d.pt", in_channels)
    assert not network.training
    loaded = network.state_dict()
    assert set(loaded) == set(state)
    for name, value in state.items():
        if "num_batches" not in name:
            assert torch.equal(loaded[name], value), name


def test_stream_of_the_wrong_kind_is_refused_by_key(tmp_path):
    torch.save(public_state(3), tmp_path / "rgb.pt")
    with pytest.raises(WstalError, match=r"rgb.pt: tensor Conv3d_1a_7x7.conv3d.weight .*\[64, 3, "):
        load_i3d(tmp_path / "rgb.pt", 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("Mixed_4c.b1a.bn.bias"), "has no tensor Mixed_4c.b1a.bn.bias"),
        (lambda s: s.update(extra=torch.zeros(1)), "has a tensor extra"),
    ],
)
def test_missing_and_unknown_tensors_are_named(tmp_path, change, message):
    state = InceptionI3D(2, width=0.125).state_dict()
    change(state)
    torch.save(state, tmp_path / "net.pt")
    with pytest.raises(WstalError, match=message):
        load_i3d(tmp_path / "net.pt", 2, width=0.125)


def test_vggish_loads_the_public_layout(tmp_path):
    oracle = VGG(make_layers(), postprocess=False)
    torch.save(oracle.state_dict(), tmp_path / "vggish.pth")
    loaded = load_vggish(tmp_path / "vggish.pth").state_dict()
    for name, value in oracle.state_dict().items():
        assert torch.equal(loaded[name], value)


class Hostile:
    def __reduce__(self):
        return (pytest.fail, ("code of a weights file was run",))


def test_files_that_would_run_code_are_refused(tmp_path):
    torch.save({"a": Hostile()}, tmp_path / "hostile.pt")
    with pytest.raises(WstalError, match="objects other than tensors.*_Fail"):
        read_state(tmp_path / "hostile.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(WstalError):
        read_state(tmp_path / "plain.pt")


@pytest.mark.parametrize("name", ["damaged.pt", "damaged.safetensors"])
def test_damaged_and_absent_files(tmp_path, name):
    with pytest.raises(WstalError, match="wstal weights"):
        read_state(tmp_path / name)
    (tmp_path / name).write_bytes(b"not weights at all")
    with pytest.raises(WstalError, match=name):
        read_state(tmp_path / name)


def test_a_file_of_other_things_is_refused(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "log.pt")
    with pytest.raises(WstalError, match="plain state dict"):
        read_state(tmp_path / "log.pt")


def test_half_precision_file_is_reproducible_and_loads(tmp_path):
    network = InceptionI3D(2, width=0.125, num_classes=5)
    for name in "ab":
        save_half(tmp_path / f"{name}.safetensors", network, {"seed": 1, "steps": 2})
    first, second = ((tmp_path / f"{n}.safetensors").read_bytes() for n in "ab")
    assert first == second
    loaded = load_i3d(tmp_path / "a.safetensors", 2, width=0.125)
    assert loaded.logits.conv3d.out_channels == 5
    weight = network.Conv3d_2c_3x3.conv3d.weight
    assert torch.equal(loaded.Conv3d_2c_3x3.conv3d.weight, weight.half().float())


def test_single_precision_safetensors(tmp_path):
    network = untrained_vggish(width=0.125)
    save_file(network.state_dict(), tmp_path / "v.safetensors")
    loaded = load_vggish(tmp_path / "v.safetensors", width=0.125).state_dict()
    for name, value in load_file(tmp_path / "v.safetensors").items():
        assert torch.equal(loaded[name], value)


def test_untrained_networks_are_seeded_and_leave_the_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, two = untrained_i3d(2, 0.125), untrained_i3d(2, 0.125)
    assert torch.rand(1) == expected
    weights = (n.Mixed_5c.b0.conv3d.weight for n in (one, two))
    assert torch.equal(*weights)
    assert not one.training


CONTENT = b"weights" * 1000
PUBLISHED = bytes(range(256)) * 2000  # long enough to interrupt its download
PUBLISHED_SHA256 = hashlib.sha256(PUBLISHED).hexdigest()


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
    assert file_sha256(path) == hashlib.sha256(CONTENT).hexdigest()
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
        found = git_blob_of(path) if "git_blob" in identity else file_sha256(path)
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
    for part in ("weights fetch far", "http://x/far.pt", str(tmp_path / "far.pt"), digest[:8]):
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


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if not server.knows_ranges:
            start, asked = 0, None
        if start >= len(PUBLISHED):
            self.send_error(416)
            return
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(PUBLISHED) - start))
        self.end_headers()
        self.wfile.write(PUBLISHED[start : server.breaks_at])
        if server.breaks_at:
            server.breaks_at = None
            self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.ranges, server.knows_ranges, server.breaks_at = [], True, None
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def weights(server, sha256=PUBLISHED_SHA256):
    url = f"http://127.0.0.1:{server.server_port}/net.pt"
    return WeightFile("net", "net.pt", "Net", sha256=sha256, url=url)


def test_whole_file_with_progress(server, tmp_path):
    seen = []

    def track(pieces, done, total):
        for piece in pieces:
            done += len(piece)
            yield piece
        seen.append((done, total))

    path = fetch(weights(server), tmp_path / "new/net.pt", track)
    assert path.read_bytes() == PUBLISHED
    assert seen == [(len(PUBLISHED), len(PUBLISHED))]
    assert [p.name for p in path.parent.iterdir()] == ["net.pt"]
    fetch(weights(server), path)
    assert len(server.ranges) == 1, "a file that is there is not fetched again"


def test_interrupted_download_goes_on(server, tmp_path):
    server.breaks_at = 100_000
    with pytest.raises(WstalError, match="run it again to resume") as error:
        fetch(weights(server), tmp_path / "net.pt")
    assert "net.pt" in str(error.value) and not (tmp_path / "net.pt").exists()
    arrived = (tmp_path / "net.pt.part").stat().st_size
    assert 0 < arrived <= 100_000
    assert fetch(weights(server), tmp_path / "net.pt").read_bytes() == PUBLISHED
    assert server.ranges == [None, f"bytes={arrived}-"]


def test_server_without_ranges_starts_again(server, tmp_path):
    server.knows_ranges = False
    (tmp_path / "net.pt.part").write_bytes(b"stale")
    assert fetch(weights(server), tmp_path / "net.pt").read_bytes() == PUBLISHED


def test_complete_part_is_taken(server, tmp_path):
    (tmp_path / "net.pt.part").write_bytes(PUBLISHED)
    assert fetch(weights(server), tmp_path / "net.pt").read_bytes() == PUBLISHED


def test_another_file_is_refused_and_removed(server, tmp_path):
    with pytest.raises(WstalError, match=f"expected {'0' * 64}, found {PUBLISHED_SHA256}"):
        fetch(weights(server, "0" * 64), tmp_path / "net.pt")
    assert not list(tmp_path.iterdir())


def test_file_placed_by_hand_is_checked(server, tmp_path):
    (tmp_path / "net.pt").write_bytes(b"something else")
    with pytest.raises(WstalError, match="not the published file"):
        fetch(weights(server), tmp_path / "net.pt")
    assert (tmp_path / "net.pt").exists() and not server.ranges


def test_no_network_says_what_to_place_where(tmp_path):
    absent = WeightFile(
        "net", "net.pt", "Net", sha256=PUBLISHED_SHA256, url="http://127.0.0.1:9/net.pt"
    )
    with pytest.raises(WstalError) as error:
        fetch(absent, tmp_path / "net.pt")
    for part in (absent.url, str(tmp_path / "net.pt"), PUBLISHED_SHA256):
        assert part in str(error.value)


def test_script_fetches_and_lists(server, tmp_path, project):
    source = weights(server)
    table = (
        f"net: {{network: Net, file: net.pt, sha256: {PUBLISHED_SHA256}, url: '{source.url}'}}\n"
    )
    (tmp_path / "sources.yaml").write_text(table)
    script = [sys.executable, "-m", "wstal", "weights"]
    script += ["--sources", tmp_path / "sources.yaml", "--folder", tmp_path]
    warm_python.run([*script, "fetch", "net"], check=True)
    assert (tmp_path / "net.pt").read_bytes() == PUBLISHED
    listing = warm_python.run([*script, "list"], check=True)
    assert "present" in listing.stdout and source.url in listing.stdout
    unknown = warm_python.run([*script, "fetch", "other"])
    assert unknown.returncode and "known: net" in unknown.stderr


class Evil:
    def __reduce__(self):
        return (os.system, ("true",))


def test_no_refusal_repeats_the_advice_to_load_unsafely(tmp_path):
    torch.save({"format": Evil()}, tmp_path / "evil.pt")
    scripted = torch.jit.trace(torch.nn.Linear(1, 1), torch.zeros(1))
    torch.jit.save(scripted, tmp_path / "scripted.pt")
    with tarfile.open(tmp_path / "legacy.pt", "w") as archive:
        archive.addfile(tarfile.TarInfo("storages"))
    readers = (read_plain, checkpoint.load, lambda path: load_raft(str(path), "raft_small", "cpu"))
    for name, read in product(("evil.pt", "scripted.pt", "legacy.pt"), readers):
        with pytest.raises(WstalError) as refused:
            read(tmp_path / name)
        said = str(refused.value)
        assert name in said
        for advice in ("weights_only", "Please", "Re-running", "arbitrary code", "add_safe"):
            assert advice not in said, said
