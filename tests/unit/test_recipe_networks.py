"""The networks of a recipe with the weights that the DAG would take."""

import pytest
from wstal.errors import WstalError
from wstal.features.shard import LoadedNetwork
from wstal.inference.recipe_networks import check_weights, recipe_networks
from wstal.nets.weight_files import read_sources, sha256_of


@pytest.fixture(scope="module")
def sources(project):
    return read_sources(project / "workflow/reference/weights/sources.yaml")


def test_only_what_the_streams_need_is_loaded(recipes, sources, project, tmp_path):
    networks = recipe_networks(recipes["demo_i3d"], ["rgb", "audio"], sources, [tmp_path, project])
    assert networks.keys() == {"i3d_rgb", "vggish"}
    shipped = project / "workflow/reference/weights/demo_i3d_rgb.safetensors"
    assert networks["i3d_rgb"].identity == sha256_of(shipped)
    assert networks["i3d_rgb"].weights == str(shipped)
    assert networks["vggish"].network.training is False


def test_absent_weights_are_refused_with_the_way_to_get_them(recipes, sources, tmp_path):
    for name, stream in (("i3d_tvl1", "flow"), ("i3d_tvl1", "audio"), ("ave_resnet152", "visual")):
        with pytest.raises(WstalError, match=r"fetch_weights.py .*results/weights"):
            recipe_networks(recipes[name], [stream], sources, [tmp_path])


def test_other_weights_than_those_of_the_features_are_refused():
    networks = {"i3d_rgb": LoadedNetwork(None, "w.pt", "a" * 64)}
    check_weights(networks, {"rgb": {"stage": "i3d_rgb", "weights": "a" * 64}})
    check_weights(networks, {"rgb": {"stage": "i3d_rgb", "weights": "b", "varies": ["weights"]}})
    check_weights(networks, {"audio": {"stage": "vggish", "weights": "c"}})
    with pytest.raises(WstalError, match=r"w.pt \(sha256 aaaaaaaaaaaa\) is not .* \(bbb"):
        check_weights(networks, {"rgb": {"stage": "i3d_rgb", "weights": "b" * 64}})
