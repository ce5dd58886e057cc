"""Work on the next item while the present one is used: decode, flow and write overlap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import TypeVar

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
