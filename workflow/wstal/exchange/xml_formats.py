"""XML of annotation tools: CVAT's tracks and ELAN's tiers; each file is about one video."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from wstal.base.errors import WstalError
from wstal.exchange.timelines import Media, Segment, Timelines, video_name


def parse_xml(text: str, source: str, root: str) -> Element:
    """Return the root element, which must be `root`.

    Raises WstalError for text that is not XML, and for one that defines entities: a few lines of
    them can expand to gigabytes.
    """
    if re.search(r"<!(DOCTYPE|ENTITY)", text):
        raise WstalError(f"{source}: it has a document type definition; remove the <!DOCTYPE ...>")
    try:
        found = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise WstalError(f"{source} is not XML ({error}); export it again") from error
    if found.tag != root:
        raise WstalError(f"{source}: its root is <{found.tag}>; expected <{root}>")
    return found


def to_text(root: Element) -> str:
    """Return an indented document."""
    return f'<?xml version="1.0" encoding="utf-8"?>\n{to_fragment(root)}'


def to_fragment(root: Element) -> str:
    """Return the same to paste: without the declaration, an error in the middle of a text."""
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


# CVAT for video 1.1: a segment is a track, a box over the picture while it lasts.


class _Task(NamedTuple):
    video: str
    offset: int = 0  # of its frames' numbers


def read_cvat(text: str, source: str, video: str, media: Media) -> Timelines:
    """Read the tracks of a task, a job or a project; frames count from 0 at the video's rate.

    Raises WstalError for a job in `annotations.xml`: jobs do not name their video.
    """
    root, found = parse_xml(text, source, "annotations"), Timelines(media=media)
    tasks = _tasks(root, source, video)
    found.videos |= dict.fromkeys(task.video for task in tasks.values())
    for track in root.iter("track"):
        where = f"{source}, track {track.get('id')}"
        if (task := tasks.get(track.get("task_id"))) is None:
            raise WstalError(f"{where}: task {track.get('task_id')!r} is not listed under <meta>")
        shown = {}
        for shape in track:
            frame = _number(shape.get("frame"), f"{where}: frame") - task.offset
            shown[frame] = shape.get("outside") != "1"
        rate = found.rate(task.video)
        for first, end in _runs(shown):
            found.add(task.video, first / rate, end / rate, track.get("label", ""))
    for image in root.iter("image"):
        found.notes.append(f"{image.get('name')}: labels of single pictures")
    return found


def _tasks(root: Element, source: str, video: str) -> dict[str | None, _Task]:
    """The tasks by the id that tracks name; None of a file of one task.

    In a project the frames of a task are numbered behind those of the tasks before it in its
    subset, as CVAT's exporter does (cvat/apps/dataset_manager/bindings.py, ProjectData).
    """
    if root.find("meta/job") is not None:
        if video == "annotations":
            raise WstalError(
                f"{source} is the export of a job, which does not name its video; rename it to the "
                "video's name with .xml, or export the task"
            )
        return {None: _Task(video)}
    tasks: dict[str | None, _Task] = {}
    offsets: dict[str | None, int] = {}
    for task in root.findall("meta/project/tasks/task"):
        key, subset = task.findtext("id"), task.findtext("subset")
        before = offsets.get(subset, 0)
        tasks[key] = _Task(_video_of(task, video), before)
        counts = {
            name: _number(task.findtext(name), f"{source}, task {key}: {name}")
            for name in ("size", "start_frame")
        }
        step = re.search(r"step=(\d+)", task.findtext("frame_filter") or "step=1")
        step = int(step[1]) if step else 1
        offsets[subset] = before + counts["start_frame"] + step * counts["size"]
    own = root.find("meta/task")
    return tasks or {None: _Task(video if own is None else _video_of(own, video))}


def _video_of(task: Element, video: str) -> str:
    return video_name(task.findtext("source") or task.findtext("name") or video)


def _number(text: str | None, where: str) -> int:
    try:
        return int(text or "")
    except ValueError as error:
        raise WstalError(f"{where} is {text!r}; expected a number") from error


def _runs(shown: dict[int, bool]) -> Iterator[tuple[int, int]]:
    """First frame and first frame behind of each stretch in which the object is shown."""
    first = None
    for frame in sorted(shown):
        if shown[frame] and first is None:
            first = frame
        elif not shown[frame] and first is not None:
            yield first, frame
            first = None
    if first is not None:
        yield first, max(shown) + 1


BOX = {"occluded": "0", "keyframe": "1", "xtl": "0.00", "ytl": "0.00", "xbr": "32.00"}
BOX |= {"ybr": "32.00", "z_order": "0"}


def write_cvat(content: Timelines) -> str:
    """Return the annotations of one video, a track per segment.

    CVAT refuses a file with a frame that the video does not have, so that a segment which reaches
    the end of the video has no box behind it.
    """
    ((video, own),) = content.by_video().items()
    rate, size = content.rate(video), content.frames(video)
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    task = SubElement(SubElement(root, "meta"), "task")
    SubElement(task, "name").text = video
    if size is not None:
        SubElement(task, "size").text = str(size)
    SubElement(task, "mode").text = "interpolation"
    labels = SubElement(task, "labels")
    for name in content.classes():
        label = SubElement(labels, "label")
        SubElement(label, "name").text = name
        SubElement(label, "attributes")
    clip = content.media.clip(video)
    if clip and clip.picture:
        picture = SubElement(task, "original_size")
        for name, length in zip(("width", "height"), clip.picture, strict=True):
            SubElement(picture, name).text = str(length)
    SubElement(task, "source").text = content.file(video)
    for number, each in enumerate(own):
        first = round(each.start * rate)
        end = max(round(each.end * rate), first + 1)
        if size is not None and first >= size:
            continue
        shapes = [(first, "0"), (end, "1")]
        if size is not None and end >= size:
            shapes = [(first, "0"), (size - 1, "0")][: size - first]
        kind = "auto" if each.score is not None else "manual"
        track = SubElement(root, "track", id=str(number), label=each.label, source=kind)
        for frame, outside in shapes:
            SubElement(track, "box", {"frame": str(frame), "outside": outside} | BOX)
    return to_text(root)


def cvat_labels(content: Timelines) -> str:
    """Return the labels of a task that takes the annotations, for CVAT's raw constructor."""
    labels = [{"name": name, "attributes": []} for name in content.classes()]
    return json.dumps(labels, indent=1, ensure_ascii=False) + "\n"


# ELAN: annotations on tiers, in milliseconds.

SCHEMA = "{http://www.w3.org/2001/XMLSchema-instance}noNamespaceSchemaLocation"


def read_elan(text: str, source: str, video: str) -> Timelines:
    """Read the annotations of all tiers; one without a value takes its tier's name as label.

    Times count from the TIME_ORIGIN of the video, which a person sets to align recordings.
    """
    root, found = parse_xml(text, source, "ANNOTATION_DOCUMENT"), Timelines()
    listed = root.findall("HEADER/MEDIA_DESCRIPTOR")
    pictures = [each for each in listed if each.get("MIME_TYPE", "").startswith("video/")]
    origin = 0.0
    if (media := next(iter(pictures or listed), None)) is not None:
        video = video_name(media.get("RELATIVE_MEDIA_URL") or media.get("MEDIA_URL") or video)
        origin = _number(media.get("TIME_ORIGIN", "0"), f"{source}: TIME_ORIGIN") / 1000
    found.videos[video] = None
    times = {
        slot.get("TIME_SLOT_ID"): int(slot.get("TIME_VALUE")) / 1000 + origin
        for slot in root.iter("TIME_SLOT")
        if slot.get("TIME_VALUE")
    }
    for tier in root.iter("TIER"):
        name = tier.get("TIER_ID", "")
        for each in tier.iter("ALIGNABLE_ANNOTATION"):
            label = (each.findtext("ANNOTATION_VALUE") or "").strip() or name
            start, end = (
                times.get(each.get("TIME_SLOT_REF1")),
                times.get(each.get("TIME_SLOT_REF2")),
            )
            if start is None or end is None:
                found.notes.append(f"{video}: {label!r} on tier {name} has no times")
            else:
                found.add(video, start, end, label)
        if count := len(tier.findall("ANNOTATION/REF_ANNOTATION")):
            found.notes.append(f"{video}: tier {name} has {count} annotations that refer to others")
    return found


def write_elan(content: Timelines) -> str:
    """Return the document of one video: a tier per class, more for overlapping segments."""
    ((video, own),) = content.by_video().items()
    about = {"AUTHOR": "wstal", "DATE": "2000-01-01T00:00:00+00:00"}
    about |= {"FORMAT": "3.0", "VERSION": "3.0", SCHEMA: "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"}
    root = Element("ANNOTATION_DOCUMENT", about)
    header = SubElement(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    media = {"MEDIA_URL": f"file:///{content.file(video)}", "MIME_TYPE": "video/mp4"}
    SubElement(
        header, "MEDIA_DESCRIPTOR", media | {"RELATIVE_MEDIA_URL": f"./{content.file(video)}"}
    )
    order = SubElement(root, "TIME_ORDER")
    number = 0
    for name, segments in _lanes(own):
        tier = SubElement(root, "TIER", LINGUISTIC_TYPE_REF="actions", TIER_ID=name)
        for each in segments:
            number += 1
            slots = [f"ts{2 * number - 1}", f"ts{2 * number}"]
            for slot, time in zip(slots, (each.start, each.end), strict=True):
                value = str(round(time * 1000))
                SubElement(order, "TIME_SLOT", TIME_SLOT_ID=slot, TIME_VALUE=value)
            annotation = SubElement(SubElement(tier, "ANNOTATION"), "ALIGNABLE_ANNOTATION")
            annotation.attrib = {
                "ANNOTATION_ID": f"a{number}",
                "TIME_SLOT_REF1": slots[0],
                "TIME_SLOT_REF2": slots[1],
            }
            SubElement(annotation, "ANNOTATION_VALUE").text = each.label
    kind = {
        "GRAPHIC_REFERENCES": "false",
        "LINGUISTIC_TYPE_ID": "actions",
        "TIME_ALIGNABLE": "true",
    }
    SubElement(root, "LINGUISTIC_TYPE", kind)
    return to_text(root)


def _lanes(segments: list[Segment]) -> Iterator[tuple[str, list[Segment]]]:
    """The segments of each class in lists without overlap, with names for them."""
    lanes: dict[str, list[list[Segment]]] = {}
    for each in segments:
        own = lanes.setdefault(each.label, [])
        free = next((lane for lane in own if lane[-1].end <= each.start), None)
        if free is None:
            own.append([each])
        else:
            free.append(each)
    for label, own in lanes.items():
        for number, lane in enumerate(own, 1):
            yield label if number == 1 else f"{label} ({number})", lane
