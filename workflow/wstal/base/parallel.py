"""Work beside this thread: a pool of processes, and a thread that reads ahead.

Neither outlives its owner.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import TypeVar

Item = TypeVar("Item")
POLL = 0.1  # s between the producer's checks whether its reader has left


def worker_pool(jobs: int) -> ProcessPoolExecutor:
    """Return a pool of `jobs` new processes that end with this one.

    Without that, workers of the standard library wait for work forever if their parent is killed.
    If the block of the pool fails or is stopped, running work is stopped and the rest left out.
    """
    spawn = multiprocessing.get_context("spawn")
    return _Pool(jobs, spawn, initializer=_prepare_worker)


class _Pool(ProcessPoolExecutor):
    def __exit__(self, kind: type | None, error: object, traceback: object) -> None:
        if kind is not None:
            for worker in (self._processes or {}).values():
                worker.terminate()
        self.shutdown(cancel_futures=kind is not None)


def _prepare_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends its pool
    signal.signal(signal.SIGTERM, _stop)
    Thread(target=_exit_after_parent, daemon=True).start()


def _stop(number: int, frame: object) -> None:
    sys.exit(128 + number)  # an exception, so that temporary files are removed


def _exit_after_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def read_ahead(items: Iterable[Item], depth: int = 1) -> Iterator[Item]:
    """Yield the items, produced by a thread that runs at most `depth` + 1 items ahead.

    So decoding, computing and writing overlap. An exception of the producer is raised here after
    the items before it. Closing the generator ends the thread.
    """
    queue: Queue = Queue(depth)
    gone = Event()

    def hand_over(kind: str, value: object) -> None:
        while not gone.is_set():
            with suppress(Full):
                return queue.put((kind, value), timeout=POLL)

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
