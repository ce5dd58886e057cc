"""Tables are written whole, without their index."""

import pandas as pd
import pytest
from wstal.frame_file import write_frame


def test_a_table_is_whole_or_what_it_was(tmp_path):
    path, frame = tmp_path / "new/map.csv", pd.DataFrame({"run": ["a"], "value": [1 / 3]})
    write_frame(path, frame, float_format="%.2f")
    assert path.read_text() == "run,value\na,0.33\n"
    with pytest.raises(ValueError, match="format"):
        write_frame(path, frame, float_format="%q")
    assert path.read_text() == "run,value\na,0.33\n" and len(list(path.parent.iterdir())) == 1
