"""Nobody watches: the chunks themselves."""

from wstal.progress import unseen


def test_unseen_chunks_are_untouched():
    chunks = iter([1, 2])
    assert unseen("v", chunks, 2) is chunks
