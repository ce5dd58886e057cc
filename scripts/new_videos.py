"""What the scripts on video files that belong to no dataset share: arguments and their meaning."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from cli import parser, track, within
from wstal.base.device import DEVICES
from wstal.config.catalog import Catalog, load_catalog
from wstal.config.layers import read_yaml

ROOT = Path(__file__).resolve().parent.parent


def video_parser(docstring: str, output: str) -> argparse.ArgumentParser:
    """A parser for video files, the folder for results (default: `output`) and how to compute."""
    arguments = parser(docstring)
    add = arguments.add_argument
    add("videos", type=Path, nargs="+", metavar="VIDEO", help="a file, or a folder: all below it")
    add("--output", type=Path, default=output, metavar="FOLDER", help=f"default: {output}")
    add("--device", choices=DEVICES, default="auto")
    add("--threads", type=int, help="CPUs; default: for flow all, for networks 1, as in the DAG")
    add("--keep", action="store_true", help="keep flow in the cache too: it is large")
    add("--configfile", type=Path, help="configuration besides the project's own YAMLs")
    return arguments


def stage_options(args: argparse.Namespace) -> dict[str, Any]:
    """Options of `wstal.apply.extraction.Extraction`; sets the threads of the networks."""
    torch.set_num_threads(args.threads or 1)
    shown = {"tracks": track, "withins": within}
    return {"keep_flow": args.keep, "threads": args.threads, **shown}


def read_catalog(args: argparse.Namespace) -> Catalog:
    """The project's configuration with `--configfile` laid over."""
    changes = read_yaml(args.configfile) if args.configfile else {}
    return load_catalog(ROOT / "workflow/config", ROOT / "workflow/schemas", changes)


def stopped(args: argparse.Namespace) -> int:
    """Say what Ctrl-C has not cost; the exit status for it."""
    cache = args.output / "cache"
    print(f"stopped; {cache} keeps what was done, the same command goes on", file=sys.stderr)
    return 130
