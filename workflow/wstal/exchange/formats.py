"""The formats, and which one a file has."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from wstal.base.array_store import safe_name
from wstal.base.errors import WstalError
from wstal.base.files import write_text
from wstal.base.text_files import read_json, read_text
from wstal.datasets.folder import video_id
from wstal.exchange import json_formats as of_json
from wstal.exchange import text_formats as of_text
from wstal.exchange import xml_formats as of_xml
from wstal.exchange.timelines import Rates, Timelines, join


@dataclass(frozen=True)
class Format:
    """A format: its files' suffix, who writes it, and how it is read and written.

    `read` takes the path, the id of the video (for a file that names none) and the frame rates of
    videos. `write` returns text. `single`: a file is about one video. `keys` are members by which
    a JSON file is recognised.
    """

    name: str
    suffix: str
    about: str
    read: Callable[[Path, str, Rates], Timelines]
    write: Callable[[Timelines], str]
    single: bool = False
    keys: tuple[str, ...] = ()


def _json(reader: Callable[..., Timelines], rated: bool = False) -> Callable[..., Timelines]:
    def read(path: Path, video: str, rates: Rates) -> Timelines:
        return reader(read_json(path), str(path), *([rates] if rated else []))

    return read


def _text(reader: Callable[..., Timelines], *given: str) -> Callable[..., Timelines]:
    def read(path: Path, video: str, rates: Rates) -> Timelines:
        values = {"video": video, "rates": rates}
        return reader(read_text(path), str(path), *(values[name] for name in given))

    return read


def _dump(writer: Callable[[Timelines], Any]) -> Callable[[Timelines], str]:
    return lambda content: json.dumps(writer(content), indent=1, ensure_ascii=False) + "\n"


FORMATS = (
    Format(
        "csv",
        ".csv",
        "segments.csv: video,t_start,t_end,label[,score]",
        lambda path, video, rates: of_text.read_csv(str(path)),
        of_text.write_csv_text,
    ),
    Format(
        "activitynet",
        ".json",
        "ActivityNet's JSON: ground truth, or detections",
        _json(of_json.read_activitynet),
        _dump(of_json.write_activitynet),
        keys=("database", "results"),
    ),
    Format(
        "label-studio",
        ".json",
        "Label Studio: tasks with TimelineLabels",
        _json(of_json.read_label_studio, rated=True),
        _dump(of_json.write_label_studio),
    ),
    Format(
        "via",
        ".json",
        "VGG VIA 3: temporal segments",
        _json(of_json.read_via),
        _dump(of_json.write_via),
        keys=("attribute", "metadata"),
    ),
    Format(
        "fiftyone",
        ".json",
        "FiftyOne: labels.json of temporal detections",
        _json(of_json.read_fiftyone, rated=True),
        _dump(of_json.write_fiftyone),
        keys=("labels",),
    ),
    Format(
        "boris",
        ".boris",
        "BORIS: state events of a project",
        _json(of_json.read_boris),
        _dump(of_json.write_boris),
        keys=("observations",),
    ),
    Format(
        "cvat",
        ".xml",
        "CVAT for video 1.1: tracks",
        _text(of_xml.read_cvat, "rates"),
        of_xml.write_cvat,
        single=True,
    ),
    Format(
        "elan",
        ".eaf",
        "ELAN: annotations on tiers",
        _text(of_xml.read_elan),
        of_xml.write_elan,
        single=True,
    ),
    Format(
        "srt",
        ".srt",
        "SubRip subtitles",
        _text(of_text.read_subtitles, "video"),
        of_text.write_srt,
        single=True,
    ),
    Format(
        "webvtt",
        ".vtt",
        "WebVTT subtitles",
        _text(of_text.read_subtitles, "video"),
        of_text.write_vtt,
        single=True,
    ),
    Format(
        "audacity",
        ".txt",
        "Audacity label track",
        _text(of_text.read_audacity, "video"),
        of_text.write_audacity,
        single=True,
    ),
    Format(
        "edl",
        ".edl",
        "DaVinci Resolve timeline markers",
        _text(of_text.read_edl, "video", "rates"),
        of_text.write_edl,
        single=True,
    ),
    Format(
        "chapters",
        ".txt",
        "YouTube chapters: whole seconds, no overlap",
        _text(of_text.read_chapters, "video"),
        of_text.write_chapters,
        single=True,
    ),
)


def format_named(name: str) -> Format:
    """Return a format by name; raise WstalError with the nearest and all names."""
    known = {each.name: each for each in FORMATS}
    if name not in known:
        near = get_close_matches(name, known, 1)
        hint = f"nearest: {near[0]}; " if near else ""
        raise WstalError(f"format {name!r} is not known; {hint}formats: {', '.join(known)}")
    return known[name]


def guess_input(path: Path) -> Format:
    """Return the format of a file, by its suffix and content.

    Raises WstalError that names the file and the option to use.
    """
    fitting = [each for each in FORMATS if each.suffix == path.suffix.lower()]
    if len(fitting) == 1 or path.suffix.lower() == ".boris":
        return fitting[0]
    if path.suffix.lower() == ".json":
        content = read_json(path)
        if isinstance(content, list):
            return format_named("label-studio")
        for each in FORMATS:
            if isinstance(content, dict) and any(key in content for key in each.keys):
                return each
    if path.suffix.lower() == ".txt":
        lines = [line for line in read_text(path).split("\n") if line.strip()]
        tabs = lines and all(line.count("\t") >= 2 or line.startswith("\\") for line in lines)
        return format_named("audacity" if tabs else "chapters")
    if path.suffix.lower() == ".tsv":
        return format_named("csv")
    names = ", ".join(each.name for each in FORMATS)
    raise WstalError(f"{path}: its format is not clear; name it with --from ({names})")


def guess_output(path: Path) -> Format:
    """Return the format to write, by a format's name within the file's, or by the suffix."""
    words = re.sub(r"[^a-z0-9]+", "-", path.name.lower())
    named = [each for each in FORMATS if each.name in words and each.suffix == path.suffix.lower()]
    fitting = named or [each for each in FORMATS if each.suffix == path.suffix.lower()]
    if not fitting:
        names = ", ".join(each.name for each in FORMATS)
        raise WstalError(f"{path}: its format is not clear; name it with --to ({names})")
    return fitting[0]


def read_files(paths: list[Path], given: Format | None, rates: Rates) -> Timelines:
    """Return the content of files of the format `given`, or of the one that each seems to have."""
    return join(
        (given or guess_input(path)).read(path, video_id(unquote(path.stem)), rates)
        for path in paths
    )


def write_files(content: Timelines, path: Path, chosen: Format) -> list[Path]:
    """Write a file, or for formats of one video a file per video into the folder `path`.

    Returns the files. Raises WstalError for several videos that would be one file.
    """
    if not chosen.single:
        write_text(path, chosen.write(content))
        return [path]
    if path.suffix == chosen.suffix:
        if len(content.videos) != 1:
            raise WstalError(
                f"{path}: a file of format {chosen.name} is about one video and there are "
                f"{len(content.videos)}; name a folder, and the format with --to {chosen.name}"
            )
        write_text(path, chosen.write(content))
        return [path]
    written = []
    for part in content.parts():
        target = path / f"{safe_name(*part.videos)}{chosen.suffix}"
        write_text(target, chosen.write(part))
        written.append(target)
    return written
