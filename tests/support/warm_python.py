"""Run Python programs in processes that start with the slow imports already done.

`run` replaces `subprocess.run([sys.executable, ...])` where a test is about what a program does,
not about how it starts: importing torch or Snakemake takes longer than most of them run.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import CalledProcessError, CompletedProcess

import coverage

PACKAGE = Path(__file__).resolve().parents[2] / "workflow/wstal"

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["__main__", "snakemake.cli", "torch", "pandas", "scipy.stats"])


def run(
    command: Sequence[str | Path],
    *,
    cwd: str | Path | None = None,
    env: Mapping[str, str] | None = None,
    check: bool = False,
) -> CompletedProcess[str]:
    """Run `[sys.executable, script, ...]` or `[sys.executable, "-m", module, ...]`.

    Its output is captured, as text.
    """
    interpreter, *arguments = map(str, command)
    assert interpreter == sys.executable
    environment = dict(os.environ if env is None else env)
    with tempfile.TemporaryDirectory() as folder:
        streams = Path(folder, "stdout"), Path(folder, "stderr")
        for path in streams:
            path.touch()
        work = (arguments, str(cwd or Path.cwd()), environment, streams, _measured_file())
        process = _FORKS.Process(target=_main, args=work)
        process.start()
        process.join()
        done = CompletedProcess(command, process.exitcode, *(path.read_text() for path in streams))
    if check and done.returncode:
        print(done.stdout, done.stderr)
        raise CalledProcessError(done.returncode, command, done.stdout, done.stderr)
    return done


def _measured_file() -> str | None:
    """Return where the lines that are run are recorded; None while nobody counts them."""
    counting = coverage.Coverage.current()
    if counting is None:
        return None
    return str(Path(counting.get_option("run:data_file")).resolve())


def _main(arguments, folder, environment, streams, measured: str | None) -> None:
    settings = str(PACKAGE.parents[1] / "pyproject.toml")
    counting = coverage.Coverage(
        measured, data_suffix=True, source=[str(PACKAGE)], config_file=settings
    )
    # A program of a copied checkout runs no line of this one, which is no news on its stderr.
    counting.set_option("run:disable_warnings", ["no-data-collected", "already-imported"])
    if measured:
        counting.start()
    try:
        _run(arguments, folder, environment, streams)
    finally:
        if measured:
            counting.stop()
            counting.save()


def _run(arguments, folder, environment, streams) -> None:
    for descriptor, path in zip((1, 2), streams, strict=True):
        os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), descriptor)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path[:0] = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        sys.path.insert(0, folder)
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        sys.path.insert(0, str(Path(arguments[0]).parent))
        runpy.run_path(arguments[0], run_name="__main__")
