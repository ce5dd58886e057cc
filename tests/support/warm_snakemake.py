"""Snakemake as on the command line, in a process that starts with Snakemake already imported.

Importing Snakemake takes as long as the rest of a dry run, and the tests have many of those.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from pathlib import Path
from subprocess import CompletedProcess

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["__main__", "snakemake.cli"])


def run_snakemake(folder: Path, *arguments: str) -> CompletedProcess[str]:
    """Run `snakemake ARGUMENTS` in a folder, in this process's environment; wait for its end."""
    with tempfile.TemporaryDirectory() as written:
        streams = Path(written, "stdout"), Path(written, "stderr")
        process = _FORKS.Process(
            target=_main, args=(folder, list(arguments), dict(os.environ), streams)
        )
        process.start()
        process.join()
        texts = (path.read_text() if path.exists() else "" for path in streams)
        return CompletedProcess(["snakemake", *arguments], process.exitcode, *texts)


def _main(folder, arguments, environment, streams) -> None:
    for descriptor, path in zip((1, 2), streams, strict=True):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), descriptor)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["snakemake", *arguments]
    from snakemake.cli import main

    main(arguments)
