"""The two kinds of errors that users see."""


class WstalError(Exception):
    """Input that cannot be used; the message names the file, the value and what to do."""


class MediaError(WstalError):
    """A media file that cannot be read: this becomes the video's status and ends no job."""
