"""Check configuration against the settings classes, with errors that a person can act on.

This is the one module that uses pydantic. A settings class (`wstal.base.settings`) says which keys
there are, what they may be and what they are by default; `checked_tree` holds a mapping from a
file or a command line against it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import is_dataclass
from difflib import get_close_matches
from functools import cache
from itertools import zip_longest
from typing import Any, Literal, TypeVar, get_args, get_origin

import yaml
from pydantic import TypeAdapter, ValidationError

from wstal.base.errors import WstalError
from wstal.base.settings import (
    defaults,
    field_types,
    from_plain,
    is_mapping,
    key_path,
    type_arms,
    unknown_key,
)
from wstal.config.layers import merged

T = TypeVar("T")
Path = tuple[Any, ...]  # the keys that lead to a value

_POWER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")  # YAML 1.1 leaves 1e-4 text
_EXPECTED = {  # pydantic's name of an error: what was expected
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping of keys; check braces and quotes",
    "mapping_type": "a mapping of keys; check braces and quotes",
    "dataclass_type": "a mapping of keys; check braces and quotes",
}


_RIGHT: dict[tuple[type, str], dict[str, Any]] = {}  # trees by the values found right


def checked(cls: type[T], value: Mapping[str, Any], source: str) -> T:
    """Return the settings `cls` of a mapping; errors as of `checked_tree`."""
    return from_plain(cls, checked_tree(cls, value, source), source)


def checked_tree(
    cls: type, value: Mapping[str, Any], source: str, where: str = "", others: Sequence[str] = ()
) -> dict[str, Any]:
    """Return `value` as the plain tree of the settings `cls`: complete, its numbers read.

    `where` is the path of keys that leads to it in the file, `others` are keys that stand beside
    those of `cls` and are checked elsewhere.

    Snakemake passes on everything in --config as text, and YAML takes 1e-4 for text: where a field
    takes no text, what the text stands for is read. A whole number may be written as 2.0 or 2e3.

    Raises WstalError with a line for each mistake: the file (`source`), the path of keys, the
    value and what was expected, and for an unknown key or choice the nearest one.
    """
    if not isinstance(value, Mapping):
        place = f"{source}: {where}" if where else source
        raise WstalError(f"{place}: expected a mapping of keys, found {value!r}")
    known = (cls, repr(value))  # most runs share most sections
    if known in _RIGHT:
        return deepcopy(_RIGHT[known])
    mistakes: list[str] = []
    tree = _complete(cls, defaults(cls), value, where, mistakes, others)
    found = [*_mistakes(cls, tree), *_infinite(tree)]
    for path, text in sorted(found, key=lambda mistake: [str(key) for key in mistake[0]]):
        keys = ".".join(map(str, ([where] if where else []) + [*path]))
        mistakes.append(f"{keys}: {text}" if keys else text)
    if mistakes:
        raise WstalError("\n".join(f"{source}: {line}" for line in mistakes))
    _RIGHT[known] = deepcopy(tree)
    return tree


def _complete(
    cls: type,
    base: Mapping[str, Any],
    given: Mapping[str, Any],
    where: str,
    mistakes: list[str],
    others: Sequence[str] = (),
) -> dict[str, Any]:
    """Return `given` over `base`, the defaults; unknown keys are left out and reported."""
    types = field_types(cls)
    tree = dict(base)
    for key, value in given.items():
        if key in types:
            tree[key] = _read(types[key], value, base.get(key), key_path(where, key), mistakes)
        else:
            mistakes.append(unknown_key(key, [*types, *others], where))
    return tree


def _read(kind: Any, value: Any, default: Any, where: str, mistakes: list[str]) -> Any:
    """Return the plain value of a field of this type, its text read where it takes no text."""
    arms = type_arms(kind)
    if isinstance(value, str) and not any(_takes_text(arm) for arm in arms):
        value = meaning(value)
    if isinstance(value, float) and value.is_integer() and int in arms and float not in arms:
        return int(value)
    for arm in arms:
        inner = get_args(arm)
        if isinstance(value, list | tuple) and get_origin(arm) is tuple:
            kinds = inner[:1] * len(value) if inner[1:] == (Ellipsis,) else inner
            parts = zip_longest(kinds[: len(value)], value, fillvalue=Any)
            paths = (key_path(where, i) for i in range(len(value)))
            return [_read(k, v, None, p, mistakes) for p, (k, v) in zip(paths, parts, strict=True)]
        if isinstance(value, Mapping) and is_dataclass(arm):
            base = default if isinstance(default, Mapping) else {}
            return _complete(arm, merged(defaults(arm), base), value, where, mistakes)
        if isinstance(value, Mapping) and is_mapping(arm):
            return {
                key: _read(inner[1], part, None, key_path(where, key), mistakes)
                for key, part in value.items()
            }
    return value


def _takes_text(arm: Any) -> bool:
    if get_origin(arm) is Literal:
        return any(isinstance(choice, str) for choice in get_args(arm))
    return arm in (str, Any)


def meaning(text: str) -> Any:
    """Return what text stands for; text that stands for nothing else stays text."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    return float(value) if isinstance(value, str) and _POWER.fullmatch(value) else value


def _mistakes(cls: type, tree: Mapping[str, Any]) -> list[tuple[Path, str]]:
    """Return the path of each wrong value in a tree, and what is wrong with it."""
    try:
        # As JSON, where a list is a tuple and a mapping a dataclass, even for strict types.
        _adapter(cls).validate_json(json.dumps(tree, default=str), strict=True)
    except ValidationError as error:
        return [(each["loc"], _explain(each)) for each in error.errors(include_url=False)]
    return []


@cache
def _adapter(cls: type) -> TypeAdapter:
    return TypeAdapter(cls)


def _explain(error: Mapping[str, Any]) -> str:
    kind, value = error["type"], error["input"]
    if kind == "missing":
        return "missing; add it"
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}, found {value!r}"
    if kind == "literal_error":
        choices = error["ctx"]["expected"]
        near = get_close_matches(str(value), re.findall(r"'([^']+)'", choices), 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"{value!r} is not one of {choices}{hint}"
    if kind == "value_error":  # of the class's own check across its fields
        return str(error["ctx"]["error"])
    message = error["msg"].removeprefix("Input ").replace("Tuple", "the list")
    return f"{value!r}: {message}"


def _infinite(value: Any, path: Path = ()) -> list[tuple[Path, str]]:
    """Return the path of each number that is infinite or not a number: pydantic takes it."""
    if isinstance(value, float) and not math.isfinite(value):
        return [(path, f"{value} is not a finite number")]
    parts: Any = value.items() if isinstance(value, Mapping) else ()
    parts = enumerate(value) if isinstance(value, list) else parts
    return [each for key, part in parts for each in _infinite(part, (*path, key))]
