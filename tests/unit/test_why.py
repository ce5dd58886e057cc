from wstal.why import dry_run_jobs, explain

DRY_RUN = """Building DAG of jobs...
Job stats:
job      count
-----  -------
total        3

[Sat Nov 21 02:00:00 2026]
rule train:
    input: results/demo/features.h5
    output: results/demo/seed0/checkpoint.pt, results/demo/seed0/log.csv
    log: results/logs/train.log
    jobid: 3
    reason: Params have changed since last execution: Union of exclusive params before and now across all output: before: '0123456789abcdef' now: 'fedcba9876543210'
    wildcards: seed=0
    resources: tmpdir=/tmp
[Sat Nov 21 02:00:00 2026]
rule train:
    output: results/demo/seed1/checkpoint.pt
    jobid: 4
    reason: Params have changed since last execution: before: '{"lr":1}' now: '{"lr":2}'
[Sat Nov 21 02:00:00 2026]
localrule evaluate:
    output: results/demo/map.csv
    reason: Input files updated by another job: results/demo/seed0/checkpoint.pt

This was a dry-run (flag -n).
"""


def test_jobs_and_reasons_are_read():
    jobs = dry_run_jobs(DRY_RUN)
    assert [(job.rule, job.output) for job in jobs] == [
        ("train", "results/demo/seed0/checkpoint.pt"),
        ("train", "results/demo/seed1/checkpoint.pt"),
        ("evaluate", "results/demo/map.csv"),
    ]


def test_explanation_tells_code_from_settings_from_upstream():
    text = explain(dry_run_jobs(DRY_RUN))
    assert "train: 1 job, because its code changed" in text
    assert "train: 1 job, because its settings changed" in text
    assert "evaluate: 1 job, because a job before it runs" in text


def test_nothing_to_do_says_so():
    assert explain([]) == "Nothing would run: everything is up to date."
