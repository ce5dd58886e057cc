"""What a run lacks, one page a kind, before its first job: videos, weights, room on the disk."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from shutil import disk_usage
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from wstal.base.errors import WstalError
from wstal.base.files import read_cached, write_text
from wstal.config.dataset_files import PUBLISHED, Dataset, annotation_files, videos_folder

NAMED = 20  # videos in a message; a file has all of them
TIMEOUT = 10.0  # s for an answer of a host
Entries = Mapping[str, Mapping[str, Any]]  # sources.yaml or terms.yaml, by name

# Videos


def require_videos(names: Iterable[str], datasets: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a page per dataset of `names` whose folder lacks some of its videos.

    Only names are compared, so nothing is decoded. Raises WstalError with the page if more videos
    are missing than `max_missing` allows, or all: every job of theirs would be empty.
    """
    pages = []
    for name in dict.fromkeys(names):
        dataset = datasets[name]
        folder = Path(videos_folder(name, dataset))
        listed = listed_videos(name, dataset)
        if listed is None:
            if not _has_videos(folder):
                raise WstalError(_page(name, dataset, folder, [], None))
            continue
        if absent := _absent(folder, listed):
            text = _page(name, dataset, folder, absent, len(listed))
            limit = dataset["max_missing"]
            if len(absent) == len(listed) or (limit is not None and len(absent) > limit):
                raise WstalError(text)
            pages.append(text)
    return pages


def listed_videos(name: str, dataset: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the file name of each video that the labels list; None while they are not read."""
    if dataset["kind"] == "folder":
        from wstal.datasets.folder import read_video_names  # slow to import

        return dict(read_video_names(annotation_files(name, dataset)[0]))
    database = (read_cached(Path(f"results/{name}/videos.json")) or {}).get("database")
    if database is None:
        return None
    return {video: about.get("file", video) for video, about in database.items() if _filmed(about)}


def _absent(folder: Path, listed: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the videos without a file by their names, the first NAMED with a note each."""
    from wstal.datasets.folder import VIDEO_SUFFIXES, video_id  # slow to import
    from wstal.media.find import files_below, find_videos, spelling

    names, stems = set(), set()
    for path in files_below(folder):
        names.add(spelling(path.name))
        if path.suffix.lower() in VIDEO_SUFFIXES:
            stems |= {spelling(path.stem), path.relative_to(folder).with_suffix("").as_posix()}
    absent = {}
    for video, name in listed.items():
        stem = spelling(video_id(name))
        forms = {stem, f"v_{stem}", stem.removeprefix("v_")}
        if not forms & stems and spelling(name.rpartition("/")[2]) not in names:
            absent[video] = name
    first = dict(list(absent.items())[:NAMED])  # similar names are looked for, which takes long
    notes = {each.id: each.note for each in find_videos(folder, first, first)}
    return [(video, notes.get(video, "")) for video in absent]


def _filmed(about: Mapping[str, Any]) -> bool:
    return not about.get("features_only")


def _has_videos(folder: Path) -> bool:
    from wstal.media.find import videos_below  # slow to import

    return next(iter(videos_below(folder)), None) is not None


def _page(
    name: str,
    dataset: Mapping[str, Any],
    folder: Path,
    absent: list[tuple[str, str]],
    total: int | None,
) -> str:
    exists = "" if folder.is_dir() else ", which does not exist"
    if total is None:
        lines = [f"dataset {name}: there is no video below {folder}{exists}."]
    else:
        count = f"{len(absent)} of {total} videos are"
        lines = [f"dataset {name}: {count} not below {folder}{exists}."]
        for video, note in absent[:NAMED]:
            hint = note.partition("; ")[2]
            lines.append(f"  {video}{f' ({hint})' if hint else ''}")
        if len(absent) > NAMED:
            listing = Path(f"results/{name}/missing_videos.txt")
            write_text(listing, "".join(f"{video}\n" for video, _ in absent))
            lines.append(f"  and {len(absent) - NAMED} others: {listing} lists all")
    places = [f"name their folder under `videos:` in the dataset's YAML (now: {folder})"]
    if dataset["kind"] in PUBLISHED:
        placed = f"data/{name}/videos"
        if dataset["videos"] is None and folder != Path(placed):
            places.insert(0, f"put them into {placed}")
        places.append(f"fetch them: snakemake --cores 8 results/{name}/videos/fetched.csv")
    if total is not None:
        places.append("allow more by `max_missing:` in that YAML")
    text = ", or ".join(places)
    lines.append(f"{text[0].upper()}{text[1:]}.")
    if total is None and dataset["kind"] in PUBLISHED:
        from wstal.datasets.fetching import how_to_get  # slow to import

        lines += ["", how_to_get(name, dataset["labels"], dataset["videos"])]
    return "\n".join(lines)


# Weights


def describe(name: str, source: Mapping[str, Any], terms: Entries, place: str) -> list[str]:
    """Return lines about a file of weights: network, size, licence, digest, address, place."""
    about = terms.get(name, {})
    size = f"about {about['megabytes']:,.1f} MB" if "megabytes" in about else "size not published"
    licence = f"licence {about.get('licence', 'not stated')}"
    digest = "no digest published"
    for key, kind in (("sha256", "sha256"), ("git_blob", "git blob id")):
        if source.get(key):
            digest = f"{kind} {source[key]}"
    address = source.get("url") or "shipped"
    return [
        f"{name}: {source['network']}",
        f"  {size}, {licence}, {digest}",
        f"  {address}",
        f"  place: {place}",
    ]


def weights_page(files: Iterable[str], sources: Entries, terms: Entries) -> str:
    """Return one message about the missing `files` of results/weights; "" if there are none."""
    by_path = {f"results/weights/{entry['file']}": name for name, entry in sources.items()}
    names = {by_path[path]: path for path in sorted(set(files)) if path in by_path}
    if not names:
        return ""
    total = sum(terms.get(name, {}).get("megabytes", 0) for name in names)
    several = "s" * (len(names) > 1)
    lines = [f"This run needs {len(names)} file{several} of weights (about {total:,.0f} MB):"]
    for name, path in names.items():
        lines += [f"  {line}" for line in describe(name, sources[name], terms, path)]
    lines.append(f"This command fetches what is missing: wstal weights fetch {' '.join(names)}")
    return "\n".join(lines)


def unreachable(
    files: Iterable[str], sources: Entries, opens: Callable[[str], bool] | None = None
) -> list[str]:
    """Return the hosts of these files that do not answer from here."""
    wanted = {f"results/weights/{entry['file']}": entry.get("url") for entry in sources.values()}
    urls = {urlsplit(wanted[path]).netloc: wanted[path] for path in files if wanted.get(path)}
    return [host for host, url in urls.items() if not (opens or _answers)(url)]


def require_weights(files: Iterable[str], sources: Entries, terms: Entries) -> str:
    """Return the page on missing weights, to be shown before their download.

    Raises WstalError with the page if a host that has some of them cannot be reached: otherwise
    the run would end at the first of them, hours later if its jobs come late.
    """
    files = list(files)
    text = weights_page(files, sources, terms)
    if text and (silent := unreachable(files, sources)):
        raise WstalError(
            f"{text}\nFrom here {', '.join(silent)} cannot be reached. Run it on a machine with "
            "network and copy results/weights, or ask for weights: untrained in the feature recipe"
        )
    return text


def _answers(url: str) -> bool:
    try:
        with urlopen(Request(url, method="HEAD"), timeout=TIMEOUT):
            return True
    except HTTPError:
        return True  # the host answers; the download says what is wrong
    except (OSError, ValueError):
        return False


# Room on the disk. Flow is nearly all that a run writes: 20 kB per pair of frames at 340x256, 0.25
# bytes per pixel (benchmarks/results/tvl1_cpu.json), where the features of a pair take 1 kB.

BYTES_PER_PIXEL = 0.25  # of a compressed pair
OTHERS_PER_PAIR = 1200  # bytes: features of each stream, and packed
VIDEO_RATE = 200_000  # bytes per second of a video that is not probed yet, a guess
USUAL_SIZE = (340, 256)


class Need(NamedTuple):
    """Bytes that the videos will take; `is_measured` where their durations are known."""

    bytes: float
    is_measured: bool


def flow_need(
    name: str, dataset: Dataset, recipe: Mapping[str, Any], shards: int, root: Path
) -> Need:
    """Return what `shards` shards of a dataset's flow take, on average over its shards."""
    share = shards / dataset["shards"]
    manifest = root / f"results/{name}/manifest.csv"
    if manifest.is_file():
        with manifest.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if int(row.get("width") or 0)]
        sizes = [(float(row["duration"]), int(row["width"]), int(row["height"])) for row in rows]
    else:
        folder = root / videos_folder(name, dataset)
        total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        sizes = [(total / VIDEO_RATE, *USUAL_SIZE)]
    bytes = sum(flow_bytes(seconds, (w, h), recipe) for seconds, w, h in sizes)
    return Need(bytes * share, manifest.is_file())


def flow_bytes(seconds: float, size: tuple[int, int], recipe: Mapping[str, Any]) -> float:
    """Return the bytes that the flow of `seconds` of video of `size` takes."""
    side = recipe["flow"]["short_side"] or min(size)
    pixels = size[0] * size[1] * (side / min(size)) ** 2
    return seconds * recipe["frames"]["fps"] * (pixels * BYTES_PER_PIXEL + OTHERS_PER_PAIR)


def check_space(
    flow_shards: Iterable[tuple[str, str]],
    datasets: Mapping[str, Dataset],
    recipes: Mapping[str, Mapping[str, Any]],
    root: Path,
    min_free: float,
) -> list[str]:
    """Return warnings about the flow jobs (dataset, recipe) of a run that the disk may not hold.

    `min_free` (bytes) stays free. Raises WstalError where the durations of the videos are known.
    """
    free, warnings = disk_usage(root).free - min_free, []
    for (dataset, recipe), shards in Counter(flow_shards).items():
        need = flow_need(dataset, datasets[dataset], recipes[recipe], shards, root)
        if need.bytes > free:
            source = (
                "the durations in its manifest" if need.is_measured else "the size of its files"
            )
            text = (
                f"flow of {dataset}, recipe {recipe}, needs about {need.bytes / 1e9:,.1f} GB, by "
                f"{source}; the disk has {max(free, 0) / 1e9:,.1f} GB above `min_free`. Free "
                "space, or set `cache_flow: false` in the recipe, which keeps no flow files"
            )
            if need.is_measured:
                raise WstalError(text)
            warnings.append(text)
        free -= need.bytes
    return warnings
