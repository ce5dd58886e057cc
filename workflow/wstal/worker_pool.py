"""Processes that work for this one, and end with it whatever ends it."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from threading import Thread


def worker_pool(jobs: int) -> ProcessPoolExecutor:
    """A pool of `jobs` fresh processes.

    Those of the standard library wait for work for ever if the process that would give it to
    them is killed outright.
    """
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(jobs, spawn, initializer=_end_with_parent)


def _end_with_parent() -> None:
    Thread(target=_outlive_nobody, daemon=True).start()


def _outlive_nobody() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
