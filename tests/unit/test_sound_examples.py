"""Examples of rendered sounds: reproducible, fresh, in classes by turns."""

import torch
from wstal.data.render.clip import SOUNDS
from wstal.train.sound_examples import sound_examples


def test_examples():
    examples, labels = sound_examples(1, 0, 16)
    assert examples.shape == (16, 1, 96, 64) and torch.isfinite(examples).all()
    assert labels.tolist() == [*range(len(SOUNDS)), *range(16 - len(SOUNDS))]
    part, _ = sound_examples(1, 3, 2)
    assert torch.equal(part, examples[3:5])
    other, _ = sound_examples(2, 3, 2)
    assert not torch.equal(other, part)
