"""Weights of backbones from the Hugging Face hub, one way to fill the folder they are read from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from wstal.base.errors import WstalError
from wstal.base.files import write_text
from wstal.base.user_files import file_sha256

SOURCE = "wstal_source.json"  # beside fetched weights: where they are from


def fetch_snapshot(hub: str, revision: str | None, sha256: str | None, folder: Path) -> Path:
    """Download the weights of the hub's `hub` to `folder`, complete or not at all; return it.

    Only configuration and weights are taken, safetensors where there are any, and no code. Without
    a `revision` (a commit) it is the newest, which SOURCE records. Raises WstalError if the hub
    cannot be reached, with what to do, and if model.safetensors is not that of `sha256`.
    """
    import huggingface_hub

    if (folder / SOURCE).is_file():
        return folder
    part = folder.with_name(folder.name + ".part")
    try:
        about = huggingface_hub.HfApi().model_info(hub, revision=revision)
        names = [each.rfilename for each in about.siblings]
        weights = [name for name in names if name.endswith(".safetensors") and "/" not in name]
        wanted = weights or [name for name in names if name == "pytorch_model.bin"]
        wanted += [n for n in names if n.endswith(".json") and "/" not in n] + TEXT_FILES
        huggingface_hub.snapshot_download(
            hub, revision=about.sha, local_dir=part, allow_patterns=wanted
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise WstalError(
            f"{hub} cannot be downloaded: {error}. On a machine with network run `hf download {hub}"
            f" --local-dir {folder}`, and copy that folder"
        ) from error
    if sha256 and (found := file_sha256(part / "model.safetensors")) != sha256:
        raise WstalError(
            f"{part / 'model.safetensors'} is not the published file of {hub}: sha256 expected "
            f"{sha256}, found {found}. Remove {part}; if the entry is wrong, correct `sha256:`"
        )
    write_text(part / SOURCE, json.dumps({"hub": hub, "revision": about.sha}))
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    return folder


TEXT_FILES = ["merges.txt", "vocab.txt", "*.model"]  # of tokenizers, beside their JSON
