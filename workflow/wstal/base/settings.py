"""Settings: frozen dataclasses that state each knob once, and the plain trees they travel as.

A settings class stands directly above the code that uses it, and its name ends in `Settings`. Each
field has a name, a type with the values it allows, a default where there is one, and a comment
with its source or its reason. A field's type is built from numbers, text, booleans,
`Literal[...]`, `Annotated[..., bounds]`, `... | None`, `tuple[...]`, `Mapping[str, ...]` and other
settings classes.

In files and on command lines settings are plain trees of dictionaries, lists and scalars, which
`wstal.config` checks. A job that receives a checked tree builds its settings with `from_plain`,
which checks names and shapes only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt

from wstal.base.errors import WstalError

T = TypeVar("T")

Count = Annotated[int, Ge(1)]
Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Le(1)]
DropoutRate = Annotated[float, Ge(0), Lt(1)]


class SettingsError(WstalError, ValueError):
    """Settings that contradict each other, raised by a settings class's own `__post_init__`."""


def from_plain(cls: type[T], plain: Mapping[str, Any], where: str = "") -> T:
    """Build the settings class `cls` from a checked plain tree; a missing key takes its default.

    `where` is the path of keys that leads to the tree. Raises WstalError that names the path of a
    key which is unknown (with the nearest known one), missing, or not of its field's shape.
    """
    if not isinstance(plain, Mapping):
        raise WstalError(f"{where or 'top level'}: expected a mapping of keys, found {plain!r}")
    types, known = field_types(cls), [field.name for field in fields(cls)]
    if unknown := [key for key in plain if key not in types]:
        raise WstalError("; ".join(unknown_key(key, known, where) for key in unknown))
    required = [field.name for field in fields(cls) if not _has_default(field)]
    if missing := [name for name in required if name not in plain]:
        raise WstalError("; ".join(f"{key_path(where, name)}: missing; add it" for name in missing))
    values = {key: _build(types[key], value, key_path(where, key)) for key, value in plain.items()}
    try:
        return cls(**values)
    except SettingsError as error:
        raise WstalError(f"{where}: {error}" if where else str(error)) from error


def to_plain(settings: Any) -> Any:
    """Return settings as the plain tree of dictionaries, lists and scalars they came from."""
    if is_dataclass(settings):
        return {field.name: to_plain(getattr(settings, field.name)) for field in fields(settings)}
    if isinstance(settings, Mapping):
        return {key: to_plain(value) for key, value in settings.items()}
    if isinstance(settings, tuple | list):
        return [to_plain(value) for value in settings]
    return settings


def defaults(cls: type) -> dict[str, Any]:
    """Return the plain tree of the defaults of `cls`; a field without one is left out."""
    return {field.name: _default(field) for field in fields(cls) if _has_default(field)}


@cache
def field_types(cls: type) -> dict[str, Any]:
    """Return each field's type by name, evaluated, with its `Annotated` bounds."""
    hints = get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in fields(cls)}


def settings_class(kind: Any) -> type | None:
    """Return the settings class that a field of type `kind` holds, None if it holds none."""
    return next((arm for arm in type_arms(kind) if is_dataclass(arm)), None)


def refuse_repeated(key: str, values: Sequence[Any]) -> None:
    """Raise SettingsError if a list that should name each thing once repeats one."""
    if repeated := [value for i, value in enumerate(values) if value in values[:i]]:
        raise SettingsError(f"{key}: {repeated[0]!r} is repeated; name it once")


def unknown_key(key: Any, known: Sequence[str], where: str = "") -> str:
    """Return what to report of an unknown key: its path and the nearest of the `known` ones."""
    near = get_close_matches(str(key), known, 1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"valid keys: {', '.join(sorted(known))}"
    return f"{key_path(where, key)}: unknown key; {hint}"


def key_path(where: str, key: Any) -> str:
    """Return the dotted path of `key` below `where`."""
    return f"{where}.{key}" if where else str(key)


def _has_default(field: Field) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _default(field: Field) -> Any:
    factory = field.default_factory
    return to_plain(field.default if factory is MISSING else factory())


def _build(kind: Any, value: Any, where: str) -> Any:
    """Turn a plain value into what a field of type `kind` holds."""
    arms = [arm for arm in type_arms(kind) if arm is not NoneType]
    if value is None and len(arms) < len(type_arms(kind)):
        return None
    for arm in arms:
        origin, inner = get_origin(arm), get_args(arm)
        if is_dataclass(arm) and isinstance(value, Mapping | arm):
            return value if isinstance(value, arm) else from_plain(arm, value, where)
        if is_mapping(arm) and isinstance(value, Mapping):
            return {k: _build(inner[1], item, key_path(where, k)) for k, item in value.items()}
        if origin is tuple and isinstance(value, list | tuple):
            return _build_tuple(inner, value, where)
    if all(is_dataclass(arm) or is_mapping(arm) for arm in arms):
        raise WstalError(f"{where}: expected a mapping of keys, found {value!r}")
    if all(get_origin(arm) is tuple for arm in arms):
        raise WstalError(f"{where}: expected a list, found {value!r}")
    return value


def _build_tuple(kinds: tuple[Any, ...], values: Sequence[Any], where: str) -> tuple[Any, ...]:
    if kinds[1:] == (Ellipsis,):
        kinds = kinds[:1] * len(values)
    if len(kinds) != len(values):
        raise WstalError(f"{where}: expected {len(kinds)} values, found {len(values)}")
    parts = zip(kinds, values, strict=True)
    return tuple(_build(kind, value, key_path(where, i)) for i, (kind, value) in enumerate(parts))


def type_arms(kind: Any) -> list[Any]:
    """Return the alternatives of a type without their bounds: one, or those of a union."""
    if get_origin(kind) is Annotated:
        return type_arms(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return [arm for part in get_args(kind) for arm in type_arms(part)]
    return [kind]


def is_mapping(arm: Any) -> bool:
    """Return whether a type is that of a mapping with free keys."""
    origin = get_origin(arm)
    return isinstance(origin, type) and issubclass(origin, Mapping)
