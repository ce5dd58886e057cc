"""Which weights exist, where they come from and how to know them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import URLError

import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from wstal.base.download import receive
from wstal.base.errors import WstalError
from wstal.base.files import atomic_path
from wstal.base.restricted_pickle import read_plain

_CHUNK = 1 << 20
_SHORTEST = 8  # hex digits that count as an identity


@dataclass(frozen=True)
class WeightFile:
    """One file of weights.

    Its identity is `sha256` (the first 8 digits or more) or `git_blob`, the id under which git
    stores it; it is `unhashed` where the publisher gives none. It is published at `url`, or
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
        if len(known) != 1 - self.unhashed or any(len(text) < _SHORTEST for text in known):
            raise WstalError(
                f"weights {self.name}: give sha256 or git_blob, 8 digits or more; or, if none is "
                "published, unhashed: true"
            )
        if self.shipped == bool(self.url):
            raise WstalError(f"weights {self.name}: give a url, or say shipped: true")


def read_sources(path: str | Path) -> dict[str, WeightFile]:
    """Weight files by name from a `sources.yaml`."""
    table = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    try:
        return {name: WeightFile(name=name, **entry) for name, entry in table.items()}
    except TypeError as error:
        raise WstalError(f"{path} has an unknown or missing entry: {error}") from error


def sha256_of(path: str | Path) -> str:
    """Hex sha256 of a file, read in pieces."""
    return _digest(path, hashlib.sha256())


def git_blob_of(path: str | Path) -> str:
    """The id under which git stores a file: sha1 of `blob <size>\\0` and the content."""
    size = Path(path).stat().st_size
    return _digest(path, hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False))


def _digest(path: str | Path, digest: Any) -> str:
    with Path(path).open("rb") as file:
        while piece := file.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()


def verify(path: str | Path, weights: WeightFile) -> None:
    """Raise WstalError, naming what was expected and found, if `path` is another file.

    Of an unhashed one nothing can be said: its layout is checked when it is loaded.
    """
    if weights.unhashed:
        return
    kind, expected, measure = _identity(weights)
    found = measure(path)
    if not found.startswith(expected.lower()):
        raise WstalError(
            f"{path} is not the published file of {weights.name}: {kind} expected {expected}, "
            f"found {found}. Remove it and run python scripts/fetch_weights.py {weights.name}"
        )


def _identity(weights: WeightFile) -> tuple[str, str, Callable[[str | Path], str]]:
    if weights.git_blob:
        return "git blob id", weights.git_blob, git_blob_of
    return "sha256", weights.sha256, sha256_of


def identify(path: str | Path, sources: Mapping[str, WeightFile]) -> str:
    """The sha256 of the weights at `path`, for keys and provenance.

    A file named as one of `sources` must be the published one; others are a user's own. Raises
    WstalError for an absent file, saying what to fetch and where to put it, and for a mismatch.
    """
    path = Path(path)
    known = next((w for w in sources.values() if w.file == path.name), None)
    if not path.exists():
        raise WstalError(absence(known, path) if known else f"there are no weights at {path}")
    if known:
        verify(path, known)
    return sha256_of(path)


def absence(weights: WeightFile, path: Path) -> str:
    """What to do about weights that are not there."""
    if weights.shipped:
        return f"{path} is missing; it ships with the project, restore it from version control"
    known = "" if weights.unhashed else " ({} {})".format(*_identity(weights)[:2])
    return (
        f"the weights of {weights.network} are missing: run python scripts/fetch_weights.py "
        f"{weights.name}, or download {weights.url}{known} to {path}. To try the "
        "pipeline without them, ask for weights: untrained in the feature recipe"
    )


# FOLDED Download of a published file: resumed where it broke off, kept only if it is the right one.


def fetch(
    weights: WeightFile,
    path: str | Path,
    track: Callable[[Iterable[bytes], int, int], Iterable[bytes]] | None = None,
) -> Path:
    """Download `weights` to `path` unless the right file is there already.

    What arrives is kept in `{path}.part`, from which an interrupted download goes on. The file
    takes its name once its identity is checked; a mismatch removes it. `track(pieces, done,
    total)` wraps the pieces for progress: bytes already there, bytes in all (0 if unknown).
    Raises WstalError if the network fails, saying what to place where by hand, and if the file
    is not the published one.
    """
    path = Path(path)
    if path.exists():
        verify(path, weights)
        return path
    part = path.with_name(path.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        receive(weights.url, part, track or (lambda pieces, done, total: pieces))
    except (HTTPException, URLError, OSError) as error:
        raise WstalError(
            f"download of {weights.url} failed ({error}); what has arrived is kept in {part}, "
            f"run it again to go on. {absence(weights, path)}"
        ) from error
    try:
        verify(part, weights)
    except WstalError:
        part.unlink()
        raise
    return part.replace(path)


# FOLDED Weights on disk: read without running code, loaded exactly or refused by the key that differs.

UNTRAINED = "untrained"
UNTRAINED_SEED = 0
_COUNTER = "num_batches_tracked"  # of batch norm; no part of the function


def read_state(path: str | Path) -> dict[str, Tensor]:
    """Read a state dict from a `.safetensors` file or a plain torch file.

    Where one lies under `model_state`, beside what training left, that one is read. Raises
    WstalError if the file is absent or holds anything else; nothing in it is run.
    """
    path = Path(path)
    if not path.exists():
        raise WstalError(f"no weights at {path}; run python scripts/fetch_weights.py --list")
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (SafetensorError, OSError, ValueError) as error:
            raise WstalError(f"{path} holds no readable weights: {error}") from error
    state = read_plain(path)
    if isinstance(state, Mapping) and isinstance(state.get("model_state"), Mapping):
        state = state["model_state"]
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise WstalError(f"{path} is not a plain state dict of tensors")
    return dict(state)


def load_state(network: nn.Module, state: Mapping[str, Tensor], path: str | Path) -> None:
    """Copy `state` into `network`, every tensor or none.

    Raises WstalError that names the first key that is missing, unknown or of another shape.
    """
    own = {name: value for name, value in network.state_dict().items() if _COUNTER not in name}
    state = {name: value for name, value in state.items() if _COUNTER not in name}
    for name in sorted(own.keys() | state.keys()):
        if name not in state:
            raise WstalError(f"{path} lacks the tensor {name} of {type(network).__name__}")
        if name not in own:
            raise WstalError(f"{path} has a tensor {name} that {type(network).__name__} lacks")
        if own[name].shape != state[name].shape:
            raise WstalError(
                f"{path}: tensor {name} has shape {list(state[name].shape)}, the network expects "
                f"{list(own[name].shape)}; check the stream, the width and the number of classes"
            )
    network.load_state_dict(state, strict=False)


def half_state(network: nn.Module) -> dict[str, Tensor]:
    """The state dict in float16, without batch norm's counters."""
    state = network.state_dict().items()
    return {name: v.half().contiguous() for name, v in state if _COUNTER not in name}


def save_half(path: str | Path, network: nn.Module, recipe: Mapping[str, Any]) -> None:
    """Write `half_state` as safetensors, atomically, with `recipe` in its metadata."""
    # One metadata entry: the order of several is not reproducible.
    metadata = {"recipe": json.dumps(recipe, sort_keys=True)}
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(half_state(network), metadata))
