"""List the networks that make features, and which weights are here.

Each is an entry of workflow/config/backbones or of the section `backbones:` of your wstal.yaml.

Examples:
  wstal backbones
  wstal backbones --markdown
  wstal backbones --check videomae_base   # its vector beside the library's own, on a made clip
"""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from wstal.commands.console import WEIGHTS, Add, Program
from wstal.base.errors import WstalError
from wstal.config.catalog import own_catalog
from wstal.config.dataset_files import weights_path
from wstal.config.installation import work_folder
from wstal.config.layers import read_yaml
from wstal.networks.backbone import BackboneEntry, backbone_entries

COLUMNS = ("backbone", "network", "library", "input", "width", "licence", "size", "weights")
HEADER = "| backbone | network, library | sees | width | licence of the weights | command |"


def add_arguments(add: Add) -> None:
    add("--markdown", action="store_true", help="the table of docs/features.md instead")
    add("--check", metavar="NAME", help="compare a vector with a plain call of the library")
    add("--configfile", type=Path, help="configuration besides the project's own YAMLs")


def backbones(args: argparse.Namespace) -> int | None:
    if args.check:
        return check(args.check, args.configfile)
    entries = own_catalog(args.configfile).backbones
    if args.markdown:
        print(*markdown(entries), sep="\n")
        return None
    rows = [COLUMNS, *(row(name, entry) for name, entry in entries.items())]
    widths = [max(len(each[i]) for each in rows) for i in range(len(COLUMNS))]
    for each in rows:
        print("  ".join(text.ljust(w) for text, w in zip(each, widths, strict=True)).rstrip())
    print("any model of timm: wstal extract VIDEO --backbone timm:MODEL")
    return None


def entry_and_weights(
    name: str, configfile: Path | None, given: Path | None = None
) -> tuple[BackboneEntry, Path]:
    """Return a backbone's entry and the place of its weights, or the `given` one.

    Raises WstalError for an unknown backbone, and if nothing is there.
    """
    entries = own_catalog(configfile).backbones
    if name not in entries:
        raise WstalError(f"{name!r} is not one of the backbones: {', '.join(entries)}")
    weights = given or place(name, entries[name])
    if not weights.exists():
        remedy = "correct --weights" if given else f"run wstal weights fetch {name}"
        raise WstalError(f"{weights} is missing; {remedy}")
    return backbone_entries(entries)[name], weights


def check(name: str, configfile: Path | None) -> int:
    """Print how near a backbone's vector is to its library's; return 1 if they differ."""
    from wstal.features.backbone_check import check_backbone

    entry, folder = entry_and_weights(name, configfile)
    found = check_backbone(name, entry, folder)
    verdict = "pass" if found.passes else "fail"
    figures = f"cosine {found.cosine:.7f}, relative difference {found.difference:.1e}"
    print(f"{name}: {verdict}; beside a plain call of {entry.library}: {figures}")
    return int(not found.passes)


def row(name: str, entry: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cells of a backbone: what it is, and whether its weights are here."""
    size = f"{entry['megabytes']:,.0f} MB" if entry["megabytes"] else "-"
    state = "present" if place(name, entry).exists() else "absent"
    about = (name, entry["title"], entry["library"], sees(entry), str(entry["width"]))
    return (*about, entry["licence"], size, state)


def place(name: str, entry: Mapping[str, Any]) -> Path:
    """Return where the weights of a backbone are looked for."""
    if entry["library"] == "file" and not entry["weights"]:
        return work_folder() / entry["model"]
    named = entry["weights"] or f"results/weights/{name}"
    return work_folder() / (weights_path(named, read_yaml(WEIGHTS / "sources.yaml")) or named)


def sees(entry: Mapping[str, Any]) -> str:
    """Return what a row of a backbone sees or hears, in a few words."""
    size = f"{entry['crop']} px"
    if entry["input"] == "sound":
        return f"{entry['seconds']:g} s of sound"
    if entry["input"] == "images":
        return f"each frame, {size}"
    frames = f"{entry['frames']} frames" if entry["frames"] else "any frames"
    frames = "even frames" if entry["tubelet"] == 2 and not entry["frames"] else frames
    return f"{frames}{' of flow' if entry['input'] == 'flow' else ''}, {size}"


def markdown(entries: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of the table of docs/features.md, a row for each backbone."""
    yield HEADER
    yield "|" + "---|" * (HEADER.count("|") - 1)
    for name, entry in entries.items():
        network = f"{entry['title']}; {entry['library']}"
        command = f"`wstal extract clips/ --backbone {name}`"
        cells = (f"`{name}`", network, sees(entry), entry["width"], entry["licence"], command)
        yield f"| {' | '.join(map(str, cells))} |"


COMMAND = Program(__doc__, add_arguments, backbones)
