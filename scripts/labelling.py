"""Arguments that the scripts which read a dataset's own label files share, and the reading."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml
from cli import json_argument, parser
from wstal.base.errors import WstalError
from wstal.datasets.annotations import Annotations
from wstal.datasets.readers import read_dataset


def label_parser(docstring: str) -> argparse.ArgumentParser:
    """A parser for the dataset, its settings, its label files and what is published about it."""
    arguments = parser(docstring)
    add = arguments.add_argument
    add("--dataset", required=True, help="the dataset's slug")
    add("--settings", type=json_argument, required=True, help="its YAML as JSON")
    add("--files", nargs="*", type=Path, default=[], help="its label files")
    add("--facts", type=Path, help="YAML of what is published about it")
    return arguments


def read_labels(args: argparse.Namespace) -> tuple[Annotations, Any, dict[str, Any]]:
    """The annotations, the report on the choices made, and the facts; ends on bad files."""
    facts = yaml.safe_load(args.facts.read_text()) if args.facts else {}
    try:
        return *read_dataset(args.dataset, args.settings, args.files, facts), facts
    except WstalError as error:
        sys.exit(f"{error}")
