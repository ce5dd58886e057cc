"""Time: the one clock of a file, and which decoded frame is at k/fps seconds.

Second 0 is the earliest presentation time of the streams that a player plays (docs/time.md).
`Clock` puts the packets of all played streams on one clock without jumps, `second_zero` fixes the
origin, `frame_times` gives each decoded frame its second, and `lay_grid` puts these together:
pictures, sound and durations take their time from here.

Published snippets are 16 frames of the grid without overlap; which frames a row of features sees,
and for which seconds it speaks, is in `wstal.features.rows`. Files hold seconds, half-open.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Literal

import numpy as np

from wstal.base.array_store import OK, PARTIAL
from wstal.base.errors import MediaError, WstalError
from wstal.media.scan import Scan

SNIPPET = 16  # frames
LONGEST_SHAPE = 32  # long side over short side: the short one is scaled up to the recipe's
# The grid repeats frames where few came: over more than a day, fewer are damaged times.
LONG, SPARSEST = 86400.0, 10.0  # seconds; seconds per frame
TIE = 1e-6  # seconds; finer differences are floating point, not time
DEFAULT_RATE = 25.0  # frames per second of a file that says nothing at all
SLOWEST, FASTEST = 0.1, 1000.0  # frames per second; anything beyond is damage
ROUNDING = 1e-3  # seconds: Matroska's clock; times this near to a constant rate follow it
SLACK = 0.0401  # seconds, a step of the usual grid: encoders' delays, which no player shows
MOSTLY = 0.9  # of the stored times that must follow a constant rate for the others to be wrong
STAY = 1.0  # seconds that sound may outlast the pictures, as encoders' blocks do
BACKWARD = 1.0  # seconds; a stream's clock never runs back further unless it restarts
AHEAD = 10.0  # seconds; all streams at once jump so far where recordings are joined
FOREVER = 12 * 3600.0  # seconds; no picture stays longer, and 33 bits wrap after 26.5 hours


@dataclass
class _Hand:
    """Where one stream is on the file's clock: its last packet and the offset that it has."""

    last: float | None = None
    step: float = 0.0
    offset: int = 0  # ordinal
    before: float = np.inf  # the last second before a recent leap ahead
    since: int = 0  # packets since then


class Clock:
    """Seconds to add to the packets of the played streams, so that their clock never jumps.

    Joined recordings restart their clock and transport streams wrap it after 33 bits. Each jump is
    decided once, by the first stream that comes to it (pictures, if there are any), and the other
    streams take the same offset when they come to it, so sound stays beside its pictures.
    A clock that runs back has restarted, in any file. One that runs ahead has restarted if it does
    so in all streams at once by more than AHEAD seconds in a container whose clocks restart
    (`restarts`: transport and program streams), beyond the `end` that the header declares, or by
    more than FOREVER seconds. Any other silence of pictures is one: screen recorders write no
    picture while nothing moves.
    """

    def __init__(self, streams: int = 1, restarts: bool = False, end: float = np.inf) -> None:
        self.offsets = [0.0]  # seconds, in the order in which they were decided
        self._hands = [_Hand() for _ in range(streams)]
        self._joins = restarts and streams > 1  # one stream alone may be silent
        self._end, self._latest = end + AHEAD, -np.inf

    @property
    def restarts(self) -> int:
        """Number of jumps that were closed."""
        return len(self.offsets) - 1

    def jumps(self, stream: int) -> int:
        """Return the ordinal of the jump that a stream came to last, 0 before the first one."""
        return self._hands[stream].offset

    def is_undecided(self, stream: int, at: float) -> bool:
        """Return whether a packet at `at` comes to a jump that no stream has decided yet."""
        last = self._hands[stream].last
        if last is not None and 0 <= at - last <= BACKWARD:  # nearly always
            return False
        return self._is_jump(stream, at) and self._known(stream, at) is None

    def offset(self, stream: int, at: float, step: float) -> float:
        """Return the seconds to add to a packet at `at`, which lasts `step`; in file order."""
        hand = self._hands[stream]
        if hand.last is not None and 0 <= at - hand.last <= BACKWARD:  # nearly always
            hand.since += 1
        elif self._is_jump(stream, at):
            known = self._known(stream, at)
            if known is None:
                self.offsets.append(hand.last + hand.step + self.offsets[hand.offset] - at)
                known = self.restarts
            hand.offset = known
        elif hand.last is not None and at > hand.last:
            hand.before, hand.since = hand.last, 1
        hand.last, hand.step = at, step if step > 0 else hand.step
        offset = self.offsets[hand.offset]
        if at + offset > self._latest:
            self._latest = at + offset
        return offset

    def _is_jump(self, stream: int, at: float) -> bool:
        hand = self._hands[stream]
        if hand.last is None:  # it may begin after a jump of the others
            return self.restarts > 0 and self._known(stream, at) is not None
        ahead = at + self.offsets[hand.offset] - self._latest
        # After a few damaged times the clock goes on where it was: that is no restart.
        returns = 0 < at - hand.before <= 2 * hand.step * (hand.since + 1)
        return (
            (at < hand.last - BACKWARD and not returns)
            or (ahead > AHEAD and (self._joins or at > self._end))
            or ahead > FOREVER
        )

    def _known(self, stream: int, at: float) -> int | None:
        """Return the later offset that puts `at` beside what the other streams play now."""
        later = range(self._hands[stream].offset + 1, len(self.offsets))
        near = [(abs(at + self.offsets[i] - self._latest), i) for i in later]
        distance, best = min(near, default=(np.inf, 0))
        return best if distance <= AHEAD else None


def second_zero(picture: float, sound: float | None) -> float:
    """Return the second of the file's clock that a player shows as 0.

    It is the earlier of the first picture's and the first sample's second. Encoders start sound a
    little early; up to SLACK seconds, the first picture counts.
    """
    return sound if sound is not None and picture - sound > SLACK else picture


def frame_times(pts: np.ndarray, dts: np.ndarray, rate: float) -> tuple[np.ndarray, str]:
    """Return increasing seconds [F] from the first frame on, and where they come from.

    The source is `pts` (as stored), `dts` (no valid display times: the decoding times, which
    are in order), `repaired pts` (missing or disordered times interpolated) or `rate`
    (no times at all: constant `rate`).
    """
    rate = _sane(rate)
    if _increasing(pts):
        times, source = pts - pts[0], "pts"
    elif _increasing(known := dts[: _until_flush(dts)]):
        step = _step(known, rate)
        rest = known[-1] + step * np.arange(1, len(dts) - len(known) + 1)
        times, source = np.concatenate([known, rest]) - known[0], "dts"
    elif np.isfinite(pts).any():
        times, source = _repaired(pts, _step(pts, rate)), "repaired pts"
    else:
        times, source = np.arange(len(pts)) / rate, "rate"
    constant = np.arange(len(times)) / rate
    near = len(times) > 0 and np.abs(times - constant).max() <= ROUNDING
    if near or (source == "repaired pts" and _is_constant(pts, rate)):
        times = constant
    return times, source


def _is_constant(pts: np.ndarray, rate: float) -> bool:
    """Return whether nearly all stored times follow the constant rate: the others are wrong."""
    known = np.flatnonzero(np.isfinite(pts))
    lag = np.abs(pts[known] - pts[known[0]] - (known - known[0]) / rate)
    return bool(np.mean(lag * rate < 0.25) >= MOSTLY)


def frame_step(times: np.ndarray, rate: float) -> float:
    """Return the usual seconds from a frame to the next; the last frame lasts as long."""
    return _step(times, _sane(rate))


def gaps(times: np.ndarray, lead: float = 0.0, stay: float = 0.0) -> np.ndarray:
    """Return the seconds [G] without a new picture that are too long for the usual rate.

    `lead` are the seconds before the first picture, `stay` those of the last one.
    """
    steps = np.diff(times)
    longest = _longest(steps)
    steps = np.concatenate([[lead], steps, [stay]])
    return steps[steps > longest]


def _longest(steps: np.ndarray) -> float:
    """Return the longest seconds from a picture to the next that are not a gap."""
    return max(STAY, 5 * float(np.median(steps))) if len(steps) else STAY


def _sane(rate: float) -> float:
    return rate if SLOWEST <= rate <= FASTEST else DEFAULT_RATE


def _increasing(times: np.ndarray) -> bool:
    steps = np.diff(times)
    return len(times) > 0 and bool(np.isfinite(times).all()) and bool((steps > 0).all())


def _until_flush(dts: np.ndarray) -> int:
    """Return how many frames have a decoding time: those delayed until the end have none."""
    finite = np.flatnonzero(np.isfinite(dts))
    return int(finite[-1]) + 1 if len(finite) else 0


def _step(times: np.ndarray, rate: float) -> float:
    steps = np.diff(times[np.isfinite(times)])
    steps = steps[steps > 0]
    return float(np.median(steps)) if len(steps) else 1 / rate


def _repaired(pts: np.ndarray, step: float) -> np.ndarray:
    """Drop the fewest times that are out of order, interpolate what is missing."""
    finite = np.flatnonzero(np.isfinite(pts))
    known = finite[_increasing_part(pts[finite])]
    index = np.arange(len(pts))
    filled = np.interp(index, known, pts[known])
    before, after = index < known[0], index > known[-1]
    filled[before] += step * (index[before] - known[0])
    filled[after] += step * (index[after] - known[-1])
    return filled - filled[0]


def _increasing_part(values: np.ndarray) -> list[int]:
    """Return the indices of a longest strictly increasing subsequence."""
    ends: list[float] = []  # the smallest value that ends a subsequence of each length
    at: list[int] = []
    previous = np.full(len(values), -1)
    for i, value in enumerate(values.tolist()):
        length = bisect_left(ends, value)
        if length < len(ends) and ends[length] == value:
            continue  # of equal values the first one counts
        previous[i] = at[length - 1] if length else -1
        if length == len(ends):
            ends.append(value)
            at.append(i)
        else:
            ends[length], at[length] = value, i
    chosen, i = [], at[-1]
    while i >= 0:
        chosen.append(i)
        i = int(previous[i])
    return chosen[::-1]


def frame_count(duration: float, fps: float) -> int:
    """Return N, the number of k >= 0 with k/fps < duration (seconds), at least 1."""
    return max(1, int(np.ceil((duration - TIE) * fps)))


def frame_grid(times: np.ndarray, duration: float, fps: float) -> np.ndarray:
    """Return the decoded frame nearest to each k/fps: int64 [N], from increasing seconds [F].

    Of two frames that are equally near (within a microsecond) the earlier one is taken. In a gap
    (`gaps`) the frame before it stays until half a usual step before the next one.
    """
    times = np.asarray(times, dtype=np.float64)
    if not len(times):
        raise WstalError("a video without decoded frames has no time grid")
    borders, steps = (times[:-1] + times[1:]) / 2, np.diff(times)
    if (silent := steps > _longest(steps)).any():
        borders[silent] = times[1:][silent] - float(np.median(steps)) / 2
    borders += TIE
    return np.searchsorted(borders, np.arange(frame_count(duration, fps)) / fps).astype(np.int64)


def snippet_count(frames: int, tail: Literal["drop", "repeat"] = "drop") -> int:
    """Return T for N frames: whole snippets, at least one (`drop`), or all begun (`repeat`)."""
    if tail not in ("drop", "repeat"):
        raise WstalError(f"tail is {tail!r}; it can be drop or repeat")
    return max(1, frames // SNIPPET if tail == "drop" else -(-frames // SNIPPET))


def snippet_step(fps: float) -> float:
    """Return the seconds per snippet."""
    return SNIPPET / fps


@dataclass(frozen=True)
class Timeline:
    """What decoding a whole video showed.

    `frame_index` int64 [N] is a decoded frame (0-based, in display order) for each grid point.
    `times` float64 [F] are the seconds of all decoded frames from second 0 on (`second_zero`);
    before the first one, the first picture is shown. `duration` is where the last picture ends,
    measured, not read from the header. `clock` says where the times come from. `width` and
    `height` are those after `rotation` (degrees counter-clockwise). `gaps` counts long times
    without a new picture, also before the first and after the last one. `start` is second 0 on
    the file's own clock. `status` is ok or partial, `reason` says why.
    """

    frame_index: np.ndarray
    times: np.ndarray
    duration: float
    width: int
    height: int
    rotation: int
    status: str
    reason: str
    gaps: int
    clock: str
    start: float

    @property
    def frames(self) -> int:
        """Number of decoded frames."""
        return len(self.times)

    @property
    def fps(self) -> float:
        """Decoded frames per second, on average."""
        return self.frames / self.duration


def lay_grid(scan: Scan, fps: float) -> Timeline:
    """Return the timeline of a scanned video on the grid of k/`fps` seconds.

    Raises MediaError for pictures or times that would make far more data than the file holds.
    """
    sides = sorted((scan.width, scan.height))
    if sides[1] > LONGEST_SHAPE * sides[0]:
        raise MediaError(
            f"pictures of {scan.width}x{scan.height} px; at most {LONGEST_SHAPE} times as long as "
            "wide is read, so crop or scale the video"
        )
    times, clock = frame_times(scan.pts, scan.dts, scan.rate)
    start = second_zero(scan.start, scan.sound[0] if scan.sound else None)
    lead, step = scan.start - start, frame_step(times, scan.rate)
    times = times + lead
    usual = float(times[-1]) + step
    duration = _last_second(usual, scan, start)
    holes = gaps(times, lead, duration - float(times[-1]) if duration > usual else 0.0)
    faults = list(scan.faults)
    if duration > LONG and duration > SPARSEST * len(times):
        raise MediaError(
            f"{len(times)} frames in {duration:.0f} s, one in {duration / len(times):.0f} s; in "
            f"over a day at least one in {SPARSEST:g} s is expected: write its times anew"
        )
    if len(holes):
        faults.append(f"{len(holes)} gaps between frames, the longest {holes.max():.2f} s")
    if lead > STAY:
        faults.append(f"the first picture comes at {lead:.2f} s")
    if faults:
        of = f" of {scan.expected} announced" if scan.expected else ""
        faults.append(f"{len(times)}{of} frames decoded")
    return Timeline(
        frame_index=frame_grid(times, duration, fps),
        times=times,
        duration=duration,
        width=scan.width,
        height=scan.height,
        rotation=scan.rotation,
        status=PARTIAL if faults else OK,
        reason="; ".join(faults + scan.notes),
        gaps=len(holes),
        clock=clock,
        start=start,
    )


def _last_second(usual: float, scan: Scan, start: float) -> float:
    """Return where the last picture ends, `usual` if the file does not say that it stays longer.

    It stays as long as the file declares, or until a sound that outlasts it ends.
    """
    declared = float(scan.shown_until) - start
    sound = scan.sound[1] - start if scan.sound else -np.inf
    last = declared if declared - usual > SLACK else usual
    return sound if sound - last > STAY else last
