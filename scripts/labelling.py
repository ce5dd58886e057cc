"""Arguments that the scripts which read a dataset's own label files share, and the reading."""

from __future__ import annotations

import argparse
from typing import Any

import yaml
from wstal.datasets.annotations import Annotations
from wstal.datasets.readers import read_dataset


def read_labels(args: argparse.Namespace) -> tuple[Annotations, Any, dict[str, Any]]:
    """The annotations, the report on the choices made, and the facts."""
    facts = yaml.safe_load(args.facts.read_text()) if args.facts else {}
    return *read_dataset(args.dataset, args.settings, args.files, facts), facts
