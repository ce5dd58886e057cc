"""Published files, fetched from the addresses in workflow/reference/datasets.

Label files are downloaded and checked (`fetch_files`). Videos come in zip archives, of which only
the wanted members are written, and nothing outside the folder (`fetch_videos`). Members with a
password are decrypted by stream-unzip, in C and in this process: programs like unzip take the
password on their command line, which every user of the machine can read. For files that cannot be
fetched, `how_to_get` returns a page on what to place where.
"""

from __future__ import annotations

import stat
import time
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from shutil import disk_usage
from typing import Any

from wstal.base.download import Track, download, size_of
from wstal.base.errors import WstalError
from wstal.base.files import atomic_path, remove_left_over
from wstal.base.parallel import worker_pool
from wstal.base.user_files import check_expansion, check_regular
from wstal.datasets.folder import VIDEO_SUFFIXES

PAUSE = 2.0  # seconds before the second attempt, doubled before each further one


def fetch_files(
    files: Iterable[Mapping[str, str]],
    folder: Path,
    *,
    attempts: int = 3,
    pause: float = PAUSE,
    track: Track | None = None,
) -> list[dict[str, Any]]:
    """Download each of `files` (file, url, optionally sha256) to `folder`.

    Returns rows of file, url, bytes and sha256 (the one found, if none is known). Files that are
    already there are checked and kept. `pause` is in seconds. Raises WstalError after the last
    attempt, or if there are no files.
    """
    rows = []
    for entry in files:
        path = folder / entry["file"]
        digest = _download(entry, path, attempts, pause, track)
        size = path.stat().st_size
        rows.append({"file": entry["file"], "url": entry["url"], "bytes": size, "sha256": digest})
    if not rows:
        raise WstalError("the addresses of its files are not known")
    return rows


def _download(
    entry: Mapping[str, str], path: Path, attempts: int, pause: float, track: Track | None
) -> str:
    for attempt in range(1, attempts + 1):
        try:
            return download(entry["url"], path, entry.get("sha256", ""), track)
        except WstalError:
            if attempt == attempts:
                raise
            time.sleep(pause * 2 ** (attempt - 1))
    raise ValueError(f"attempts is {attempts}, it must be at least 1")


def fetch_videos(
    archives: Iterable[Mapping[str, str]],
    folder: Path,
    ids: Collection[str],
    *,
    passwords: Mapping[str, str],
    attempts: int = 3,
    pause: float = PAUSE,
    jobs: int = 1,
    report: Callable[[str], None] = lambda text: None,
    track: Callable[[Iterable], Iterable] = iter,
    track_bytes: Track | None = None,
) -> list[dict[str, Any]]:
    """Download `archives` (file, url, optionally sha256, password); unpack the videos of `ids`.

    The archives stay in `folder`/archives, whole or partial, and a later run resumes from them.
    `password` is the key in `passwords` to use. `report` receives the disk space needed before
    anything is fetched, and a line if decryption is slow here. Returns a row per video: id, file,
    bytes, archive. Raises WstalError if the network fails, the disk is too small, or an archive is
    refused or needs a password.
    """
    archives, stored = list(archives), folder / "archives"
    for entry in archives:
        key = entry.get("password")
        if key and not passwords.get(key):
            raise WstalError(
                f"{entry['file']} has a password: register with its publisher, then set the "
                f"environment variable {key}"
            )
    report(_disk_need(archives, stored))
    rows = []
    for entry in archives:
        path = stored / entry["file"]
        _download(entry, path, attempts, pause, track_bytes)
        password = passwords.get(entry.get("password", ""))
        unpacking = {"password": password, "jobs": jobs, "report": report, "track": track}
        rows += unpack(path, folder, ids, **unpacking)
    return rows


def _disk_need(archives: Iterable[Mapping[str, str]], stored: Path) -> str:
    """The space that archives not yet here need; raises WstalError if the disk has less."""
    sizes = {e["file"]: size_of(e["url"]) for e in archives if not (stored / e["file"]).exists()}
    for name in sizes:
        part = stored / f"{name}.part"
        sizes[name] -= part.stat().st_size if part.exists() else 0
    need = sum(sizes.values())
    stored.mkdir(parents=True, exist_ok=True)
    free = disk_usage(stored).free
    each = ", ".join(f"{name} {size / 1e9:.1f} GB" for name, size in sizes.items()) or "none"
    text = (
        f"To download: {each}; {need / 1e9:.1f} GB, and then room for the videos taken out of "
        f"them. Free at {stored}: {free / 1e9:.1f} GB."
    )
    if need > free:
        raise WstalError(f"{text} That does not fit; link {stored} to a larger disk")
    return text


CHUNK = 1 << 20


def find_members(archive: Path, ids: Collection[str]) -> dict[str, zipfile.ZipInfo]:
    """Return the archive's video files that are named after one of `ids`, by id.

    Raises WstalError for a file that is not a zip archive or has one video twice, and for a
    member that is a link or points outside the folder it is unpacked to.
    """
    try:
        with zipfile.ZipFile(check_regular(archive)) as file:
            members = file.infolist()
    except (OSError, zipfile.BadZipFile) as error:
        raise WstalError(
            f"{archive} is not a zip archive ({error}); remove it to fetch it again"
        ) from error
    found: dict[str, zipfile.ZipInfo] = {}
    for member in members:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        link = stat.S_ISLNK(member.external_attr >> 16)
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0] or link:
            raise WstalError(
                f"{archive} is refused: its member {member.filename!r} points outside the folder "
                "it is unpacked to. Remove it and fetch it again from its publisher"
            )
        if path.suffix.lower() in VIDEO_SUFFIXES and path.stem in ids:
            check_expansion(archive, member.file_size, member.compress_size)
            if path.stem in found:
                raise WstalError(f"{archive} has {path.stem} twice")
            found[path.stem] = member
    return found


def unpack(
    archive: Path,
    folder: Path,
    ids: Collection[str],
    *,
    password: str | None = None,
    jobs: int = 1,
    report: Callable[[str], None] = lambda text: None,
    track: Callable[[Iterable], Iterable] = iter,
) -> list[dict[str, Any]]:
    """Write the videos `ids` of `archive` to `folder`, checked against the archive's CRC.

    A video that is there in full is kept; `jobs` videos are written at a time. `report` receives a
    line if the videos have a password and only Python's zipfile can decrypt them here. Returns
    rows of id, file, bytes and archive. Raises WstalError if the archive is damaged, the password
    is missing or wrong, or the disk too small.
    """
    members = find_members(archive, ids)
    folder.mkdir(parents=True, exist_ok=True)
    remove_left_over(folder)
    targets = {name: folder / f"{name}{_suffix(member)}" for name, member in members.items()}
    absent = [name for name, path in targets.items() if not _is_complete(path, members[name])]
    need, free = sum(members[name].file_size for name in absent), disk_usage(folder).free
    if need > free:
        raise WstalError(f"{folder}: {need:,} bytes to unpack, {free:,} free on this disk")
    if any(_is_encrypted(members[name]) for name in absent) and not _has_decryption():
        report(SLOW.format(archive=archive.name))
    work = [(archive, members[name].filename, targets[name], password) for name in absent]
    if jobs > 1 and len(work) > 1:
        with worker_pool(jobs) as pool:
            for future in track([pool.submit(_write, *each) for each in work]):
                future.result()
    else:
        for each in track(work):
            _write(*each)
    return [
        {"id": name, "file": path.name, "bytes": path.stat().st_size, "archive": archive.name}
        for name, path in targets.items()
    ]


def _suffix(member: zipfile.ZipInfo) -> str:
    return PurePosixPath(member.filename).suffix.lower()


def _is_complete(path: Path, member: zipfile.ZipInfo) -> bool:
    """Whether an earlier run wrote `path`: only complete, checked files get their name."""
    return path.is_file() and path.stat().st_size == member.file_size


SLOW = (
    "{archive} has a password, and Python alone decrypts it slowly; for the speed of unzip: "
    "pip install 'wstal[archives]'"
)


def _is_encrypted(member: zipfile.ZipInfo) -> bool:
    return bool(member.flag_bits & 1)


def _has_decryption() -> bool:
    """Whether stream-unzip is installed."""
    return find_spec("stream_unzip") is not None


def _write(archive: Path, name: str, target: Path, password: str | None) -> None:
    secret = password.encode() if password else None
    try:
        with (
            zipfile.ZipFile(archive) as file,
            atomic_path(target) as temporary,
            temporary.open("wb") as output,
        ):
            member = file.getinfo(name)
            fast = secret and _is_encrypted(member) and _has_decryption()
            chunks = _decrypt(archive, member, secret) if fast else _read(file, member, secret)
            for chunk in chunks:
                output.write(chunk)
    except NotImplementedError as error:  # zipfile's error about how a member is stored
        raise WstalError(
            f"{archive}, {name}: {error}; for archives that are encrypted by AES: "
            "pip install 'wstal[archives]'"
        ) from error
    except RuntimeError as error:  # zipfile's errors about passwords
        raise WstalError(
            f"{archive}: {error}; its publisher gives the password on registration"
        ) from error
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise WstalError(
            f"{archive}, {name} is damaged ({error}), or the password is wrong; remove the "
            "archive to fetch it again"
        ) from error


def _read(file: zipfile.ZipFile, member: zipfile.ZipInfo, secret: bytes | None) -> Iterator[bytes]:
    with file.open(member, pwd=secret) as source:
        while chunk := source.read(CHUNK):
            yield chunk


def _decrypt(archive: Path, member: zipfile.ZipInfo, secret: bytes) -> Iterator[bytes]:
    """Yield the content of an encrypted member; raises zipfile's errors."""
    from stream_unzip import IncorrectPasswordError, UnzipError, stream_unzip  # an extra

    size = 0
    try:
        with archive.open("rb") as file:
            file.seek(member.header_offset)
            stored = iter(lambda: file.read(CHUNK), b"")
            _, _, chunks = next(stream_unzip(stored, password=secret, chunk_size=CHUNK))
            for chunk in chunks:
                size += len(chunk)
                if size > member.file_size:  # or a bomb could fill the disk
                    break
                yield chunk
    except IncorrectPasswordError as error:
        raise RuntimeError("the password is wrong") from error
    except UnzipError as error:
        raise zipfile.BadZipFile(f"{type(error).__name__} {error}".strip()) from error
    if size != member.file_size:
        raise zipfile.BadZipFile(f"not the {member.file_size:,} bytes that its list of files says")


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
Set `labels:` in the dataset's YAML to the folder or file with them, or use kind `folder` with a
labels.csv (video,labels,split); docs/own_data.md explains both."""


def how_to_get(dataset: str, labels: str | None = None, videos: str | None = None) -> str:
    """Return a page on what to fetch for a dataset that has no label files yet, and where from."""
    places = {
        "dataset": dataset,
        "labels": labels or f"data/{dataset}/annotations",
        "videos": videos or f"data/{dataset}/videos",
    }
    return PAGES.get(dataset, OWN).format(**places)
