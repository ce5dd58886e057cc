"""List, fetch and verify the public weights of the networks.

list    prints each known file or folder, whether it is there, its size, licence, digest and
        address, for placing it by hand.
fetch   downloads the named ones. An interrupted download resumes where it broke off; a file that
        is not the published one is refused.
verify  checks that the weights give, through this code, what their publishers got: pass, fail or
        skip for each file in the folder, with the figures. Inputs and expected values are fetched
        by commit and hash, or taken from a folder that holds them, at any depth. The exit status
        is 1 if a check fails, and 2 if none was possible.

Examples:
  wstal weights list
  wstal weights fetch i3d_rgb_imagenet i3d_flow_imagenet vggish
  wstal weights verify --from /data/reference
"""

import argparse
from difflib import get_close_matches
from functools import partial
from pathlib import Path

from wstal.commands.console import WEIGHTS, Add, Program, byte_bar
from wstal.base.errors import WstalError
from wstal.config.catalog import own_catalog
from wstal.config.installation import work_folder
from wstal.config.layers import read_yaml
from wstal.config.missing import describe
from wstal.networks.backbones.hub import fetch_snapshot
from wstal.networks.weights import fetch, read_sources, verify


def add_arguments(add: Add) -> None:
    add("action", choices=("list", "fetch", "verify"))
    add("names", nargs="*", metavar="NAME", help="which weights (list: default all)")
    folder = work_folder() / "results/weights"
    add("--folder", type=Path, default=folder, help="default: results/weights")
    add("--from", dest="golden_folder", type=Path, help="folder with the files to verify against")
    add("--sources", type=Path, default=WEIGHTS / "sources.yaml", help="known weights, YAML")
    add("--golden", type=Path, default=WEIGHTS / "golden.yaml", help="expected values, YAML")


def weights(args: argparse.Namespace) -> int:
    sources = read_sources(args.sources)
    hub = hub_backbones()
    known = ", ".join([*sources, *hub])
    if unknown := set(args.names) - {*sources, *hub}:
        near = [get_close_matches(name, [*sources, *hub], 1) for name in sorted(unknown)]
        hint = f"nearest: {', '.join(n[0] for n in near)}" if all(near) else f"known: {known}"
        raise WstalError(f"unknown weights: {', '.join(sorted(unknown))}; {hint}")
    if args.action == "fetch" and not args.names:
        raise WstalError(f"name the weights to fetch; known: {known}")
    if args.action == "verify":
        return verify_weights(args, sources)
    stated = args.sources.with_name("terms.yaml")
    terms = read_yaml(stated) if stated.is_file() else {}
    for name in args.names or [*sources, *hub]:
        if name in hub:
            list_or_fetch(name, hub[name], args)
            continue
        entry = sources[name]
        path = (args.folder if entry.url else args.sources.parent) / entry.file
        if args.action == "list":
            state = "present" if path.exists() else "absent"
            print(*describe(name, vars(entry), terms, f"{path} ({state})"), sep="\n")
        elif entry.url:
            fetch(entry, path, byte_bar)
        else:
            verify(path, entry)
    return 0


def hub_backbones() -> dict[str, dict]:
    """Return the entries whose weights are a folder from the hub, by name."""
    entries = own_catalog().backbones
    return {k: e for k, e in entries.items() if not e["weights"] and e["library"] != "file"}


def list_or_fetch(name: str, entry: dict, args: argparse.Namespace) -> None:
    """Print the folder of a backbone's weights, or download it from the hub."""
    folder, hub = args.folder / name, entry["hub"] or entry["model"]
    if args.action == "fetch":
        fetch_snapshot(hub, entry["revision"], entry["sha256"], folder)
        return
    size = f"about {entry['megabytes']:,.1f} MB" if entry["megabytes"] else "size not stated"
    commit = f"commit {entry['revision']}" if entry["revision"] else "the newest commit"
    print(f"{name}: {entry['title']}", f"  {size}, licence {entry['licence']}, {commit}", sep="\n")
    state = "present" if folder.is_dir() else "absent"
    print(f"  huggingface.co/{hub}", f"  place: {folder} ({state})", sep="\n")


def verify_weights(args: argparse.Namespace, sources: dict) -> int:
    from wstal.features.verify import FAIL, PASS, GoldenFiles, weight_checks, weights_in
    from wstal.networks.backbone import backbone_entries

    golden, statuses = read_yaml(args.golden), []
    files = GoldenFiles(golden, args.folder / "golden", args.golden_folder, byte_bar)
    entries = backbone_entries(own_catalog().backbones)
    weights = partial(weights_in, args.folder, sources)
    for check in weight_checks(golden, files, weights, entries):
        statuses.append(check.status)
        print(f"{check.status:4}  {check.name}: {check.detail}", flush=True)
    passed, failed = statuses.count(PASS), statuses.count(FAIL)
    print(f"{passed} passed, {failed} failed, {len(statuses) - passed - failed} skipped")
    return 1 if failed else 0 if passed else 2


COMMAND = Program(__doc__, add_arguments, weights)
