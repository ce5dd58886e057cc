"""XML of annotation tools: CVAT's tracks and ELAN's tiers; each file is about one video."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from wstal.base.errors import WstalError
from wstal.exchange.timelines import Rates, Segment, Timelines, video_name


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
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'


# CVAT for video 1.1: a segment is a track, a box over the picture while it lasts.


def read_cvat(text: str, source: str, rates: Rates) -> Timelines:
    """Read the tracks of a task; frames count from 0 at the video's rate."""
    root, found = parse_xml(text, source, "annotations"), Timelines()
    name = root.findtext("meta/task/source") or root.findtext("meta/task/name") or source
    video = video_name(name)
    found.videos[video] = None
    found.ask_rate(video, rates)
    for track in root.iter("track"):
        shown = {}
        for shape in track:
            try:
                shown[int(shape.get("frame", ""))] = shape.get("outside") != "1"
            except ValueError as error:
                raise WstalError(
                    f"{source}, track {track.get('id')}: frame is {shape.get('frame')!r}; expected "
                    "a number"
                ) from error
        for first, end in _runs(shown):
            found.add(
                video, first / found.rate(video), end / found.rate(video), track.get("label", "")
            )
    for image in root.iter("image"):
        found.notes.append(f"{image.get('name')}: labels of single pictures")
    return found


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


def write_cvat(content: Timelines) -> str:
    """Return the annotations of one video, a track per segment."""
    ((video, own),) = content.by_video().items()
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    task = SubElement(SubElement(root, "meta"), "task")
    SubElement(task, "name").text = video
    SubElement(task, "mode").text = "interpolation"
    labels = SubElement(task, "labels")
    for name in content.classes():
        label = SubElement(labels, "label")
        SubElement(label, "name").text = name
        SubElement(label, "attributes")
    SubElement(task, "source").text = content.file(video)
    box = {
        "occluded": "0",
        "keyframe": "1",
        "xtl": "0.00",
        "ytl": "0.00",
        "xbr": "32.00",
        "ybr": "32.00",
    }
    for number, each in enumerate(own):
        first = round(each.start * content.rate(video))
        end = max(round(each.end * content.rate(video)), first + 1)
        kind = "auto" if each.score is not None else "manual"
        track = SubElement(root, "track", id=str(number), label=each.label, source=kind)
        for frame, outside in ((first, "0"), (end, "1")):
            SubElement(
                track, "box", {"frame": str(frame), "outside": outside, **box, "z_order": "0"}
            )
    return to_text(root)


# ELAN: annotations on tiers, in milliseconds.

SCHEMA = "{http://www.w3.org/2001/XMLSchema-instance}noNamespaceSchemaLocation"


def read_elan(text: str, source: str) -> Timelines:
    """Read the annotations of all tiers; one without a value takes its tier's name as label."""
    root, found = parse_xml(text, source, "ANNOTATION_DOCUMENT"), Timelines()
    media = root.find("HEADER/MEDIA_DESCRIPTOR")
    address = "" if media is None else media.get("RELATIVE_MEDIA_URL") or media.get("MEDIA_URL", "")
    video = video_name(address or source.removesuffix(".eaf"))
    found.videos[video] = None
    times = {
        slot.get("TIME_SLOT_ID"): int(slot.get("TIME_VALUE")) / 1000
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
