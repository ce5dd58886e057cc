"""The table of stages: what runs each one, what it reads, and whose code it is.

A backbone is a stage, too: its section in a recipe has its `entry` of workflow/config/backbones,
which says by which library and from what its features are made.

Rules, `wstal.apply` and the tests of reruns read this table. The stages themselves are objects of
the library (`wstal.base.stage.Stage`); the table finds them by name, so that reading it imports
neither torch nor a decoder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wstal.base.code_digest import code_digest
from wstal.base.files import canonical_json
from wstal.base.settings import from_plain
from wstal.features.rows import CommonGrid, common_grid, kept_names, row_grid
from wstal.media.decoders import MODULES as DECODERS
from wstal.networks.backbones import LIBRARIES, entry_numbers

if TYPE_CHECKING:
    from wstal.base.stage import Stage


@dataclass(frozen=True)
class StageEntry:
    """What is known of a stage without importing it."""

    script: str  # the job that runs it: scripts/{script}.py
    inputs: tuple[str, ...] = ()  # the stages whose shards it reads; the first decides on videos
    section: str = ""  # of the recipe that it receives, and nothing else of it
    module: str = ""  # the module of the library whose STAGES has it
    device: Literal["cpu", "gpu"] = "cpu"  # gpu: what the configuration's `device` asks for
    loads: tuple[str, ...] = ()  # modules that it imports by name: part of its code


STAGES = {
    "probe": StageEntry("probe_videos"),
    "frames": StageEntry(
        "decode_frames",
        ("probe",),
        "frames",
        "wstal.media.frame_stage",
        loads=tuple(DECODERS.values()),
    ),
    "audio": StageEntry("decode_audio", ("probe",), "audio", "wstal.media.sound"),
    "flow": StageEntry("extract_flow", ("frames",), "flow", "wstal.flow.stage", "gpu"),
    "i3d_rgb": StageEntry("extract_i3d", ("frames",), "i3d", "wstal.features.i3d_stage", "gpu"),
    "i3d_flow": StageEntry(
        "extract_i3d", ("frames", "flow"), "i3d", "wstal.features.i3d_stage", "gpu"
    ),
    "vggish": StageEntry(
        "extract_vggish", ("frames", "audio"), "vggish", "wstal.features.vggish_stage", "gpu"
    ),
}
# Keys that came later, by section, with the value at which digests do not have them: files made
# before stay valid. `ADDED` of the settings classes says the same; `recipe` is the top level.
_ROWS = {"every": 1, "fps": None, "per_stream": {}}
ADDED = {
    "recipe": {"grid": None, "resample": "nearest"},
    "vggish": {**_ROWS, "window": 16, "stride": 16},
    "i3d": _ROWS,
}
BACKBONE_ADDED = {**_ROWS, "precision": "fp32"}
_PICTURES = ("extract_backbone", ("frames",), "backbone_stage")
BACKBONE_STAGES = {  # script, inputs and module of a backbone, by the `input` of its entry
    "video": _PICTURES,
    "images": _PICTURES,
    "flow": ("extract_backbone", ("frames", "flow"), "backbone_stage"),
    "sound": ("extract_sound_backbone", ("frames", "audio"), "sound_backbone_stage"),
}
# Settings that change no number, by section; `NO_NUMBERS` of the settings classes says the same.
NO_NUMBERS = {
    "frames": ("decoder",),
    "flow": ("backend", "cache_flow"),
    **dict.fromkeys(("i3d", "vggish"), ("batch",)),
}
NO_BACKBONE_NUMBERS = ("batch", "compile")


def backbone_names(recipe: Mapping[str, Any]) -> list[str]:
    """Return the sections of a recipe that are of backbones, which are their stages' names, too."""
    return [k for k, part in recipe.items() if isinstance(part, Mapping) and "entry" in part]


def stage_entry(stage: str, recipe: Mapping[str, Any]) -> StageEntry:
    """Return what is known of a stage of a recipe: of the table, or of a backbone."""
    if stage in STAGES:
        return STAGES[stage]
    entry = recipe[stage]["entry"]
    script, inputs, module = BACKBONE_STAGES[entry["input"]]
    loads = (LIBRARIES[entry["library"]],)
    return StageEntry(script, inputs, stage, f"wstal.features.{module}", "gpu", loads)


def stages_before(stages: Iterable[str], recipe: Mapping[str, Any]) -> list[str]:
    """Return the stages of a recipe and all that they need, each after its inputs."""
    ordered: dict[str, None] = {}
    for stage in stages:
        before = stages_before(stage_entry(stage, recipe).inputs, recipe)
        ordered |= dict.fromkeys([*before, stage])
    return list(ordered)


def load_stage(stage: str, recipe: Mapping[str, Any]) -> Stage:
    """Return the library's object of a stage of a recipe."""
    entry = stage_entry(stage, recipe)
    module = import_module(entry.module)
    return module.STAGES[stage] if stage in STAGES else module.BACKBONE(stage, entry.inputs)


def stage_settings(stage: str, recipe: Mapping[str, Any]) -> Any:
    """Return a stage's own section of a checked recipe, typed."""
    section = section_of(stage)
    return from_plain(load_stage(stage, recipe).settings, recipe[section], section)


def stage_code(
    stage: str,
    root: Path,
    accepted: Mapping[str, str],
    cache: Path | None = None,
    recipe: Mapping[str, Any] | None = None,
) -> str:
    """Return the digest of a stage's code in the checkout `root`, as the rules give it to jobs.

    `accepted` has digests that were declared equal to an older one, which is then returned;
    `cache` is that of `code_digest`. `recipe` is needed for a backbone.
    """
    entry, package = stage_entry(stage, recipe or {}), root / "workflow/wstal"
    digest = code_digest(root / f"scripts/{entry.script}.py", package, entry.loads, cache)
    return accepted.get(digest, digest)


def changed_code(made: Mapping[str, Mapping], codes: Mapping[str, str]) -> list[str]:
    """Return the stages, sorted, whose features were made by other code than `codes` (by stage).

    `made` is the provenance of a feature file: of each stream, with that of the earlier stages
    inside.
    """
    changed = set()
    for about in made.values():
        inner = [value for value in about.values() if isinstance(value, Mapping)]
        for each in (about, *inner):
            stage = each.get("stage")
            if stage in codes and "code" not in about.get("varies", ()):
                changed |= {stage} if each.get("code") != codes[stage] else set()
    return sorted(changed)


def section_of(stage: str) -> str:
    """Return the recipe's section of a stage that makes a stream."""
    return STAGES[stage].section if stage in STAGES else stage


def numbers_part(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe, or some of its sections, as digests and keys have it.

    It is without the settings that change no number, and with the names of `kept_names`.
    """
    numbers = {}
    for section, settings in kept_names(recipe, ADDED["recipe"]).items():
        if isinstance(settings, Mapping):
            is_backbone = "entry" in settings
            skipped = NO_BACKBONE_NUMBERS if is_backbone else NO_NUMBERS.get(section, ())
            settings = {name: v for name, v in settings.items() if name not in skipped}
            added = BACKBONE_ADDED if is_backbone else ADDED.get(section)
            settings = kept_names(settings, added) if added else settings
            if is_backbone:
                entry = settings.pop("entry")
                settings |= entry_numbers(section, entry)
        numbers[section] = settings
    return numbers


def recipe_grid(recipe: Mapping[str, Any]) -> CommonGrid:
    """Return the rows of each stream of a recipe, or of its numbers, and the grid of them all.

    Raises WstalError for streams of different rows without a key `grid`.
    """
    fps = recipe["frames"]["fps"]
    grids = {
        stream: row_grid(recipe[section_of(stage)], fps, stream)
        for stream, stage in recipe["streams"].items()
    }
    return common_grid(grids, recipe.get("grid"), recipe.get("resample", "nearest"))


def recipe_digest(recipe: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what of a recipe makes its numbers."""
    return hashlib.sha256(canonical_json(numbers_part(recipe)).encode()).hexdigest()


def is_untrained(recipe: Mapping[str, Any]) -> bool:
    """Return whether a network of the recipe has seeded random weights instead of trained ones."""
    sections = {section_of(stage) for stage in recipe["streams"].values()}
    weights = [recipe[section]["weights"] for section in sections]
    names = [n for each in weights for n in (each.values() if isinstance(each, dict) else [each])]
    return "untrained" in names
