"""Backbones of transformers: the library's own preparation and vector, from a folder, or refused.

Each class is the real one with a tiny configuration; at full size with random weights once (slow).
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import warm_python
import yaml
from backbone_cases import entries, pictures
from decoded_videos import Probed, decode_frames
from video_clips import write_clip
from wstal.base.array_store import read_arrays
from wstal.base.errors import WstalError
from wstal.base.stage import Job, LoadedNetwork
from wstal.features.backbone_check import check_backbone, clip_snippets
from wstal.features.backbone_stage import BackboneSettings, BackboneStage, fitted
from wstal.features.precision import verdict_path
from wstal.features.snippets import as_taken
from wstal.media.frame_stage import FrameSettings
from wstal.networks.backbone import compiled_vector, load_backbone
from wstal.networks.backbones.hub import SOURCE, fetch_snapshot
from wstal.networks.weights import identify

pytest.importorskip("transformers")

from wstal.networks.backbones.transformers import import_transformers  # noqa: E402

transformers = import_transformers()
TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}


def entry_of(name, **changes):
    return replace(entries()[name], **changes)


VIDEOMAE = {**TINY, "intermediate_size": 64, "image_size": 32, "num_frames": 4, "num_labels": 5}


def tiny_videomae(**changes):
    size = {"width": 32, "crop": 32, "short_side": 32, "frames": 4, "config": VIDEOMAE}
    return entry_of("videomae_base", **size | changes)


@pytest.fixture(scope="module")
def videomae(tmp_path_factory):
    """A folder as `save_pretrained` writes it, and its network."""
    folder = tmp_path_factory.mktemp("videomae")
    torch.manual_seed(0)
    config = transformers.VideoMAEConfig(**VIDEOMAE)
    network = transformers.VideoMAEForVideoClassification(config).eval()
    network.save_pretrained(folder)
    return folder, network


def seen(entry, frames):
    """What the network of an entry gets of pictures: `[3, T, S, S]`, normalised."""
    x = torch.from_numpy(fitted(frames, entry)).permute(3, 0, 1, 2) * (2 / 255) - 1
    network = load_backbone("tiny", entry, "untrained")
    taken = []
    network._vector = lambda _, x: taken.append(x)
    network.features(x[None])
    return taken[0][0]


@pytest.mark.parametrize(("height", "width"), [(60, 83), (83, 60), (32, 32), (20, 31)])
def test_pictures_are_prepared_as_videomaes_own_processor_does(height, width):
    entry = tiny_videomae()
    size = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    own = transformers.VideoMAEImageProcessor(**size, image_mean=entry.mean, image_std=entry.std)
    frames = pictures(4, height, width)
    expected = own(list(frames), return_tensors="pt")["pixel_values"][0].transpose(0, 1)
    assert (seen(entry, frames) - expected).abs().max() < 1e-5


@torch.inference_mode()
def test_videomaes_classifier_on_the_vector_gives_the_logits(videomae):
    folder, own = videomae
    network = load_backbone("v", tiny_videomae(), folder, frames=4)
    x = torch.rand(2, 3, 4, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    vector = network.features(x)
    normalised = ((x + 1) / 2 - network.mean) / network.std
    expected = own(normalised.transpose(1, 2)).logits
    assert vector.shape == (2, 32)
    torch.testing.assert_close(own.classifier(vector), expected)


def test_layers_and_tokens_are_those_of_the_library(videomae):
    folder, own = videomae
    x = torch.rand(1, 3, 4, 32, 32)
    with torch.inference_mode():
        states = own.videomae(x.transpose(1, 2), output_hidden_states=True).hidden_states
    for output, take in (("mean_tokens", lambda s: s.mean(1)), ("class_token", lambda s: s[:, 0])):
        entry = tiny_videomae(network="VideoMAEModel", output=output, layer=1, mean=(0.0,) * 3)
        network = load_backbone("v", replace(entry, std=(1.0,) * 3), folder)
        with torch.inference_mode():
            torch.testing.assert_close(network.features(x * 2 - 1), take(states[1]))


def test_a_pickled_checkpoint_is_read_as_tensors_alone(videomae, tmp_path):
    folder, own = videomae
    shutil.copy(folder / "config.json", tmp_path)
    torch.save(own.state_dict(), tmp_path / "pytorch_model.bin")
    loaded = load_backbone("v", tiny_videomae(), tmp_path).network.state_dict()
    assert torch.equal(loaded["fc_norm.weight"], own.state_dict()["fc_norm.weight"])
    torch.save({"code": print}, tmp_path / "pytorch_model.bin")
    with pytest.raises(WstalError, match="objects other than tensors"):
        load_backbone("v", tiny_videomae(), tmp_path)


def test_a_folder_is_identified_by_its_weights_and_configuration(videomae, tmp_path):
    folder, _ = videomae
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert identify(copy, {}) == identify(folder, {})
    (copy / "README.md").write_text("about")
    assert identify(copy, {}) == identify(folder, {})
    config = json.loads((copy / "config.json").read_text()) | {"layer_norm_eps": 1e-5}
    (copy / "config.json").write_text(json.dumps(config))
    assert identify(copy, {}) != identify(folder, {})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 31}, "width is 31, but .* gives vectors of 32"),
        ({"crop": 48, "short_side": 48}, "crop is 48, but its grid .* `crop: 32`"),
        ({"crop": 40, "short_side": 48}, "crop 40 is not a multiple of 16"),
        ({"frames": 8}, "frames is 8, but its weights are of windows of 4 .* `frames: 4`"),
        ({"network": "NoSuchModel"}, "has no class 'NoSuchModel'; correct `network:`"),
        ({"network": "TimesformerModel"}, "model_type is 'videomae', .* expects 'timesformer'"),
    ],
)
def test_what_does_not_fit_is_refused_with_key_value_and_remedy(videomae, changes, message):
    with pytest.raises(WstalError, match=message):
        load_backbone("v", tiny_videomae(**changes), videomae[0])


def test_a_window_that_the_network_does_not_take_is_refused():
    with pytest.raises(WstalError, match="windows of 4 frames, not 16; change the recipe's"):
        load_backbone("v", tiny_videomae(), "untrained", frames=16)
    with pytest.raises(WstalError, match="3 frames is not a multiple of 2"):
        load_backbone("v", tiny_videomae(frames=None), "untrained", frames=3)


def edit(folder, tmp_path, name, **changes):
    copy = shutil.copytree(folder, tmp_path / "copy")
    path = copy / name
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(known | changes))
    return copy


def test_code_of_a_repository_is_never_run(videomae, tmp_path):
    auto_map = {"AutoModel": "modeling_other.Other"}
    folder = edit(videomae[0], tmp_path, "config.json", model_type="other", auto_map=auto_map)
    (folder / "modeling_other.py").write_text("raise SystemExit('run')")
    with pytest.raises(WstalError, match="never run; write the network as a file of your own"):
        load_backbone("v", tiny_videomae(), folder)


def test_pictures_normalised_in_another_way_are_refused(videomae, tmp_path):
    mean = {"image_mean": [0.5, 0.5, 0.5]}
    folder = edit(videomae[0], tmp_path, "preprocessor_config.json", **mean)
    with pytest.raises(WstalError, match=r"image_mean is \[0.5, .* `mean:` .* correct the entry"):
        load_backbone("v", tiny_videomae(), folder)


def test_weights_of_another_model_or_none_are_refused(videomae, tmp_path):
    folder, own = videomae
    shutil.copy(folder / "config.json", tmp_path)
    with pytest.raises(WstalError, match=r"has no \*.safetensors; put the snapshot of MCG-NJU"):
        load_backbone("v", tiny_videomae(), tmp_path)
    state = {key: value for key, value in own.state_dict().items() if key != "fc_norm.weight"}
    torch.save(state, tmp_path / "pytorch_model.bin")
    with pytest.raises(WstalError, match="it lacks fc_norm.weight"):
        load_backbone("v", tiny_videomae(), tmp_path)
    with pytest.raises(WstalError, match="has no config.json"):
        load_backbone("v", tiny_videomae(), tmp_path / "absent")


TOWER = {**TINY, "intermediate_size": 64, "image_size": 32, "patch_size": 16}
TEXT = {**TINY, "intermediate_size": 64, "vocab_size": 50}
PREDICTOR = {"pred_hidden_size": 24, "pred_num_attention_heads": 4, "pred_num_hidden_layers": 1}
SWIN = {"depths": [1, 1, 1, 1], "num_attention_heads": [2, 2, 2, 2], "patch_embeds_hidden_size": 8}


def tiny_network(name):
    """The whole network of an entry's repository with a tiny configuration."""
    lib = transformers
    match name:
        case "vjepa2_large":
            size = {"crop_size": 32, "frames_per_clip": 4}
            return lib.VJEPA2Model(lib.VJEPA2Config(**TINY, **PREDICTOR, **size))
        case "timesformer_base":
            config = lib.TimesformerConfig(**TOWER, num_frames=4, num_labels=5)
            return lib.TimesformerForVideoClassification(config)
        case "clip_base":
            towers = {key: {**part, "projection_dim": 24} for key, part in PARTS.items()}
            return lib.CLIPModel(lib.CLIPConfig(**towers, projection_dim=24))
        case "siglip2_base":
            return lib.SiglipModel(lib.SiglipConfig(**PARTS))
        case "dinov2_base":
            return lib.Dinov2Model(lib.Dinov2Config(**TINY, image_size=48, patch_size=16))
        case "ast_audioset":
            config = lib.ASTConfig(**TINY, intermediate_size=64, num_labels=5)
            return lib.ASTForAudioClassification(config)
    audio = {"hidden_size": 64, "projection_dim": 24, "spec_size": 256, **SWIN}
    config = lib.ClapConfig(
        audio_config=audio, text_config={**TEXT, "projection_dim": 24}, projection_dim=24
    )
    return lib.ClapModel(config)


PARTS = {"vision_config": TOWER, "text_config": TEXT}


def pooled(found):
    return getattr(found, "pooler_output", found)


def frame_means(vectors):
    return vectors.unflatten(0, (2, 4)).mean(1)


# Of each entry: what differs in a tiny one, and the library's own vector of normalised windows,
# `[2, 4, 3, 32, 32]`.
PLAIN_CALLS = {
    "vjepa2_large": ({"width": 32}, lambda net, x: net.get_vision_features(x).mean(1)),
    "timesformer_base": (
        {"width": 32, "frames": 4},
        lambda net, x: net.timesformer(x).last_hidden_state[:, 0],
    ),
    "clip_base": (
        {"width": 24},
        lambda net, x: frame_means(pooled(net.get_image_features(x.flatten(0, 1)))),
    ),
    "siglip2_base": (
        {"width": 32},
        lambda net, x: frame_means(pooled(net.get_image_features(x.flatten(0, 1)))),
    ),
    "dinov2_base": (
        {"width": 32},
        lambda net, x: frame_means(net(x.flatten(0, 1)).last_hidden_state[:, 0]),
    ),
}


@pytest.mark.parametrize("name", PLAIN_CALLS)
@torch.inference_mode()
def test_the_vector_is_that_of_a_plain_call_of_the_library(name, tmp_path):
    changes, plain_call = PLAIN_CALLS[name]
    own = tiny_network(name).eval()
    own.save_pretrained(tmp_path)
    network = load_backbone(name, entry_of(name, crop=32, **changes), tmp_path, frames=4)
    x = torch.rand(2, 3, 4, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    normalised = (((x + 1) / 2 - network.mean) / network.std).transpose(1, 2)
    torch.testing.assert_close(network.features(x), plain_call(own, normalised))


@pytest.mark.filterwarnings("ignore:At least one mel filter")
@pytest.mark.parametrize("name", ["ast_audioset", "clap_unfused"])
@torch.inference_mode()
def test_sound_is_prepared_by_the_librarys_own_extractor(name, tmp_path):
    own, is_clap = tiny_network(name).eval(), name == "clap_unfused"
    own.save_pretrained(tmp_path)
    if is_clap:
        extractor = transformers.ClapFeatureExtractor(truncation="rand_trunc")
    else:
        extractor = transformers.ASTFeatureExtractor()
    extractor.save_pretrained(tmp_path)
    entry = entry_of(name, width=24 if is_clap else 32)
    network = load_backbone(name, entry, tmp_path)
    samples = np.random.default_rng(0).normal(0, 0.1, (2, round(entry.rate * entry.seconds)))
    found = network.features(samples.astype(np.float32), torch.device("cpu"))
    options = {"sampling_rate": entry.rate, "return_tensors": "pt"}
    heard = extractor(list(samples.astype(np.float32)), **options)
    if is_clap:  # the library gives it with length 1
        found, expected = (
            found / found.norm(dim=1, keepdim=True),
            pooled(own.get_audio_features(**heard)),
        )
    else:
        expected = own.audio_spectrogram_transformer(**heard).pooler_output
    torch.testing.assert_close(found, expected)
    with pytest.raises(WstalError, match="rate: 8000, but .* hears .* set `rate:"):
        load_backbone(name, replace(entry, rate=8000), tmp_path)


# The library's own processor of each family, as its repository configures it.
PROCESSORS = {
    "vjepa2_large": lambda lib: lib.VJEPA2VideoProcessor(),
    "clip_base": lambda lib: lib.CLIPImageProcessor(),
    "siglip2_base": lambda lib: lib.SiglipImageProcessor(resample=2),
    "dinov2_base": lambda lib: lib.BitImageProcessor(
        size={"shortest_edge": 256}, image_mean=IMAGENET[0], image_std=IMAGENET[1]
    ),
}
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.mark.parametrize("name", PROCESSORS)
@pytest.mark.parametrize(("height", "width"), [(300, 411), (411, 300), (120, 90)])
def test_pictures_are_prepared_as_the_librarys_own_processor_does(name, height, width):
    entry, own = entries()[name], PROCESSORS[name](transformers)
    frames = pictures(2, height, width)
    if "Video" in type(own).__name__:
        given = torch.from_numpy(frames).permute(0, 3, 1, 2)
        expected = own(given, return_tensors="pt")["pixel_values_videos"][0]
    else:
        expected = own(list(frames), return_tensors="pt")["pixel_values"]
    ours = torch.from_numpy(fitted(frames, entry)).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(v)[:, None, None] for v in (entry.mean, entry.std))
    assert ((ours - mean) / std - expected).abs().max() < 1e-5


FULL = ["videomae_base", "videomae_large", "vjepa2_large", *("timesformer_base", "clip_base")]


@pytest.mark.slow
@pytest.mark.parametrize("name", [*FULL, "siglip2_base", "dinov2_base"])
@torch.inference_mode()
def test_at_full_size(name):
    entry = entries()[name]
    frames = entry.frames or 2
    network = load_backbone(name, entry, "untrained", frames)
    found = network.features(torch.rand(1, 3, frames, entry.crop, entry.crop))
    assert found.shape == (1, entry.width) and found.isfinite().all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:At least one mel filter")
@pytest.mark.parametrize("name", ["ast_audioset", "clap_unfused"])
@torch.inference_mode()
def test_sound_at_full_size(name):
    entry = entries()[name]
    network = load_backbone(name, entry, "untrained")
    samples = np.zeros((1, round(entry.rate * entry.seconds)), np.float32)
    assert network.features(samples, torch.device("cpu")).shape == (1, entry.width)


@pytest.fixture
def hub(monkeypatch, videomae):
    """A hub of one repository; what was asked for is in `calls`."""
    import huggingface_hub

    calls, names = [], ["config.json", "model.safetensors", "pytorch_model.bin", "modeling.py"]

    class Api:
        def model_info(self, name, revision=None):
            if name != "me/known":
                raise OSError("no network")
            siblings = [SimpleNamespace(rfilename=each) for each in names]
            return SimpleNamespace(sha=revision or "c0ffee", siblings=siblings)

    def snapshot_download(name, revision, local_dir, allow_patterns):
        calls.append((name, revision, allow_patterns))
        local_dir.mkdir(parents=True)
        for each in set(names) & set(allow_patterns):
            shutil.copy(videomae[0] / each, local_dir)

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return calls


def test_a_snapshot_has_weights_and_configuration_and_no_code(hub, tmp_path):
    folder = fetch_snapshot("me/known", None, None, tmp_path / "videomae")
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.safetensors", SOURCE}
    assert json.loads((folder / SOURCE).read_text()) == {"hub": "me/known", "revision": "c0ffee"}
    assert fetch_snapshot("me/known", None, None, folder) == folder and len(hub) == 1
    load_backbone("v", tiny_videomae(), folder)


def test_another_file_and_an_absent_hub_are_refused_with_what_to_do(hub, tmp_path):
    with pytest.raises(WstalError, match="not the published file .* correct `sha256:`"):
        fetch_snapshot("me/known", "abc", "0" * 64, tmp_path / "videomae")
    assert not (tmp_path / "videomae").exists() and hub[0][1] == "abc"
    with pytest.raises(WstalError, match="no network.*hf download me/other --local-dir"):
        fetch_snapshot("me/other", None, None, tmp_path / "other")


# How a network is computed: bfloat16, torch.compile.


@torch.inference_mode()
def test_bfloat16_is_near_and_leaves_the_network_exact():
    network = load_backbone("v", tiny_videomae(), "untrained")
    x = torch.rand(2, 3, 4, 32, 32) * 2 - 1
    exact = network.features(x)
    low = network.computes("bf16").features(x)
    assert 1e-5 < (low - exact).norm() / exact.norm() < 0.02
    assert torch.equal(network.computes().features(x), exact)


@torch.inference_mode()
def test_a_smaller_batch_is_filled_up_so_that_one_shape_is_compiled(monkeypatch):
    shapes = []

    def compiled(vector, dynamic):
        return lambda network, x: shapes.append(tuple(x.shape)) or vector(network, x)

    monkeypatch.setattr(torch, "compile", compiled)
    network = load_backbone("v", tiny_videomae(), "untrained")
    x = torch.rand(3, 3, 4, 32, 32) * 2 - 1
    expected = network.features(x)
    network.computes(compiled=True)
    found = torch.cat([network.features(x[:2]), network.features(x[2:])])
    assert torch.allclose(found, expected, atol=1e-5) and shapes == [(2, 3, 4, 32, 32)] * 2


def test_where_torch_cannot_compile_the_remedy_is_named(monkeypatch):
    from torch._dynamo.exc import BackendCompilerFailed

    def fails(network, x):
        raise BackendCompilerFailed(lambda: None, RuntimeError("no compiler"), None)

    monkeypatch.setattr(torch, "compile", lambda vector, dynamic: fails)
    run = compiled_vector(lambda network, x: x)
    with pytest.raises(WstalError, match=r"(?s)no compiler.*C\+\+ compiler.*compile: false"):
        run(None, torch.zeros(1, 2))


@pytest.mark.slow
@torch.inference_mode()
def test_a_compiled_network_gives_the_same_vectors():
    network = load_backbone("v", tiny_videomae(), "untrained")
    x = torch.rand(3, 3, 4, 32, 32) * 2 - 1
    expected = network.features(x)
    network.computes(compiled=True)
    found = torch.cat([network.features(x[:2]), network.features(x[2:])])
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.fixture
def named_videomae(videomae, tmp_path):
    """A configuration in which the tiny VideoMAE is a backbone, and its folder."""
    folder = tmp_path / "weights/tiny"
    shutil.copytree(videomae[0], folder)
    about = {"library": "transformers", "model": "me/tiny", "frames": 4, "width": 32, "crop": 32}
    about |= {"network": "VideoMAEForVideoClassification", "config": VIDEOMAE}
    about |= {"interpolation": "linear", "short_side": 32, "weights": str(folder)}
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({"backbones": {"tiny": about}}))
    return path, folder


def test_a_precision_is_checked_with_the_weights_of_a_backbone(named_videomae, tmp_path):
    config, folder = named_videomae
    clip = write_clip(tmp_path / "clip.mp4", 20, size=(64, 48))
    call = [sys.executable, "-m", "wstal", "check-precision", "--backbone", "tiny"]
    call += ["--configfile", config, "--precision", "bf16", "--device", "cpu", "--snippets", "3"]
    done = warm_python.run([*call, "--videos", clip])
    verdict = json.loads(verdict_path(folder, "bf16", torch.device("cpu")).read_text())
    assert verdict["snippets"] == 3 and 0.99 < verdict["cosine"] < 1, done.stderr
    assert done.returncode == int(not verdict["passed"])
    moved = folder.rename(tmp_path / "moved")  # the entry's place is empty now
    named = warm_python.run([*call, "--videos", clip, "--weights", moved])
    assert named.returncode == done.returncode, named.stderr
    absent = warm_python.run([*call, "--videos", clip, "--weights", folder])
    assert absent.returncode and f"{folder} is missing; correct --weights" in absent.stderr
    refused = warm_python.run([*call, "--precision", "tf32", "--videos", clip])
    assert refused.returncode and "tf32 is for Inception-I3D; backbones take bf16" in refused.stderr


@pytest.mark.parametrize("interpolation", ["linear", "bilinear"])
def test_a_precision_is_tried_on_what_the_stage_cuts(interpolation, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", 20, size=(64, 48))
    entry = tiny_videomae(interpolation=interpolation)
    found = list(clip_snippets(clip, entry, 8))
    assert [each.shape for each in found] == [(4, 32, 32, 3)] * 5
    network = load_backbone("v", entry, "untrained")
    files = {"frames": decoded(clip, tmp_path)}
    settings = BackboneSettings("untrained", entry, 32, 32, interpolation, window=4, stride=4)
    job = Job("c", tmp_path / "v", network=LoadedNetwork(network, "untrained", "untrained"))
    rows = BackboneStage("v", ("frames",)).shard(files, settings, job)
    features = read_arrays(tmp_path / "v" / rows[0].path)["features"]
    with torch.inference_mode():
        ours = network.features(as_taken(network, torch.from_numpy(np.stack(found))))
    assert np.abs(features - ours.numpy()).max() < 1e-5


def decoded(clip, folder):
    """The manifest of the frames of a clip."""
    decode_frames([Probed("clip", clip)], folder / "frames", FrameSettings())
    return folder / "frames/shard0.csv"


def saved_with_processor(videomae, folder, **changes):
    """The tiny VideoMAE in a folder of its own, with the processor that its entry describes."""
    shutil.copytree(videomae[0], folder)
    about = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    about |= {"image_mean": list(IMAGENET[0]), "image_std": list(IMAGENET[1])}
    processor = transformers.VideoMAEImageProcessor(**about | changes)
    processor.save_pretrained(folder)
    return folder


def test_a_check_compares_with_a_plain_call_of_the_library(videomae, tmp_path):
    folder = saved_with_processor(videomae, tmp_path / "same")
    found = check_backbone("v", tiny_videomae(), folder)
    assert found.passes and found.difference < 1e-5
    squashed = {"size": {"height": 32, "width": 32}, "do_center_crop": False}
    folder = saved_with_processor(videomae, tmp_path / "other", **squashed)
    assert not check_backbone("v", tiny_videomae(), folder).passes
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(WstalError, match="has no preprocessor_config.json, by which"):
        check_backbone("v", tiny_videomae(), folder)
    with pytest.raises(WstalError, match="s3d: only networks of transformers that see pictures"):
        check_backbone("s3d", entry_of("s3d"), folder)


@pytest.mark.parametrize("output", ["embedding", "pooler", "class_token", "mean_tokens"])
def test_a_check_takes_the_output_that_the_entry_names(output, tmp_path):
    own = tiny_network("clip_base").eval()
    own.save_pretrained(tmp_path)
    size = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    transformers.CLIPImageProcessor(**size).save_pretrained(tmp_path)
    entry = entry_of("clip_base", width=24, crop=32, short_side=32, output=output)
    if output != "embedding":
        entry = replace(entry, width=32, network="CLIPVisionModel")
    assert check_backbone("c", entry, tmp_path).passes
