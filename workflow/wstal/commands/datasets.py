"""Compare the published annotation sets of datasets with each other.

compare  finds every set below the FOLDERs by its content (JSON databases, numpy sets, official
         text files, AVE's rows), and prints in Markdown, per dataset, what each has and how any
         two differ. Nothing is repaired or chosen.

Examples:
  wstal datasets compare data/thumos14/annotations
  wstal datasets compare data/*/annotations --output sets.md
"""

import argparse
from pathlib import Path

from wstal.commands.console import Add, Program
from wstal.base.errors import WstalError
from wstal.base.files import atomic_path
from wstal.datasets.set_comparison import comparison_page


def add_arguments(add: Add) -> None:
    add("action", choices=("compare",))
    add("folders", nargs="+", type=Path, metavar="FOLDER", help="with annotation files")
    add("--output", type=Path, help="the tables, .md (default: printed)")


def compare(args: argparse.Namespace) -> None:
    files = []
    for folder in args.folders:
        if not folder.is_dir():
            raise WstalError(f"{folder} is not a folder; name the folder of the annotation files")
        files += sorted(path for path in folder.rglob("*") if path.is_file())
    page = comparison_page(files)
    if args.output is None:
        print(page, end="")
        return
    with atomic_path(args.output) as temporary:
        temporary.write_text(page, encoding="utf-8")


COMMAND = Program(__doc__, add_arguments, compare)
