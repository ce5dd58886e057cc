import pytest
import torch
from wstal.errors import WstalError
from wstal.train import checkpoint


def test_round_trip_with_weights_only(tmp_path):
    content = {"model": {"w": torch.arange(3.0)}, "config": {"a": [1, "b", None]}, "versions": {}}
    checkpoint.save(tmp_path / "c.pt", content)
    raw = torch.load(tmp_path / "c.pt", weights_only=True)
    assert raw["config"] == content["config"]
    loaded = checkpoint.load(tmp_path / "c.pt")
    assert torch.equal(loaded["model"]["w"], content["model"]["w"])


def test_equal_content_is_equal_bytes_whatever_the_name(tmp_path):
    for name in ("a.pt", "other.pt"):
        checkpoint.save(tmp_path / name, {"w": torch.ones(4), "versions": checkpoint.versions()})
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "other.pt").read_bytes()


def test_other_files_are_refused(tmp_path):
    (tmp_path / "text.pt").write_text("no")
    torch.save({"w": 1}, tmp_path / "foreign.pt")
    torch.save({"f": print}, tmp_path / "code.pt")
    for name in ("text.pt", "code.pt", "absent.pt"):
        with pytest.raises(WstalError, match=f"{name} is not a readable checkpoint"):
            checkpoint.load(tmp_path / name)
    with pytest.raises(WstalError, match="not a checkpoint of this project"):
        checkpoint.load(tmp_path / "foreign.pt")


def test_versions_are_plain_text():
    assert all(type(value) is str for value in checkpoint.versions().values())
