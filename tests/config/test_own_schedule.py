"""Own videos get a schedule of their own, made from what their labels say."""

from __future__ import annotations

import json

import pytest
from wstal.base.errors import WstalError
from wstal.config.catalog import load_catalog
from wstal.config.own_schedule import (
    LEAST_BACKGROUND,
    LabelCounts,
    check_fit,
    fitted,
    fitted_updates,
    label_counts,
)

from benchmarks.studies import own_schedule
from benchmarks.studies.own_schedule import Trial, rows_of_page

MINE = {"kind": "folder", "videos": "clips", "recipe": "demo_i3d"}


@pytest.fixture
def labelled(tmp_path, monkeypatch):
    """Return a function that writes labels of so many training videos of each class."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clips").mkdir()

    def write(*counts):
        rows = [f"t{c}_{i},c{c},train" for c, n in enumerate(counts) for i in range(n)]
        text = "\n".join(["video,labels,split", *rows, "nothing,background,train", "x,c0,test", ""])
        (tmp_path / "clips/labels.csv").write_text(text)

    return write


@pytest.fixture(scope="module")
def catalog():
    """One configuration for all tests: a variant and a dataset for each thing that overrides."""
    short = {"train": {"epochs": 20, "score_interval": 10}}
    methods = {
        "cavf": {"train": {"iterations": 1000}, "data": {"batch": 4}},
        "tssam": {"datasets": {"mine": short}},
        "untrimmednet": {"variants": {"short": short}},
        "acn": {"train": {"epochs": 7}},
    }
    about = {"mine": MINE, "other": MINE, "named": MINE | {"settings": "thumos14"}}
    about |= {f"share{share}": MINE | {"action_share": share / 100} for share in (5, 30, 100)}
    return load_catalog({"datasets": about, "methods": methods})


def test_labels_count_training_videos_background_and_the_classes_that_they_have(labelled):
    about = {**MINE, "labels": None, "segments": None}
    labelled(4, 3)
    assert label_counts("mine", about) == LabelCounts(8, 2, True)
    labelled(1, 1)
    assert label_counts("mine", about) == LabelCounts(3, 2, False)


def test_updates_grow_with_the_root_of_the_videos_within_bounds():
    bounds = {"root": 16, "least": 50, "most": 400}
    assert [fitted_updates(bounds, videos, 3) for videos in (4, 100, 900)] == [50, 160, 400]


def test_updates_grow_with_the_classes_within_bounds():
    bounds = {"per_class": 80, "least": 400, "most": 1600}
    assert [fitted_updates(bounds, 100, classes) for classes in (2, 10, 50)] == [400, 800, 1600]


def test_every_method_has_a_schedule_that_its_labels_decide(labelled, catalog):
    labelled(7, 7)
    for run in ("co2net", "tssam", "untrimmednet"):
        own = catalog.run_config("other", run)
        assert own["train"]["epochs"] is None and 50 <= own["train"]["iterations"] <= 800
        assert own["train"]["score_interval"] == -(-own["train"]["iterations"] // 5)
        assert 2 * own["data"]["pairs"] <= own["data"]["batch"] <= 16


def test_a_catalog_sees_labels_that_change_and_only_those_that_train(labelled, catalog, tmp_path):
    labelled(50, 50)
    before = catalog.run_config("other", "tssam")
    path = tmp_path / "clips/labels.csv"
    path.write_text(path.read_text() + "another,c1,test\n")
    assert catalog.run_config("other", "tssam") == before
    labelled(200, 200)
    assert (
        catalog.run_config("other", "tssam")["train"]["iterations"] > before["train"]["iterations"]
    )


def test_a_tiny_set_draws_no_more_videos_than_it_has_and_no_pairs_without_two_of_a_class(
    labelled, catalog
):
    labelled(1, 1)
    data = catalog.run_config("mine", "co2net")["data"]
    assert (data["batch"], data["pairs"]) == (3, 0)


# The share of a video that is action, where the user states it


@pytest.mark.parametrize(("name", "divisor"), [("share5", 20), ("share30", 3), ("share100", 1)])
def test_the_action_share_is_the_share_of_rows_that_a_top_k_takes(labelled, catalog, name, divisor):
    labelled(4, 3)
    co2net, tssam = (catalog.run_config(name, run) for run in ("co2net", "tssam"))
    assert co2net["loss"]["topk"] == co2net["localize"]["video_topk"] == divisor
    assert tssam["model"]["topk"] == {"fg": divisor, "ct": 2, "bg": 2}
    assert catalog.run_config(name, "cavf")["loss"]["topk"] == divisor


@pytest.mark.parametrize(("name", "background"), [("share5", 0.95), ("share30", 0.7)])
def test_the_rest_of_a_video_is_the_weight_of_background(labelled, catalog, name, background):
    labelled(4, 3)
    found = catalog.run_config(name, "cavf")["loss"]["mil_background"]
    assert found == pytest.approx(background)


def test_a_video_of_action_alone_leaves_background_the_weight_that_trains(labelled, catalog):
    labelled(4, 3)
    assert catalog.run_config("share100", "cavf")["loss"]["mil_background"] == LEAST_BACKGROUND > 0


def test_without_an_action_share_a_top_k_keeps_the_methods_value(labelled, catalog):
    labelled(4, 3)
    own, paper = (catalog.run_config(name, "co2net") for name in ("other", "thumos14"))
    assert own["loss"] == paper["loss"] and own["localize"] == paper["localize"]
    own = catalog.run_config("other", "cavf")["loss"]
    assert (own["topk"], own["mil_background"]) == (8, 0.5)


def test_a_setting_of_the_method_is_stronger_than_the_action_share(labelled):
    labelled(4, 3)
    change = {"cavf": {"loss": {"topk": 6}}, "co2net": {"variants": {"few": {"loss": {"topk": 9}}}}}
    about = {"mine": MINE | {"action_share": 0.3}}
    own = load_catalog({"datasets": about, "methods": change})
    cavf = own.run_config("mine", "cavf")["loss"]
    assert cavf["topk"] == 6 and cavf["mil_background"] == pytest.approx(0.7)
    assert own.run_config("mine", "co2net-few")["loss"]["topk"] == 9


def test_the_action_share_is_named_beside_the_numbers(labelled, catalog):
    labelled(4, 3)
    note = catalog.settings_note("share30", "co2net", "demo_i3d")
    assert note == "schedule of 8 training videos of 2 classes, action share 0.3"
    # Its soft selection has no top-k.
    assert "share" not in catalog.settings_note("share30", "untrimmednet", "demo_i3d")


@pytest.mark.parametrize("share", [0, -0.3, 30])
def test_a_share_that_is_none_is_refused_with_file_value_and_remedy(share):
    with pytest.raises(WstalError) as caught:
        load_catalog({"datasets": {"mine": MINE | {"action_share": share}}})
    message = str(caught.value)
    assert "datasets.mine: action_share" in message and repr(share) in message
    assert "above 0 and at most 1" in message and "leave it out" in message


@pytest.mark.parametrize(
    ("about", "reason"),
    [
        ({"kind": "thumos14"}, "kind thumos14 does not read it; remove"),
        (MINE | {"settings": "thumos14"}, "settings of thumos14 .* remove one of the two"),
    ],
)
def test_a_share_that_nothing_would_read_is_refused(about, reason):
    with pytest.raises(WstalError, match=rf"datasets.mine: action_share: .*{reason}"):
        load_catalog({"datasets": {"mine": about | {"action_share": 0.3}}})


# What overrides it


def test_a_change_to_the_method_is_stronger_than_the_schedule(labelled, catalog):
    labelled(7, 7)
    config = catalog.run_config("mine", "cavf")
    assert config["train"]["iterations"] == 1000 and config["data"]["batch"] == 4
    assert config["data"]["fit_length"]


@pytest.mark.parametrize(
    ("run", "epochs"), [("tssam", 20), ("untrimmednet-short", 20), ("acn-rgb", 7)]
)
def test_epochs_may_be_asked_for_instead_of_updates(labelled, catalog, run, epochs):
    labelled(7, 7)
    train = catalog.run_config("mine", run)["train"]
    assert (train["epochs"], train["iterations"]) == (epochs, None)


def test_another_datasets_settings_are_taken_instead_where_they_are_named(labelled, catalog):
    labelled(7, 7)
    assert catalog.run_config("named", "co2net") == catalog.run_config("thumos14", "co2net")
    assert catalog.settings_note("named", "co2net", "demo_i3d") == "settings of thumos14"


def test_published_and_rendered_sets_have_their_own_schedule(catalog):
    for name in ("thumos14", "activitynet12", "demo", "thumos14_sim"):
        assert catalog.counts(name, "co2net") is None
    assert catalog.run_config("thumos14", "co2net")["train"]["iterations"] == 5000
    assert "fit_length" not in catalog.run_config("demo", "co2net")["data"]


def test_the_schedule_is_named_beside_the_numbers(labelled, catalog):
    labelled(4, 3)
    note = catalog.settings_note("other", "co2net", "demo_i3d")
    assert note == "schedule of 8 training videos of 2 classes"


def test_without_labels_the_configuration_can_still_be_read(catalog, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert catalog.run_config("other", "co2net")["train"]["iterations"] == 5000
    assert catalog.settings_note("other", "co2net", "demo_i3d") == "default settings of co2net"


# Mistakes in a YAML


WIDE = {"least": 3, "most": 9}


@pytest.mark.parametrize(
    "updates",
    [
        *(None, 5, {"root": 1}, {"root": 1, "least": 9, "most": 3}, WIDE),
        *({**WIDE, "root": 1, "per_class": 1}, {**WIDE, "per_class": -1}),
    ],
)
def test_bounds_that_make_no_sense_are_refused(updates):
    with pytest.raises(WstalError, match=r"co2net.yaml: fit.updates is .*1 <= L <= M"):
        check_fit({"updates": updates}, "co2net.yaml")


@pytest.mark.parametrize("rule", [3, {"divisor": ["loss.topk"]}, {"divisors": "loss.topk"}])
def test_a_rule_for_the_action_share_that_makes_no_sense_is_refused(rule):
    fit = {"updates": {"root": 1, "least": 1, "most": 1}, "action_share": rule}
    with pytest.raises(WstalError, match=r"co2net.yaml: fit.action_share is .*divisors: \["):
        check_fit(fit, "co2net.yaml")


def test_a_rule_for_the_action_share_names_settings_that_there_are():
    rule = {"divisors": ["loss.top"]}
    with pytest.raises(WstalError, match=r"\(fit\).*loss.top.*topk"):
        load_catalog({"methods": {"co2net": {"fit": {"action_share": rule}}}})


def test_an_unknown_setting_in_a_fit_is_refused_with_the_nearest():
    with pytest.raises(WstalError, match=r"\(fit\).*lenght.*length"):
        load_catalog({"methods": {"co2net": {"fit": {"data": {"lenght": 3}}}}})


def test_a_method_without_a_fit_trains_as_its_yaml_says():
    assert fitted({"method": "toy"}, LabelCounts(10, 2, True), {}) == {}


def test_the_updates_of_a_method_are_those_that_the_record_chose(catalog, project):
    record = json.loads((project / "benchmarks/results/own_schedule.json").read_text())
    found = record["results"].items()
    chosen = {m: of["choice"]["rule"] for m, of in found if "changes" not in of}
    assert chosen
    for method, rule in chosen.items():
        assert catalog.methods[method]["fit"]["updates"] == rule


def test_the_page_has_what_the_record_has(project):
    record = json.loads((project / "benchmarks/results/own_schedule.json").read_text())
    page = (project / "docs/own_data.md").read_text().splitlines()
    first = page.index("|---|---|---|---|---|---|---|---|") + 1
    assert page[first : page.index("", first)] == rows_of_page(record["results"])


def test_a_curve_is_the_mean_of_its_seeds_and_keeps_their_range(monkeypatch):
    curves = {0: ({50: 20.0, 100: 30.0}, 1.0), 1: ({50: 25.0, 100: 32.5}, 3.0)}
    monkeypatch.setattr(own_schedule, "curve", lambda bench, method, seed, *_: curves[seed])
    found, seconds = Trial("cavf", 2, {}).curve(None, [50, 100])
    assert found["map"] == {50: 22.5, 100: 31.25} and seconds == 2.0
    assert found["range"] == {50: [20.0, 25.0], 100: [30.0, 32.5]}
