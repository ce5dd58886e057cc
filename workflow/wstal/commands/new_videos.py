"""What `wstal extract` and `wstal localize` share: arguments and their meaning."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch

from wstal.commands.console import Add, add_device, log, track, within
from wstal.config.catalog import Catalog, load_catalog
from wstal.config.layers import read_yaml


def add_videos(add: Add, output: str) -> None:
    """Add video files, the folder for results (default: `output`) and how to compute."""
    add("videos", type=Path, nargs="+", metavar="VIDEO", help="a file, or a folder: all below it")
    add("--output", type=Path, default=output, metavar="FOLDER", help=f"default: {output}")
    add_device(add)
    add("--threads", type=int, help="CPUs; default: for flow all, for networks 1, as in the DAG")
    add("--keep", action="store_true", help="keep flow in the cache too: it is large")
    add("--configfile", type=Path, help="configuration besides the project's own YAMLs")


def stage_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return options of `wstal.apply.extraction.Extraction`; set the threads of the networks."""
    torch.set_num_threads(args.threads or 1)
    shown = {"tracks": track, "withins": within}
    return {"keep_flow": args.keep, "threads": args.threads, **shown}


def read_catalog(args: argparse.Namespace) -> Catalog:
    """Read the project's configuration with `--configfile` laid over."""
    changes = read_yaml(args.configfile) if args.configfile else {}
    return load_catalog(changes)


def stopped(args: argparse.Namespace) -> int:
    """Say what Ctrl-C has not cost; return the exit status for it."""
    log(f"stopped; {args.output / 'cache'} keeps what is done, the same command continues")
    return 130
