import pytest
from wstal.errors import MediaError, WstalError


def test_broken_media_is_a_kind_of_bad_input():
    """A stage catches MediaError; a script catches both as errors for the user."""
    with pytest.raises(WstalError, match="holds no frames"):
        raise MediaError("x.mp4 holds no frames")
    assert not issubclass(WstalError, MediaError)
