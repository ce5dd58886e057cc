"""What was meant by a target that no rule makes: nearly always a name that is misspelt."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches

_CALLED = {"other": "run"}  # wildcards whose names are of another kind
_WILDCARD = re.compile(r"\{(\w+)[^{}]*\}")


def misspelt(target: str, patterns: Iterable[str], known: Mapping[str, Collection[str]]) -> str:
    """Why no rule makes `target`, with the nearest names.

    `patterns` are the rules' outputs, `results/{dataset}/{run}_map.csv`; `known` the names that
    a wildcard may take, any for one that is not listed. Of the patterns that the target has the
    form of, the one counts that leaves fewest names unknown, then that with most text of its own.
    """
    readings = []
    for pattern in patterns:
        if found := _loosely(pattern).fullmatch(target):
            names = {n: v for n, v in found.groupdict().items() if v not in known.get(n, [v])}
            own = len(_WILDCARD.sub("", pattern))
            readings.append((len(names), -own, names))
    names = min(readings, key=lambda reading: reading[:2])[2] if readings else {}
    if not names:
        return f"no rule makes {target}: results/README.md says what there is to ask for"
    told = [_unknown(kind, name, known[kind]) for kind, name in names.items()]
    return f"no rule makes {target}: {'; '.join(told)}"


def _unknown(kind: str, name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, known, 3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(sorted(known))}"
    return f"{name!r} is no {_CALLED.get(kind, kind)}; {hint}"


def _loosely(pattern: str) -> re.Pattern[str]:
    """The pattern with any text between two slashes for a wildcard."""
    parts, seen = [], set()
    at = 0
    for found in _WILDCARD.finditer(pattern):
        name = found[1]
        parts.append(re.escape(pattern[at : found.start()]))
        parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>[^/]+)")
        seen.add(name)
        at = found.end()
    return re.compile("".join([*parts, re.escape(pattern[at:])]))
