"""The two kinds of errors that users see."""


def printable(text: str) -> str:
    """Return text that any file takes: a byte of a name that is not UTF-8 becomes `\\xe9`."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


class WstalError(Exception):
    """Input that cannot be used; the message names the file, the value and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class DiskFullError(WstalError):
    """A disk that does not take a file: the next files would fail too, so that a job ends."""


class MediaError(WstalError):
    """A media file that cannot be read: this becomes the video's status and ends no job."""
