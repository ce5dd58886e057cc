"""The choices about a dataset's known traps, and the page that reports what was decided.

A reader of label files lists its `Choice`s and counts in a `Tally` what each one concerns; the
`Report` on them becomes a page in Markdown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from wstal.base.errors import WstalError
from wstal.datasets.annotations import SUBSETS, Annotations

EXAMPLES = 5  # of what a choice concerns


@dataclass(frozen=True)
class Choice:
    """A known trap and the ways to treat it: value -> what it does; the first is the default.

    `times` marks a choice that concerns segments alone: its value changes neither the videos nor
    their labels.
    """

    name: str
    trap: str
    options: Mapping[str, str]
    times: bool = False


REPEATED = Choice(
    "repeated",
    "the same class annotated twice at the same time can be found once only",
    {"keep": "count both", "drop": "count one"},
    times=True,
)


@dataclass(frozen=True)
class Decision:
    """The value of a choice, how much it concerns, and some examples."""

    choice: Choice
    value: str
    count: int
    examples: tuple[str, ...] = ()


@dataclass
class Report:
    """Where annotations came from, and what was decided on the way."""

    source: str
    files: dict[str, str] = field(default_factory=dict)  # name -> sha256
    decisions: list[Decision] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Tally:
    """The choices of one reading: their values, and what each of them concerns."""

    def __init__(self, choices: Sequence[Choice], wanted: Mapping[str, str]) -> None:
        self.choices = choices
        self.values = settle_choices(choices, wanted)
        self.examples: dict[str, Counter[str]] = {choice.name: Counter() for choice in choices}

    def add(self, name: str, example: str) -> None:
        """Count one more case of choice `name`."""
        self.examples[name][example] += 1

    def keeps(self, example: str, traps: Mapping[str, bool]) -> bool:
        """Count the `traps` that are true; return whether no choice about them is to drop."""
        true = [name for name, holds in traps.items() if holds]
        for name in true:
            self.add(name, example)
        return not any(self.values[name] == "drop" for name in true)

    def count(self, name: str) -> int:
        """Return the number of cases of choice `name` so far."""
        return self.examples[name].total()

    def decisions(self) -> list[Decision]:
        """Return every choice with its value, count and first examples."""
        found = []
        for choice in self.choices:
            cases = self.examples[choice.name]
            shown = [f"{what}: {n}" if n > 1 else what for what, n in cases.items()]
            more = ("...",) if len(shown) > EXAMPLES else ()
            examples = (*shown[:EXAMPLES], *more)
            value = self.values[choice.name]
            found.append(Decision(choice, value, cases.total(), examples))
        return found


def settle_choices(choices: Sequence[Choice], wanted: Mapping[str, str]) -> dict[str, str]:
    """Return the value of every choice: the wanted one or the default.

    Raises WstalError that names an unknown choice or value, and the known ones.
    """
    known = {choice.name: choice for choice in choices}
    for name, value in wanted.items():
        if name not in known:
            near = get_close_matches(name, known, 1) or sorted(known)
            raise WstalError(f"choices: {name!r} is not known; nearest: {', '.join(near)}")
        if value not in known[name].options:
            raise WstalError(
                f"choices.{name}: {value!r} is not one of {', '.join(known[name].options)}"
            )
    return {name: wanted.get(name, next(iter(c.options))) for name, c in known.items()}


def report_page(
    dataset: str, annotations: Annotations, report: Report, facts: Mapping[str, Any]
) -> str:
    """Return the report as Markdown: content beside published counts, lists, choices, notes."""
    blocks = [
        f"# Annotations of {dataset}",
        f"Source: {report.source}.",
        "## Content",
        _content_table(annotations, facts.get("statistics", {})),
    ]
    if annotations.lists:
        rows = [
            [f"`{name}`", len(ids), sum(len(annotations.database[i]["annotations"]) for i in ids)]
            for name, ids in annotations.lists.items()
            if name != "ambiguous"
        ]
        blocks += ["## Lists for evaluation", markdown_table(["list", "videos", "instances"], rows)]
    if report.decisions:
        blocks += [
            "## Choices",
            "Each is a key of `choices:` in the dataset's YAML.",
            markdown_table(
                ["choice", "value", "count", "why it matters", "other values"], _choice_rows(report)
            ),
        ]
    if report.notes:
        blocks += ["## Notes", "\n".join(f"- {note}" for note in report.notes)]
    if report.files:
        files = [f"- `{name}` sha256 {digest}" for name, digest in report.files.items()]
        blocks += ["## Files", "\n".join(files)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _choice_rows(report: Report) -> Iterable[list[str]]:
    for decision in report.decisions:
        choice = decision.choice
        others = [f"`{v}`: {text}" for v, text in choice.options.items() if v != decision.value]
        examples = f" ({', '.join(decision.examples)})" if decision.examples else ""
        value = f"`{decision.value}`: {choice.options[decision.value]}"
        yield [
            f"`{choice.name}`",
            value,
            f"{decision.count}{examples}",
            choice.trap,
            "; ".join(others) or "none",
        ]


def _content_table(annotations: Annotations, published: Mapping[str, Mapping[str, int]]) -> str:
    rows = []
    for subset in SUBSETS:
        ids = annotations.ids(subset)
        entries = [annotations.database[video] for video in ids]
        if ids or subset in published:
            stated = published.get(subset, {})
            rows.append(
                [
                    subset,
                    len(ids),
                    stated.get("videos", "not given"),
                    sum(len(entry["annotations"]) for entry in entries),
                    stated.get("instances", "not given"),
                    sum(len(set(entry["labels"])) > 1 for entry in entries),
                    len({label for entry in entries for label in entry["labels"]}),
                ]
            )
    head = ["subset", "videos", "published", "instances", "published", "multi-label", "classes"]
    return markdown_table(head, rows)


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
