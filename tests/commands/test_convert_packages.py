"""Files for other tools, read by those tools' own packages: `make test-exchange` installs them.

They need other versions of OpenCV and pandas, so that they have an environment of their own.
"""

from __future__ import annotations

import json

import pytest
from wstal.exchange.formats import format_named, write_files
from wstal.exchange.timelines import Clip, Media, Timelines

FPS = 25.0
MEDIA = Media(
    lambda video: Clip(f"{video}.mp4", FPS, 10.0, (320, 240)), prefix="/data/local-files/?d=clips/"
)
SEGMENTS = [  # two overlap, one reaches the end of the video
    ("a", 1.0, 2.52, "wave", 0.9),
    ("a", 2.0, 4.0, "jump <1>", 0.5),
    ("a", 9.0, 10.0, "wave", 0.2),
]


def detections(scores=True):
    found = Timelines(media=MEDIA)
    for video, start, end, label, score in SEGMENTS:
        found.add(video, start, end, label, score if scores else None)
    return found


@pytest.mark.parametrize("scores", [True, False])
def test_label_studio_takes_the_tasks(tmp_path, scores):
    sdk = pytest.importorskip("label_studio_sdk.label_interface")
    content = detections(scores)
    content.labels = {"a": ["wave", "jump <1>"]}
    chosen = format_named("label-studio")
    (path,) = write_files(content, tmp_path / "tasks.json", chosen)
    (task,) = json.loads(path.read_text())
    interface = sdk.LabelInterface(chosen.setup.write(content))
    interface.validate()
    assert interface.get_object("video").value_name in task["data"]
    for prediction in task.get("predictions", []):
        assert interface.validate_prediction(prediction, return_errors=True) == []
    for annotation in task["annotations"]:
        assert interface.validate_annotation(annotation)
    broken = task.get("predictions", task["annotations"])[0]
    broken["result"][0]["value"]["timelinelabels"] = ["unknown"]
    assert not interface.validate_prediction(broken)


def test_datumaro_reads_cvat_tracks(tmp_path):
    """Datumaro is what CVAT itself imports projects with."""
    datumaro = pytest.importorskip("datumaro")
    write_files(detections(), tmp_path / "annotations.xml", format_named("cvat"))
    found = datumaro.Dataset.import_from(str(tmp_path), "cvat")
    names = [each.name for each in found.categories()[datumaro.AnnotationType.label]]
    boxes = sorted(
        (box.attributes["track_id"], item.attributes["frame"], box.attributes["outside"])
        for item in found
        for box in item.annotations
        if names[box.label] in ("wave", "jump <1>")
    )
    assert boxes == [
        (0, 25, False),
        (0, 63, True),
        (1, 50, False),
        (1, 100, True),
        (2, 225, False),
        (2, 249, False),
    ]


def test_fiftyone_imports_the_detections(tmp_path):
    """The package measures videos by ffprobe; here it is told what it would find."""
    importers = pytest.importorskip("fiftyone.utils.data.importers")
    metadata = pytest.importorskip("fiftyone.core.metadata").VideoMetadata
    write_files(detections(), tmp_path / "labels.json", format_named("fiftyone"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.mp4").touch()
    importer = importers.FiftyOneTemporalDetectionDatasetImporter(str(tmp_path))
    with importer:
        importer.compute_metadata = True
        importer._sample_parser.get_video_metadata = lambda: metadata(
            frame_rate=FPS, total_frame_count=250, duration=10.0
        )
        ((_, _, labels, _),) = list(importer)
    for each, (_, start, end, label, score) in zip(labels.detections, SEGMENTS, strict=True):
        times = [10.0 * (frame - 1) / 249 for frame in each.support]  # as the package counts
        assert times == pytest.approx([start, end], abs=1 / FPS)
        assert (each.label, each.confidence) == (label, score)
