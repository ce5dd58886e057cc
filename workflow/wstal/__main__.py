"""`wstal COMMAND ...`, also `python -m wstal COMMAND ...`: finds and starts a command."""

from __future__ import annotations

import ast
import importlib
import sys
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from wstal.base.process import end_while_importing

COMMANDS = Path(__file__).parent / "commands"


def summaries() -> dict[str, str]:
    """Return each command's name and first line, read from its file: imports would take seconds."""
    found = {}
    for path in sorted(COMMANDS.glob("[!_]*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = [node.targets[0] for node in tree.body if isinstance(node, ast.Assign)]
        if any(isinstance(name, ast.Name) and name.id == "COMMAND" for name in names):
            found[path.stem.replace("_", "-")] = ast.get_docstring(tree).partition("\n")[0]
    return found


def main() -> None:
    """Start the command that the first argument names, or list the commands."""
    commands, given = summaries(), sys.argv[1:]
    if given == ["--version"]:
        try:
            print("wstal", version("wstal"))
        except PackageNotFoundError:
            sys.exit(f"wstal is not installed; it runs from {COMMANDS.parent}")
        return
    if not given or given[0] in ("-h", "--help"):
        width = max(map(len, commands))
        lines = (f"  {name:<{width}}  {line}" for name, line in commands.items())
        print("usage: wstal COMMAND ...", "", *lines, sep="\n")
        print("\n`wstal COMMAND --help` has the arguments of a command, and examples.")
        print("`wstal --version` prints the version; `wstal doctor` those of all that it uses.")
        sys.exit(0 if given else 1)
    name = given[0]
    if name not in commands:
        near = get_close_matches(name, commands, n=1) or commands
        sys.exit(f"wstal has no command {name!r}; nearest: {', '.join(near)}")
    end_while_importing()
    module = importlib.import_module(f"wstal.commands.{name.replace('-', '_')}")
    module.COMMAND.run(given[1:], f"wstal {name}")


if __name__ == "__main__":
    main()
