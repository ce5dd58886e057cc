"""Time and memory are summed by stage."""

from __future__ import annotations

from wstal.commands.runtime import COLUMNS, stage_costs

HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def write(path, seconds, memory, cpu):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{HEAD}{seconds}\t0:00:01\t{memory}\t1\t1\t1\t0\t0\t1\t{cpu}\n")


def test_jobs_are_summed_by_stage_and_the_largest_memory_kept(tmp_path):
    write(tmp_path / "r/flow/shard0.tsv", 10, 100, 9)
    write(tmp_path / "r/flow/shard1.tsv", 20, 300, 18)
    write(tmp_path / "r/co2net/train.seed0.tsv", 5, 50, 5)
    write(tmp_path / "render.tsv", 40, "-", "-")
    table = stage_costs(tmp_path).set_index("stage")
    assert list(table.index) == ["render", "flow", "train"]
    assert table.loc["flow"].tolist() == [2, 30, 20, 27, 300]
    assert table.loc["train", "jobs"] == 1


def test_no_measurements_is_an_empty_table(tmp_path):
    assert list(stage_costs(tmp_path).columns) == COLUMNS and stage_costs(tmp_path).empty
