"""Rows of the probe as the decoding stages read them."""

import csv

from wstal.video.probed import read_probe
from wstal.video.probing import COLUMNS


def test_a_row_says_if_there_is_anything_to_decode(tmp_path):
    path = tmp_path / "shard0.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        for status in ("ok", "no_audio", "partial", "missing", "broken"):
            writer.writerow({"id": status, "path": f"/clips, new/{status}.mp4", "status": status})
    videos = read_probe(path)
    assert [v.id for v in videos if v.usable] == ["ok", "no_audio", "partial"]
    assert str(videos[0].path) == "/clips, new/ok.mp4"
