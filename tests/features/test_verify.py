"""The verification of weights: it passes on what they give, fails on anything else, says what it skips.

Published files come from a folder or are downloaded, and others are refused. The expected values
are made here by the plain networks, torchvggish's examples and PIL's frames.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tarfile
from functools import partial

import av
import cv2
import numpy as np
import pytest
import torch
import warm_python
import yaml
from backbone_cases import entries, untrained, vector_of
from local_server import serving
from PIL import Image
from torchvggish import vggish_input
from torchvggish.torchvggish import Postprocessor
from video_clips import write_clip
from wstal.base.errors import WstalError
from wstal.features.verify import Absent, GoldenFiles, weight_checks, weights_in
from wstal.flow import tvl1
from wstal.networks.i3d.network import InceptionI3D
from wstal.networks.vggish import VGGish
from wstal.networks.weights import WeightFile

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
    with pytest.raises(Absent, match=r"weights fetch net"):
        weights_in(tmp_path, sources, "net")
    (tmp_path / "w.pt").write_bytes(b"other")
    with pytest.raises(WstalError, match="not the published file"):
        weights_in(tmp_path, sources, "net")


WIDTH = 0.0625
NAMES = ("i3d_rgb_imagenet", "i3d_flow_imagenet", "r2plus1d_kinetics", "vggish", "vggish_pca")


def digest(content):
    return hashlib.sha256(content).hexdigest()


def sound_of(path):
    with av.open(str(path)) as file:
        return np.concatenate([f.to_ndarray()[0] for f in file.decode(audio=0)])


def pixels_of(path):
    with av.open(str(path)) as file:
        return np.stack([f.to_ndarray(format="rgb24") for f in file.decode(video=0)])


def random(network, seed):
    torch.manual_seed(seed)
    for name, parameter in network.named_parameters():
        torch.nn.init.normal_(parameter, 0.02, 0.1)
        if isinstance(network, InceptionI3D):  # the input must reach the output
            if name.endswith("bn.weight"):
                torch.nn.init.ones_(parameter)
            elif parameter.dim() > 1:
                torch.nn.init.kaiming_normal_(parameter)
    return network.eval()


def write_gif(path, count, seed):
    """Few colours a picture: what is written is what is read."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (count, 4, 4, 3)).astype(np.uint8).repeat(8, 1).repeat(8, 2)
    pictures = [Image.fromarray(block) for block in blocks]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=40)
    return blocks


def statistics(values):
    return {"mean": float(values.mean()), "sd": float(values.std(correction=0))}


def thumos14(folder, networks, golden):
    """Write frames of a video and return its rows, made by the plain networks and OpenCV's flow."""
    rng, name, rows = np.random.default_rng(5), "video_validation_0000051", [0, 2]
    (folder / name).mkdir()
    files, pictures = [], []
    texture = rng.integers(0, 256, (32, 52, 3)).astype(np.uint8).repeat(2, 0).repeat(2, 1)
    for number in range(49):
        path = folder / name / f"img_{number + 1:05d}.jpg"
        shifted = texture[:64, number % 9 : number % 9 + 64] // (1 + number // 17)
        Image.fromarray(shifted).save(path, quality=95)
        files.append(path.read_bytes())
        pictures.append(np.array(Image.open(path)))
    spans = [slice(16 * row, 16 * row + 17) for row in rows]
    golden["frames"] = {
        "thumos14": {
            "folder": name,
            "file": "img_{number:05d}.jpg",
            "packed": "frames.tar",
            "rows": rows,
            "sha256": digest(b"".join(b"".join(files[span]) for span in spans)),
            "url": "http://x/",
        }
    }
    found = {f"thumos14_{key}": torch.zeros(3, int(1024 * WIDTH)) for key in ("rgb", "flow")}
    for row, span in zip(rows, spans, strict=True):
        rgb = torch.from_numpy(np.stack(pictures[span][:16]) / 127.5 - 1).float()
        gray = np.stack([cv2.cvtColor(p, cv2.COLOR_RGB2GRAY) for p in pictures[span]])
        flow = torch.from_numpy(np.rint(tvl1(gray).clip(-20, 20) / 20 * 127) / 127).float()
        for key, x in (("rgb", rgb), ("flow", flow)):
            network = networks[f"i3d_{key}_imagenet"]
            found[f"thumos14_{key}"][row] = network.features(x.permute(3, 0, 1, 2)[None])[0]
    with tarfile.open(folder / "frames.tar", "w") as archive:
        archive.add(folder / name, name)
    for key in found:
        golden["features"][key] = {"cosine": 0.999, "width": WIDTH}
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder of weights, a folder of golden files, and the description of both."""
    root = tmp_path_factory.mktemp("golden")
    rng = np.random.default_rng(0)
    networks = {
        "i3d_rgb_imagenet": random(InceptionI3D(3, WIDTH), 1),
        "i3d_flow_imagenet": random(InceptionI3D(2, WIDTH), 2),
        "r2plus1d_kinetics": untrained("r2plus1d").network,
        "vggish": random(VGGish(WIDTH), 3),
    }
    states = {name: network.state_dict() for name, network in networks.items()}
    states["vggish_pca"] = {
        "pca_eigen_vectors": rng.standard_normal((128, 128)) / 5,
        "pca_means": rng.uniform(0, 1, (128, 1)),
    }
    (root / "weights").mkdir()
    for name, state in states.items():
        torch.save(state, root / f"weights/{name}.pt")
    tone = np.sin(np.arange(48000) / 7)[None] * 0.5 + rng.uniform(-0.2, 0.2, (1, 48000))
    (root / "files").mkdir()
    clip = write_clip(
        root / "files/clip.mkv", 40, size=(48, 32), sound=tone, sound_codec="pcm_s16le"
    )
    pixels = pixels_of(clip)[:32, :, 8:40].astype(np.float32)
    rgb_gif = write_gif(root / "files/rgb.gif", 16, 1)
    flow_gif = write_gif(root / "files/flow.gif", 16, 2)
    golden = {"features": {}, "logits": {"tolerance": 1e-3, "width": WIDTH}}
    with torch.inference_mode():
        x = torch.from_numpy(pixels.reshape(2, 16, 32, 32, 3)).permute(0, 4, 1, 2, 3)
        arrays = {"i3d_rgb": networks["i3d_rgb_imagenet"].features(x / 127.5 - 1)}
        mean, std = (
            torch.tensor(v)[:, None, None, None]
            for v in (entries()["r2plus1d"].mean, entries()["r2plus1d"].std)
        )
        _, arrays["r2plus1d"] = vector_of("r2plus1d", (x / 255 - mean) / std)
        heard = vggish_input.waveform_to_examples(sound_of(clip) / 32768.0, 16000, False)
        arrays["vggish"] = networks["vggish"](torch.from_numpy(np.asarray(heard)).float()[:, None])
        rgb = torch.from_numpy(rgb_gif / 127.5 - 1).float().permute(3, 0, 1, 2)[None]
        flow = torch.from_numpy((flow_gif[..., :2] + 0.5) / 127.5 - 1).float()
        logits = {
            "rgb": networks["i3d_rgb_imagenet"](rgb)[0].mean(1),
            "flow": networks["i3d_flow_imagenet"](flow.permute(3, 0, 1, 2)[None])[0].mean(1),
        }
        logits["joint"] = logits["rgb"] + logits["flow"]
        golden["vggish"] = {"width": WIDTH, "sine": []}
        golden["vggish"]["rows"] = statistics(arrays["vggish"]) | {"tolerance": 0.01}
        seconds = np.arange(0, 3, 1 / 16000)
        sine = vggish_input.waveform_to_examples(np.sin(2000 * np.pi * seconds), 16000, False)
        pre = VGGish(WIDTH, "pre")
        pre.load_state_dict(states["vggish"])
        rows = pre(torch.from_numpy(np.asarray(sine)).float()[:, None])
    post = object.__new__(Postprocessor)
    post._pca_matrix = torch.from_numpy(states["vggish_pca"]["pca_eigen_vectors"]).float()
    post._pca_means = torch.from_numpy(states["vggish_pca"]["pca_means"]).float()
    tone = {"activation": "pre", "rate": 16000} | statistics(rows)
    components = statistics(post.postprocess(rows))
    golden["vggish"]["sine"] = [tone | {f"pca_{k}": v for k, v in components.items()}]
    golden["vggish"]["rows"]["cosine"] = 0.999
    for name, side in (("i3d_rgb", 32), ("r2plus1d", 32)):
        golden["features"][name] = {"stack": 16, "short_side": side, "crop": 32, "cosine": 0.999}
    golden["features"]["i3d_rgb"]["width"] = WIDTH
    golden["logits"]["class"] = int(logits["joint"].argmax())
    for name, values in logits.items():
        logit = float(values[golden["logits"]["class"]])
        golden["logits"][name] = {"logit": logit, "norm": float(values.norm())}
    golden["best"] = {name: int(values.argmax()) for name, values in logits.items()}
    golden["files"] = {
        name: {"file": path.name, "sha256": digest(path.read_bytes()), "url": "http://x/"}
        for name, path in [
            ("clip", clip),
            ("rgb_gif", root / "files/rgb.gif"),
            ("flow_gif", root / "files/flow.gif"),
        ]
    }
    with torch.inference_mode():
        arrays |= thumos14(root / "files", networks, golden)
    golden["arrays"] = {}
    noise = torch.randn(arrays["i3d_rgb"].shape, generator=torch.Generator().manual_seed(4))
    arrays["perturbed"] = arrays["i3d_rgb"] + 0.1 * arrays["i3d_rgb"].std() * noise
    for name, values in arrays.items():
        torch.save({"data": values.numpy()}, root / f"files/{name}.pt")
        entry = {"file": f"{name}.pt", "packed": name, "url": "http://x/"}
        golden["arrays"][name] = entry | {"sha256": digest(values.numpy().tobytes())}
    return root, golden


def sources_of(folder):
    return {
        name: WeightFile(name, f"{name}.pt", name, url="http://x/", unhashed=True) for name in NAMES
    }


def run(root, golden, weights=None):
    files = GoldenFiles(golden, root / "cache", root / "files")
    folder = weights or root / "weights"
    weights = partial(weights_in, folder, sources_of(folder))
    found = weight_checks(golden, files, weights, entries())
    return {check.name: check for check in found}


def statuses(checks):
    return [check.status for check in checks.values()]


@pytest.fixture
def expected(made):
    """All that the networks give: the class only of the joint logits is theirs for sure."""
    root, golden = made
    best = golden["best"]
    silent = {f"I3D {'RGB' if s == 'rgb' else s}, logits" for s in best if best[s] != best["joint"]}
    return root, golden, silent


def test_what_the_weights_give_passes(expected):
    root, golden, other_class = expected
    checks = run(root, golden)
    assert len(checks) == 10
    for name, check in checks.items():
        if name in other_class:
            assert check.status == "fail" and "the largest logit" in check.detail
            assert "expected" not in check.detail
        else:
            assert check.status == "pass", check


@pytest.mark.parametrize(
    ("change", "failing"),
    [
        (lambda g: g["arrays"].update(i3d_rgb=g["arrays"]["perturbed"]), {"I3D RGB, features of a clip"}),
        (lambda g: g["features"]["r2plus1d"].update(stack=20), {"R(2+1)D, features of a clip"}),
        (lambda g: g["arrays"].update(thumos14_rgb=g["arrays"]["thumos14_flow"]), {"I3D RGB, rows of a THUMOS14 video"}),
        (lambda g: g["frames"]["thumos14"].update(sha256="0"), {"I3D RGB, rows of a THUMOS14 video", "I3D flow, rows of a THUMOS14 video"}),
        (lambda g: g["logits"]["joint"].update(norm=1.002 * g["logits"]["joint"]["norm"]), {"I3D joint, logits"}),
        (lambda g: g["vggish"]["rows"].update(mean=g["vggish"]["rows"]["mean"] * 1.02), {"VGGish, embeddings of a clip"}),
        (lambda g: g["vggish"]["sine"][0].update(sd=g["vggish"]["sine"][0]["sd"] * 1.3), {"VGGish, pre-activation, sine at 16000 Hz"}),
        (lambda g: g["vggish"]["sine"][0].update(pca_mean=255), {"VGGish, pre-activation, sine at 16000 Hz, 8-bit components"}),
    ],
)  # fmt: skip
def test_anything_else_fails(expected, change, failing):
    root, golden, other_class = expected
    golden = yaml.safe_load(yaml.safe_dump(golden))
    change(golden)
    checks = run(root, golden)
    assert {n for n, check in checks.items() if check.status == "fail"} == failing | other_class


def test_the_frames_may_be_loose_packed_or_fetched(made, tmp_path):
    root, golden = made
    loose = GoldenFiles(golden, tmp_path, root / "files").frames("thumos14")
    (tmp_path / "packed").mkdir()
    shutil.copy(root / "files/frames.tar", tmp_path / "packed")
    packed = GoldenFiles(golden, tmp_path, tmp_path / "packed").frames("thumos14")
    entry = golden["frames"]["thumos14"]
    content = {
        path.name: path.read_bytes() for path in (root / "files" / entry["folder"]).iterdir()
    }
    with serving(content) as (address, _):
        entry = entry | {"url": f"{address}/{entry['file']}"}
        fetched = GoldenFiles({"frames": {"thumos14": entry}}, tmp_path).frames("thumos14")
    assert loose.shape == (2, 17, 64, 64, 3)
    assert (packed == loose).all() and (fetched == loose).all()
    (tmp_path / "packed/frames.tar").unlink()
    with pytest.raises(Absent, match=r"nor frames\.tar in"):
        GoldenFiles(golden, tmp_path, tmp_path / "packed").frames("thumos14")


def test_other_weights_fail(expected, tmp_path):
    root, golden, _ = expected
    torch.save(random(InceptionI3D(3, WIDTH), 9).state_dict(), tmp_path / "i3d_rgb_imagenet.pt")
    torch.save(random(VGGish(2 * WIDTH), 9).state_dict(), tmp_path / "vggish.pt")
    checks = run(root, golden, tmp_path)
    assert checks["I3D RGB, logits"].status == "fail"
    assert checks["VGGish, embeddings of a clip"].status == "fail"
    assert "has shape" in checks["VGGish, embeddings of a clip"].detail
    assert checks["R(2+1)D, features of a clip"].status == "skip"
    assert "weights fetch r2plus1d_kinetics" in checks["R(2+1)D, features of a clip"].detail
    assert checks["I3D joint, logits"].status == "skip"


def test_script(made, tmp_path, project):
    root, golden = made
    (tmp_path / "golden.yaml").write_text(yaml.safe_dump(golden))
    sources = {n: {"network": n, "file": f"{n}.pt", "unhashed": True, "url": "u"} for n in NAMES}
    (tmp_path / "sources.yaml").write_text(yaml.safe_dump(sources))
    call = [sys.executable, "-m", "wstal", "weights", "verify", "--from", root / "files"]
    call += ["--sources", tmp_path / "sources.yaml", "--golden", tmp_path / "golden.yaml"]
    none = warm_python.run([*call, "--folder", tmp_path])
    assert none.returncode == 2 and "0 passed, 0 failed, 10 skipped" in none.stdout
    (tmp_path / "vggish.pt").symlink_to(root / "weights/vggish.pt")
    some = warm_python.run([*call, "--folder", tmp_path])
    assert some.returncode == 0 and "2 passed, 0 failed, 8 skipped" in some.stdout
    golden = golden | {
        "vggish": golden["vggish"] | {"sine": [golden["vggish"]["sine"][0] | {"sd": 9.0}]}
    }
    (tmp_path / "golden.yaml").write_text(yaml.safe_dump(golden))
    fails = warm_python.run([*call, "--folder", tmp_path])
    assert fails.returncode == 1 and "fail  VGGish, pre-activation" in fails.stdout


def test_the_golden_material_is_what_the_description_says(reference, project, tmp_path):
    """The real clip and features, where a checkout has them: hashes, shapes and statistics."""
    golden = yaml.safe_load((project / "workflow/reference/weights/golden.yaml").read_text())
    files = GoldenFiles(golden, tmp_path, reference / "data")
    for name in golden["files"]:
        assert files.file(name).stat().st_size > 1000
    shapes = {"i3d_rgb": (5, 1024), "r2plus1d": (22, 512), "vggish": (18, 128)}
    shapes |= {"thumos14_rgb": (265, 1024), "thumos14_flow": (265, 1024)}
    assert files.frames("thumos14").shape == (4, 17, 224, 224, 3)
    assert {name: files.array(name).shape for name in golden["arrays"]} == shapes
    rows, spec = files.array("vggish"), golden["vggish"]["rows"]
    assert abs(rows.mean() - spec["mean"]) < 1e-4 and abs(rows.std() - spec["sd"]) < 1e-4
