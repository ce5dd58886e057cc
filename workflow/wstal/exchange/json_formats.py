"""JSON of annotation tools: ActivityNet's, VIA 3, FiftyOne and BORIS."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from wstal.base.errors import WstalError
from wstal.base.text_files import LONGEST, read_name, read_seconds, read_segment
from wstal.datasets.folder import SUBSET_WORDS, video_id
from wstal.exchange.timelines import Media, Segment, Timelines, video_name

Json = Any


def need(value: Any, kind: type, where: str) -> Any:
    """Return `value` if it is of `kind` (dict, list); raise WstalError that begins with `where`."""
    if isinstance(value, kind):
        return value
    words = {dict: "an object", list: "a list"}[kind]
    raise WstalError(f"{where} is {str(value)[:60]!r}; expected {words}")


def members(value: Any, key: str, kind: type, where: str) -> Any:
    """Return the member `key` of an object, an empty one if it is missing."""
    found = need(value, dict, where).get(key)
    return kind() if found is None else need(found, kind, f"{where}: {key}")


# ActivityNet's format: labels and segments under `database`, detections under `results`.


def read_activitynet(content: Json, source: str) -> Timelines:
    """Read a database, or the detections of any tool."""
    found = Timelines()
    if "results" in content and "database" not in content:
        for video, entries in members(content, "results", dict, source).items():
            found.videos[video_id(video)] = None
            for number, item in enumerate(need(entries, list, f"{source}, video {video}")):
                _add_item(found, video, item, f"{source}, video {video}: [{number}]")
        return found
    for name, entry in members(content, "database", dict, source).items():
        where, video = f"{source}, video {name}", video_id(name)
        found.videos[video] = None
        given = members(entry, "labels", list, where)
        labels = [read_name(each, f"{where}: labels") for each in given]
        for number, item in enumerate(members(entry, "annotations", list, where)):
            if need(item, dict, f"{where}: annotations[{number}]").get("segment") is None:
                labels.append(read_name(item.get("label"), f"{where}: [{number}]: label"))
            else:
                _add_item(found, video, item, f"{where}: annotations[{number}]")
        if entry.get("annotated") is True and not members(entry, "annotations", list, where):
            found.empty[video] = None
        if labels:
            found.labels[video] = sorted(set(labels))
        if entry.get("duration"):
            found.durations[video] = read_seconds(entry["duration"], f"{where}: duration")
        if (subset := str(entry.get("subset", "")).lower()) in SUBSET_WORDS:
            found.subsets[video] = SUBSET_WORDS[subset]
    return found


def _add_item(found: Timelines, video: str, item: Json, where: str) -> None:
    need(item, dict, where)
    start, end = read_segment(item.get("segment"), f"{where}: segment")
    score = item.get("score")
    label = read_name(item.get("label"), f"{where}: label")
    found.add(video_id(video), start, end, label, None if score is None else float(score))


def write_activitynet(content: Timelines) -> Json:
    """Return a database, or `results` if all segments have scores."""
    if content.segments and all(each.score is not None for each in content.segments):
        return {
            "version": "1",
            "results": {
                video: [
                    {"segment": [s.start, s.end], "label": s.label, "score": s.score} for s in own
                ]
                for video, own in content.by_video().items()
            },
        }
    words = {"train": "training", "val": "validation", "test": "testing"}
    database = {}
    for video, own in content.by_video().items():
        items = [{"segment": [s.start, s.end], "label": s.label} for s in own]
        entry: dict[str, Any] = {"subset": words.get(content.subsets.get(video, ""), "testing")}
        if video in content.durations:
            entry["duration"] = content.durations[video]
        if content.labels.get(video):
            entry["labels"] = content.labels[video]
        if video in content.empty:
            entry["annotated"] = True
        database[video] = entry | {"annotations": items}
    return {"version": "1", "database": database}


# VIA 3 (VGG): a project with files, views and temporal segments in seconds.

ANCHOR = "FILE1_Z2_XY0"  # the anchor of attributes of temporal segments
# VIA's numbers for options to tick, a drop-down list, a video, a local file.
CHECKBOX, SELECT, VIDEO, LOCAL = 2, 4, 4, 1


def read_via(content: Json, source: str) -> Timelines:
    """Read a project of VIA 3; the first attribute of temporal segments is the label.

    Several ticked options of it are several segments.
    """
    found = Timelines()
    files = members(content, "file", dict, source)
    views = members(content, "view", dict, source)
    names = {}
    for view, entry in views.items():
        listed = members(entry, "fid_list", list, f"{source}: view {view}")
        if len(listed) == 1 and str(listed[0]) in files:
            names[view] = video_name(str(files[str(listed[0])].get("fname", "")))
            found.videos[names[view]] = None
    attributes = {
        key: entry
        for key, entry in members(content, "attribute", dict, source).items()
        if entry.get("anchor_id") == ANCHOR
    }
    for key, entry in members(content, "metadata", dict, source).items():
        where = f"{source}: metadata {key}"
        times, values = members(entry, "z", list, where), members(entry, "av", dict, where)
        video = names.get(str(entry.get("vid")))
        if len(times) != 2 or video is None:
            found.notes.append(f"{key}: not a segment of one video")
            continue
        start, end = (read_seconds(each, f"{where}: z") for each in times)
        given = [name for name in attributes if str(values.get(name, "")).strip()]
        if not given:
            found.notes.append(f"{video}: a segment without a label at {start:g} s")
            continue
        first, *others = given
        for other in others:
            name = attributes[other].get("aname", other)
            found.notes.append(f"{video}: the attribute {name} at {start:g} s")
        options, text = attributes[first].get("options", {}), str(values[first])
        chosen = text.split(",") if attributes[first].get("type") == CHECKBOX else [text]
        for each in chosen:
            found.add(video, start, end, options.get(each, each))
    return found


def write_via(content: Timelines) -> Json:
    """Return a project of VIA 3 whose videos are local files."""
    views = {video: str(number) for number, video in enumerate(content.videos, 1)}
    options = {name: name for name in content.classes()}
    attribute = {
        "aname": "action",
        "anchor_id": ANCHOR,
        "type": SELECT,
        "desc": "",
        "options": options,
    }
    metadata = {}
    for video, own in content.by_video().items():
        view = views[video]
        for each in own:
            key = hashlib.sha256(repr(each).encode()).hexdigest()[:16]
            metadata[f"{view}_{key}"] = {
                "vid": view,
                "flg": 0,
                "z": [each.start, each.end],
                "xy": [],
                "av": {"1": each.label},
            }
    return {
        "project": {
            "pid": "__VIA_PROJECT_ID__",
            "rev": "__VIA_PROJECT_REV_ID__",
            "rev_timestamp": "__VIA_PROJECT_REV_TIMESTAMP__",
            "pname": "wstal",
            "creator": "VGG Image Annotator (http://www.robots.ox.ac.uk/~vgg/software/via)",
            "created": 0,
            "data_format_version": "3.1.1",
            "vid_list": list(views.values()),
        },
        "config": {
            "file": {"loc_prefix": {"1": "", "2": "", "3": "", "4": ""}},
            "ui": {
                "file_content_align": "center",
                "file_metadata_editor_visible": True,
                "spatial_metadata_editor_visible": False,
                "temporal_segment_metadata_editor_visible": True,
                "spatial_region_label_attribute_id": "",
                "gtimeline_visible_row_count": "4",
            },
        },
        "attribute": {"1": attribute | {"default_option_id": ""}},
        "file": {
            view: {
                "fid": view,
                "fname": content.file(video),
                "type": VIDEO,
                "loc": LOCAL,
                "src": "",
            }
            for video, view in views.items()
        },
        "metadata": metadata,
        "view": {view: {"fid_list": [view]} for view in views.values()},
    }


# FiftyOne: labels.json of a FiftyOneTemporalDetectionDataset.


def read_fiftyone(content: Json, source: str, media: Media) -> Timelines:
    """Read `labels`; `timestamps` are seconds, `support` counts frames from 1."""
    found = Timelines(media=media)
    classes = members(content, "classes", list, source)
    for name, entries in members(content, "labels", dict, source).items():
        video = video_name(name)
        found.videos[video] = None
        for number, entry in enumerate(entries or []):
            where = f"{source}, {name}[{number}]"
            label = need(entry, dict, where).get("label")
            if isinstance(label, int) and label < len(classes):
                label = classes[label]
            if "timestamps" in entry:
                start, end = _fiftyone_times(entry["timestamps"], f"{where}: timestamps")
            else:
                first, last = members(entry, "support", list, where) or (None, None)
                if first is None:
                    raise WstalError(f"{where} has neither timestamps nor support; export one")
                start, end = (first - 1) / found.rate(video), last / found.rate(video)
            found.add(
                video, start, end, read_name(label, f"{where}: label"), entry.get("confidence")
            )
    return found


def _fiftyone_times(value: Any, where: str) -> list[float]:
    """Start and end: seconds, or texts HH:MM:SS.XXX."""
    if len(need(value, list, where)) != 2:
        raise WstalError(f"{where} is {value!r}; expected two times: [start, end]")
    return [
        _clock(each, where) if isinstance(each, str) else read_seconds(each, where)
        for each in value
    ]


def _clock(text: str, where: str) -> float:
    seconds = 0.0
    for part in text.split(":"):
        seconds = 60 * seconds + read_seconds(part, where)
    return seconds


def write_fiftyone(content: Timelines) -> Json:
    """Return labels.json with timestamps."""
    classes = content.classes()
    return {
        "classes": classes,
        "labels": {
            video: [
                {"label": classes.index(s.label), "timestamps": [s.start, s.end]}
                | ({} if s.score is None else {"confidence": s.score})
                for s in own
            ]
            for video, own in content.by_video().items()
        },
    }


# BORIS: a project whose state events start and stop.

STATE, POINT = "State event", "Point event"
PLAYERS = 8


def read_boris(content: Json, source: str) -> Timelines:
    """Read the state events of a project (.boris); an observation of one media file is a video."""
    found = Timelines()
    kinds = {
        entry.get("code"): entry.get("type", "")
        for entry in members(content, "behaviors_conf", dict, source).values()
    }
    for name, entry in members(content, "observations", dict, source).items():
        where = f"{source}, observation {name}"
        players = members(entry, "file", dict, where)
        media = [path for paths in players.values() for path in paths]
        if len(media) > 1:
            found.notes.append(f"observation {name}: {len(media)} media files, one is expected")
            continue
        video = video_name(media[0]) if media else name
        found.videos[video] = None
        offset = read_seconds(entry.get("time offset") or 0, f"{where}: time offset", -LONGEST)
        length = members(members(entry, "media_info", dict, where), "length", dict, where)
        if media and length.get(media[0]):
            found.durations[video] = float(length[media[0]])
        if entry.get("media_creation_date_as_offset"):
            found.notes.append(f"observation {name}: times that begin at the date of the recording")
            continue
        events = members(entry, "events", list, where)
        _add_events(found, video, [[float(e[0]) - offset, *e[1:]] for e in events], kinds, where)
    return found


def _add_events(
    found: Timelines, video: str, events: list, kinds: Mapping[str, str], where: str
) -> None:
    started: dict[tuple, float] = {}
    for event in sorted(events, key=lambda event: float(event[0])):
        time, subject, code = float(event[0]), event[1], event[2]
        if "state" not in str(kinds.get(code, STATE)).lower():
            found.notes.append(f"{video}: point event {code} at {time:g} s")
            continue
        key = (subject, code, event[3] if len(event) > 3 else "")
        if key in started:
            found.add(video, started.pop(key), time, read_name(code, where))
        else:
            started[key] = time
    found.notes += [f"{video}: {key[1]} at {at:g} s never stops" for key, at in started.items()]


def write_boris(content: Timelines) -> Json:
    """Return a project with an observation per video, whose events BORIS's player can follow."""
    classes = content.classes()
    observations = {
        video: _observation(content, video, own) for video, own in content.by_video().items()
    }
    subjects = {event[1] for each in observations.values() for event in each["events"]} - {""}
    return {
        "time_format": "s",
        "project_date": "2000-01-01T00:00:00",
        "project_name": "wstal",
        "project_description": "",
        "project_format_version": "7.0",
        "subjects_conf": {
            str(number): {"key": "", "name": name, "description": ""}
            for number, name in enumerate(sorted(subjects))
        },
        "behaviors_conf": {
            str(number): {
                "type": STATE,
                "key": "",
                "code": name,
                "description": "",
                "color": "",
                "category": "",
                "modifiers": {},
                "excluded": "",
                "coding map": "",
            }
            for number, name in enumerate(classes)
        },
        "observations": observations,
        "behavioral_categories": [],
        "independent_variables": {},
        "coding_map": {},
        "behaviors_coding_map": [],
        "converters": {},
    }


def _observation(content: Timelines, video: str, own: list[Segment]) -> Json:
    media = content.file(video)
    players = {str(number): [] for number in range(1, PLAYERS + 1)} | {"1": [media]}
    seconds, rate = content.seconds(video), content.known_rate(video)
    info = {name: {} for name in ("length", "fps", "hasVideo", "hasAudio")}
    if seconds and rate:  # BORIS measures the file itself unless both are there
        info["length"][media], info["fps"][media] = seconds, rate
    return {
        "file": players,
        "type": "MEDIA",
        "date": "2000-01-01T00:00:00",
        "description": "",
        "time offset": 0.0,
        "events": sorted(_pairs(own), key=lambda event: event[0]),
        "observation time interval": [0, 0],
        "independent_variables": {},
        "media_info": info | {"offset": {"1": 0.0}},
    }


def _pairs(segments: list[Segment]) -> Iterator[list]:
    """Start and stop of each segment. Overlapping ones of a class get subjects of their own."""
    busy: dict[str, list[float]] = {}
    for each in segments:
        ends = busy.setdefault(each.label, [])
        lane = next((i for i, end in enumerate(ends) if end < each.start), len(ends))
        ends[lane : lane + 1] = [each.end]
        subject = "" if lane == 0 else f"subject {lane + 1}"
        yield [each.start, subject, each.label, "", ""]
        yield [each.end, subject, each.label, "", ""]
