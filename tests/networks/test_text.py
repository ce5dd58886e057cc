"""Names of classes as vectors: the library's own text side on the sentences of the entry."""

from __future__ import annotations

import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch
from backbone_cases import TINY_CLIP, entries, save_tiny_clip
from wstal.base.errors import WstalError
from wstal.base.settings import SettingsError
from wstal.networks.backbone import TextSettings, TextSide
from wstal.networks.text import (
    as_words,
    class_vectors,
    load_text_side,
    read_class_vectors,
    write_class_vectors,
)
from wstal.networks.torchvision_import import import_torchvision

CLASSES = ["CleanAndJerk", "Long_jump"]
SENTENCES = ["a photo of a person doing {}.", "a video of a person doing {}."]


def unit(x):
    return x / x.norm(dim=-1, keepdim=True)


def test_names_are_words_in_a_sentence():
    names = ["CleanAndJerk", "BasketballDunk", "Church bell", "long_jump", "Fixing-a roof", "Golf2"]
    expected = ["clean and jerk", "basketball dunk", "church bell", "long jump", "fixing a roof"]
    assert [as_words(name) for name in names] == [*expected, "golf2"]


def test_sentences_name_the_class_once_and_the_background_none():
    for prompt in ("a photo", "{} or {}"):
        with pytest.raises(SettingsError, match=r"prompts: .* needs one \{\}"):
            TextSettings((prompt,), ("a photo",))
    with pytest.raises(SettingsError, match="is of no class; remove the"):
        TextSettings(("{}",), ("{}",))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("clip")
    return folder, *save_tiny_clip(folder)


def entry_of(name="clip_base", **changes):
    return replace(entries()[name], **(TINY_CLIP | changes))


@torch.inference_mode()
def test_clips_vectors_are_the_mean_of_the_librarys_own(clip, tmp_path):
    folder, own, tokenizer = clip
    side = load_text_side("clip_base", entry_of(), folder)
    found = class_vectors(side, entry_of(), CLASSES)
    for name, vector in zip(("clean and jerk", "long jump"), found.vectors, strict=True):
        tokens = tokenizer([s.format(name) for s in SENTENCES], padding=True, return_tensors="pt")
        expected = unit(unit(own.get_text_features(**tokens).pooler_output).mean(0))
        torch.testing.assert_close(torch.from_numpy(vector), expected)
    assert abs(found.vectors[0] - found.vectors[1]).max() > 1e-4
    assert found.scale == pytest.approx(float(own.logit_scale.exp()))
    assert found.about["prompts"] == SENTENCES
    write_class_vectors(tmp_path / "v.h5", found)
    again = read_class_vectors(tmp_path / "v.h5")
    assert again.classes == CLASSES and again.about == found.about and again.scale == found.scale
    np.testing.assert_array_equal(again.vectors, found.vectors)
    np.testing.assert_array_equal(again.background, found.background)


@torch.inference_mode()
def test_siglips_and_claps_text_sides_are_the_librarys_own(clip, tmp_path):
    from wstal.networks.backbones.transformers import import_transformers

    lib, tokenizer = import_transformers(), clip[2]
    part = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    text = part | {"intermediate_size": 64, "vocab_size": 600, "projection_dim": 24}
    vision = part | {"intermediate_size": 64, "image_size": 32, "patch_size": 16}
    swin = {"depths": [1] * 4, "num_attention_heads": [2] * 4, "patch_embeds_hidden_size": 8}
    audio = {"hidden_size": 64, "projection_dim": 24, "spec_size": 256, **swin}
    clap = {"audio_config": audio, "text_config": text, "projection_dim": 24}
    siglip = text | {"max_position_embeddings": 48, "projection_size": 32}
    made = {
        "siglip2_base": lib.SiglipModel(lib.SiglipConfig(vision_config=vision, text_config=siglip)),
        "clap_unfused": lib.ClapModel(lib.ClapConfig(**clap)),
    }
    sentence = ["the sound of rain."]
    for name, network in made.items():
        network.eval().save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
        side = load_text_side(name, entry_of(name), tmp_path / name)
        if name == "siglip2_base":  # sentences of one length, without a mask
            options = {"padding": "max_length", "max_length": 48, "return_tensors": "pt"}
            tokens = {"input_ids": tokenizer(sentence, **options)["input_ids"]}
            scale = network.logit_scale
        else:
            tokens, scale = tokenizer(sentence, return_tensors="pt"), network.logit_scale_a
        expected = network.get_text_features(**tokens).pooler_output
        torch.testing.assert_close(side.encode(sentence), expected)
        assert side.scale == pytest.approx(float(scale.detach().exp()))


@torch.inference_mode()
def test_open_clips_text_side_is_its_own(monkeypatch, tmp_path):
    import_torchvision()  # which open_clip imports
    open_clip = pytest.importorskip("open_clip")
    config = open_clip.get_model_config("ViT-B-32")
    tower = {"image_size": 32, "layers": 2, "width": 64, "patch_size": 16}
    text = config["text_cfg"] | {"width": 32, "heads": 2, "layers": 1}
    small = config | {"embed_dim": 24, "vision_cfg": tower, "text_cfg": text}
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "ViT-B-32", small)
    torch.manual_seed(0)
    own = open_clip.create_model("ViT-B-32", pretrained=None).eval()
    torch.save(own.state_dict(), tmp_path / "own.pt")
    side = load_text_side("o", entry_of("openclip_base"), tmp_path / "own.pt")
    sentences = ["a photo of rain.", "a person."]
    expected = own.encode_text(open_clip.get_tokenizer("ViT-B-32")(sentences))
    torch.testing.assert_close(side.encode(sentences), expected)
    assert side.scale == pytest.approx(float(own.logit_scale.exp()))
    with pytest.raises(WstalError, match="longer than the 77 tokens .*; shorten it"):
        side.encode(["rain " * 100])
    outside = small | {"text_cfg": {**text, "hf_tokenizer_name": "some/one"}}
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "ViT-B-32", outside)
    with pytest.raises(WstalError, match="tokenizer some/one is not part of open_clip"):
        load_text_side("o", entry_of("openclip_base"), tmp_path / "own.pt")


def test_what_has_no_text_is_refused_with_what_to_do(clip, tmp_path):
    folder = clip[0]
    refused = [
        (entry_of(text=None), folder, "no `text:` in its entry"),
        (replace(entries()["s3d"], text=entry_of().text), folder, "no text side in torchvision"),
        (entry_of(), "untrained", "no weights at untrained; .* wstal weights fetch clip_base"),
        (entry_of(output="pooler"), folder, "output: pooler .* set `output: embedding`"),
        (entry_of(network="Dinov2Model"), folder, "networks with text: CLIPVision"),
    ]
    for entry, weights, message in refused:
        with pytest.raises(WstalError, match=message):
            load_text_side("clip_base", entry, weights)
    for name in ("config.json", "model.safetensors"):
        shutil.copy(folder / name, tmp_path)
    with pytest.raises(WstalError, match=r"has no tokenizer .*: copy these files of openai/clip"):
        load_text_side("clip_base", entry_of(), tmp_path)
    side = load_text_side("clip_base", entry_of(), folder)
    with pytest.raises(WstalError, match="longer than the 77 tokens .*'a photo of"):
        class_vectors(side, entry_of(), ["rain" * 40])


def test_the_image_tower_alone_has_no_text(clip, tmp_path):
    from wstal.networks.backbones.transformers import import_transformers

    folder, own, tokenizer = clip
    lib = import_transformers()
    tower = lib.CLIPVisionModelWithProjection.from_pretrained(folder)
    tower.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(WstalError, match="CLIPModel"):
        load_text_side("clip_base", entry_of(), tmp_path)


def test_vectors_of_another_width_and_another_file_are_refused(tmp_path):
    side = TextSide(lambda sentences: torch.ones(len(sentences), 7), 1.0)
    with pytest.raises(WstalError, match="text has vectors of 7, `width:` of its entry is 24"):
        class_vectors(side, entry_of(), CLASSES)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.attrs["classes_json"] = "[]"
    with pytest.raises(WstalError, match="other.h5 is not a file of class vectors"):
        read_class_vectors(tmp_path / "other.h5")
