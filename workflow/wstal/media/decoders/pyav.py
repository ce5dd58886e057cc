"""PyAV, the default decoder: bounded memory, explicit faults, keeps what decodes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import av
import numpy as np

from wstal.base.errors import MediaError, WstalError
from wstal.media.announced import announced_bytes, missing_bytes
from wstal.media.pictures import Orientation, orientation, turned_size, upright
from wstal.media.scan import Scan, check_video
from wstal.media.timeline import DEFAULT_RATE, SLACK, Clock

TRUNCATED = 1.0  # seconds that may be missing at the end before a file counts as cut short
TRIES = 200  # packets of a stream in which a frame must decode, where there are several streams
HELD = 500  # packets of sound that may wait for the pictures at a jump of the clock


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
    """Return the video stream that a player would show, of those that decode here.

    Raises MediaError if there is none: an attached picture (a cover) is not a video.
    """
    streams = _in_order(container, "video", None)
    if not streams:
        raise MediaError(f"{path}: has no video stream")
    stream = _first_decodable(path, streams)
    if stream is None:
        several = "any of its video streams" if len(streams) > 1 else "its video stream"
        raise MediaError(f"{path}: FFmpeg knows no decoder for {several}")
    stream.codec_context.thread_count = 1  # one decoder per core beats threads inside it
    return stream


def sound_stream(path: str | Path, container: av.container.InputContainer):
    """Return the sound track that a player would play with the video, of those that decode here.

    None: there is no such track.
    """
    streams = _in_order(container, "audio", container.streams.best("video"))
    return _first_decodable(path, streams)


def _in_order(container: av.container.InputContainer, kind: str, related) -> list:
    """Return the streams of a kind, first the one that a player takes, then the next ones."""
    flags = av.stream.Disposition
    no_video = flags.attached_pic | flags.timed_thumbnails
    last = flags.comment | flags.hearing_impaired | flags.visual_impaired | flags.dependent
    streams = [s for s in container.streams if s.type == kind and not s.disposition & no_video]
    best = container.streams.best(kind, related=related)
    return sorted(
        streams,
        key=lambda s: (
            s is not best,
            not s.disposition & flags.default,
            bool(s.disposition & last),
        ),
    )


def _first_decodable(path: str | Path, streams: list):
    """Return the first stream that decodes; the only one if FFmpeg has a decoder for it."""
    known = [stream for stream in streams if stream.codec_context is not None]
    if len(streams) == 1:
        return known[0] if known else None
    stamp = Path(path).stat()
    file = (str(path), stamp.st_size, stamp.st_mtime_ns)
    working = (stream for stream in known if _decodes(*file, stream.index))
    return next(working, known[0] if known else None)


@lru_cache(maxsize=64)  # a file is opened several times: for its times, its pictures, its sound
def _decodes(path: str, size: int, changed: int, index: int) -> bool:
    """Return whether a frame comes from the first packets of a stream of a file."""
    with opened(path) as container:
        for count, packet in enumerate(packets(container, [container.streams[index]], Faults())):
            if decoded(packet, Faults()):
                return True
            if count >= TRIES:
                break
    return False


def passed_over(container: av.container.InputContainer, kind: str, stream) -> list[str]:
    """Return a text for each stream that a player would rather take than `stream`, if it could."""
    if stream is None:
        return []
    order = _in_order(container, kind, container.streams.best("video"))
    tried = order[: [each.index for each in order].index(stream.index)]

    def rank(each) -> tuple[bool, int]:
        return not each.disposition & av.stream.Disposition.default, each.index

    unknown = [s for s in order if s.codec_context is None and rank(s) < rank(stream)]
    return [
        f"{kind} stream {each.index} ({_codec(each)}) does not decode here; "
        f"stream {stream.index} ({_codec(stream)}) is used"
        for each in order
        if each in tried or each in unknown
    ]


def _codec(stream) -> str:
    return "unknown codec" if stream.codec_context is None else stream.codec_context.name


def why_silent(container: av.container.InputContainer) -> str:
    """Return why a file has no sound that can be played."""
    tracks = [stream for stream in container.streams if stream.type == "audio"]
    if not tracks:
        return "no sound track"
    return f"its sound does not decode here ({', '.join(_codec(track) for track in tracks)})"


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


class PlayedPackets:
    """The packets of a video stream and its sound, with their times on one clock (`Clock`).

    Iterate once. With `watch_all`, `reach` also covers the streams that are not played.
    """

    def __init__(self, container, video, sound, faults: Faults, watch_all: bool = False) -> None:
        played = [stream for stream in (video, sound) if stream is not None]
        self.clock = Clock(len(played), *_header(container))
        self._ticks = {stream.index: float(stream.time_base or 0) for stream in container.streams}
        self._ends: dict[int, int] = {}  # by stream, in its ticks
        self._hands = {stream.index: hand for hand, stream in enumerate(played)}
        self._waiting = sound.index if len(played) == 2 else None  # the sound, for the pictures
        streams = list(container.streams) if watch_all else played
        self._packets = packets(container, streams, faults)

    def __iter__(self) -> Iterator:
        held = []
        for packet in self._packets:
            index = packet.stream.index
            if index not in self._hands:
                self._note(packet, index)
            elif index == self._waiting and (held or self._is_undecided(packet, index)):
                held.append(packet)
                if not packet.size or len(held) >= HELD:  # the pictures have ended
                    yield from (self._place(each, index) for each in held)
                    held = []
            else:
                yield self._place(packet, index)
                if held and not self._is_undecided(held[0], self._waiting):
                    yield from (self._place(each, self._waiting) for each in held)
                    held = []
        yield from (self._place(each, self._waiting) for each in held)

    @property
    def reach(self) -> dict[int, float]:
        """The second up to which the packets of each stream last, by its index."""
        return {index: end * self._ticks.get(index, 0.0) for index, end in self._ends.items()}

    def jumps(self, stream) -> int:
        """Return the ordinal of the jump that a played stream came to last, 0 before any."""
        return self.clock.jumps(self._hands[stream.index])

    def _is_undecided(self, packet, index: int) -> bool:
        ticks = packet.pts if packet.dts is None else packet.dts
        if ticks is None:
            return False
        return self.clock.is_undecided(self._hands[index], ticks * self._ticks[index])

    def _place(self, packet, index: int):
        """Return the packet with its times on the one clock."""
        ticks, tick = packet.dts, self._ticks[index]
        if ticks is None:
            ticks = packet.pts
        if ticks is not None:
            duration = (packet.duration or 0) * tick
            shift = self.clock.offset(self._hands[index], ticks * tick, duration)
            if shift:
                moved = round(shift / tick)
                packet.pts = None if packet.pts is None else packet.pts + moved
                packet.dts = None if packet.dts is None else packet.dts + moved
            self._note(packet, index)
        return packet

    def _note(self, packet, index: int) -> None:
        if packet.pts is not None:
            end = packet.pts + (packet.duration or 0)
            if end > self._ends.get(index, end - 1):
                self._ends[index] = end


def _second(packet) -> float | None:
    ticks = packet.pts if packet.dts is None else packet.dts
    return None if ticks is None else float(ticks * packet.time_base)


def _header(container) -> tuple[bool, float]:
    """Return whether the container's clocks restart, and its end in seconds as its header says.

    Without a header the end is inf: FFmpeg then guesses it from the last packets.
    """
    flags = av.format.Flags
    restarts = bool(container.format.flags & flags.ts_discont.value)
    if restarts or container.format.flags & flags.no_timestamps.value or not container.duration:
        return restarts, np.inf
    return restarts, (container.duration + max(0, container.start_time or 0)) / av.time_base


def _declared_end(container, stream) -> float:
    """Return the second up to which the header says that a stream lasts; inf if it does not."""
    whole = _header(container)[1]
    written = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if stream.duration:
        own = float((stream.duration + (stream.start_time or 0)) * stream.time_base)
    elif written:  # Matroska's
        hours, minutes, seconds = map(float, written.groups())
        own = 3600 * hours + 60 * minutes + seconds
    else:
        return np.inf
    return min(own, whole) if np.isfinite(whole) else np.inf


def scan(path: str | Path) -> Scan:
    """Decode all frames and note their times; see `Scan`."""
    pts, dts, faults, damaged = [], [], Faults(), 0
    with opened(path) as container:
        stream, sound = video_stream(path, container), sound_stream(path, container)
        played = PlayedPackets(container, stream, sound, faults, watch_all=True)
        turn, size, first, heard = Orientation(), (0, 0), None, None
        for packet in played:
            if packet.stream.index != stream.index:
                if heard is None and (frames := decoded(packet, Faults())):
                    heard = np.nan if frames[0].time is None else float(frames[0].time)
                continue
            first = _second(packet) if first is None else first
            for frame in decoded(packet, faults):
                if not pts:
                    turn, size = orientation_of(path, frame), (frame.width, frame.height)
                    tick = float(frame.time_base or stream.time_base)
                pts.append(np.nan if frame.pts is None else frame.pts * tick)
                dts.append(np.nan if frame.dts is None else frame.dts * tick)
                last = frame
                damaged += frame.is_corrupt
        if not pts:
            raise MediaError("; ".join([f"{path}: no frame decodes", *faults.texts()]))
        texts = faults.texts()
        if damaged:
            texts.append(f"{damaged} frames are damaged")
        shown = pts[-1] + (last.duration or 0) * tick
        cut, shown_until = _end_of(path, container, stream, played.reach, shown)
        width, height = turned_size(*size, turn)
        return Scan(
            *(np.array(pts), np.array(dts), float(stream.average_rate or 0)),
            *(width, height, turn.degrees, stream.frames),
            start=_first_second(container, stream, pts, first),
            shown_until=shown_until,
            sound=None if heard is None else (heard, played.reach.get(sound.index, heard)),
            silence="" if heard is not None else why_silent(container),
            faults=texts + cut,
            notes=_notes(path, container, stream, sound, played.clock),
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


def _end_of(
    path: str | Path, container, stream, reach: dict[int, float], last: float
) -> tuple[list[str], float]:
    """Return a fault if pictures are missing at the end, and the second that they last to.

    `last` is where the last frame ends by its own duration.
    """
    declared = _declared_end(container, stream)
    announced = min(declared, _header(container)[1])
    missing = announced - reach.get(stream.index, 0.0)
    furthest = max(reach.values(), default=0.0)
    if np.isfinite(announced) and min(missing, announced - furthest) > TRUNCATED:
        begin = max(0.0, (container.start_time or 0) / av.time_base)
        lengths = f"{furthest - begin:.1f} s of {announced - begin:.1f} s"
        return [f"cut short: {lengths} are there"], last
    if lengths := missing_bytes(path):
        return [lengths], -np.inf
    if container.format.name == "avi":  # its times count decoding steps
        return [], -np.inf
    if np.isfinite(declared) and not SLACK < missing <= TRUNCATED:
        return [], declared  # a frame's own duration may count in the order of decoding
    return [], last


def _notes(path: str | Path, container, stream, sound, clock: Clock) -> list[str]:
    notes = passed_over(container, "video", stream) + passed_over(container, "audio", sound)
    if clock.restarts:
        times = "once" if clock.restarts == 1 else f"{clock.restarts} times"
        notes.append(f"the clock of the file jumps {times} and was joined")
    if announced_bytes(path) is None and not np.isfinite(_header(container)[1]):
        notes.append("no announced length")  # a cut at the end would not be noticed
    return notes


def first_picture(path: str | Path) -> float | None:
    """Return the first picture's second on the file's clock; None for a file without pictures."""
    faults, first, pts = Faults(), None, []
    with opened(path) as container:
        try:
            stream = video_stream(path, container)
        except MediaError:
            return None
        for packet in packets(container, [stream], faults):
            first = _second(packet) if first is None else first
            for frame in decoded(packet, faults):
                pts.append(np.nan if frame.pts is None else float(frame.time))
                if np.isfinite(pts[-1]) or len(pts) > TRIES:
                    return _first_second(container, stream, pts, first)
        return _first_second(container, stream, pts, first) if pts else None


def _first_second(container, stream, pts: list[float], packet: float | None) -> float:
    """Return the file's second at which the first of the pictures decoded at `pts` is shown.

    `packet` is the second of the first packet.
    """
    if container.format.name == "avi":
        # AVI counts decoding steps: its first picture seems to come late by the decoder's delay
        return packet or 0.0
    known = np.flatnonzero(np.isfinite(pts[: TRIES + 1]))
    if not len(known):
        return 0.0
    return float(pts[known[0]]) - int(known[0]) / float(stream.average_rate or DEFAULT_RATE)


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
