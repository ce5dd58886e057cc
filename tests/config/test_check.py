"""Configuration held against settings classes: what is completed, read and refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, MinLen
from wstal.base.errors import WstalError
from wstal.config.check import checked, checked_tree


@dataclass(frozen=True)
class TrainSettings:
    iterations: Annotated[int, Ge(1)] | None = 5
    epochs: int | None = None
    learning_rate: float = 0.1

    def __post_init__(self) -> None:
        if (self.iterations is None) == (self.epochs is None):
            raise ValueError("of iterations and epochs one is null")


@dataclass(frozen=True)
class Settings:
    kind: Literal["folder", "thumos14"]
    train: TrainSettings = TrainSettings()
    final: TrainSettings | None = TrainSettings(iterations=9)
    seeds: Annotated[tuple[int, ...], MinLen(1)] = (0, 1)
    videos: str | None = None
    fast: bool = False
    pool: Literal[16] = 16
    names: Mapping[str, str] = field(default_factory=dict)
    render: Mapping[str, Any] = field(default_factory=dict)


def tree(**given):
    return checked_tree(Settings, {"kind": "folder", **given}, "a.yaml")


def test_defaults_are_filled_at_every_depth_and_the_input_is_untouched():
    given = {"train": {"iterations": 7}}
    assert tree(**given)["train"] == {"iterations": 7, "epochs": None, "learning_rate": 0.1}
    assert given == {"train": {"iterations": 7}}
    assert tree()["train"]["iterations"] == 5 and tree()["seeds"] == [0, 1]


def test_a_section_is_laid_over_the_default_of_its_field():
    assert tree(final={"learning_rate": 1})["final"]["iterations"] == 9
    assert tree(final=None)["final"] is None


def test_the_instance_has_the_values_of_the_tree():
    settings = checked(Settings, {"kind": "thumos14", "seeds": ["4"]}, "a.yaml")
    assert settings == Settings("thumos14", seeds=(4,))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"train": {"iteration": 5}}, "train.iteration: unknown key; did you mean 'iterations'?"),
        ({"kind": "thumos"}, "kind: 'thumos' is not one of 'folder' or 'thumos14'; did you mean 'thumos14'?"),
        ({"train": {"iterations": "x"}}, "train.iterations: expected a whole number, found 'x'"),
        ({"train": {"iterations": "[1"}}, "train.iterations: expected a whole number, found '[1'"),
        ({"train": {"iterations": 1.5}}, "train.iterations: expected a whole number, found 1.5"),
        ({"train": {"iterations": True}}, "train.iterations: expected a whole number, found True"),
        ({"train": {"learning_rate": False}}, "train.learning_rate: expected a number, found False"),
        ({"train": {"iterations": 0}}, "train.iterations: 0: should be greater than or equal to 1"),
        ({"train": 7}, "train: expected a mapping of keys; check braces and quotes, found 7"),
        ({"train": None}, "train: expected a mapping of keys; check braces and quotes, found None"),
        ({"seeds": []}, "seeds: []: the list should have at least 1 item after validation, not 0"),
        ({"seeds": 3}, "seeds: expected a list, found 3"),
        ({"fast": 1}, "fast: expected true or false, found 1"),
        ({"videos": 7}, "videos: expected text, found 7"),
        ({"pool": 8}, "pool: 8 is not one of 16"),
        ({"names": {"a": 3, 1: 2}}, "names.1: expected text, found 2\na.yaml: names.a: expected text, found 3"),
        ({"train": {"epochs": 5}}, "train: of iterations and epochs one is null"),
    ],
)  # fmt: skip
def test_errors_name_file_key_path_value_and_what_was_expected(given, message):
    with pytest.raises(WstalError) as caught:
        tree(**given)
    assert str(caught.value) == f"a.yaml: {message}"


def test_unknown_keys_without_a_near_one_name_all_that_are_valid():
    with pytest.raises(
        WstalError, match=r"zzz: unknown key; valid keys: fast, final, kind"
    ) as caught:
        tree(zzz=1, **{"names": {"a": 1}})
    assert len(str(caught.value).splitlines()) == 2
    with pytest.raises(WstalError, match=r"1: unknown key; .*\n.*None: unknown key"):
        checked_tree(Settings, {"kind": "folder", 1: 1, None: 1}, "a.yaml")


def test_a_missing_key_and_a_value_that_is_no_mapping_are_named():
    with pytest.raises(WstalError, match="^a.yaml: kind: missing; add it$"):
        checked_tree(Settings, {}, "a.yaml")
    with pytest.raises(WstalError, match="^a.yaml: import: expected a mapping of keys, found 3"):
        checked_tree(Settings, 3, "a.yaml", where="import")


def test_keys_below_a_place_are_named_with_their_whole_path():
    with pytest.raises(WstalError, match=r"^a.yaml: import.train.iterations: expected a whole"):
        checked_tree(Settings, {"kind": "folder", "train": {"iterations": 1.5}}, "a.yaml", "import")


def test_numbers_given_as_text_are_read_and_names_stay_text():
    read = tree(
        train={"iterations": "7", "learning_rate": "1.0e-3"},
        **{"seeds": ["0", "1"], "videos": "007", "fast": "true", "pool": "16"},
    )
    assert read["train"] == {"iterations": 7, "epochs": None, "learning_rate": 0.001}
    assert read["seeds"] == [0, 1] and read["videos"] == "007" and read["kind"] == "folder"
    assert read["fast"] is True and read["pool"] == 16
    assert tree(seeds="[3, 4]")["seeds"] == [3, 4]
    assert tree(render={"a": "7"})["render"] == {"a": "7"}


@pytest.mark.parametrize("text", ["1e-4", "1E-4", "+1.e-4", ".1e-3"])
def test_a_power_of_ten_is_a_number_though_yaml_says_text(text):
    read = tree(train={"learning_rate": text, "iterations": "2e3"})["train"]
    assert read == {"learning_rate": 0.0001, "iterations": 2000, "epochs": None}


def test_a_whole_number_written_as_a_fraction_is_one_that_can_count():
    assert isinstance(tree(train={"iterations": 2.0})["train"]["iterations"], int)
    assert isinstance(tree(train={"learning_rate": 2})["train"]["learning_rate"], int)


@pytest.mark.parametrize("number", [".nan", ".inf", float("inf")])
def test_a_number_that_is_not_finite_is_refused(number):
    with pytest.raises(
        WstalError, match=r"^a.yaml: train.learning_rate: (nan|inf) is not a finite"
    ):
        tree(train={"learning_rate": number})
    with pytest.raises(WstalError, match=r"^a.yaml: render.a.0: inf is not a finite"):
        tree(render={"a": [float("inf")]})
