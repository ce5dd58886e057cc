"""Convert segments between annotation tools, subtitles and editors.

Both formats are guessed from names and content. What the output cannot hold is read back and
printed. A format whose files are about one video gives a folder of files. A file that exists is
kept unless you say --force; with --merge, what OUT (and --labels) say of other videos stays. The
score of detections that have a column `probability` is that probability.

csv           segments.csv (video,t_start,t_end,label[,score])
activitynet   ActivityNet's JSON, ground truth or detections (proposals.json)
label-studio  Label Studio's tasks; detections become predictions that a person corrects
via           VGG VIA 3      fiftyone  FiftyOne's temporal detections      boris     BORIS
cvat          CVAT for video elan      ELAN (.eaf)                         audacity  label track
srt, webvtt   subtitles      edl       DaVinci Resolve's timeline markers  chapters  YouTube

Examples:
  wstal convert results/mine/i3d_tvl1/co2net/seed0/segments.csv tasks_label_studio.json \\
      --videos clips --min-score 0.5
  wstal convert export_from_label_studio.json clips/segments.csv --fps 25 --labels labels.csv
  wstal convert elan/*.eaf clips/segments.csv --merge
  wstal convert clips/segments.csv subtitles --to srt
"""

import argparse
from collections.abc import Callable, Collection, Iterable
from functools import cache
from pathlib import Path

from wstal.commands.console import Add, Program, log, warn
from wstal.base.errors import MediaError, WstalError
from wstal.base.files import write_csv, write_text
from wstal.base.text_files import read_rows
from wstal.commands.scored_files import refuse_overwriting
from wstal.datasets.folder import BACKGROUND, video_id
from wstal.exchange.formats import (
    FORMATS,
    format_named,
    guess_output,
    parts_by_file,
    read_files,
    write_files,
)
from wstal.exchange.timelines import Clip, Media, Timelines, find_losses, join

NOTES = 5  # shown of what could not be read


def add_arguments(add: Add) -> None:
    names = ", ".join(each.name for each in FORMATS)
    add("inputs", nargs="+", type=Path, metavar="IN", help="files of one format")
    add("output", type=Path, metavar="OUT", help="a file; a folder for formats of one video")
    add("--from", dest="given", metavar="FORMAT", help=names)
    add("--to", metavar="FORMAT", help="the same names")
    add("--fps", type=float, help="frames per second, for formats that count frames")
    add("--videos", type=Path, help="folder of the videos: their names, rates and lengths")
    add("--prefix", default="", help="address of that folder for Label Studio, ending in /")
    add("--labels", type=Path, help="write labels.csv, too: the labels of each video")
    add("--merge", action="store_true", help="keep the videos of OUT that IN does not have")
    add("--force", action="store_true", help="replace files that exist")
    add("--min-score", type=float, help="leave out segments with a lower score")


def main(args: argparse.Namespace) -> None:
    if args.fps is not None and not args.fps > 0:
        raise WstalError(f"--fps is {args.fps}; expected frames per second, such as 25")
    if args.videos is not None and not args.videos.is_dir():
        raise WstalError(f"{args.videos} is not a folder; name the folder of the videos")
    given = format_named(args.given) if args.given else None
    chosen = format_named(args.to) if args.to else guess_output(args.output)
    media = Media(_clips(args.videos), args.fps, args.prefix)
    content = read_files(args.inputs, given, media)
    for note in content.notes[:NOTES]:
        warn(f"not converted: {note}")
    if len(content.notes) > NOTES:
        warn(f"not converted: {len(content.notes) - NOTES} more of this kind")
    if args.min_score is not None:
        kept = [s for s in content.segments if s.score is None or s.score >= args.min_score]
        log(f"{len(content.segments) - len(kept)} segments have a score below {args.min_score:g}")
        content.segments = kept
    given_videos = set(content.videos)
    if args.merge and args.output.exists():
        if chosen.single:
            raise WstalError(f"--merge: a file of format {chosen.name} is about one video")
        others = read_files([args.output], chosen, media).parts()
        content = join([*(o for o in others if not given_videos & set(o.videos)), content], media)
    setup = chosen.setup.path(args.output) if chosen.setup else None
    if not args.merge:
        parts = parts_by_file(content, args.output, chosen)
        check_outputs([args.labels, setup, *parts], args.inputs, args.force)
    written = write_files(content, args.output, chosen)
    if args.labels:
        write_labels(args.labels, content, given_videos, args.merge)
    place = written[0] if len(written) == 1 else f"{args.output} ({len(written)} files)"
    log(
        f"{place}: {len(content.segments)} segments of {len(content.videos)} videos, format "
        f"{chosen.name}"
    )
    for loss in find_losses(content, read_files(written, chosen, media)):
        warn(f"format {chosen.name} does not keep {loss}")
    for remark in sorted({each for part in content.parts() for each in chosen.remarks(part)}):
        warn(remark)
    if setup:
        write_text(setup, chosen.setup.write(content))
        log(f"{setup}: paste it into {chosen.setup.place}, before you import")


def check_outputs(paths: Iterable[Path | None], inputs: Iterable[Path], force: bool) -> None:
    """Raise WstalError for an output that is an input, or that exists, unless `force`."""
    for path in paths:
        refuse_overwriting("OUT", path, inputs)
        if path is not None and path.exists() and not force:
            raise WstalError(
                f"{path} exists; name another output, or say --force to replace it, or --merge to "
                "keep what it says of other videos"
            )


def _clips(folder: Path | None) -> Callable[[str], Clip | None]:
    """What gives the name, rate and length of a video's file in a folder, or None."""
    if folder is None:
        return lambda video: None
    import av

    from wstal.media.decoders.pyav import opened
    from wstal.media.find import find_videos

    @cache
    def clip(video: str) -> Clip | None:
        path = find_videos(folder, [video])[0].path
        if path is None:
            return None
        name = path.relative_to(folder).as_posix()
        try:
            with opened(path) as container:
                stream = next(iter(container.streams.video), None)
                rate = stream.average_rate if stream else None
                if not rate:
                    return Clip(name)
                picture = (stream.width, stream.height)
                length = (container.duration or 0) / av.time_base  # Matroska counts no frames
                seconds = stream.frames / rate if stream.frames else length
        except (MediaError, av.FFmpegError):
            return Clip(name)
        return Clip(name, float(rate), float(seconds) or None, picture)

    return clip


LABEL_COLUMNS = ["video", "labels", "split"]


def write_labels(path: Path, content: Timelines, changed: Collection[str], merge: bool) -> None:
    """Write labels.csv with the labels of each video, and say which rows that were there change.

    With `merge` its rows stay, and those of the videos `changed` get new labels in addition.
    """
    rows = {}
    if merge and path.is_file():
        for row in read_rows(path, tuple(LABEL_COLUMNS)):
            rows[video_id(row["video"])] = dict(row.cells)
    before = {video: dict(row) for video, row in rows.items()}
    more = [name for name in next(iter(rows.values()), {}) if name not in LABEL_COLUMNS]
    for video, own in content.by_video().items():
        if video in rows and video not in changed:
            continue
        split = content.subsets.get(video, "")
        new = {"video": video, "labels": "", "split": split} | dict.fromkeys(more, "")
        row = rows.setdefault(video, new)
        names = {each.label for each in own} | set(content.labels.get(video, ()))
        names |= {name.strip() for name in row["labels"].split(";")}
        row["labels"] = ";".join(sorted(names - {"", *([BACKGROUND] if own else [])}))
        if own and row.get("annotated", "").strip().lower() == "no":
            warn(f"{path}: {row['video']} has annotated: no, so that its segments are not scored")
    write_csv(path, list(next(iter(rows.values()), LABEL_COLUMNS)), list(rows.values()))
    for video, old in before.items():
        if (new := rows[video])["labels"] != old["labels"]:
            split = f"split {new['split']}" if new["split"] else "no split"
            was = old["labels"] or "no labels"
            name = f"{path}: {new['video']} ({split})"
            warn(f"{name}: {was} is now {new['labels']}; correct it if that is wrong")
    empty = sum(not row["split"].strip() for row in rows.values())
    todo = f"; fill in the split of {empty}" if empty else ""
    log(f"{path}: {len(rows)} videos{todo}")


COMMAND = Program(__doc__, add_arguments, main)
