"""Batches on their way to the device, read ahead and copied beside its work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from wstal.read_ahead import read_ahead


def upload(batches: Iterable[np.ndarray | Tensor], device: torch.device) -> Iterator[Tensor]:
    """The batches on `device`, produced by a thread that runs at most two ahead.

    To a GPU they travel from page-locked memory in a stream of their own: in the stream that
    computes, a copy would begin only when the work before it has ended.
    """
    if device.type != "cuda":
        yield from read_ahead(torch.as_tensor(batch) for batch in batches)
        return
    # Of another pool than graphs are recorded on, by flow that is computed meanwhile: streams are
    # handed out in turn, and a copy in a stream that is being recorded would not be made.
    copies = torch.cuda.Stream(device, priority=-1)
    for batch, arrived in read_ahead(_sent(batch, device, copies) for batch in batches):
        computing = torch.cuda.current_stream(device)
        computing.wait_event(arrived)
        batch.record_stream(computing)  # its memory belongs to the other stream
        yield batch


def _sent(
    batch: np.ndarray | Tensor, device: torch.device, copies: torch.cuda.Stream
) -> tuple[Tensor, torch.cuda.Event]:
    with torch.cuda.stream(copies):
        sent = torch.as_tensor(batch).pin_memory().to(device, non_blocking=True)
        return sent, copies.record_event()
