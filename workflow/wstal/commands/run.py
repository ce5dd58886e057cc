"""Run Snakemake on the workflow, in the work folder, and show how far it is.

The work folder has `results/` and `data/`. It is the nearest folder at or above the current one
with a `wstal.yaml` (configuration of your own, possibly empty), else the checkout that wstal runs
from, or, if wstal is installed without one, the current folder. `--directory` names another.

Targets in results/ are relative to the work folder, wherever you are. All cores are used unless you
say otherwise. Every option goes to Snakemake unchanged; a file of the current folder, such as
`--configfile mine.yaml`, is found there, and `--profile slurm` is one of workflow/profiles. Stages,
running jobs and the time left are shown unless you ask for Snakemake's own words: by --quiet,
--verbose, --printshellcmds or another --logger.

Examples:
  wstal run results/demo/co2net_map.csv
  wstal run demo --cores 4
  wstal run results/thumos14/co2net_map.csv --profile slurm
  wstal run results/demo/co2net_map.csv --directory work
  wstal run results/tables/co2net_table3.csv --dry-run --configfile mine.yaml
"""

from __future__ import annotations

import argparse
import codecs
import os
import re
import sys
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

from wstal.commands.console import Add, Program
from wstal.base.errors import WstalError
from wstal.base.text_files import read_text
from wstal.config.installation import ROOT, work_folder

PROFILES = ROOT / "workflow/profiles"


def snakemake(
    words: Sequence[str], options: Sequence[str] = (), start: Sequence[str] = ("-m", "snakemake")
) -> tuple[list[str], Path]:
    """Return the command that runs Snakemake on the workflow with `words`, and where to run it.

    `words` are options and targets of Snakemake, typed in the current folder, `options` others;
    `start` is how Python starts Snakemake. Targets before any option stay in front: what stands
    behind an option may be its value.
    """
    folder = Path.cwd()
    work = folder if _names_directory(words) else work_folder(folder)
    words = from_checkout(_with_profile(words, folder), folder, work)
    first = list(takewhile(lambda word: not word.startswith("-"), words))
    given = ["--snakefile", str(ROOT / "Snakefile"), *options, *words[len(first) :]]
    return [sys.executable, *start, *first, *given], work


def _names_directory(words: Sequence[str]) -> bool:
    return any(word.partition("=")[0] in ("--directory", "-d") for word in words)


def _with_profile(words: Sequence[str], folder: Path) -> list[str]:
    """Return `words` with the folder of a profile of the project where its name or path is."""
    return [
        _profile(word, folder) if last == "--profile" else word
        for last, word in zip(["", *words], words, strict=False)
    ]


def _profile(word: str, folder: Path) -> str:
    shipped = PROFILES / word.removeprefix("workflow/profiles/")
    return str(shipped) if shipped.is_dir() and not (folder / word).exists() else word


def from_checkout(words: Sequence[str], folder: Path, root: Path) -> list[str]:
    """Return `words`, typed in `folder`, with the paths as the work folder `root` sees them.

    A path in the results/ of `root` becomes relative to it, as targets are; another file that
    exists becomes absolute; `results/...` and everything else is left unchanged.
    """
    return [_from_checkout(word, folder, root) for word in words]


def _from_checkout(word: str, folder: Path, root: Path) -> str:
    option, equals, value = word.partition("=")
    if option in CONFIGFILES and equals:
        return f"{option}={_from_checkout(value, folder, root)}"
    is_path = ("/" in word or Path(word).suffix) and "=" not in word
    if word.startswith(("-", "results/")) or not is_path:
        return word
    path = (folder / word).resolve()
    if path.is_relative_to(root / "results"):
        return path.relative_to(root).as_posix()
    return str(path) if path.is_file() else word


def check_configfiles(words: Sequence[str]) -> None:
    """Raise WstalError for a file after `--configfile` that Snakemake would not decode.

    Snakemake reads it before the Snakefile, as UTF-8 only, and its error does not name the file.
    """
    option = ""
    for word in words:
        if word.startswith("-"):
            option, _, word = word.partition("=")
        path = Path(word)
        if option in CONFIGFILES and path.is_file():
            read_text(path, "YAML")
            if path.read_bytes()[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                raise WstalError(f"{path} is UTF-16, which Snakemake does not read; save as UTF-8")


CONFIGFILES = ("--configfile", "--configfiles")
LIMITS = ("--cores", "-c", "--jobs", "-j", "--profile", "--workflow-profile")
# Options with which Snakemake's own words are asked for, or nothing runs.
OWN_WORDS = {
    *("--quiet", "--verbose", "--printshellcmds", "--debug-dag", "--logger", "--dry-run"),
    *("--dryrun", "--touch", "--unlock", "--lint", "--list", "--summary", "--detailed-summary"),
    *("--report", "--dag", "--rulegraph", "--filegraph", "--help", "--version"),
}
OWN_LETTERS = set("qpntlDShv")  # the short ones
# Until the rules are read, Ctrl-C ends Snakemake in one line, too.
START = """
from wstal.base.process import end_while_importing
end_while_importing()
from snakemake.cli import main
main()
"""


def add_arguments(add: Add) -> None:
    add("words", nargs="*", metavar="TARGET", help="targets; options of Snakemake")


def run(args: argparse.Namespace) -> None:
    """Become Snakemake: signals and the exit status are its own."""
    check_configfiles(args.words)
    limited = any(word.startswith(LIMITS) for word in args.words)
    cores = [] if limited else ["--cores", "all"]
    logger = [] if asks_for_own_words(args.words) else ["--logger=wstal"]
    command, folder = snakemake(args.words, [*cores, *logger], ["-c", START])
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # Snakemake runs a job on each core
    os.chdir(folder)
    os.execv(sys.executable, command)


def asks_for_own_words(words: Sequence[str]) -> bool:
    """Return whether the options leave no place for the view of `wstal run`."""
    short = [word[1:] for word in words if re.fullmatch(r"-[a-zA-Z]+", word)]
    asked = any(word.partition("=")[0] in OWN_WORDS for word in words)
    return asked or any(OWN_LETTERS & set(letters) for letters in short)


COMMAND = Program(__doc__, add_arguments, run, passes_on=True)
