"""Backbones of timm, open_clip and torchvision's transformers, and networks of your own.

Pictures are prepared as each library does it, the vector is that of a plain call, and what does
not fit is refused with the key, the value and the remedy.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from backbone_cases import assert_equal, decoded_clip, entries, pictures, vector_of
from PIL import Image
from wstal.base.array_store import read_arrays
from wstal.base.errors import WstalError
from wstal.base.settings import from_plain
from wstal.base.stage import Job
from wstal.features.backbone_stage import BackboneSettings, BackboneStage, fitted
from wstal.networks.backbone import BackboneEntry, load_backbone
from wstal.networks.torchvision_import import import_torchvision

SMALL = "resnet10t.c3_in1k"  # of timm


def prepared(entry, frames):
    """What the network of an entry gets of pictures, `[T, 3, S, S]`."""
    mean, std = (torch.tensor(v)[:, None, None] for v in (entry.mean, entry.std))
    return (torch.from_numpy(fitted(frames, entry)).permute(0, 3, 1, 2) / 255 - mean) / std


@pytest.mark.parametrize("name", ["mvit_v2_s", "swin3d_t", "swin3d_b"])
def test_pictures_are_prepared_as_torchvisions_presets_do(name):
    models = import_torchvision().models.video
    presets = {
        "mvit_v2_s": models.MViT_V2_S_Weights.KINETICS400_V1,
        "swin3d_t": models.Swin3D_T_Weights.KINETICS400_V1,
        "swin3d_b": models.Swin3D_B_Weights.KINETICS400_IMAGENET22K_V1,
    }
    frames = pictures(2, 291, 411)
    expected = presets[name].transforms()(torch.from_numpy(frames).permute(0, 3, 1, 2))
    assert (prepared(entries()[name], frames).transpose(0, 1) - expected).abs().max() < 1e-5


@torch.inference_mode()
def test_swin3ds_classifier_on_the_vector_gives_the_logits():
    own = import_torchvision().models.video.swin3d_t(weights=None).eval()
    head, x = own.head, torch.rand(1, 3, 4, 64, 64)
    network = load_backbone("swin3d_t", entries()["swin3d_t"], "untrained")
    network.network.load_state_dict(own.state_dict(), strict=False)
    expected = own(x)
    assert_equal(head(network._vector(network.network, x)), expected)


@pytest.mark.slow
def test_mvit_at_full_size():
    network, vector = vector_of("mvit_v2_s", torch.rand(1, 3, 16, 224, 224))
    assert vector.shape == (1, 768)


def timm_entry(**changes):
    import_torchvision()  # which timm imports
    pytest.importorskip("timm")
    from wstal.networks.backbones.timm import entry_of

    return replace(from_plain(BackboneEntry, entry_of(SMALL)), **changes)


@pytest.mark.parametrize(("height", "width"), [(300, 411), (97, 64)])
def test_pictures_are_prepared_as_timms_own_transform_does(height, width):
    """timm resizes by Pillow; torch's filter rounds otherwise here and there, by levels of 255."""
    entry = timm_entry()
    import timm

    data = timm.data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(SMALL).to_dict())
    transform = timm.data.create_transform(**data, is_training=False)
    frames = pictures(2, height, width)
    expected = torch.stack([transform(Image.fromarray(frame)) for frame in frames])
    off = (prepared(entry, frames) - expected).abs() * torch.tensor(entry.std)[:, None, None] * 255
    assert off.max() < 2.001 and (off > 1e-3).float().mean() < 0.01


@torch.inference_mode()
def test_any_model_of_timm_by_its_name_gives_the_input_of_its_classifier(tmp_path):
    entry = timm_entry()
    import timm
    from safetensors.torch import save_file

    torch.manual_seed(0)
    own = timm.create_model(SMALL, pretrained=False).eval()
    save_file(own.state_dict(), tmp_path / "model.safetensors")
    network = load_backbone("t", entry, tmp_path)
    x = torch.rand(1, 3, 2, 64, 64) * 2 - 1
    frames = (((x + 1) / 2 - network.mean) / network.std).transpose(1, 2)[0]
    expected = own.forward_head(own.forward_features(frames), pre_logits=True)
    torch.testing.assert_close(network.features(x), expected.mean(0, keepdim=True))


def test_timm_entries_that_contradict_timm_are_refused():
    with pytest.raises(WstalError, match="mean: .* but timm states .* correct the entry"):
        load_backbone("t", timm_entry(mean=(0.5, 0.5, 0.5)), "untrained")
    with pytest.raises(WstalError, match="no model 'resnet10x'; nearest: "):
        load_backbone("t", timm_entry(model="resnet10x"), "untrained")
    stated = entries()["dinov3_base"]
    from wstal.networks.backbones.timm import published

    found = published(stated.model)
    known = {key: getattr(stated, key) for key in ("short_side", "crop", "interpolation")}
    assert {key: found[key] for key in known} == known
    assert tuple(found["mean"]) == stated.mean and tuple(found["std"]) == stated.std


@torch.inference_mode()
def test_open_clips_embedding_is_that_of_its_own_image_tower(monkeypatch):
    import_torchvision()  # which open_clip imports
    open_clip = pytest.importorskip("open_clip")
    entry = entries()["openclip_base"]
    about = open_clip.get_pretrained_cfg("ViT-B-32", "laion2b_s34b_b79k")
    assert about["mean"] == entry.mean and about["std"] == entry.std
    assert about["hf_hub"].rstrip("/") == entry.hub and about["interpolation"] == "bicubic"
    config = open_clip.get_model_config("ViT-B-32")
    tower = {"image_size": 32, "layers": 2, "width": 64, "patch_size": 16}
    text = {"context_length": 8, "vocab_size": 60, "width": 32, "heads": 2, "layers": 1}
    small = config | {"embed_dim": 24, "vision_cfg": tower, "text_cfg": text}
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "ViT-B-32", small)
    entry = replace(entry, crop=32, short_side=32, width=24)
    network = load_backbone("o", entry, "untrained")
    x = torch.rand(1, 3, 2, 32, 32) * 2 - 1
    frames = (((x + 1) / 2 - network.mean) / network.std).transpose(1, 2)[0]
    expected = network.network.encode_image(frames).mean(0, keepdim=True)
    torch.testing.assert_close(network.features(x), expected)
    with pytest.raises(WstalError, match="crop is 64, but its grid .* set `crop: 32`"):
        load_backbone("o", replace(entry, crop=64, short_side=64), "untrained")


OWN = """
import torch
def build_network():
    class Means(torch.nn.Module):
        def forward(self, x):
            return x.mean((2, 3, 4))
    return Means()
"""


def own_entry(path, width=3, **changes):
    size = {"short_side": 32, "crop": 32, "mean": (0.0,) * 3, "std": (1.0,) * 3}
    return BackboneEntry("file", str(path), width, **size | changes)


def test_a_file_of_your_own_makes_features_of_a_video(tmp_path):
    path = tmp_path / "means.py"
    path.write_text(OWN)
    settings = BackboneSettings("untrained", own_entry(path), crop=32, short_side=32, batch=2)
    stage = BackboneStage("means", ("frames",))
    loaded = stage.load(settings, {"weights": "untrained"}, {})
    job = Job("c", tmp_path / "means", network=loaded)
    frames = decoded_clip(tmp_path)
    records = stage.shard({"frames": frames}, settings, job)
    rows = torch.from_numpy(read_arrays(tmp_path / "means" / records[0].path)["features"])
    assert rows.shape == (2, 3) and rows.min() > 0 and rows.max() < 1
    assert loaded.identity != "untrained", "the file is part of what identifies the network"
    path.write_text(OWN.replace("mean", "amax"))
    assert stage.load(settings, {"weights": "untrained"}, {}).identity != loaded.identity


def test_torchscript_and_exported_programs_are_networks_of_your_own(tmp_path):
    class Means(torch.nn.Module):
        def forward(self, x):
            return x.mean((2, 3, 4))

    x = torch.rand(2, 3, 16, 32, 32)
    torch.jit.trace(Means(), x).save(tmp_path / "means.pt")
    batch = torch.export.Dim("batch")
    exported = torch.export.export(Means(), (x,), dynamic_shapes={"x": {0: batch}})
    torch.export.save(exported, tmp_path / "means.pt2")
    for name in ("means.pt", "means.pt2"):
        network = load_backbone("means", own_entry(tmp_path / name), "untrained")
        assert_equal(network.features(x * 2 - 1), x.mean((2, 3, 4)))


@pytest.mark.parametrize(
    ("name", "content", "changes", "message"),
    [
        ("absent.py", None, {}, "there is no file .*absent.py; name a .py"),
        ("other.py", "x = 1", {}, r"has no function build_network\(\)"),
        ("means.txt", OWN, {}, "is not a .py"),
        ("means.py", OWN, {"width": 4}, "width is 4, but .* gives vectors of 3"),
        ("flat.py", OWN.replace("(2, 3, 4)", "(1, 2, 3, 4)"), {}, r"gives \[1\] for a window"),
    ],
)
def test_a_file_that_is_no_network_is_refused(tmp_path, name, content, changes, message):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(WstalError, match=message):
        load_backbone("means", own_entry(tmp_path / name, **changes), "untrained")
