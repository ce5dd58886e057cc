"""Label Studio: tasks with regions of the tag TimelineLabels, whose frames count from 1."""

from __future__ import annotations

import re
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from wstal.base.errors import WstalError
from wstal.base.text_files import read_seconds
from wstal.exchange.json_formats import Json, members, need
from wstal.exchange.timelines import Media, Timelines, video_name
from wstal.exchange.xml_formats import to_fragment

UPLOADED = re.compile(r"^[0-9a-f]{8}-")  # what the tool puts before the name of an uploaded file
SEGMENTS_TAG, VIDEO_TAG, LABELS_TAG = "timelineLabels", "video", "labels"
RATE = "fps"  # of a task's data: how many frames of the timeline are a second


def read_label_studio(content: Json, source: str, media: Media) -> Timelines:
    """Read tasks as the tool exports them (JSON).

    Regions of TimelineLabels count frames at the rate of the project's tag Video, not at the
    video's own: `media.fps`, or the task's `fps`. Those of Labels on sound are in seconds. Labels
    of whole videos are choices.
    """
    found = Timelines(media=media)
    for number, task in enumerate(need(content, list, source)):
        where = f"{source}, task {task.get('id', number) if isinstance(task, dict) else number}"
        data = members(task, "data", dict, where)
        address = next((v for k, v in data.items() if k in ("video", "audio", "url")), None)
        address = address or next((v for v in data.values() if isinstance(v, str)), "")
        name = str(address)
        video = video_name(name.removeprefix(media.prefix))
        video = UPLOADED.sub("", video) if "upload" in name else video
        found.videos[video] = None
        if data.get(RATE) is not None:
            found.fps[video] = read_seconds(data[RATE], f"{where}: data: {RATE}")
        done = [a for a in members(task, "annotations", list, where) if not a.get("was_cancelled")]
        if done and not any(members(group, "result", list, where) for group in done):
            found.empty[video] = None
        for group in done or members(task, "predictions", list, where):
            for result in members(group, "result", list, where):
                _add_result(found, video, result, group, where)
    return found


def _add_result(found: Timelines, video: str, result: Json, group: Json, where: str) -> None:
    value = members(result, "value", dict, where)
    score = result.get("score", group.get("score"))  # of a region, or of the whole prediction
    kind = result.get("type")
    if kind == "timelinelabels":
        rate = found.media.fps or found.fps.get(video)
        if not rate:
            raise WstalError(
                f"{where}: Label Studio counts frames at the frameRate of the project's <Video> "
                f"tag (24 unless set), and the data has no {RATE!r}; give --fps with that rate"
            )
        for span in members(value, "ranges", list, where):
            ends = (need(span, dict, f"{where}: ranges").get(name) for name in ("start", "end"))
            first, last = (read_seconds(frame, f"{where}: a frame of ranges") for frame in ends)
            for label in members(value, "timelinelabels", list, where):
                found.add(video, (first - 1) / rate, last / rate, label, score)
    elif kind == "labels" and "start" in value:
        for label in members(value, "labels", list, where):
            found.add(video, float(value["start"]), float(value["end"]), label, score)
    elif kind == "choices":
        names = found.labels.setdefault(video, [])
        names += [name for name in members(value, "choices", list, where) if name not in names]
    else:
        found.notes.append(f"{video}: a region of the kind {kind!r}")


def write_label_studio(content: Timelines) -> Json:
    """Return tasks; segments with scores become predictions, which a person corrects."""
    tasks = []
    for number, (video, own) in enumerate(content.by_video().items(), 1):
        rate = content.rate(video) if own else content.known_rate(video)
        results = {True: [], False: []}  # by whether they are predictions
        for place, each in enumerate(own):
            first = round(each.start * rate) + 1
            span = {"start": first, "end": max(round(each.end * rate), first)}
            value = {"ranges": [span], "timelinelabels": [each.label]}
            result = _region(f"{number}_{place}", SEGMENTS_TAG, "timelinelabels", value)
            if each.score is not None:
                result["score"] = each.score
            results[each.score is not None].append(result)
        if content.labels.get(video):
            value = {"choices": content.labels[video]}
            results[False].append(_region(f"{number}_labels", LABELS_TAG, "choices", value))
        address = content.media.prefix + content.file(video)
        data = {"video": address} | ({RATE: rate} if rate else {})
        task: dict[str, Any] = {"id": number, "data": data}
        if results[False] or video in content.empty:
            task["annotations"] = [{"result": results[False]}]
        if results[True]:
            task["predictions"] = [{"model_version": "wstal", "result": results[True]}]
        tasks.append(task)
    return tasks


def _region(key: str, tag: str, kind: str, value: Json) -> dict[str, Any]:
    return {"id": key, "from_name": tag, "to_name": VIDEO_TAG, "type": kind, "value": value}


def label_studio_interface(content: Timelines) -> str:
    """Return the labeling interface of a project that takes the tasks."""
    view = Element("View")
    video = {"name": VIDEO_TAG, "value": "$video", "frameRate": f"${RATE}", "timelineHeight": "120"}
    segments = SubElement(view, "TimelineLabels", name=SEGMENTS_TAG, toName=VIDEO_TAG)
    SubElement(view, "Video", video)
    classes = content.classes()
    for name in classes:
        SubElement(segments, "Label", value=name)
    if content.labels:
        choices = {"name": LABELS_TAG, "toName": VIDEO_TAG, "choice": "multiple"}
        labels = SubElement(view, "Choices", choices)
        for name in classes:
            SubElement(labels, "Choice", value=name)
    return to_fragment(view)
