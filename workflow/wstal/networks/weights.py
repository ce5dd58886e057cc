"""Published weights: what they are and where they come from, their download, reading and loading.

Files are read without running code in them; a network is loaded completely or not at all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from wstal.base.download import DownloadError, Track, receive_file
from wstal.base.errors import WstalError
from wstal.base.files import atomic_path
from wstal.base.text_files import read_text
from wstal.base.torch_files import read_plain
from wstal.base.user_files import check_regular, file_sha256, open_regular

SHORTEST_IDENTITY = 8  # hex digits
EXACT = "fp32"  # the precision in which weights are published
UNTRAINED = "untrained"  # in place of a path: seeded random weights, for wiring tests
UNTRAINED_SEED = 0
_BATCHES = "num_batches_tracked"  # a counter of batch norm; no part of the function

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class WeightFile:
    """One file of weights.

    Its identity is `sha256` (8 digits or more from the start) or `git_blob`, the id under which
    git stores it; `unhashed` says that the publisher gives neither. It is published at `url`, or
    `shipped` with the project.
    """

    name: str
    file: str
    network: str
    sha256: str = ""
    git_blob: str = ""
    url: str = ""
    shipped: bool = False
    unhashed: bool = False

    def __post_init__(self) -> None:
        known = [text for text in (self.sha256, self.git_blob) if text]
        if len(known) != 1 - self.unhashed or any(len(text) < SHORTEST_IDENTITY for text in known):
            raise WstalError(
                f"weights {self.name}: give sha256 or git_blob, 8 digits or more, or, if neither "
                "is published, unhashed: true"
            )
        if self.shipped == bool(self.url):
            raise WstalError(f"weights {self.name}: give either url or shipped: true")


def read_sources(path: str | Path) -> dict[str, WeightFile]:
    """Read weight files by name from a `sources.yaml`; raise WstalError for a wrong entry."""
    table = yaml.safe_load(read_text(path, "YAML"))
    try:
        return {name: WeightFile(name=name, **entry) for name, entry in table.items()}
    except TypeError as error:
        raise WstalError(f"{path} has an unknown or missing entry: {error}") from error


def git_blob_of(path: str | Path) -> str:
    """Return the id under which git stores a file: sha1 of `blob <size>\\0` and the content."""
    size = Path(path).stat().st_size
    with open_regular(path) as file:
        digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
        return hashlib.file_digest(file, lambda: digest).hexdigest()


def verify(path: str | Path, weights: WeightFile) -> None:
    """Raise WstalError with the expected and the found identity if `path` is another file.

    An unhashed file always passes; its layout is checked when it is loaded.
    """
    if weights.unhashed:
        return
    kind, expected, measure = _identity(weights)
    found = measure(path)
    if not found.startswith(expected.lower()):
        raise WstalError(
            f"{path} is not the published file of {weights.name}: {kind} expected {expected}, "
            f"found {found}. Remove it and run wstal weights fetch {weights.name}"
        )


def _identity(weights: WeightFile) -> tuple[str, str, Callable[[str | Path], str]]:
    if weights.git_blob:
        return "git blob id", weights.git_blob, git_blob_of
    return "sha256", weights.sha256, file_sha256


def identify(path: str | Path, sources: Mapping[str, WeightFile]) -> str:
    """Return the sha256 of the weights at `path`, for keys and provenance.

    A file with the name of one of `sources` must be the published one; other names are a user's
    own weights. Raises WstalError for another file, and for a missing one with what to do.
    """
    path = Path(path)
    known = next((w for w in sources.values() if w.file == path.name), None)
    if not path.exists():
        raise WstalError(absence(known, path) if known else f"there are no weights at {path}")
    if path.is_dir():
        return folder_sha256(path)
    if known:
        verify(path, known)
    return file_sha256(path)


# Of a folder of weights, as the hub and `save_pretrained` write it: what a network is made of.
IN_FOLDER = ("config.json", "*.safetensors", "*.safetensors.index.json", "pytorch_model.bin")


def only_file(path: Path, about: str) -> Path:
    """Return a file of weights, or the one that a folder has of them; safetensors first.

    `about` says in errors whose they are. Raises WstalError for none or several.
    """
    if not path.is_dir():
        return path
    for pattern in ("*.safetensors", "*.bin", "*.pt", "*.pth"):
        found = sorted(path.glob(pattern))
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(each.name for each in found)
            raise WstalError(f"{path} has several files of weights ({names}); name the one meant")
    raise WstalError(f"{path} has no file of weights of {about}; put model.safetensors there")


def folder_sha256(folder: str | Path) -> str:
    """Return the sha256 of the names and digests of a folder's weights and their configuration."""
    files = sorted({path for pattern in IN_FOLDER for path in Path(folder).glob(pattern)})
    lines = "".join(f"{path.name} {file_sha256(path)}\n" for path in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def absence(weights: WeightFile, path: Path) -> str:
    """Return the message for missing weights: how to get them."""
    if weights.shipped:
        return f"{path} is missing; it ships with the project, restore it from version control"
    known = "" if weights.unhashed else " ({} {})".format(*_identity(weights)[:2])
    return (
        f"the weights of {weights.network} are missing: run wstal weights fetch "
        f"{weights.name}, or download {weights.url}{known} to {path}. To try the "
        "pipeline without them, ask for weights: untrained in the feature recipe"
    )


def fetch(weights: WeightFile, path: str | Path, track: Track | None = None) -> Path:
    """Download `weights` to `path` unless the right file exists already; return `path`.

    An interrupted download resumes; `track` as in `receive_file`. Raises WstalError if the network
    fails, with what to download by hand, and if the file is not the published one.
    """
    path = Path(path)
    try:
        receive_file(weights.url, path, lambda file: verify(file, weights), track)
    except DownloadError as error:
        raise WstalError(f"{error}. {absence(weights, path)}") from error
    return path


def read_state(path: str | Path) -> dict[str, Tensor]:
    """Read a state dict from a `.safetensors` file or a plain torch file.

    A training checkpoint with the state dict under `model_state` is read, too. No code in the file
    runs. Raises WstalError if the file is missing or contains anything but tensors.
    """
    path = Path(path)
    if not path.exists():
        raise WstalError(f"no weights at {path}; run wstal weights list")
    if path.suffix == ".safetensors":
        try:
            return load_file(check_regular(path))
        except (SafetensorError, OSError, ValueError) as error:
            raise WstalError(f"{path} contains no readable weights: {error}") from error
    state = read_plain(path)
    if isinstance(state, Mapping) and isinstance(state.get("model_state"), Mapping):
        state = state["model_state"]
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise WstalError(f"{path} is not a plain state dict of tensors")
    return dict(state)


def load_state(network: nn.Module, state: Mapping[str, Tensor], path: str | Path) -> None:
    """Copy `state` into `network`, every tensor or none.

    `path` is the source for errors. Raises WstalError with the first key that is missing, unknown
    or of another shape.
    """
    kind = type(network).__name__
    own = {name: value for name, value in network.state_dict().items() if _BATCHES not in name}
    state = {name: value for name, value in state.items() if _BATCHES not in name}
    for name in sorted(own.keys() | state.keys()):
        if name not in state:
            raise WstalError(f"{path} has no tensor {name}, which {kind} needs")
        if name not in own:
            raise WstalError(f"{path} has a tensor {name}, which {kind} does not have")
        if own[name].shape != state[name].shape:
            raise WstalError(
                f"{path}: tensor {name} has shape {list(state[name].shape)}, the network expects "
                f"{list(own[name].shape)}; check the stream, the width and the number of classes"
            )
    network.load_state_dict(state, strict=False)


def load_file_into(network: Network, path: Path | None) -> Network:
    """Return `network` with the weights of a file, unchanged without one.

    Raises WstalError as `read_state` and `load_state`.
    """
    if path is not None:
        load_state(network, read_state(path), path)
    return network


def seeded(build: Callable[[], Network]) -> Network:
    """Return `build()` in evaluation mode, with the same random weights each time.

    Torch's random state outside stays the same.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(UNTRAINED_SEED)
        return build().eval()


def half_state(network: nn.Module) -> dict[str, Tensor]:
    """Return the state dict in float16, without batch norm's counters."""
    state = network.state_dict().items()
    return {name: v.half().contiguous() for name, v in state if _BATCHES not in name}


def save_half(path: str | Path, network: nn.Module, recipe: Mapping[str, Any]) -> None:
    """Write `half_state` as safetensors, atomically, with `recipe` in its metadata."""
    # One metadata entry: the order of several is not reproducible.
    metadata = {"recipe": json.dumps(recipe, sort_keys=True)}
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(half_state(network), metadata))
