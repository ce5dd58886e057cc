"""Print the resolved configuration of a run, with a reason for each value.

The output is YAML. RUN is a method (co2net) or a variant of one (co2net-mutual_kl). The values are
those of the run on the dataset: the defaults of the code, changed by workflow/config/methods, by
the dataset and by the variant.

Examples:
  wstal config co2net
  wstal config co2net-mutual_kl --dataset activitynet12 --configfile mine.yaml
"""

from __future__ import annotations

import argparse
import ast
import inspect
import io
import textwrap
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml

from wstal.commands.console import Add, Program
from wstal.base.errors import WstalError
from wstal.base.settings import defaults, field_types, settings_class, type_arms
from wstal.config.catalog import own_catalog
from wstal.methods.contract import OTHER_SECTIONS, localization_half, training_half
from wstal.train.data import DataSettings
from wstal.train.loop import TrainSettings

WIDTH = 100  # of a line; a comment that does not fit beside its value stands above it


def commented_yaml(tree: Mapping[str, Any], cls: type, indent: str = "") -> str:
    """Return the plain tree of a settings class as YAML, each key with its field's comment.

    A comment ends with the choices that a `Literal` type has, unless it names them all. The text
    reads back as the same tree.
    """
    return "".join(f"{line}\n" for line in _lines(tree, cls, indent))


def _lines(tree: Mapping[str, Any], cls: type, indent: str) -> Iterator[str]:
    types, comments = field_types(cls), field_comments(cls)
    for key, value in tree.items():
        kind = types[key]
        comment = _with_choices(comments.get(key, ""), kind)
        inner = settings_class(kind)
        if isinstance(value, Mapping) and inner and value:
            about = comment or _first_line(inner)
            yield from _with_comment(f"{indent}{key}:", about)
            yield from _lines(value, inner, indent + "  ")
        else:
            yield from _with_comment(f"{indent}{key}: {_flow(value)}", comment)


def _with_comment(line: str, comment: str) -> Iterator[str]:
    """The line with its comment behind it, or in lines above it if both are too long for one."""
    if not comment:
        yield line
    elif len(line) + len(comment) + 4 <= WIDTH:
        yield f"{line}  # {comment}"
    else:
        indent = line[: len(line) - len(line.lstrip())]
        for part in textwrap.wrap(comment, WIDTH - len(indent) - 2):
            yield f"{indent}# {part}"
        yield line


def _flow(value: Any) -> str:
    """A value in one line of YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=float("inf"))
    return text.removesuffix("\n").removesuffix("\n...")


def _with_choices(comment: str, kind: Any) -> str:
    """The comment of a field of this type, with the choices that it does not name itself."""
    arms = [arm for arm in type_arms(kind) if get_origin(arm) is Literal]
    names = [str(value) for arm in arms for value in get_args(arm)]
    if len(names) < 2 or all(name in comment for name in names):
        return comment
    return f"{comment} ({' | '.join(names)})".lstrip()


def _first_line(cls: type) -> str:
    return (cls.__doc__ or "").partition("\n")[0]


@cache
def field_comments(cls: type) -> dict[str, str]:
    """Return the comment of each field: above it or at the end of its lines, as one text."""
    found: dict[str, str] = {}
    for each in reversed(cls.__mro__):
        if is_dataclass(each):
            found |= {name: text for name, text in _own_comments(each) if text}
    return found


def _own_comments(cls: type) -> Iterator[tuple[str, str]]:
    source = textwrap.dedent(inspect.getsource(cls))
    above, beside = {}, {}  # text by line
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            alone = not token.line[: token.start[1]].strip()
            (above if alone else beside)[token.start[0]] = token.string.lstrip("# ")
    for node in ast.parse(source).body[0].body:
        if isinstance(node, ast.AnnAssign):
            first = node.lineno
            while first - 1 in above:
                first -= 1
            lines = range(first, node.end_lineno + 1)
            yield node.target.id, " ".join(d[n] for n in lines for d in (above, beside) if n in d)


def commented_run(tree: Mapping[str, Any]) -> str:
    """Return a run's resolved config as YAML with the comments of its method's settings."""
    training, localization = training_half(tree["method"]), localization_half(tree["method"])
    sections = {
        "loss": training.loss_settings,
        "data": DataSettings,
        "train": TrainSettings,
        "localize": localization.settings,
    }
    own = {key: value for key, value in tree.items() if key not in OTHER_SECTIONS}
    parts = [f"method: {tree['method']}\n", commented_yaml(own, training.run_settings)]
    for name, cls in sections.items():
        if tree.get(name) is not None:
            whole = tree[name] | {k: v for k, v in defaults(cls).items() if k not in tree[name]}
            parts.append(f"{name}:  # {_first_line(cls)}\n" + commented_yaml(whole, cls, "  "))
    return "\n".join(parts)


def add_arguments(add: Add) -> None:
    add("run", metavar="RUN", help="a method or a variant")
    add("--dataset", default="thumos14", help="default: thumos14")
    add("--recipe", help="of the features (default: the dataset's)")
    add("--configfile", type=Path, help="configuration besides the project's own YAMLs")


def config(args: argparse.Namespace) -> None:
    catalog = own_catalog(args.configfile)
    for kind, name in (("datasets", args.dataset), ("features", args.recipe)):
        if name and name not in (known := getattr(catalog, kind)):
            near = get_close_matches(name, known, n=1) or sorted(known)
            raise WstalError(f"{name} is not in workflow/config/{kind}; nearest: {', '.join(near)}")
    tree = catalog.run_config(args.dataset, args.run, args.recipe)
    recipe = args.recipe or catalog.datasets[args.dataset]["recipe"]
    note = catalog.settings_note(args.dataset, args.run, recipe)
    title = f"# {args.run} on {args.dataset}{f' ({note})' if note else ''}"
    print(title, commented_run(tree), sep="\n", end="")


COMMAND = Program(__doc__, add_arguments, config)
