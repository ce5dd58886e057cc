"""What a paper says about a result: digests, seeds, numbers, and whom to cite."""

import argparse

import h5py
import pandas as pd
import pytest
import yaml
from wstal.base.errors import WstalError
from wstal.base.provenance import read_provenance, settings_digest, sidecar, write_provenance
from wstal.commands.cite import COMMAND, SAME_PAPER, cited, read_bibtex
from wstal.config.catalog import load_catalog
from wstal.config.stages import section_of

ROWS = {
    "dataset": "thumos14",
    "recipe": "i3d_tvl1",
    "run": "co2net-mutual_kl",
    "reading": "strict",
    "protocol": "th14_212",
    "checkpoint": "last",
    "metric": ["mAP@0.10", "mAP@0.1:0.7"],
    "mean": [60.0, 40.125],
    "sd": [1.0, 0.5],
    "n": 2,
    "coverage": "413/413",
    "note": "",
}


@pytest.fixture
def headline(tmp_path, monkeypatch):
    """A headline with its seeds, checkpoints and features, as the DAG leaves them."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results/thumos14/i3d_tvl1"
    folder.mkdir(parents=True)
    with h5py.File(folder / "features.h5", "w") as file:
        file.attrs.update({"recipe": "i3d_tvl1", "recipe_digest": "feed" * 16})
    features = (folder / "features.h5").relative_to(tmp_path)
    maps = []
    for seed in (0, 2):
        place = folder.relative_to(tmp_path) / f"co2net-mutual_kl/seed{seed}"
        place.mkdir(parents=True)
        (place / "map.csv").write_text(f"value\n{seed}\n")
        (place / "checkpoint.pt").write_bytes(bytes([seed]))
        facts = {
            "protocols": [{"name": "th14_212", "sha256": settings_digest({"a": 1})}],
            "training": {"seed": seed, "code": "c0dec0dec0dec0de", "versions": {"torch": "2.9"}},
        }
        inputs = {"checkpoint": [place / "checkpoint.pt"], "features": [features]}
        write_provenance(place / "map.csv", "abc", inputs, **facts)
        maps.append(place / "map.csv")
    path = folder.relative_to(tmp_path).parent / "co2net-mutual_kl_map.csv"
    pd.DataFrame(ROWS).to_csv(path, index=False)
    write_provenance(path, "def", {"seeds": maps, "features": [features], "baselines": [None]})
    return path


def cite(*paths):
    COMMAND.main(argparse.Namespace(paths=list(paths), configfile=None))


def test_a_headline_has_digests_all_the_way_to_the_features(headline):
    made = read_provenance(headline)
    assert made["code"] == "def" and made["inputs"]["features"][0]["recipe_digest"] == "feed" * 16
    seed = made["inputs"]["seeds"][1]["provenance"]
    assert seed["inputs"]["checkpoint"][0]["sha256"].startswith("dbc1b4c9")  # of b"\\2"
    assert set(made["inputs"]) == {"seeds", "features"}
    headline.write_text(headline.read_text() + "\n")
    with pytest.raises(WstalError, match="was changed after"):
        read_provenance(headline)
    sidecar(headline).unlink()
    with pytest.raises(WstalError, match="make the result again"):
        read_provenance(headline)


def test_a_paragraph_has_what_a_paper_must_say(headline, capsys):
    cite(headline)
    text = capsys.readouterr().out
    for part in (
        "co2net-mutual_kl on thumos14: trained with wstal",
        "seeds 0, 2 (code c0dec0dec0dec0de; checkpoints 6e340b9cffb3, dbc1b4c900ff)",
        "recipe i3d_tvl1 (digest feedfeedfeed)",
        f"protocol th14_212 ({settings_digest({'a': 1})[:12]})",
        "mAP@0.1:0.7 = 40.12 ± 0.50 (strict reading, checkpoint last, n = 2, coverage 413/413)",
        "Versions: torch 2.9.",
    ):
        assert part in text, part
    assert "mAP@0.10 " not in text
    for key in ("co2net", "thumos14", "i3d", "vggish", "tvl1", "wstal"):
        assert text.count(f"{{{key},") == 1, key
    assert "{acn," not in text


def test_a_table_has_a_paragraph_per_run(headline, tmp_path, capsys):
    table = tmp_path / "results/tables/co2net_table4.csv"
    table.parent.mkdir(parents=True)
    frame = pd.DataFrame(ROWS).rename(columns={"mean": "ours_mean", "sd": "ours_sd"})
    pd.concat([frame, frame.assign(run="acn")]).to_csv(table, index=False)
    write_provenance(table, "abc", {"results": [headline]})
    cite(table)
    text = capsys.readouterr().out
    assert "co2net-mutual_kl on thumos14" in text and "acn on thumos14" in text
    assert "seeds 0, 2" in text and "{untrimmednet," in text and text.count("{co2net,") == 1


def test_every_method_dataset_and_network_has_an_entry(project):
    catalog = load_catalog()
    entries = set(read_bibtex(project / "workflow/reference/citations.bib"))
    assert {SAME_PAPER.get(name, name) for name in catalog.methods} <= entries
    assert {"thumos14", "activitynet", "ave", "tvl1", "dis", "raft"} <= entries
    for recipe, about in catalog.features.items():
        row = pd.DataFrame([{"dataset": "thumos14", "recipe": recipe, "run": "co2net"}])
        sections = {section_of(stage) for stage in about["streams"].values()}
        if sections - {"imported", "simulated"}:
            assert set(cited(row, catalog)) <= entries, recipe


def test_a_student_cites_its_teachers():
    row = pd.DataFrame([{"dataset": "demo", "recipe": "demo_i3d", "run": "concord"}])
    assert cited(row, load_catalog())[:3] == ["wstal", "co2net", "tssam"]


def test_the_citation_file_is_of_this_version(project):
    about = yaml.safe_load((project / "CITATION.cff").read_text())
    assert f'version = "{about["version"]}"' in (project / "pyproject.toml").read_text()
    own = read_bibtex(project / "workflow/reference/citations.bib")["wstal"]
    assert f"title = {{{about['title']}}}" in own and f"version = {{{about['version']}}}" in own
    assert about["authors"][0]["name"] in own
