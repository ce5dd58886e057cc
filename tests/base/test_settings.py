"""Settings classes and the plain trees they travel as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, MinLen
from wstal.base.array_store import Record, write_shard
from wstal.base.errors import WstalError
from wstal.base.settings import (
    SettingsError,
    defaults,
    field_types,
    from_plain,
    settings_class,
    to_plain,
)
from wstal.base.stage import join_shards


@dataclass(frozen=True)
class NmsSettings:
    kind: Literal["soft", "hard"] = "soft"
    sigma: float = 0.3

    def __post_init__(self) -> None:
        if self.kind == "hard" and self.sigma != 0.3:
            raise SettingsError("sigma belongs to soft")


@dataclass(frozen=True)
class MethodSettings:
    streams: Annotated[tuple[str, ...], MinLen(1)]
    nms: NmsSettings | None = NmsSettings()
    widths: Mapping[str, int] = field(default_factory=lambda: {"rgb": 1024})
    length: Annotated[int, Ge(2)] | None = 320
    span: tuple[float, float] = (0.0, 1.0)
    steps: tuple[NmsSettings, ...] = ()


def test_a_tree_and_its_settings_are_equal():
    plain = {
        "streams": ["rgb", "flow"],
        "nms": {"kind": "hard", "sigma": 0.3},
        "widths": {"rgb": 4},
        "length": None,
        "span": [0.5, 1.0],
        "steps": [{"kind": "soft", "sigma": 1.0}],
    }
    settings = from_plain(MethodSettings, plain)
    assert settings == MethodSettings(
        ("rgb", "flow"),
        NmsSettings("hard"),
        {"rgb": 4},
        None,
        (0.5, 1.0),
        (NmsSettings(sigma=1.0),),
    )
    assert to_plain(settings) == plain


def test_missing_keys_take_their_defaults():
    assert from_plain(MethodSettings, {"streams": ["rgb"]}) == MethodSettings(("rgb",))
    assert from_plain(MethodSettings, {"streams": ["rgb"], "nms": None}).nms is None
    assert defaults(MethodSettings) == {
        "nms": {"kind": "soft", "sigma": 0.3},
        "widths": {"rgb": 1024},
        "length": 320,
        "span": [0.0, 1.0],
        "steps": [],
    }


def test_a_settings_class_is_found_in_the_type_of_its_field():
    types = field_types(MethodSettings)
    assert settings_class(types["nms"]) is NmsSettings
    assert settings_class(types["length"]) is None


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({"streams": ["a"], "nms": {"sigam": 1}}, "nms.sigam: unknown key; did you mean 'sigma'?"),
        ({"streams": ["a"], "zzz": 1}, "zzz: unknown key; valid keys: length, nms, span, "),
        ({}, "streams: missing; add it"),
        ({"streams": ["a"], "nms": "soft"}, "nms: expected a mapping of keys, found 'soft'"),
        ({"streams": "rgb"}, "streams: expected a list, found 'rgb'"),
        ({"streams": ["a"], "span": [1.0]}, "span: expected 2 values, found 1"),
        (
            {"streams": ["a"], "steps": [{"kid": 1}]},
            "steps.0.kid: unknown key; did you mean 'kind'?",
        ),
        ({"streams": ["a"], "nms": {"kind": "hard", "sigma": 1}}, "nms: sigma belongs to soft"),
    ],
)
def test_an_error_names_the_path_of_the_key(plain, message):
    with pytest.raises(WstalError) as error:
        from_plain(MethodSettings, plain)
    assert str(error.value).startswith(message)


def test_the_top_level_has_a_name_in_errors():
    with pytest.raises(WstalError, match="top level: expected a mapping"):
        from_plain(MethodSettings, ["rgb"])


# Shards of the earlier stages are joined by id; the status of a video without files is passed on.


@pytest.fixture
def shards(tmp_path):
    def write(stage, *records):
        path = tmp_path / stage / "shard0.csv"
        write_shard(path, records)
        return path

    return write


def test_join(shards, tmp_path):
    frames = shards(
        "frames",
        Record("a", "ok", 40, "s", "a.h5", "ka"),
        Record("b", "partial", 20, "s", "b.h5", "kb", "ends early"),
        Record("c", "broken", 0, "", "", "kc", "no frames"),
    )
    audio = shards(
        "audio",
        Record("a", "no_audio", 0, "s", "a.h5", "ja", "no sound track"),
        Record("b", "no_audio", 0, "s", "b.h5", "jb", "no sound track"),
        Record("c", "ok", 5, "s", "c.h5", "jc"),
    )
    inputs, passed = join_shards({"frames": frames, "audio": audio})
    assert [(i.id, i.status, i.reason) for i in inputs] == [
        ("a", "no_audio", "no sound track"),
        ("b", "partial", "ends early"),
    ]
    assert inputs[0].source == "ka ja"
    assert inputs[1].files == {
        "frames": tmp_path / "frames/b.h5",
        "audio": tmp_path / "audio/b.h5",
    }
    assert [(r.id, r.status, r.rows, r.reason) for r in passed] == [("c", "broken", 0, "no frames")]


def test_a_shard_that_lacks_a_video(shards):
    frames = shards("frames", Record("a", "ok", 40, "s", "a.h5", "k"))
    with pytest.raises(WstalError, match="shard0.csv has no row for 1 of the videos"):
        join_shards({"frames": frames, "flow": shards("flow")})
