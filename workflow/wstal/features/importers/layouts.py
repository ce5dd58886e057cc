"""Which reader an import uses, and what to place where when its files are missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wstal.base.errors import WstalError
from wstal.datasets.annotations import Annotations
from wstal.datasets.published_sets import FilesMissing
from wstal.features.importers.autoloc import find_autoloc
from wstal.features.importers.joint import find_ave, find_wtalc
from wstal.features.importers.per_video import find_acmnet, find_basnet, find_cmcs, find_streams
from wstal.features.importers.published import ImportSettings, PublishedFeatures

PAGES = {
    "wtalc": """one file such as Thumos14reduced-I3D-JOINTFeatures.npy or
     ActivityNet1.2-I3D-JOINTFeatures.npy, and videoname.npy of the annotation set beside it
     (Thumos14reduced-Annotations, ActivityNet1.2-Annotations); that set may also lie with the
     dataset's label files.
   From the README of https://github.com/sujoyp/wtalc-pytorch, or
     https://github.com/harlanhong/MM2021-CO2-Net""",
    "basnet": """the folders train/rgb, train/flow, test/rgb and test/flow with one .npy per video
   From the README of https://github.com/Pilhyeon/BaSNet-pytorch, of
     https://github.com/Pilhyeon/WTAL-Uncertainty-Modeling or of https://github.com/zhang-can/CoLA""",
    "acmnet": """the folders train and test with one .npy per video
   From the README of https://github.com/ispc-lab/ACM-Net or of
     https://github.com/boheumd/ASM-Loc""",
    "cmcs": """two files per video, <id>-rgb.npz and <id>-flow.npz (or v_<id>-...), in any folders
   From the README of https://github.com/Finspire13/CMCS-Temporal-Action-Localization""",
    "autoloc": """the folder att_unfused (ActivityNet: att_unfused_onlytrain): val.all.tsv and
     test.all.tsv, or one .tsv per video; for ActivityNet data/AN/org2idx.map beside them
   From the README of https://github.com/zhengshou/AutoLoc""",
    "ave": """visual_feature.h5 (7.7 GB) and audio_feature.h5; for training clips of background
     visual_feature_noisy.h5 and audio_feature_noisy.h5 (without them: choices: {background_clips:
     leave_out}). From https://github.com/YapengTian/AVE-ECCV18, README and data/""",
    "streams": """one {video}_{stream}.npy per video and stream of the recipe's import.order
   As written by `wstal extract`, or by
     https://github.com/v-iashin/video_features (stack_size, step_size 16; extraction_fps 25)""",
}


def find_features(
    folder: Path,
    settings: ImportSettings,
    annotations: Annotations,
    labels: Sequence[Path] = (),
) -> PublishedFeatures:
    """Find the published features below `folder` with the reader of `settings.layout`.

    `labels` are the dataset's label files. Raises WstalError for files that cannot be used; if
    the files are missing, the message is a page that says what to place where.
    """
    try:
        match settings.layout:
            case "wtalc":
                return find_wtalc(folder, settings, labels)
            case "basnet":
                return find_basnet(folder, settings)
            case "acmnet":
                return find_acmnet(folder, settings)
            case "cmcs":
                return find_cmcs(folder, settings)
            case "autoloc":
                return find_autoloc(folder, settings)
            case "ave":
                return find_ave(folder, settings, annotations)
            case "streams":
                return find_streams(folder, settings)
            case other:
                raise WstalError(f"layout {other!r} is not one of {', '.join(PAGES)}")
    except FilesMissing as error:
        raise WstalError(_page(settings.layout, folder, str(error))) from error


def _page(layout: str, folder: Path, absent: str) -> str:
    return (
        f"Features of the layout `{layout}`: what to place, and where\n\n"
        f"1. Into {folder}, or the folder that `features:` of the dataset names (or a folder\n"
        "     in it with the recipe's name)\n"
        f"     {PAGES[layout]}\n"
        "2. Unpack archives there; folders inside may have any names unless stated above.\n"
        "Terms: those of the publisher; the features are made from other people's videos.\n\n"
        f"Not there yet: {absent} below {folder}."
    )
