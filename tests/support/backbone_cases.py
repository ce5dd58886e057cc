"""What every backbone is tested for: its vector, and rows of a video file."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import torch
from decoded_videos import Probed, decode_frames
from video_clips import write_clip
from wstal.base.array_store import read_arrays, read_attrs
from wstal.base.stage import Job, LoadedNetwork
from wstal.config.catalog import load_catalog
from wstal.features.backbone_stage import BackboneSettings, BackboneStage
from wstal.media.frame_stage import FrameSettings
from wstal.networks.backbone import BackboneEntry, SnippetNetwork, backbone_entries, load_backbone


@cache
def entries() -> dict[str, BackboneEntry]:
    """The entries of workflow/config/backbones, by name."""
    return backbone_entries(load_catalog().backbones)


def settings_of(name: str, **changes) -> BackboneSettings:
    """The section of a backbone on small pictures."""
    given = {"short_side": 64, "crop": 64, "batch": 2} | changes
    return BackboneSettings("untrained", entries()[name], **given)


@cache
def untrained(name: str) -> SnippetNetwork:
    """The whole network with random weights."""
    return load_backbone(name, entries()[name], "untrained")


def snippet(frames: int, size: int) -> torch.Tensor:
    """A normalised snippet `[1, 3, frames, size, size]`."""
    return torch.randn(1, 3, frames, size, size, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
def vector_of(name: str, x: torch.Tensor) -> tuple[torch.nn.Module, torch.Tensor]:
    """The public network, and the backbone's vector of `x`."""
    found = untrained(name)
    vector = found._vector(found.network, x)
    assert vector.shape == (len(x), entries()[name].width)
    return found.network, vector


def assert_equal(ours: torch.Tensor, expected: torch.Tensor) -> None:
    """Up to rounding, on the scale of the largest: random networks have any."""
    assert ours.shape == expected.shape
    assert (ours - expected).abs().max() < 1e-4 * expected.abs().max()


def pictures(frames, height=60, width=83):
    """Smooth pictures with noise, uint8 `[frames, height, width, 3]`."""
    random = np.random.default_rng(0)
    waves = np.sin(np.arange(height)[:, None] / 9) + np.cos(np.arange(width) / 7)
    noise = random.normal(scale=30, size=(frames, height, width, 3))
    return (128 + 40 * waves[None, ..., None] + noise).clip(0, 255).astype(np.uint8)


def decoded_clip(folder) -> Path:
    """The frames manifest of a video file of 40 pictures, two snippets and a half."""
    clip = write_clip(folder / "clip.mp4", 40, size=(96, 64))
    decode_frames([Probed("clip", clip)], folder / "frames", FrameSettings(cache_frames=True))
    return folder / "frames/shard0.csv"


@torch.inference_mode()
def assert_rows_of_a_clip(name: str, folder) -> None:
    """A video file through the stage: two rows, the second the network's of frames 16 to 31."""
    frames = decoded_clip(folder)
    network = untrained(name)
    job = Job("c", folder / name, network=LoadedNetwork(network, "untrained", "untrained"))
    stage = BackboneStage(name, ("frames",))
    records = stage.shard({"frames": frames}, settings_of(name), job)
    file = folder / name / records[0].path
    provenance = json.loads(read_attrs(file)["provenance_json"])
    assert set(network.packages) < set(provenance["versions"])
    pixels = read_arrays(frames.parent / "clip.h5", ["rgb"])["rgb"][16:32, :, 16:80]
    x = torch.from_numpy(pixels / 127.5 - 1).float().permute(3, 0, 1, 2)[None]
    rows = torch.from_numpy(read_arrays(file)["features"])
    assert len(rows) == 2 and provenance["stage"] == name
    assert_equal(rows[1], network.features(x)[0])


def assert_published_layout(name: str) -> None:
    """The parameters are those of pytorchvideo's network of that name."""
    ours = untrained(name).network.state_dict()  # makes torchvision importable first
    from pytorchvideo.models import hub

    published = getattr(hub, name)(pretrained=False).state_dict()
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in published.items()}


TINY_CLIP = {"width": 24, "crop": 32, "short_side": 32}  # what differs in the entry clip_base


def save_tiny_clip(folder: Path) -> tuple[torch.nn.Module, object]:
    """A random CLIP of both towers with its tokenizer, in a folder as the hub has it."""
    from tokenizers.pre_tokenizers import ByteLevel
    from wstal.networks.backbones.transformers import import_transformers

    library = import_transformers()
    letters = sorted(ByteLevel.alphabet())
    ends = ["<|startoftext|>", "<|endoftext|>"]
    words = [*letters, *(letter + "</w>" for letter in letters), *ends]
    tokenizer = library.CLIPTokenizer(vocab={w: i for i, w in enumerate(words)}, merges=[])
    part = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    part |= {"intermediate_size": 64, "projection_dim": 24}
    text = part | {"vocab_size": len(words), "eos_token_id": len(words) - 1}
    vision = part | {"image_size": 32, "patch_size": 16}
    config = library.CLIPConfig(vision_config=vision, text_config=text, projection_dim=24)
    torch.manual_seed(0)
    network = library.CLIPModel(config).eval()
    for saved in (network, tokenizer):
        saved.save_pretrained(folder)
    return network, tokenizer
