"""What a run lacks is one page, before its first job."""

import json

import pytest
from local_server import serving
from wstal.base.errors import WstalError
from wstal.config import missing
from wstal.config.layers import read_yaml
from wstal.config.missing import require_videos, require_weights, unreachable, weights_page
from wstal.networks.i3d.network import InceptionI3D
from wstal.networks.vggish import VGGish

FILES = ["results/weights/rgb_imagenet.pt", "results/weights/vggish-10086976.pth"]


@pytest.fixture(scope="module")
def known(project):
    folder = project / "workflow/reference/weights"
    return read_yaml(folder / "sources.yaml"), read_yaml(folder / "terms.yaml")


def test_every_file_has_a_licence_and_a_size(known):
    sources, terms = known
    assert set(terms) == set(sources)
    assert all(about["licence"] and about["megabytes"] > 0 for about in terms.values())


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("i3d_rgb_imagenet", lambda: InceptionI3D(3)),
        ("i3d_flow_imagenet", lambda: InceptionI3D(2)),
        ("vggish", lambda: VGGish(1.0)),
    ],
)
def test_sizes_are_those_of_the_networks(known, name, network):
    tensors = network().state_dict().values()
    megabytes = sum(each.numel() * each.element_size() for each in tensors) / 1e6
    assert known[1][name]["megabytes"] == pytest.approx(megabytes, abs=0.1)


def test_all_missing_files_are_one_page_with_one_command(known):
    text = weights_page(FILES, *known)
    assert text.startswith("This run needs 2 files of weights (about 339 MB):")
    assert text.splitlines()[-1].endswith("wstal weights fetch i3d_rgb_imagenet vggish")
    for part in ("about 50.8 MB", "Apache-2.0", "git blob id 73a4fd1d", "sha256 10086976"):
        assert part in text
    for path in FILES:
        assert f"place: {path}" in text
    assert known[0]["vggish"]["url"] in text
    assert weights_page([], *known) == ""


def test_without_network_the_run_ends_before_its_first_job(known, monkeypatch):
    monkeypatch.setattr(missing, "_answers", lambda url: "github.com" in url)
    with pytest.raises(WstalError, match="From here raw.githubusercontent.com cannot") as caught:
        require_weights(FILES, *known)
    assert "wstal weights fetch i3d_rgb_imagenet vggish" in str(caught.value)
    assert require_weights(FILES[1:], *known).startswith("This run needs 1 file of")
    assert require_weights([], *known) == ""


def test_a_host_that_answers_in_any_way_is_reached():
    with serving({}) as (address, _):
        sources = {"a": {"file": "a.pt", "url": f"{address}/absent.pt"}}
        assert unreachable(["results/weights/a.pt"], sources) == []
    sources = {"a": {"file": "a.pt", "url": f"{address}/absent.pt"}}
    assert len(unreachable(["results/weights/a.pt"], sources)) == 1


def dataset(**changes):
    return {"kind": "thumos14", "videos": None, "labels": None, "max_missing": 0} | changes


def listed(folder, count):
    database = {f"video_{n:03}": {"subset": "test"} for n in range(count)}
    (folder / "results/thumos14").mkdir(parents=True)
    text = json.dumps({"database": database | {"x": {"features_only": True}}})
    (folder / "results/thumos14/videos.json").write_text(text)


def test_a_folder_without_any_video_is_one_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WstalError) as caught:
        require_videos(["thumos14"], {"thumos14": dataset()})
    text = str(caught.value)
    assert "no video below results/thumos14/videos, which does not exist." in text
    assert "Put them into data/thumos14/videos, or name their folder under `videos:`" in text
    assert "snakemake --cores 8 results/thumos14/videos/fetched.csv" in text


def test_of_many_missing_videos_20_are_named_and_a_file_has_all(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    listed(tmp_path, 413)
    place = tmp_path / "data/thumos14/videos"
    place.mkdir(parents=True)
    for name in ("video_000.mp4", "video_007.avi", "video_08.mp4"):
        (place / name).touch()
    with pytest.raises(WstalError) as caught:
        require_videos(["thumos14"], {"thumos14": dataset()})
    lines = str(caught.value).splitlines()
    first = "dataset thumos14: 411 of 413 videos are not below data/thumos14/videos."
    assert lines[0] == first and len(lines) == 23 and len(str(caught.value)) < 1500
    assert "video_008 (similar: " in lines[7] and "video_08.mp4" in lines[7]
    assert "and 391 others" in lines[21]
    names = (tmp_path / "results/thumos14/missing_videos.txt").read_text().split()
    assert len(names) == 411 and "video_007" not in names


def test_as_many_as_are_allowed_may_be_missing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    listed(tmp_path, 3)
    for name in ("video_000.mp4", "video_001.mp4"):
        (tmp_path / name).touch()
    datasets = {"thumos14": dataset(videos=".", max_missing=1)}
    (text,) = require_videos(["thumos14", "thumos14"], datasets)
    assert text.startswith("dataset thumos14: 1 of 3 videos are not below .")
    assert require_videos(["thumos14"], {"thumos14": dataset(videos=".", max_missing=None)})
    (tmp_path / "video_002.mp4").touch()
    assert require_videos(["thumos14"], datasets) == []
