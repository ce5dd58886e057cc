"""PyAV, the default decoder: bounded memory, explicit faults, keeps what decodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np

from wstal.base.errors import MediaError, WstalError
from wstal.media.pictures import Orientation, orientation, turned_size, upright
from wstal.media.scan import Scan, check_video

TRUNCATED = 1.0  # seconds that may be missing at the end before a file counts as cut short


@contextmanager
def opened(path: str | Path) -> Iterator[av.container.InputContainer]:
    """Open the file; anything that FFmpeg reports about it becomes a MediaError."""
    try:
        check_video(path)
        # damaged or foreign-encoded titles must not cost the pictures
        container = av.open(str(path), metadata_errors="ignore")
    except (av.FFmpegError, OSError, ValueError) as error:
        raise MediaError(f"{path}: cannot be opened: {described(error)}") from error
    try:
        yield container
    except av.FFmpegError as error:
        raise MediaError(f"{path}: {described(error)}") from error
    finally:
        container.close()


def described(error: Exception) -> str:
    """Return FFmpeg's own words for an error."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def video_stream(path: str | Path, container: av.container.InputContainer):
    """Return the stream a player would show; MediaError if there is none but a cover picture."""
    stream = container.streams.best("video")
    if stream is None or stream.disposition & av.stream.Disposition.attached_pic:
        raise MediaError(f"{path}: has no video stream")
    if stream.codec_context is None:
        raise MediaError(f"{path}: FFmpeg knows no decoder for its video stream")
    stream.codec_context.thread_count = 1  # one decoder per core beats threads inside it
    return stream


def sound_stream(container: av.container.InputContainer):
    """Return the sound track of the video stream; None if there is none, or nothing decodes it."""
    stream = container.streams.best("audio", related=container.streams.best("video"))
    return stream if stream is not None and stream.codec_context is not None else None


class Faults:
    """Counts what went wrong while frames still came."""

    def __init__(self) -> None:
        self.packets, self.first, self.stopped = 0, "", ""

    def packet(self, error: Exception) -> None:
        """Count a packet that did not decode; the rest may."""
        self.packets += 1
        self.first = self.first or described(error)

    def texts(self) -> list[str]:
        """Return one text per kind of fault."""
        texts = [f"{self.packets} packets did not decode ({self.first})"] if self.packets else []
        return texts + ([f"the file ends in an error ({self.stopped})"] if self.stopped else [])


def packets(container, streams: list, faults: Faults) -> Iterator:
    """Yield all packets of `streams`; a file that breaks off ends them and is noted."""
    while True:
        try:
            yield from container.demux(streams)
            return
        except IndexError:
            continue  # PyAV trips over a packet of a stream that was not there at the start
        except av.FFmpegError as error:
            faults.stopped = described(error)
            return


def decoded(packet, faults: Faults) -> list:
    """Return the frames of a packet, none if it does not decode."""
    try:
        return packet.decode()
    except av.FFmpegError as error:
        faults.packet(error)
        return []


def scan(path: str | Path) -> Scan:
    """Decode all frames and note their times; see `Scan`."""
    pts, dts, faults, damaged, end = [], [], Faults(), 0, 0.0
    with opened(path) as container:
        stream = video_stream(path, container)
        sound = sound_stream(container)
        turn, size = Orientation(), (0, 0)
        for packet in packets(container, [s for s in (stream, sound) if s], faults):
            if packet.pts is not None:
                end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            for frame in decoded(packet, faults) if packet.stream is stream else ():
                if not pts:
                    turn, size = orientation_of(path, frame), (frame.width, frame.height)
                tick = float(frame.time_base or stream.time_base)
                pts.append(np.nan if frame.pts is None else frame.pts * tick)
                dts.append(np.nan if frame.dts is None else frame.dts * tick)
                damaged += frame.is_corrupt
        if not pts:
            raise MediaError("; ".join([f"{path}: no frame decodes", *faults.texts()]))
        texts = faults.texts()
        if damaged:
            texts.append(f"{damaged} frames are damaged")
        begin = max(0.0, (container.start_time or 0) / av.time_base)
        announced = (container.duration or 0) / av.time_base + begin
        if announced - end > TRUNCATED:
            texts.append(f"cut short: {end - begin:.1f} s of {announced - begin:.1f} s are there")
        width, height = turned_size(*size, turn)
        return Scan(
            *(np.array(pts), np.array(dts), float(stream.average_rate or 0)),
            *(width, height, turn.degrees, stream.frames),
            start=first_time(container, pts[0]),
            audio=sound is not None,
            faults=texts,
        )


def orientation_of(path: str | Path, frame: av.VideoFrame) -> Orientation:
    """Return how a player shows the frame; MediaError for an arbitrary angle."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return Orientation()
    try:
        return orientation(np.frombuffer(data, np.int32, 9).tolist())
    except WstalError as error:
        raise MediaError(f"{path}: {error}") from error


def first_time(container: av.container.InputContainer, pts: float) -> float:
    """Return the file's second at which the first picture, decoded at `pts`, is shown."""
    # AVI counts decoding steps: its first picture seems to come late by the decoder's delay
    return pts if np.isfinite(pts) and container.format.name != "avi" else 0.0


def pictures(
    path: str | Path, wanted: np.ndarray, convert: Callable[[np.ndarray], np.ndarray]
) -> Iterator[np.ndarray]:
    """Yield the converted pictures of `wanted`; see `Decoder`."""
    faults, ordinal, waiting = Faults(), -1, iter(wanted.tolist())
    target = next(waiting, None)
    with opened(path) as container:
        stream = video_stream(path, container)
        for packet in packets(container, [stream], faults):
            for frame in decoded(packet, faults):
                ordinal += 1
                if ordinal == 0:
                    turn = orientation_of(path, frame)
                if ordinal == target:
                    # the same conversion as OpenCV's and decord's decoders, to the bit
                    rgb = frame.reformat(format="rgb24", threads=1).to_ndarray()
                    yield convert(upright(rgb, turn))
                    if (target := next(waiting, None)) is None:
                        return
