from wstal.config.layers import canonical, merged, resolve_run, split_run

MODEL = {
    "method": "co2net",
    "loss": {"mil": 1, "norm": 0.8},
    "datasets": {"demo": {"loss": {"norm": 0.1}}},
    "recipes": {"sim128": {"loss": {"mil": 2, "norm": 0.5}}},
    "variants": {"loss_mil": {"loss": {"norm": 0}}},
}


def test_later_layers_win_key_by_key_and_share_nothing():
    base = {"a": {"b": [1], "c": 2}, "d": 3}
    result = merged(base, {"a": {"c": 5}, "d": {"e": 1}})
    assert result == {"a": {"b": [1], "c": 5}, "d": {"e": 1}}
    result["a"]["b"].append(2)
    assert base["a"]["b"] == [1]


def test_run_is_base_then_dataset_then_recipe_then_variant():
    assert resolve_run(MODEL, "thumos14", None) == {
        "method": "co2net",
        "loss": {"mil": 1, "norm": 0.8},
    }
    assert resolve_run(MODEL, "demo", None)["loss"] == {"mil": 1, "norm": 0.1}
    assert resolve_run(MODEL, "demo", "loss_mil", "sim128")["loss"] == {"mil": 2, "norm": 0}


def test_names_and_canonical_text():
    assert split_run("co2net-mutual_kl") == ("co2net", "mutual_kl")
    assert split_run("co2net") == ("co2net", None)
    assert canonical({"b": 1, "a": [0.5, None]}) == '{"a":[0.5,null],"b":1}'
