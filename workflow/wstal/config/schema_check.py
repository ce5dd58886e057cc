"""Configuration checked against its JSON schema, with errors a person can act on."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from copy import deepcopy
from difflib import get_close_matches
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from wstal.base.errors import WstalError

_POWER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")  # YAML 1.1 leaves 1e-4 text


def validated(value: Mapping[str, Any], schema: Mapping[str, Any], source: str) -> dict[str, Any]:
    """A copy of `value` with the schema's defaults filled in and numbers given as text read.

    Snakemake hands over what stands in --config as text, whatever it looks like; YAML takes 1e-4
    for text. A whole number may be written as 2.0 or 2e3.

    Raises WstalError naming the file (`source`), the key path and, for an unknown key, the
    nearest valid one.
    """
    filled = _with_defaults(deepcopy(dict(value)), schema)
    found = Draft202012Validator(schema).iter_errors(filled)
    errors = sorted(found, key=lambda error: [str(part) for part in error.path])
    told = [_explain(error) for error in errors] + _endless(filled)
    if told:
        raise WstalError("\n".join(f"{source}: {line}" for line in told))
    return filled


def _endless(value: Any, path: str = "") -> list[str]:
    """A line for each number that is infinite or none: to a schema it is a number."""
    if isinstance(value, float) and not math.isfinite(value):
        return [f"{path}: {value} is no finite number"]
    parts = value.items() if isinstance(value, dict) else ()
    parts = enumerate(value) if isinstance(value, list) else parts
    return [line for key, part in parts for line in _endless(part, f"{path}.{key}".lstrip("."))]


def _with_defaults(value: Any, schema: Mapping[str, Any]) -> Any:
    if isinstance(value, str) and not _takes_text(schema):
        value = _read(value)
        if not isinstance(value, float):
            return value
    if isinstance(value, float) and value.is_integer() and "integer" in _types(schema):
        return int(value)
    if isinstance(value, list) and "items" in schema:
        return [_with_defaults(item, schema["items"]) for item in value]
    if isinstance(value, dict):
        for key, part in schema.get("properties", {}).items():
            if key not in value and "default" in part:
                value[key] = deepcopy(part["default"])
            if key in value:
                value[key] = _with_defaults(value[key], part)
    return value


def _read(text: str) -> Any:
    """What text stands for; the schema refuses what stays text."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    return float(value) if isinstance(value, str) and _POWER.fullmatch(value) else value


def _takes_text(schema: Mapping[str, Any]) -> bool:
    if "const" in schema or "enum" in schema:
        return any(isinstance(v, str) for v in schema.get("enum", [schema.get("const")]))
    return "string" in _types(schema)


def _types(schema: Mapping[str, Any]) -> list[str]:
    types = schema.get("type", "string")
    return [types] if isinstance(types, str) else types


def _explain(error: ValidationError) -> str:
    path = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "additionalProperties":
        valid = list(error.schema.get("properties", {}))
        unknown = [key for key in error.instance if key not in valid]
        return "; ".join(_unknown_key(f"{path}.{key}".lstrip("."), key, valid) for key in unknown)
    if error.validator == "required":
        return f"{path or 'top level'}: {error.message}; add it"
    if error.validator == "enum":
        near = get_close_matches(str(error.instance), map(str, error.validator_value), 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"{path}: {error.instance!r} is not one of {error.validator_value}{hint}"
    if error.validator == "anyOf" and "description" in error.schema:
        return f"{path}: {error.instance} fits none of its forms: {error.schema['description']}"
    return f"{path or 'top level'}: {error.message}"


def _unknown_key(path: str, key: Any, valid: list[str]) -> str:
    near = get_close_matches(str(key), valid, 1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"valid keys: {', '.join(sorted(valid))}"
    return f"{path}: unknown key; {hint}"
