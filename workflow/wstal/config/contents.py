"""What decides that a file or a job has changed: its content, not its date or its place.

A copy of a project (`cp -r`, `rsync` without `-t`, `git clone`, a restored backup) has new dates in
any order. Snakemake compares the content of small files only, and keeps what it knows of a result
in .snakemake, which such a copy may not have. Here it compares the content of all files, keeps the
records of results with the results, and the folders of videos are listed by content.

The records name the scripts and files of the installation as a checkout does that is the work
folder itself: `scripts/train.py`, `workflow/reference/...`. So results stay up to date when their
work folder goes to another checkout, to an installed wheel, or to a wheel in another environment.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wstal.base.contents import Digests, whole

RECORDS = "results/.records"  # of how each result was made, in Snakemake's format
CODED_RESULTS = "cmVzdWx0cy"  # how the name of a record of a file in results/ begins, in base64
SMALL = 1 << 20  # bytes of a file that is not slow to read
SCRIPTS = ".snakemake/wstal/scripts/"  # in the shell lines of the rules


def install(persistence: type, file: type, kept: Path) -> None:
    """Let Snakemake's classes of records and of files decide by content.

    `kept` is a JSON that keeps the digests of large files.
    """
    digests, places = Digests(kept, whole), {}
    original, record_path = file.checksum, persistence._record_path

    async def is_eligible(self: Any, threshold: int) -> bool:
        return await self.exists_local() and Path(self.file).is_file()

    async def checksum(self: Any, threshold: int | None = None, *args: Any, **options: Any) -> Any:
        large = not self.is_storage and not args and not options and await is_eligible(self, 0)
        if large and Path(self.file).stat().st_size > SMALL:
            value = digests(self.file)
            digests.save()
            return value
        return await original(self, threshold, *args, **options)

    def path_of_record(self: Any, subject: str, id: str) -> str:
        path = record_path(self, subject, id)
        if subject != self._metadata_path or not id.startswith("results/"):
            return path
        if subject not in places:
            places[subject] = str(Path(subject).parents[1] / RECORDS)
            _move(Path(subject), Path(places[subject]))
        return places[subject] + path.removeprefix(subject)

    file.is_checksum_eligible, file.checksum = is_eligible, checksum
    persistence._record_path = path_of_record


def install_places(persistence: type, root: Path, work: Path) -> None:
    """Let Snakemake's class of records name files of the installation `root` relative to it.

    In the work folder `root` itself they are relative as they are.
    """
    read_code, read_input, read_params = (
        getattr(persistence, name) for name in ("_code", "_input", "_params")
    )
    read_checksums, write_record = persistence.input_checksums, persistence._write_record
    prefix = f"{root}/"
    quoted = repr(prefix)[1:-1]  # as in the representation of a param

    def code(self: Any, rule: Any) -> str | None:
        text = read_code(self, rule)
        return text and text.replace(SCRIPTS, "scripts/")

    def input(self: Any, job: Any) -> list[str]:
        return sorted(str(path).removeprefix(prefix) for path in read_input(self, job))

    def params(self: Any, job: Any) -> list[Any]:
        return sorted(each.replace(quoted, "") for each in read_params(self, job))

    def input_checksums(self: Any, job: Any, path: Any) -> set[Any]:
        return read_checksums(self, job, str(path).removeprefix(prefix))

    def write(self: Any, key: str, record: Any) -> None:
        found = record.input_checksums or {}
        record.input_checksums = {path.removeprefix(prefix): each for path, each in found.items()}
        write_record(self, key, record)

    persistence._code = code
    if root != work:
        persistence._input, persistence._params = input, params
        persistence.input_checksums, persistence._write_record = input_checksums, write


def _move(old: Path, new: Path) -> None:
    """Move the records of an earlier version to the results, once."""
    found = [path for path in old.iterdir() if path.name.lstrip("@").startswith(CODED_RESULTS)]
    if found and not new.exists():
        new.mkdir(parents=True)
        for path in found:
            path.rename(new / path.name)
