"""List, fetch and verify the public weights of the networks.

list    prints each known file, whether it is there, its size, licence, digest and address, for
        placing it by hand.
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
from wstal.config.installation import work_folder
from wstal.config.layers import read_yaml
from wstal.config.missing import describe
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
    known = ", ".join(sources)
    if unknown := set(args.names) - set(sources):
        near = [get_close_matches(name, sources, 1) for name in sorted(unknown)]
        hint = f"nearest: {', '.join(n[0] for n in near)}" if all(near) else f"known: {known}"
        raise WstalError(f"unknown weights: {', '.join(sorted(unknown))}; {hint}")
    if args.action == "fetch" and not args.names:
        raise WstalError(f"name the weights to fetch; known: {known}")
    if args.action == "verify":
        return verify_weights(args, sources)
    stated = args.sources.with_name("terms.yaml")
    terms = read_yaml(stated) if stated.is_file() else {}
    for name in args.names or sources:
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


def verify_weights(args: argparse.Namespace, sources: dict) -> int:
    from wstal.features.verify import FAIL, PASS, GoldenFiles, weight_checks, weights_in

    golden, statuses = read_yaml(args.golden), []
    files = GoldenFiles(golden, args.folder / "golden", args.golden_folder, byte_bar)
    for check in weight_checks(golden, files, partial(weights_in, args.folder, sources)):
        statuses.append(check.status)
        print(f"{check.status:4}  {check.name}: {check.detail}", flush=True)
    passed, failed = statuses.count(PASS), statuses.count(FAIL)
    print(f"{passed} passed, {failed} failed, {len(statuses) - passed - failed} skipped")
    return 1 if failed else 0 if passed else 2


COMMAND = Program(__doc__, add_arguments, weights)
