"""Batches arrive whole and in order, on a GPU too while it computes."""

import numpy as np
import pytest
import torch
from wstal.features.upload import upload


def test_batches_arrive_in_order_with_their_types():
    batches = [np.full((2, 3), 7, np.uint8), torch.full((1, 3), -7, dtype=torch.int8)]
    found = list(upload(batches, torch.device("cpu")))
    assert [x.dtype for x in found] == [torch.uint8, torch.int8]
    assert found[0].eq(7).all() and found[1].eq(-7).all()


def test_what_fails_while_reading_fails_here():
    def broken():
        yield np.zeros(1)
        raise OSError("the file ended")

    found = upload(broken(), torch.device("cpu"))
    next(found)
    with pytest.raises(OSError, match="the file ended"):
        next(found)


@pytest.mark.gpu
def test_copies_beside_work_are_neither_early_nor_late():
    """Each sum is queued behind work that takes longer than the copies do."""
    device = torch.device("cuda")
    batches = (np.full(2**24, number, np.uint8) for number in range(40))
    busy, sums = torch.randn(4096, 4096, device=device), []
    for batch in upload(batches, device):
        busy = (busy @ busy).tanh()
        sums.append(batch.sum(dtype=torch.int64))
    assert [int(total) for total in sums] == [number * 2**24 for number in range(40)]
