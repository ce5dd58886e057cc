"""The digest of each stage's code, as the rules give it to their jobs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from wstal.base.code_digest import code_digest

SCRIPTS = {
    "probe": "probe_videos",
    "frames": "decode_frames",
    "audio": "decode_audio",
    "flow": "extract_flow",
    "i3d_rgb": "extract_i3d",
    "i3d_flow": "extract_i3d",
    "vggish": "extract_vggish",
}


def stage_code(stage: str, root: Path, accepted: Mapping[str, str]) -> str:
    """Digest of a stage's script in the checkout `root`, or the older one it is `accepted` as.

    A stage without a script of its own is a backbone.
    """
    script = root / "scripts" / f"{SCRIPTS.get(stage, 'extract_backbone')}.py"
    modules = () if stage in SCRIPTS else (f"wstal.networks.backbones.{stage}",)
    digest = code_digest(script, root / "workflow/wstal", modules)
    return accepted.get(digest, digest)


def changed_code(made: Mapping[str, Mapping], codes: Mapping[str, str]) -> list[str]:
    """The stages, sorted, whose features were made by other code than `codes` (stage: digest).

    `made` is the provenance of a feature file: of each stream, with the stages before it inside.
    """
    found = set()
    for about in made.values():
        inner = [value for value in about.values() if isinstance(value, Mapping)]
        for each in (about, *inner):
            stage = each.get("stage")
            if stage in codes and "code" not in about.get("varies", ()):
                found |= {stage} if each.get("code") != codes[stage] else set()
    return sorted(found)
