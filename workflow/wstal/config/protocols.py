"""Protocols by name, from a YAML file, or as the JSON that the workflow passes to its jobs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from difflib import SequenceMatcher, get_close_matches
from pathlib import Path
from typing import Any

from wstal.base.errors import WstalError
from wstal.config.check import checked_tree
from wstal.config.layers import protocols_of, read_yaml, yaml_files
from wstal.evaluate.protocols import Protocol, protocol_from

FOLDER = Path(__file__).resolve().parents[2] / "config" / "protocols"


def read_protocol(source: str, folder: Path = FOLDER) -> Protocol:
    """Return the protocol that `source` means.

    JSON text with its `name` in it, the path of a YAML file (named by the file), or the name of a
    protocol in `folder`. Raises WstalError naming the file, the key and the nearest valid one, or
    the nearest known name.
    """
    if source.lstrip().startswith("{"):
        try:
            content = json.loads(source)
        except ValueError as error:
            raise WstalError(f"the protocol is not JSON: {error}") from error
        name = str(content.pop("name", "given as JSON"))
        return protocol_from({"name": name, **checked_protocol(name, content, "protocol")})
    own = Path(source)
    is_file = own.suffix in (".yaml", ".yml") and own.is_file()
    name = own.stem if is_file else source
    found = {
        name: (str(path), content)
        for path in ([own] if is_file else yaml_files(folder))
        for name, content in protocols_of(path, read_yaml(path)).items()
    }
    if name not in found:
        near = get_close_matches(name, found, 3) or sorted(found)
        raise WstalError(f"there is no protocol {source!r}; nearest: {', '.join(near)}")
    where, content = found[name]
    return protocol_from({"name": name, **checked_protocol(name, content, where)})


def protocol_names(folder: Path = FOLDER) -> list[str]:
    """Return the names of the protocols that come with the project."""
    paths = yaml_files(folder)
    return sorted(name for path in paths for name in protocols_of(path, read_yaml(path)))


def all_protocols(folder: Path = FOLDER) -> list[Protocol]:
    """Return the protocols that come with the project, in the order of their files."""
    return [
        protocol_from({"name": name, **checked_protocol(name, content, str(path))})
        for path in yaml_files(folder)
        for name, content in protocols_of(path, read_yaml(path)).items()
    ]


def require_suited(
    source: str,
    unsuited: Callable[[Protocol], str],
    doubtful: Callable[[Protocol], bool] = lambda protocol: False,
) -> Protocol:
    """Return the protocol of a name, file or JSON; WstalError if it does not suit what is scored.

    `unsuited` says why one does not suit, or nothing. The error names the nearest that does; of
    equally near ones those that are not `doubtful` come first.
    """
    try:
        protocol = read_protocol(source)
    except WstalError as error:
        if source in protocol_names() or source.lstrip().startswith("{") or Path(source).suffix:
            raise
        near = _nearest(source, [each for each in all_protocols() if not unsuited(each)], doubtful)
        if not near:
            raise
        raise WstalError(
            f"there is no protocol {source!r}; of those that suit the files, nearest: "
            f"{', '.join(near)} (--list-protocols shows all)"
        ) from error
    if not (reason := unsuited(protocol)):
        return protocol
    suited = [each for each in all_protocols() if not unsuited(each)]
    if not suited:
        raise WstalError(reason)
    nearest = max(suited, key=lambda each: _alikeness(each, protocol))
    raise WstalError(f"{reason}. The nearest protocol that suits is {nearest.name}")


def _nearest(
    source: str, suited: Sequence[Protocol], doubtful: Callable[[Protocol], bool], count: int = 3
) -> list[str]:
    """Return the names of the protocols whose name or kind of dataset is most like `source`.

    Of one kind those without a variant come first, and those that score most videos.
    """
    likeness = {each.name: _likeness(source, each) for each in suited}
    near = [each for each in suited if likeness[each.name] >= 0.3]

    def order(each: Protocol) -> tuple:
        return -likeness[each.name], doubtful(each), len(each.name), -(each.videos or 0)

    return [each.name for each in sorted(near, key=order)[:count]]


def _likeness(source: str, protocol: Protocol) -> float:
    """How like a word is to a protocol's name or to a kind of its datasets: 0 to 1."""
    names = (protocol.name, *protocol.kinds)
    return max(SequenceMatcher(None, source.lower(), name).ratio() for name in names)


def _alikeness(one: Protocol, other: Protocol) -> tuple[bool, int]:
    """How alike two protocols are: of one family first, then by the fields that agree."""
    pairs = [(getattr(one, each.name), getattr(other, each.name)) for each in fields(Protocol)]
    return one.kinds == other.kinds, sum(a == b for a, b in pairs)


def checked_protocol(name: str, content: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return a protocol's complete plain tree, without its name; WstalError for what is wrong."""
    if "name" in content:
        raise WstalError(f"{source}: name: unknown key; a protocol is named where it is listed")
    tree = checked_tree(Protocol, {**content, "name": name}, source)
    del tree["name"]
    return tree


Grid = tuple[float | None, float | None]  # step and start of the features in seconds, if known


def fitting_protocol(source: str, grid: Grid) -> Protocol:
    """Return the protocol of a name, file or JSON; raise WstalError if the features do not fit."""
    protocol = read_protocol(source)
    if reason := protocol.misfit(*grid):
        raise WstalError(reason)
    return protocol


def fitting_paper(source: str | None, grid: Grid, warn: Callable[[str], object]) -> Protocol | None:
    """Return the protocol of the paper reading; None, with a warning, if the features do not fit.

    The protocol of a paper that scored whole snippets of its own features fits no others.
    """
    paper = read_protocol(source) if source else None
    if paper and (reason := paper.misfit(*grid)):
        warn(f"the paper reading is scored by the dataset's own protocol: {reason}")
        return None
    return paper
