"""Networks of Hugging Face's transformers, from a folder as `save_pretrained` or the hub writes it.

The folder is all that is read: nothing is downloaded, and no code but the library's own runs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from torch import Tensor, nn

from wstal.base.errors import WstalError
from wstal.base.text_files import read_json
from wstal.networks.backbone import BackboneEntry, Built, TextSide, over_frames
from wstal.networks.torchvision_import import import_torchvision
from wstal.networks.weights import read_state

PACKAGES = ("transformers",)
CONFIG, PREPROCESSOR, PICKLED = "config.json", "preprocessor_config.json", "pytorch_model.bin"
RESIZABLE = ("dinov2", "dinov3_vit")  # the library interpolates their positions


def import_transformers() -> ModuleType:
    """Import transformers, which imports torchvision where it is installed."""
    if find_spec("torchvision"):
        import_torchvision()
    import transformers

    transformers.utils.logging.set_verbosity_error()  # what is wrong with a folder is raised here
    transformers.utils.logging.disable_progress_bar()
    return transformers


def build(entry: BackboneEntry, weights: Path | None) -> Built:
    """Return the network of an entry with the weights of a folder, or with random ones.

    Raises WstalError for a folder that is missing, incomplete or of another network, and for a
    size or a number of frames that the network does not take.
    """
    kind = getattr(import_transformers(), entry.network, None)
    if kind is None:
        raise WstalError(
            f"transformers {import_transformers().__version__} has no class {entry.network!r}; "
            f"correct `network:` of {entry.model}, or install a version that has it"
        )
    if weights is None:
        network = kind(kind.config_class(**entry.config))
    else:
        network = _from_folder(kind, weights, entry)
    check_grid(entry, network.config)
    prepare = _listener(entry, weights) if entry.input == "sound" else None
    return Built(network, *_vector(entry, network), PACKAGES, prepare)


def _from_folder(kind: type, folder: Path, entry: BackboneEntry) -> nn.Module:
    """Load a network completely; raise WstalError for a folder that has another one."""
    config = _checked_config(kind, folder, entry)
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    if any(folder.glob("*.safetensors")):
        source, options["use_safetensors"] = folder, True
    elif (folder / PICKLED).is_file():
        source, options["state_dict"] = None, read_state(folder / PICKLED)
    else:
        raise WstalError(f"{folder} has no *.safetensors; put the snapshot of {entry.model} there")
    try:
        network, report = kind.from_pretrained(
            source, config=config, output_loading_info=True, **options
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise WstalError(f"{folder}: {entry.network} cannot be loaded: {error}") from error
    for found, why in (("missing_keys", "lacks"), ("mismatched_keys", "has another shape for")):
        if keys := sorted(map(str, report[found])):
            raise WstalError(
                f"{folder} is not of {entry.network} ({entry.model}): it {why} {keys[0]} and "
                f"{len(keys) - 1} other tensors; name the folder or the class that fits"
            )
    return network


def _checked_config(kind: type, folder: Path, entry: BackboneEntry) -> Any:
    """Return the configuration in a folder; raise WstalError if it is not that of the class."""
    if not (folder / CONFIG).is_file():
        raise WstalError(
            f"{folder} has no {CONFIG}: weights of {entry.model} are a folder with {CONFIG} and "
            "*.safetensors"
        )
    about = read_json(folder / CONFIG)
    wanted, found = kind.config_class, str(about.get("model_type", ""))
    if found not in (wanted.model_type, _whole(kind)):
        remote = "auto_map" in about
        reason = (
            "it needs code from its repository, which is never run; write the network as a file "
            "of your own (`library: file`)"
            if remote
            else f"name a class of that type under `network:`, or a folder of {wanted.model_type}"
        )
        raise WstalError(
            f"{folder / CONFIG}: model_type is {found!r}, but {entry.network} of {entry.model} "
            f"expects {wanted.model_type!r}; {reason}"
        )
    _check_pictures(folder / PREPROCESSOR, entry)
    return wanted.from_pretrained(folder, local_files_only=True)


def _whole(kind: type) -> str:
    """Return the type of the network that a class is a part of: clip of clip_vision_model."""
    return kind.config_class.model_type.removesuffix("_vision_model").removesuffix("_audio_model")


def _check_pictures(path: Path, entry: BackboneEntry) -> None:
    """Raise WstalError if the folder says that its pictures were normalised in another way."""
    about = read_json(path) if path.is_file() else {}
    if entry.input == "sound":
        return
    for key, ours in (("image_mean", entry.mean), ("image_std", entry.std)):
        theirs = about.get(key)
        if theirs is not None and max(abs(a - b) for a, b in zip(theirs, ours, strict=True)) > 1e-4:
            raise WstalError(
                f"{path}: {key} is {theirs}, but `{key.removeprefix('image_')}:` of {entry.model} "
                f"is {list(ours)}; correct the entry"
            )


def check_grid(entry: BackboneEntry, config: Any) -> None:
    """Raise WstalError for a size whose tokens are not those of the network."""
    sizes = [getattr(config, name, None) for name in ("crop_size", "image_size")]
    size = next((each for each in sizes if isinstance(each, int)), None)
    patch = getattr(config, "patch_size", None)
    if entry.input == "sound" or size is None:
        return
    if isinstance(patch, int) and entry.crop % patch:
        raise WstalError(
            f"{entry.model}: crop {entry.crop} is not a multiple of {patch}, the side of its "
            f"tokens; its weights were trained at {size}"
        )
    if entry.crop != size and config.model_type not in RESIZABLE:
        raise WstalError(
            f"{entry.model}: crop is {entry.crop}, but its grid of tokens is of pictures of "
            f"{size} px; set `crop: {size}`"
        )
    frames = getattr(config, "num_frames", None)
    if entry.input == "video" and frames and entry.frames != frames:
        raise WstalError(
            f"{entry.model}: frames is {entry.frames}, but its weights are of windows of {frames} "
            f"frames; set `frames: {frames}` in its entry"
        )


def _vector(entry: BackboneEntry, network: nn.Module) -> tuple[Callable, int]:
    """Return the function of a network and its input to the vector, and the vector's width."""
    parameters = inspect.signature(network.forward).parameters
    argument = next(name for name in parameters if name in INPUTS)
    options: dict[str, Any] = {"skip_predictor": True} if "skip_predictor" in parameters else {}
    if entry.layer is not None:
        options["output_hidden_states"] = True
    width = network.config.hidden_size
    if entry.output == "classifier_input":
        network.classifier = nn.Identity()
    if entry.output == "embedding":
        width = network.config.projection_dim

    def of_input(network: nn.Module, x: Tensor) -> Tensor:
        out = network(**{argument: x}, **options)
        if entry.output in NAMED:
            names = NAMED[entry.output]
            return next(out[name] for name in names if out.get(name) is not None)
        states = out.last_hidden_state if entry.layer is None else out.hidden_states[entry.layer]
        return states.mean(1) if entry.output == "mean_tokens" else states[:, 0]

    if entry.input == "images":
        return over_frames(of_input), width
    if entry.input == "video":
        return lambda network, x: of_input(network, x.transpose(1, 2)), width
    return of_input, width


EXTRACTORS = {
    "audio-spectrogram-transformer": "ASTFeatureExtractor",
    "clap": "ClapFeatureExtractor",
}


def _listener(entry: BackboneEntry, folder: Path | None) -> Callable[[np.ndarray], Tensor]:
    """Return the library's own way from samples `[B, S]` to the input of a network of sound.

    Raises WstalError for another rate than the entry's, and for windows longer than it takes.
    """
    transformers = import_transformers()
    kind = getattr(transformers, EXTRACTORS[_whole(getattr(transformers, entry.network))])
    if folder is not None and (folder / PREPROCESSOR).is_file():
        extractor = kind.from_pretrained(folder, local_files_only=True)
    else:
        extractor = kind(**({"truncation": "rand_trunc"} if "Clap" in entry.network else {}))
    if extractor.sampling_rate != entry.rate:
        raise WstalError(
            f"rate: {entry.rate}, but {entry.model} hears {extractor.sampling_rate} Hz; set "
            f"`rate: {extractor.sampling_rate}` in its entry"
        )

    def prepare(samples: np.ndarray) -> Tensor:
        options = {"sampling_rate": entry.rate, "return_tensors": "pt"}
        found = extractor(list(samples), **options)
        return next(found[name] for name in INPUTS if name in found)

    return prepare


def text_side(entry: BackboneEntry, weights: Path) -> TextSide:
    """Return the text side of an entry, from the folder that its other side is read from.

    Raises WstalError for a network that has none, an output that is not in its space, a folder
    without the text side or without its tokenizer, and a sentence that is longer than it reads.
    """
    whole, output = TEXT.get(entry.network, ("", ""))
    if entry.output != output:
        remedy = f"set `output: {output}`" if output else f"networks with text: {', '.join(TEXT)}"
        raise WstalError(
            f"output: {entry.output} of {entry.network} ({entry.model}) is not in a space with "
            f"text; {remedy}"
        )
    transformers = import_transformers()
    kind = getattr(transformers, whole)
    network = _from_folder(kind, weights, replace(entry, network=whole)).eval()
    if not any(file for pattern in TOKENIZERS for file in weights.glob(pattern)):
        raise WstalError(
            f"{weights} has no tokenizer ({', '.join(TOKENIZERS)}): copy these files of "
            f"{entry.hub or entry.model} there, too"
        )
    options = {"local_files_only": True, "trust_remote_code": False}
    tokenizer = transformers.AutoTokenizer.from_pretrained(weights, **options)
    longest = network.config.text_config.max_position_embeddings
    # SigLIP was trained on sentences of one length, without a mask.
    is_siglip = whole == "SiglipModel"
    padding = {"padding": "max_length", "max_length": longest} if is_siglip else {"padding": True}

    def encode(sentences: list[str]) -> Tensor:
        tokens = tokenizer(sentences, return_tensors="pt", **padding)
        if tokens["input_ids"].shape[1] > longest:
            raise WstalError(
                f"a prompt is longer than the {longest} tokens that {entry.model} reads: "
                f"{max(sentences, key=len)!r}; shorten it, or the class's name"
            )
        names = ("input_ids",) if is_siglip else ("input_ids", "attention_mask")
        return network.get_text_features(**{name: tokens[name] for name in names}).pooler_output

    scale = getattr(network, "logit_scale_a" if whole == "ClapModel" else "logit_scale")
    return TextSide(encode, float(scale.detach().exp()))


# The whole of which a network is a part, and the network's output that is in the space of text.
TEXT = {
    "CLIPVisionModelWithProjection": ("CLIPModel", "embedding"),
    "SiglipVisionModel": ("SiglipModel", "pooler"),
    "ClapAudioModelWithProjection": ("ClapModel", "embedding"),
}
TOKENIZERS = ("tokenizer.json", "vocab.json", "*.model")
INPUTS = ("pixel_values_videos", "pixel_values", "input_features", "input_values")
NAMED = {
    "classifier_input": ("logits",),
    "pooler": ("pooler_output",),
    "embedding": ("image_embeds", "audio_embeds"),
}
