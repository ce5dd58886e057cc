"""Print the resolved configuration of a run, with a reason for each value.

The output is YAML. RUN is a method (co2net) or a variant of one (co2net-mutual_kl). The values are
those of the run on the dataset: the defaults of the code, changed by workflow/config/methods, by
the dataset and by the variant.

Examples:
  wstal config co2net
  wstal config co2net-mutual_kl --dataset activitynet12 --configfile mine.yaml
"""

import argparse
from difflib import get_close_matches
from pathlib import Path

from wstal.base.errors import WstalError
from wstal.commands.console import Add, Program
from wstal.config.catalog import load_catalog
from wstal.config.commented import commented_run
from wstal.config.layers import read_yaml


def add_arguments(add: Add) -> None:
    add("run", metavar="RUN", help="a method or a variant")
    add("--dataset", default="thumos14", help="default: thumos14")
    add("--recipe", help="of the features (default: the dataset's)")
    add("--configfile", type=Path, help="configuration besides the project's own YAMLs")


def config(args: argparse.Namespace) -> None:
    catalog = load_catalog(read_yaml(args.configfile) if args.configfile else {})
    for kind, name in (("datasets", args.dataset), ("features", args.recipe)):
        if name and name not in (known := getattr(catalog, kind)):
            near = get_close_matches(name, known, n=1) or sorted(known)
            raise WstalError(f"{name} is not in workflow/config/{kind}; nearest: {', '.join(near)}")
    tree = catalog.run_config(args.dataset, args.run, args.recipe)
    print(f"# {args.run} on {args.dataset}", commented_run(tree), sep="\n", end="")


COMMAND = Program(__doc__, add_arguments, config)
