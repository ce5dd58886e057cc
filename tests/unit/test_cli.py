import argparse
import subprocess
import sys

import pytest


@pytest.fixture
def cli(project, monkeypatch):
    monkeypatch.syspath_prepend(str(project / "scripts"))
    import cli

    return cli


def test_json_arguments_are_text_or_a_file(cli, tmp_path):
    (tmp_path / "a.json").write_text('{"x": 1}')
    assert cli.json_argument('{"x": 1}') == cli.json_argument(f"@{tmp_path}/a.json") == {"x": 1}
    with pytest.raises(argparse.ArgumentTypeError, match="is not JSON"):
        cli.json_argument("{x")
    with pytest.raises(argparse.ArgumentTypeError, match="No such file"):
        cli.json_argument("@nowhere.json")


def test_a_log_gets_one_rate_line_per_item(cli, capsys):
    assert list(cli.track("flow")(range(3))) == [0, 1, 2]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and lines[-1].startswith("flow 3/3") and lines[-1].endswith("video/s")


def test_a_long_video_says_how_far_it_is_before_its_end(cli, capsys, monkeypatch):
    clock = iter([0.0, 4.0, 12.0, 15.0, 24.0])
    monkeypatch.setattr(cli.time, "monotonic", lambda: next(clock))
    chunks = [range(40)] * 4
    assert list(cli.within("flow", every=10)("v 1", iter(chunks), 200)) == chunks
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "flow v 1 80 of 200 frames, 6.7 frames/s, 18 s left",
        "flow v 1 160 of 200 frames, 6.7 frames/s, 6 s left",
    ]


def test_a_short_video_adds_no_line(cli, capsys):
    list(cli.within("flow")("v", [range(9)], 9))
    assert capsys.readouterr().err == ""


def test_at_a_terminal_a_bar_counts_frames(cli, monkeypatch):
    import io

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(cli.sys, "stderr", Terminal())
    list(cli.within("flow")("v", [range(5)] * 2, 10))
    assert "v: " in cli.sys.stderr.getvalue() and "/10" in cli.sys.stderr.getvalue()


@pytest.mark.parametrize("script", ["watch.py", "summarize_runtime.py", "why.py"])
def test_help_shows_the_examples(project, script):
    command = [sys.executable, str(project / "scripts" / script), "--help"]
    text = subprocess.run(command, text=True, capture_output=True, check=True).stdout
    assert "Examples:\n" in text


def test_watch_shows_the_last_line_of_recent_logs(project, tmp_path):
    (tmp_path / "flow").mkdir()
    (tmp_path / "flow/shard0.log").write_text("flow 1/9\nflow 2/9 a 0.1 s\n\n")
    command = [sys.executable, str(project / "scripts/watch.py"), "--logs", str(tmp_path), "--once"]
    text = subprocess.run(command, text=True, capture_output=True, check=True).stdout
    assert text == "flow/shard0: flow 2/9 a 0.1 s\n"
