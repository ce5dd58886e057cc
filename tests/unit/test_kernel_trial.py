"""A kernel that gives wrong results or fails is not used, and a warning says why."""

import pytest
from wstal.nets.kernel_trial import works


def test_a_kernel_that_works_is_used_without_a_word(recwarn):
    assert works(lambda: True, "wrong sums", "adding by hand")
    assert not recwarn


def test_a_wrong_result_is_named():
    with pytest.warns(UserWarning, match="adding by hand, slower: wrong sums"):
        assert not works(lambda: False, "wrong sums", "adding by hand")


def test_a_failure_is_named():
    with pytest.warns(UserWarning, match="by hand, slower: ZeroDivisionError: .*zero"):
        assert not works(lambda: 1 // 0 == 1, "wrong sums", "adding by hand")
