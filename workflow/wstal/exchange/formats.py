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
from wstal.exchange import label_studio
from wstal.exchange import text_formats as of_text
from wstal.exchange import xml_formats as of_xml
from wstal.exchange.timelines import Media, Timelines, join


@dataclass(frozen=True)
class Format:
    """A format: its files' suffix, who writes it, and how it is read and written.

    `read` takes the path, the id of the video (for a file that names none) and what is known of the
    videos. `write` returns text. `single`: a file is about one video. `keys` are members by which a
    JSON file is recognised. `setup` is what the tool needs before it takes the file, `remarks` say
    why it would not show it.
    """

    name: str
    suffix: str
    about: str
    read: Callable[[Path, str, Media], Timelines]
    write: Callable[[Timelines], str]
    single: bool = False
    keys: tuple[str, ...] = ()
    setup: Setup | None = None
    remarks: Callable[[Timelines], list[str]] = lambda content: []


@dataclass(frozen=True)
class Setup:
    """A file to paste into a tool: how its name ends, what writes it, and where it belongs."""

    suffix: str
    write: Callable[[Timelines], str]
    place: str

    def path(self, output: Path) -> Path:
        """Return the file's path: in the folder `output`, or beside the file."""
        name = self.suffix if output.suffix else self.suffix.removeprefix("_")
        return output.with_name(output.stem + name) if output.suffix else output / name


def _json(reader: Callable[..., Timelines], *given: str) -> Callable[..., Timelines]:
    def read(path: Path, video: str, media: Media) -> Timelines:
        values = {"media": media}
        return reader(read_json(path), str(path), *(values[name] for name in given))

    return read


def _text(reader: Callable[..., Timelines], *given: str) -> Callable[..., Timelines]:
    def read(path: Path, video: str, media: Media) -> Timelines:
        values = {"video": video, "media": media}
        return reader(read_text(path), str(path), *(values[name] for name in given))

    return read


def _dump(writer: Callable[[Timelines], Any]) -> Callable[[Timelines], str]:
    return lambda content: json.dumps(writer(content), indent=1, ensure_ascii=False) + "\n"


FORMATS = (
    Format(
        "csv",
        ".csv",
        "segments.csv: video,t_start,t_end,label[,score]",
        lambda path, video, media: of_text.read_csv(str(path)),
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
        _json(label_studio.read_label_studio, "media"),
        _dump(label_studio.write_label_studio),
        setup=Setup(
            "_interface.xml",
            label_studio.label_studio_interface,
            "Settings > Labeling Interface > Code of the project",
        ),
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
        _json(of_json.read_fiftyone, "media"),
        _dump(of_json.write_fiftyone),
        keys=("labels",),
    ),
    Format(
        "boris",
        ".boris",
        "BORIS: state events of a project",
        _json(of_json.read_boris),
        lambda content: json.dumps(of_json.write_boris(content), indent=1) + "\n",
        keys=("observations",),
    ),
    Format(
        "cvat",
        ".xml",
        "CVAT for video 1.1: tracks",
        _text(of_xml.read_cvat, "video", "media"),
        of_xml.write_cvat,
        single=True,
        setup=Setup("_labels.json", of_xml.cvat_labels, "Labels > Raw of the task or project"),
    ),
    Format(
        "elan",
        ".eaf",
        "ELAN: annotations on tiers",
        _text(of_xml.read_elan, "video"),
        of_xml.write_elan,
        single=True,
    ),
    Format(
        "srt",
        ".srt",
        "SubRip subtitles",
        _text(of_text.read_srt, "video"),
        of_text.write_srt,
        single=True,
    ),
    Format(
        "webvtt",
        ".vtt",
        "WebVTT subtitles",
        _text(of_text.read_vtt, "video"),
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
        _text(of_text.read_edl, "video", "media"),
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
        remarks=of_text.chapter_remarks,
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
    if path.suffix.lower() in (".zip", ".gz"):
        raise WstalError(f"{path} is an archive; unpack it and name the file in it")
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


def read_files(
    paths: list[Path], given: Format | None = None, media: Media | None = None
) -> Timelines:
    """Return the content of files of the format `given`, or of the one that each seems to have."""
    media = media or Media()
    parts = [
        (given or guess_input(path)).read(path, video_id(unquote(path.stem)), media)
        for path in paths
    ]
    return join(parts, media)


def parts_by_file(content: Timelines, path: Path, chosen: Format) -> dict[Path, Timelines]:
    """Return what goes into which file: one, or for formats of one video one per video in `path`.

    Raises WstalError for several videos that would be one file.
    """
    if not chosen.single:
        return {path: content}
    if path.suffix != chosen.suffix:
        parts = {safe_name(*part.videos): part for part in content.parts()}
        return {path / f"{name}{chosen.suffix}": part for name, part in parts.items()}
    if len(content.videos) != 1:
        raise WstalError(
            f"{path}: a file of format {chosen.name} is about one video and there are "
            f"{len(content.videos)}; name a folder, and the format with --to {chosen.name}"
        )
    return {path: content}


def write_files(content: Timelines, path: Path, chosen: Format) -> list[Path]:
    """Write the files of `parts_by_file` and return them."""
    parts = parts_by_file(content, path, chosen)
    for target, part in parts.items():
        write_text(target, chosen.write(part))
    return list(parts)
