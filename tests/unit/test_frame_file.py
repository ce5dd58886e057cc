"""Tables are written whole, without their index."""

import pandas as pd
import pytest
from wstal.errors import WstalError
from wstal.frame_file import read_frame, write_frame


def test_a_table_is_whole_or_what_it_was(tmp_path):
    path, frame = tmp_path / "new/map.csv", pd.DataFrame({"run": ["a"], "value": [1 / 3]})
    write_frame(path, frame, float_format="%.2f")
    assert path.read_text() == "run,value\na,0.33\n"
    with pytest.raises(ValueError, match="format"):
        write_frame(path, frame, float_format="%q")
    assert path.read_text() == "run,value\na,0.33\n" and len(list(path.parent.iterdir())) == 1


@pytest.mark.parametrize("content", [None, b"", b'a,b\n"1,2\n', b"\xff\xfe"])
def test_a_file_that_is_no_table_is_named(tmp_path, content):
    path = tmp_path / "map.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WstalError, match=r"map\.csv is no table \(.*\); remove it"):
        read_frame(path)


def test_a_table_reads_back(tmp_path):
    frame = pd.DataFrame({"run": ["a", "b"], "value": [1.5, None]})
    write_frame(tmp_path / "map.csv", frame)
    pd.testing.assert_frame_equal(read_frame(tmp_path / "map.csv"), frame)
