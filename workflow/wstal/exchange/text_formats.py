"""Text: CSV, subtitles, label tracks, editors' markers and chapters; all but CSV of one video."""

from __future__ import annotations

import csv
import html
import io
import math
import re
from collections.abc import Callable

from wstal.base.errors import WstalError
from wstal.base.text_files import read_rows, read_seconds
from wstal.datasets.folder import video_id
from wstal.exchange.timelines import Media, Timelines

# CSV: segments.csv, with a column `score` for detections.

TIMES = ("t_start", "t_end")
SCORES = ("probability", "score")  # the first one counts


def read_csv(path: str) -> Timelines:
    """Read video,t_start,t_end,label and maybe score; a row with the video alone has no segment.

    A column `probability` (detections of wstal) stands for the score, which has no unit.
    """
    found = Timelines()
    for row in read_rows(path, ("video", *TIMES, "label"), numbers=(*TIMES, *SCORES)):
        where, video = f"{path}, line {row.line}", video_id(row["video"])
        found.videos[video] = None
        if not any(row[name].strip() for name in (*TIMES, "label")):
            found.empty[video] = None
        else:
            start, end = (read_seconds(row[name], f"{where}: {name}") for name in TIMES)
            name = next((name for name in SCORES if name in row.cells), "")
            score = row.cells.get(name, "").strip()
            try:
                found.add(video, start, end, row["label"].strip(), float(score) if score else None)
            except ValueError as error:
                raise WstalError(f"{where}: {name} is {score!r}; expected a number") from error
    return found


def write_csv_text(content: Timelines) -> str:
    """Return segments.csv; with the column score if a segment has one."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    scored = any(each.score is not None for each in content.segments)
    rows.writerow(["video", *TIMES, "label", *(["score"] if scored else [])])
    for video, own in content.by_video().items():
        for each in own:
            score = ["" if each.score is None else repr(each.score)] if scored else []
            rows.writerow([video, repr(each.start), repr(each.end), each.label, *score])
        if video in content.empty:
            rows.writerow([video, "", "", "", *([""] if scored else [])])
    return text.getvalue()


# Subtitles: SubRip and WebVTT, a cue per segment.

TIME = r"((?:\d+:)?\d+:\d+(?:[.,]\d+)?)"
CUE = re.compile(rf"{TIME}\s*-->\s*{TIME}")
SCORE = re.compile(r"^(.*\S) \(score (\S+)\)$")
# What players take for markup: in SubRip a few tags and places, in WebVTT every tag.
SRT_MARKUP = re.compile(r"</?(?:i|b|u|s|font)(?:\s[^>]*)?>|\{\\[^}]*\}", re.IGNORECASE)
VTT_MARKUP = re.compile(r"<[^>]*>")


def read_srt(text: str, source: str, video: str) -> Timelines:
    """Read SubRip text: each line of a cue is a label, and maybe ` (score 0.871)`."""
    return _read_cues(text, video, lambda line: SRT_MARKUP.sub("", line))


def read_vtt(text: str, source: str, video: str) -> Timelines:
    """Read the same of WebVTT."""
    return _read_cues(text, video, lambda line: html.unescape(VTT_MARKUP.sub("", line)))


def _read_cues(text: str, video: str, plain: Callable[[str], str]) -> Timelines:
    found = Timelines(videos={video: None})
    for block in re.split(r"\n\s*\n", text):
        lines = block.strip().split("\n")
        place = next((i for i, line in enumerate(lines) if CUE.search(line)), None)
        if place is None:
            continue
        start, end = (_seconds(each) for each in CUE.search(lines[place]).groups())
        labels = [plain(line).strip() for line in lines[place + 1 :]]
        for line in [label for label in labels if label] or [""]:
            label, score = SCORE.match(line).groups() if SCORE.match(line) else (line, None)
            found.add(video, start, end, label, None if score is None else float(score))
    return found


def write_srt(content: Timelines) -> str:
    """Return SubRip text of one video."""
    return "\n".join(
        f"{number}\n{cue_time(each.start, ',')} --> {cue_time(each.end, ',')}\n{_cue_text(each)}\n"
        for number, each in enumerate(_own(content), 1)
    )


def write_vtt(content: Timelines) -> str:
    """Return WebVTT text of one video."""
    cues = [
        f"{cue_time(each.start, '.')} --> {cue_time(each.end, '.')}\n{_escape(_cue_text(each))}\n"
        for each in _own(content)
    ]
    return "\n".join(["WEBVTT\n", *cues])


def _own(content: Timelines) -> list:
    (own,) = content.by_video().values()
    return own


def _cue_text(each) -> str:
    return each.label if each.score is None else f"{each.label} (score {each.score + 0.0:.3f})"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _seconds(clock: str) -> float:
    total = 0.0
    for part in clock.replace(",", ".").split(":"):
        total = 60 * total + float(part)
    return round(total, 3)


def cue_time(seconds: float, point: str) -> str:
    """Return seconds as hh:mm:ss.ttt, with `point` before the milliseconds."""
    whole, rest = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}{point}{rest:03d}"


# Audacity: a label track, tab-separated seconds.


def read_audacity(text: str, source: str, video: str) -> Timelines:
    """Read a label track; lines that begin with a backslash hold frequencies."""
    found = Timelines(videos={video: None})
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("\\"):
            continue
        try:
            start, end, label = line.split("\t", 2)
            found.add(video, float(start), float(end), label.strip())
        except ValueError as error:
            raise WstalError(
                f"{source}, line {number}: {line!r} is not start, end, label"
            ) from error
    return found


def write_audacity(content: Timelines) -> str:
    """Return the label track of one video."""
    return "".join(f"{s.start:.6f}\t{s.end:.6f}\t{s.label}\n" for s in _own(content))


# EDL: timeline markers as DaVinci Resolve exports and imports them.

EVENT = re.compile(r"^\d+\s+\S+\s+V\s+C\s+(?:[\d:;]+\s+){2}(\d+):(\d+):(\d+)([:;])(\d+)")
MARKER = re.compile(r"\|M:(.*?)\s*\|D:(\d+)")
HOUR = 3600  # s; where editors' timelines begin by default
BROADCAST = 10  # h; where those of broadcasters begin


def read_edl(text: str, source: str, video: str, media: Media) -> Timelines:
    """Read markers with a duration, at the video's rate.

    Editors begin a timeline at 01:00:00:00, broadcasters at 10:00:00:00: one whose markers all lie
    behind one of these begins there.
    """
    found, markers = Timelines(videos={video: None}, media=media), []
    drop = "FCM: DROP FRAME" in text
    at = None
    for line in text.split("\n"):
        if event := EVENT.match(line.strip()):
            hours, minutes, seconds, mark, frames = event.groups()
            clock = [int(each) for each in (hours, minutes, seconds, frames)]
            drop |= mark == ";"
            at = _frame_number(*clock, round(found.rate(video)), drop)
        elif (marker := MARKER.search(line)) and at is not None:
            markers.append((at, int(marker[2]), marker[1]))
    if not markers:
        found.notes.append(f"{source}: it has no markers (lines with |M: and |D:)")
        return found
    first = min(markers)[0] / (HOUR * round(found.rate(video)))
    hours = next((hours for hours in (BROADCAST, 1) if first >= hours), 0)
    begin = _frame_number(hours, 0, 0, 0, round(found.rate(video)), drop)
    for first, frames, label in markers:
        start, end = first - begin, first - begin + frames
        found.add(video, start / found.rate(video), end / found.rate(video), label)
    return found


def _frame_number(
    hours: int, minutes: int, seconds: int, frames: int, base: int, drop: bool
) -> int:
    """The frame of a timecode. Drop-frame leaves out 2 of 30 numbers in 9 of 10 minutes."""
    minutes += 60 * hours
    dropped = base // 15 * (minutes - minutes // 10) if drop else 0
    return (60 * minutes + seconds) * base + frames - dropped


def write_edl(content: Timelines) -> str:
    """Return the markers of one video, for a timeline that begins at 01:00:00:00."""
    ((video, own),) = content.by_video().items()
    base = round(content.rate(video))
    lines = [f"TITLE: {video}", "FCM: NON-DROP FRAME", ""]
    for number, each in enumerate(own, 1):
        first = round(each.start * content.rate(video))
        frames = max(round(each.end * content.rate(video)) - first, 1)
        start, end = (_timecode(HOUR * base + frame, base) for frame in (first, first + 1))
        lines += [
            f"{number:03d}  001      V     C        {start} {end} {start} {end}  ",
            f" |C:ResolveColorBlue |M:{each.label} |D:{frames}",
            "",
        ]
    return "\n".join(lines)


def _timecode(frames: int, base: int) -> str:
    seconds, rest = divmod(frames, base)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{rest:02d}"


# Chapters of a video's description: starts alone, whole seconds, the first at 0:00.

CHAPTER = re.compile(
    r"^\s*[\[(]?((?:\d+:)?\d{1,2}:\d{2})[\])]?(?:\s*[-–—|:]\s*|\s+)(\S.*?)\s*$"  # 1:05 - wave
)
NOTHING = "(no action)"
FEWEST, SHORTEST = 3, 10  # chapters and seconds, below which YouTube shows none


def read_chapters(text: str, source: str, video: str) -> Timelines:
    """Read chapters; each ends where the next begins, the last is noted as it has no end.

    Raises WstalError for a text without any.
    """
    found = Timelines(videos={video: None})
    rows = [match.groups() for match in map(CHAPTER.match, text.split("\n")) if match]
    if not rows:
        raise WstalError(f"{source} has no chapters; expected lines such as '1:05 wave'")
    starts = [_seconds(clock) for clock, _ in rows]
    for (_, label), start, end in zip(rows, starts, [*starts[1:], None], strict=True):
        if label == NOTHING:
            continue
        if end is None:
            found.notes.append(f"{video}: the last chapter, {label!r} at {start:g} s, has no end")
        else:
            found.add(video, start, end, label)
    return found


def write_chapters(content: Timelines) -> str:
    """Return chapters of one video; of overlapping segments the later one cuts the earlier."""
    marks = _marks(_own(content))
    return "".join(
        f"{at // 3600}:{at // 60 % 60:02d}:{at % 60:02d} {label}\n" for at, label in marks.items()
    )


def chapter_remarks(content: Timelines) -> list[str]:
    """Return why YouTube would not show the chapters of a video."""
    marks = list(_marks(_own(content)))
    short = any(end - start < SHORTEST for start, end in zip(marks, marks[1:], strict=False))
    if len(marks) >= FEWEST and not short:
        return []
    return [f"YouTube shows chapters only if {FEWEST} or more have {SHORTEST} s or more each"]


def _marks(segments: list) -> dict[int, str]:
    """What begins at which second, in order: one entry a second, the first at 0."""
    spans = [(round(each.start), round(each.end), each.label) for each in segments]
    spans = [(start, end, label) for start, end, label in spans if end > start]
    begins = {start: label for start, _, label in spans}
    following = [start for start, _, _ in spans[1:]] + [math.inf]
    ends = {
        end: NOTHING for (_, end, _), start in zip(spans, following, strict=True) if end < start
    }
    return dict(sorted(({0: NOTHING} | ends | begins).items()))
