"""Do these weights, through this code, give what they should? A line per answer.

First come the published files that weights are verified with (found in a folder or downloaded, and
known by their hash), then the checks against what their publishers computed, last the comparison
of a lower precision with float32 (`judge`).
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import cv2
import numpy as np
import soxr
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wstal.base.download import Track, download
from wstal.base.errors import WstalError
from wstal.base.torch_files import read_plain
from wstal.base.user_files import file_sha256
from wstal.features.importers.published import load_array
from wstal.features.precision import Verdict, measured_on
from wstal.features.snippets import as_taken, centre_crop, scaled, snippets
from wstal.features.vggish_stage import snippet_windows
from wstal.flow.codes import flow_chunks
from wstal.flow.tvl1_backends.backend import tvl1
from wstal.media.frames import load_decoder, read_frames, read_timeline
from wstal.media.sound import RATE, read_sound
from wstal.media.timeline import SNIPPET, snippet_count
from wstal.networks.backbone import BackboneEntry, load_backbone
from wstal.networks.i3d.inference import for_inference
from wstal.networks.i3d.network import load_i3d
from wstal.networks.vggish import load_postprocess, load_vggish
from wstal.networks.weights import EXACT, UNTRAINED, WeightFile, verify

PACKED = "video_features_refs.npz"


class Absent(WstalError):
    """A file that a check needs is missing; the message says how to get it."""


class GoldenFiles:
    """Files and arrays by their names in `golden.yaml`.

    With `folder` they are searched for there, at any depth, and nothing is downloaded; else they
    are downloaded to `cache`.
    """

    def __init__(
        self,
        golden: Mapping[str, Any],
        cache: str | Path,
        folder: str | Path | None = None,
        track: Track | None = None,
    ) -> None:
        self.golden, self.cache, self.track = golden, Path(cache), track
        self.folder = Path(folder) if folder else None
        if self.folder and not self.folder.is_dir():
            raise WstalError(f"there is no folder {folder} of golden files")

    def file(self, name: str) -> Path:
        """Return a file of the section `files`. Raises Absent, or WstalError for another file."""
        entry = self.golden["files"][name]
        if not self.folder:
            return self._fetched(entry, entry["sha256"])
        path = self._found(entry["file"])
        if path is None:
            raise Absent(f"no {entry['file']} in {self.folder}; it is {entry['url']}")
        if (found := file_sha256(path)) != entry["sha256"]:
            raise WstalError(f"{path}: sha256 {found}, expected {entry['sha256']}; fetch it again")
        return path

    def array(self, name: str) -> np.ndarray:
        """Return an array of the section `arrays`; raises as `file`."""
        entry = self.golden["arrays"][name]
        path, values = self._read(entry)
        found = hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
        if found != entry["sha256"]:
            raise WstalError(
                f"{path}: the numbers of {name} have sha256 {found}, expected {entry['sha256']}; "
                "remove the file and fetch it again"
            )
        return values

    def frames(self, name: str) -> np.ndarray:
        """Return the pictures of an entry of `frames`, uint8 RGB `[rows, 17, H, W, 3]`.

        Raises as `file`.
        """
        entry = self.golden["frames"][name]
        rows = [[row * SNIPPET + k + 1 for k in range(SNIPPET + 1)] for row in entry["rows"]]
        names = [entry["file"].format(number=number) for row in rows for number in row]
        files = self._pictures(entry, names) if self.folder else self._fetched_pictures(entry, rows)
        if (found := hashlib.sha256(b"".join(files)).hexdigest()) != entry["sha256"]:
            raise WstalError(
                f"the pictures of {entry['folder']} have sha256 {found}, expected "
                f"{entry['sha256']}; remove them and fetch them again"
            )
        decoded = [cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) for data in files]
        pictures = np.stack(decoded)[..., ::-1]
        return pictures.reshape(len(rows), SNIPPET + 1, *pictures.shape[1:])

    def _pictures(self, entry: Mapping[str, Any], names: list[str]) -> list[bytes]:
        """Read pictures of the folder: loose in a folder of the entry's name, or in its archive."""
        if first := self._found(f"{entry['folder']}/{names[0]}"):
            return [(first.parent / name).read_bytes() for name in names]
        packed = self._found(entry["packed"])
        if packed is None:
            raise Absent(
                f"neither {entry['folder']}/{names[0]} nor {entry['packed']} in {self.folder}; "
                f"{entry['url']}"
            )
        with tarfile.open(packed) as archive:
            members = {Path(member.name).name: member for member in archive if member.isfile()}
            if absent := [name for name in names if name not in members]:
                raise WstalError(f"{packed} has no file {absent[0]}; fetch it again")
            return [archive.extractfile(members[name]).read() for name in names]

    def _fetched_pictures(self, entry: Mapping[str, Any], rows: list[list[int]]) -> list[bytes]:
        files = [
            {key: entry[key].format(number=number) for key in ("file", "url")}
            for row in rows
            for number in row
        ]
        return [self._fetched(file).read_bytes() for file in files]

    def _read(self, entry: Mapping[str, str]) -> tuple[Path, np.ndarray]:
        path = self._found(entry["file"]) if self.folder else self._fetched(entry)
        if path is not None:
            return path, load_array(path) if path.suffix == ".npy" else _data(path)
        if "packed" not in entry:
            raise Absent(f"no {entry['file']} in {self.folder}; it is {entry['url']}")
        packed = self._found(PACKED)
        if packed is None:
            raise Absent(f"neither {entry['file']} nor {PACKED} in {self.folder}; {entry['url']}")
        try:
            with np.load(packed, allow_pickle=False) as arrays:
                return packed, arrays[entry["packed"]]
        except (KeyError, TypeError, ValueError, OSError, BadZipFile) as error:
            raise WstalError(f"{packed} has no array {entry['packed']}: {error}") from error

    def _found(self, name: str) -> Path | None:
        return next(iter(sorted(self.folder.rglob(name))), None)

    def _fetched(self, entry: Mapping[str, str], sha256: str = "") -> Path:
        path = self.cache / entry["file"]
        try:
            download(entry["url"], path, sha256, self.track)
        except WstalError as error:
            raise Absent(f"{error}; or give a folder that holds {entry['file']}") from error
        return path


def _data(path: Path) -> np.ndarray:
    """Return the array `data` of a torch file; raises WstalError if there is none."""
    content = read_plain(path, others_inert=True)
    if not isinstance(content, Mapping) or not isinstance(
        content.get("data"), np.ndarray | torch.Tensor
    ):
        raise WstalError(f"{path} has no array `data`; remove the file and fetch it again")
    return np.asarray(content["data"])


def weights_in(folder: str | Path, sources: Mapping[str, WeightFile], name: str) -> Path:
    """Return the file of the weights `name` in a folder, its identity checked.

    Raises Absent, saying what to fetch, and WstalError for another file.
    """
    path = Path(folder) / sources[name].file
    if not path.exists():
        raise Absent(f"no {path}; run wstal weights fetch {name}")
    verify(path, sources[name])
    return path


PASS, FAIL, SKIP = "pass", "fail", "skip"
EXAMPLE = 0.96  # seconds of sound in one input of VGGish
CPU = torch.device("cpu")
Weights = Callable[[str], Path]
Answer = tuple[list[str], str]  # what is wrong, and what was measured


@dataclass(frozen=True)
class Check:
    """One answer: `status` is pass, fail or skip; `detail` has the figures or the remedy."""

    name: str
    status: str
    detail: str


@torch.inference_mode()
def weight_checks(
    golden: Mapping[str, Any],
    files: GoldenFiles,
    weights: Weights,
    backbones: Mapping[str, BackboneEntry],
) -> Iterator[Check]:
    """Yield all checks in turn; those without their files are skipped.

    `golden` is the content of golden.yaml; `weights` gives the path of a named file of weights,
    or raises Absent; `backbones` are the entries by name.
    """
    tasks = {
        "I3D RGB, features of a clip": lambda: _i3d_features(golden, files, weights),
        "R(2+1)D, features of a clip": lambda: _r2plus1d_features(
            golden, files, weights, backbones["r2plus1d"]
        ),
        "I3D RGB, logits": lambda: _logits(golden, files, weights, ("rgb",)),
        "I3D flow, logits": lambda: _logits(golden, files, weights, ("flow",)),
        "I3D joint, logits": lambda: _logits(golden, files, weights, ("rgb", "flow")),
        "I3D RGB, rows of a THUMOS14 video": lambda: _thumos14(golden, files, weights, "rgb"),
        "I3D flow, rows of a THUMOS14 video": lambda: _thumos14(golden, files, weights, "flow"),
        "VGGish, embeddings of a clip": lambda: _embeddings(golden, files, weights),
    }
    for tone in golden["vggish"]["sine"]:
        name = f"VGGish, {tone['activation']}-activation, sine at {tone['rate']} Hz"
        tasks[name] = lambda tone=tone: _sine(golden, weights, tone)
        tasks[f"{name}, 8-bit components"] = lambda tone=tone: _sine(golden, weights, tone, True)
    for name, task in tasks.items():
        try:
            failures, detail = task()
        except Absent as error:
            yield Check(name, SKIP, str(error))
        except WstalError as error:
            yield Check(name, FAIL, str(error))
        else:
            yield Check(name, FAIL if failures else PASS, "; ".join([*failures, detail]))


def _i3d_features(golden: Mapping, files: GoldenFiles, weights: Weights) -> Answer:
    spec = golden["features"]["i3d_rgb"]
    network = load_i3d(weights("i3d_rgb_imagenet"), 3, spec["width"])
    rows = _stacks(for_inference(network, CPU).features, files.file("clip"), spec)
    return _agreement(rows, files.array("i3d_rgb"), spec["cosine"])


def _r2plus1d_features(
    golden: Mapping, files: GoldenFiles, weights: Weights, entry: BackboneEntry
) -> Answer:
    spec = golden["features"]["r2plus1d"]
    network = load_backbone("r2plus1d", entry, weights("r2plus1d_kinetics"))
    rows = _stacks(network.features, files.file("clip"), spec)
    return _agreement(rows, files.array("r2plus1d"), spec["cosine"])


def _thumos14(golden: Mapping, files: GoldenFiles, weights: Weights, stream: str) -> Answer:
    """Compare rows of a THUMOS14 video, from its published frames, with the published ones."""
    spec = golden["features"][f"thumos14_{stream}"]
    network = load_i3d(
        weights(f"i3d_{stream}_imagenet"), {"rgb": 3, "flow": 2}[stream], spec["width"]
    )
    stored = files.array(f"thumos14_{stream}")[golden["frames"]["thumos14"]["rows"]]
    pictures = files.frames("thumos14")
    inputs = pictures[:, :SNIPPET] if stream == "rgb" else np.stack(list(map(_flow, pictures)))
    fast, rows = for_inference(network, CPU), []
    for each in torch.from_numpy(np.ascontiguousarray(inputs)):
        rows.append(fast.features(as_taken(fast, each[None])))
    found, expected = torch.cat(rows), torch.from_numpy(stored)
    failures, detail = _agreement(found, stored, spec["cosine"])
    if found.shape == expected.shape:
        nearest = torch.cdist(F.normalize(found, dim=1), F.normalize(expected.to(found), dim=1))
        if not bool((nearest.argmin(1) == torch.arange(len(nearest))).all()):
            failures.append("a row is nearer to one of another time")
    return failures, detail


def _flow(pictures: np.ndarray) -> np.ndarray:
    """Return the codes of TV-L1 flow of RGB pictures, int8 `[N - 1, H, W, 2]`."""
    gray = np.stack([cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in pictures])
    return np.concatenate(list(flow_chunks([gray], tvl1, bound=BOUND)))


def _logits(
    golden: Mapping, files: GoldenFiles, weights: Weights, streams: tuple[str, ...]
) -> Answer:
    spec = golden["logits"]
    logits = sum(_gif_logits(stream, files, weights, spec["width"]) for stream in streams)
    expected = spec[streams[0] if len(streams) == 1 else "joint"]
    best, wanted = int(logits.argmax()), spec["class"]
    failures = [] if best == wanted else [f"the largest logit is of class {best}, not {wanted}"]
    found = {"logit": float(logits[wanted]), "norm": float(logits.norm())}
    failures += _off(found, expected, spec["tolerance"])
    return failures, _listed(found)


def _gif_logits(stream: str, files: GoldenFiles, weights: Weights, width: float) -> Tensor:
    """Return the class logits `[400]` of one sample gif."""
    channels = {"rgb": 3, "flow": 2}[stream]
    network = load_i3d(weights(f"i3d_{stream}_imagenet"), channels, width)
    pictures = _pictures(files.file(f"{stream}_gif"), None)[..., :channels]
    x = scaled(torch.from_numpy(pictures))
    if stream == "flow":
        # Red and green are the flow's parts, cut to whole levels: half a level is lost on average.
        x = x + 1 / 255
    return network(x.permute(3, 0, 1, 2)[None])[0].mean(1)


def _embeddings(golden: Mapping, files: GoldenFiles, weights: Weights) -> Answer:
    spec = golden["vggish"]["rows"]
    stored = files.array("vggish")
    network = load_vggish(weights("vggish"), golden["vggish"]["width"], "post")
    windows = snippet_windows(read_sound(files.file("clip")), len(stored), EXAMPLE)
    rows = network(torch.from_numpy(windows)[:, None])
    failures, detail = _agreement(rows, stored, spec["cosine"])
    found = {"mean": float(rows.mean()), "sd": float(rows.std(correction=0))}
    return failures + _off(found, spec, spec["tolerance"]), f"{detail}, {_listed(found)}"


def _sine(golden: Mapping, weights: Weights, tone: Mapping, components: bool = False) -> Answer:
    network = load_vggish(weights("vggish"), golden["vggish"]["width"], tone["activation"])
    # As in the published tests: with the end point at 44.1 kHz, without it at 16 kHz.
    time = np.linspace(0, 3, 3 * tone["rate"], endpoint=tone["rate"] != RATE)
    sound = soxr.resample(np.sin(2 * np.pi * 1000 * time).astype(np.float32), tone["rate"], RATE)
    rows = network(torch.from_numpy(snippet_windows(sound, 3, EXAMPLE))[:, None])
    prefix = ""
    if components:
        rows, prefix = load_postprocess(weights("vggish_pca"), "pca8")(rows), "pca_"
    found = {f"{prefix}mean": float(rows.mean()), f"{prefix}sd": float(rows.std(correction=0))}
    return _off(found, tone, 0.1, least=0.01), _listed(found)


def _pictures(path: Path, short_side: int | None) -> np.ndarray:
    """Return all frames of a file, uint8 `[N, H, W, 3]`."""
    count = len(load_decoder("pyav").scan(path).pts)
    return np.concatenate(list(read_frames(path, np.arange(count), short_side=short_side)))


def _stacks(features: Callable[[Tensor], Tensor], clip: Path, spec: Mapping) -> Tensor:
    """Return the rows of whole stacks of frames at the file's own rate, `[N, D]`."""
    pixels = centre_crop(_pictures(clip, spec["short_side"]), spec["crop"])
    stacks = torch.from_numpy(pixels).split(spec["stack"])
    whole = [stack for stack in stacks if len(stack) == spec["stack"]]
    return torch.cat([features(scaled(stack).permute(3, 0, 1, 2)[None]) for stack in whole])


def _agreement(rows: Tensor, stored: np.ndarray, least: float) -> Answer:
    expected = torch.from_numpy(stored).to(rows)
    if rows.shape != expected.shape:
        return [f"shape {list(rows.shape)}, stored {list(expected.shape)}"], "not compared"
    lowest = float(torch.cosine_similarity(rows, expected, dim=1).min())
    failures = [] if lowest > least else [f"the least cosine must be over {least}"]
    return failures, f"cosine {lowest:.5f} or more in {len(rows)} rows"


def _off(
    found: Mapping[str, float], expected: Mapping[str, float], share: float, least: float = 0.0
) -> list[str]:
    """Return what is off by more than a share of `expected`, or than `least` if that is more."""
    return [
        f"{name} expected {expected[name]}"
        for name, value in found.items()
        if abs(value - expected[name]) > max(share * abs(expected[name]), least)
    ]


def _listed(found: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in found.items())


FPS, BOUND = 25, 20  # of the published I3D features


def sample_snippets(
    path: str | Path, stream: str, most: int, *, short_side: int = 256, crop: int = 224
) -> Iterator[np.ndarray]:
    """Yield the first snippets of a video, at most `most`, as the `i3d_{stream}` stages cut them.

    uint8 RGB `[16, crop, crop, 3]` (stream `rgb`) or int8 codes of TV-L1 flow
    `[16, crop, crop, 2]` (`flow`). Raises MediaError if the video does not decode.
    """
    frames = read_timeline(path, FPS).frame_index[: most * SNIPPET + 1]
    pixels = {"rgb": "rgb", "flow": "gray"}[stream]
    pictures = read_frames(path, frames, pixels=pixels, short_side=short_side)
    if stream == "flow":
        pictures = flow_chunks(pictures, tvl1, bound=BOUND)
    return snippets(pictures, min(most, snippet_count(len(frames))), crop)


@torch.inference_mode()
def judge(
    network_in: Callable[[str], nn.Module],
    weights: str,
    batches: Iterable[np.ndarray],
    precision: str,
    device: torch.device,
) -> Verdict:
    """Compare `precision` with float32 on `batches` of uint8 or int8 snippets `[B, T, S, S, C]`.

    `network_in` returns the network on `device` that computes in a precision. Raises WstalError
    for untrained weights, which say nothing about trained ones, and if there is no snippet.
    """
    if weights == UNTRAINED:
        raise WstalError("the precision check needs trained weights; these are untrained")
    inputs = [torch.from_numpy(batch) for batch in batches]
    if not inputs:
        raise WstalError("the precision check got no snippet")
    features = []
    for mode in (EXACT, precision):  # one after the other: TF32 is a switch of the process
        fast = network_in(mode)
        made = [fast.features(as_taken(fast, x.to(device))) for x in inputs]
        features.append(torch.cat(made).double().cpu())
    exact, found = features
    return Verdict(
        **measured_on(precision, weights, device),
        snippets=len(exact),
        cosine=F.cosine_similarity(found, exact).min().item(),
        relative_error=((found - exact).norm() / exact.norm()).item(),
    )
