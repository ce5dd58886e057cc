"""Processes that work for this one, and end with it whatever ends it."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import TypeVar


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


# FOLDED Work on the next item while the present one is used: decode, flow and write overlap.

Item = TypeVar("Item")
_WAIT = 0.1  # s between looks at whether the reader has gone


def read_ahead(items: Iterable[Item], depth: int = 1) -> Iterator[Item]:
    """The items, produced by a thread that runs at most `depth` + 1 items ahead.

    An exception among the items is raised here, after those before it. Closing the generator
    ends the thread.
    """
    queue: Queue = Queue(depth)
    gone = Event()

    def hand_over(kind: str, value: object) -> None:
        while not gone.is_set():
            with suppress(Full):
                return queue.put((kind, value), timeout=_WAIT)

    def produce() -> None:
        try:
            for item in items:
                hand_over("item", item)
                if gone.is_set():
                    return
            hand_over("end", None)
        except BaseException as error:  # noqa: BLE001  it is raised where it can be handled
            hand_over("error", error)

    thread = Thread(target=produce, daemon=True)
    thread.start()
    try:
        while True:
            kind, value = queue.get()
            if kind == "error":
                raise value
            if kind == "end":
                return
            yield value
    finally:
        gone.set()
        with suppress(Empty):
            queue.get_nowait()
        thread.join()
