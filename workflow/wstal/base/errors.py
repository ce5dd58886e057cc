"""The two kinds of failure a user meets."""


class WstalError(Exception):
    """Input that cannot be used; the message names the file, the value and the remedy."""


class MediaError(WstalError):
    """A media file that cannot be read: a status of that video, never the end of a shard."""
