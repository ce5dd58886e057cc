"""What to fetch for a dataset that cannot be shipped, in words."""

from __future__ import annotations

HOW = {
    "thumos14": """THUMOS14 has to be fetched by hand.
1. Annotations: https://www.crcv.ucf.edu/THUMOS14/download.html
   TH14_Temporal_annotations_validation.zip and TH14_Temporal_annotations_test.zip.
2. Videos: TH14_validation_set_mp4.zip and TH14_Test_set_mp4.zip from the same page. The test
   archive has a password that THUMOS gives to those who register on that page.
Terms: research use; the videos are YouTube content.""",
    "activitynet12": """ActivityNet 1.2 has to be fetched by hand.
1. Annotations: activity_net.v1-2.min.json from http://activity-net.org/download.html
2. Videos: the request form on the same page (access for seven days).
Terms: annotations free to use; the videos are YouTube content.""",
    "activitynet13": """ActivityNet 1.3 has to be fetched by hand.
1. Annotations: activity_net.v1-3.min.json from http://activity-net.org/download.html
2. Videos: the request form on the same page (access for seven days).
Terms: annotations free to use; the videos are YouTube content.""",
    "ave": """AVE has to be fetched by hand.
1. Annotations and videos: the links in https://github.com/YapengTian/AVE-ECCV18
Terms: a subset of AudioSet (labels CC BY 4.0); the videos are YouTube content.""",
}
OWN = """
The reader of this dataset's own label files is not part of this version. Until it is, put the
videos in a folder with a labels.csv (video,labels,split) and a segments.csv
(video,t_start,t_end,label), and use a dataset of kind folder (README.md, "Own videos")."""


def how_to_get(dataset: str) -> str:
    """A page for a user who has none of the dataset's files yet."""
    return f"{HOW.get(dataset, f'{dataset} has no label files here.')}\n{OWN}"
