"""What to fetch for a dataset that cannot be shipped, from where and to where, in words."""

from __future__ import annotations

PAGES = {
    "thumos14": """THUMOS14: what to fetch, and where to put it

1. Annotations, one of these into {labels}
     TH14_Temporal_annotations_validation.zip and TH14_Temporal_annotations_test.zip
       from https://www.crcv.ucf.edu/THUMOS14/download.html (the zips, or what is in them)
     or the folder Thumos14reduced-Annotations (*.npy) of W-TALC or CO2-Net
       from https://github.com/harlanhong/MM2021-CO2-Net
     or an ActivityNet-style thumos14.json
   Ambiguous_test.txt (it is in the test zip) is needed by protocols that filter by it.
2. Videos into {videos}, or any folder that `videos:` names
     TH14_validation_set_mp4.zip and TH14_Test_set_mp4.zip from the same page; 200 and 213 of
     their videos are used. The test archive has a password: register on the page to get it.
     To have them fetched, checked and unpacked here:
       WSTAL_THUMOS14_PASSWORD=... snakemake --cores 8 results/thumos14/videos/fetched.csv
Terms: research use; the videos are YouTube content. Do not pass them on.""",
    "activitynet12": """ActivityNet 1.2: what to fetch, and where to put it

1. Annotations into {labels}
     activity_net.v1-2.min.json from http://activity-net.org/download.html
     (a copy without the videos that are gone is read as well, and named in the report)
2. Videos into {videos}, or any folder that `videos:` names
     The request form on the same page gives access for seven days. Files may be called
     v_<id> or <id>, with any extension; what is missing is listed with its reason, and
     `max_missing:` says how many may be.
Terms: the annotations are free to use; the videos are YouTube content.""",
    "activitynet13": """ActivityNet 1.3: what to fetch, and where to put it

1. Annotations into {labels}
     activity_net.v1-3.min.json from http://activity-net.org/download.html
     or anet_anno_action.json with video_info_new.csv, as BMN has them
     Text files with one id per line, such as ACM-Net's split_test.txt, become evaluation lists.
2. Videos into {videos}, or any folder that `videos:` names
     The request form on the same page gives access for seven days. Files may be called
     v_<id> or <id>, with any extension; what is missing is listed with its reason, and
     `max_missing:` says how many may be.
Terms: the annotations are free to use; the videos are YouTube content.""",
    "ave": """AVE: what to fetch, and where to put it

1. Annotations into {labels}
     Annotations.txt, train_order.h5, val_order.h5 and test_order.h5 from the folder data of
     https://github.com/YapengTian/AVE-ECCV18 (or trainSet.txt, valSet.txt, testSet.txt of the
     dataset's archive); for background clips in training labels_noisy.h5 (published features), or
     background_clips.txt with the ids of your own, one a line (the author's 178 new ones: issue 35)
2. Videos into {videos}, or any folder that `videos:` names
     AVE_Dataset.zip: the Google Drive link in that repository's README.
Terms: no licence is stated; a subset of AudioSet (labels CC BY 4.0), the videos are YouTube
content.""",
}
OWN = """{dataset} has no label files at {labels}.
Give `labels:` in the dataset's YAML the folder or file with them, or use kind `folder` with a
labels.csv (video,labels,split); README.md tells how."""


def how_to_get(dataset: str, labels: str | None = None, videos: str | None = None) -> str:
    """A page for a user who has none of the dataset's label files yet."""
    places = {
        "dataset": dataset,
        "labels": labels or f"data/{dataset}/annotations",
        "videos": videos or f"data/{dataset}/videos",
    }
    return PAGES.get(dataset, OWN).format(**places)
