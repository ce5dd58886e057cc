"""Files that users supply: every way in which editors and spreadsheets save them."""

import gzip
import json

import pytest
from wstal.base.errors import WstalError
from wstal.base.text_files import read_json, read_rows, read_text

COLUMNS = ("video", "labels")
PLAIN = 'video,labels\na,"run;jump"\nKöln,swim\n'
EXPECTED = [("a", "run;jump"), ("Köln", "swim")]


def rows(path, *more):
    return [tuple(row[name] for name in COLUMNS) for row in read_rows(path, COLUMNS, *more)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_csv_of_every_unicode_encoding_and_line_end_is_read_alike(tmp_path, encoding, end):
    path = tmp_path / "labels.csv"
    path.write_bytes(PLAIN.replace("\n", end).encode(encoding))
    assert rows(path) == EXPECTED


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_json_of_every_unicode_encoding_is_read_alike(tmp_path, encoding):
    path = tmp_path / "gt.json"
    value = {"database": {"Köln": [1.5, None]}}
    path.write_bytes(json.dumps(value, ensure_ascii=False).encode(encoding))
    assert read_json(path) == value
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert read_json(path) == value


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        "\n\n" + PLAIN,
        "sep=;\n" + PLAIN.replace(",", ";"),
        PLAIN.replace("\n", ",,,\n") + ",,,,\n\n",
        PLAIN.replace(",", ", "),
        PLAIN.replace("video", " video "),
        PLAIN.replace("ö", "o\u0308"),
        PLAIN.rstrip("\n"),
        PLAIN.replace("video", '"video"'),
        "note,video,labels\n1,a,run;jump\n2,Köln,swim",
    ],
)
def test_the_forms_of_spreadsheets_give_the_same_rows(tmp_path, text):
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding="utf-8")
    assert rows(path) == EXPECTED


def test_a_quoted_line_break_stays_in_its_cell_and_lines_are_still_counted(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text('video,labels\n"a\nb","run ""fast"""\n\nc,swim\n')
    found = list(read_rows(path, COLUMNS))
    assert [(row.line, row["video"]) for row in found] == [(2, "a\nb"), (5, "c")]
    assert found[0]["labels"] == 'run "fast"'


def test_decimal_commas_are_read_where_commas_do_not_separate_cells(tmp_path):
    path = tmp_path / "segments.csv"
    path.write_text("video;t\na,b;1,5\n")
    assert [row.cells for row in read_rows(path, ("video", "t"), ("t",))] == [
        {"video": "a,b", "t": "1.5"}
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("video,labels\nKöln,run\n".encode("latin-1"), "line 2: not UTF-8 .*0xf6, as Windows-1252"),
        (b"\xff\xfe" + "video,labels\n".encode("utf-16-le")[:-1], "line 1: not UTF-16-LE"),
        (b"PK\x03\x04\x14\xff", "a zip archive or a spreadsheet's own file"),
        (b"video,labels\na,r\0n\n", "line 2: a zero byte"),
        (b'video,labels\na,run\nb,"swim\nc,run\n', "line 3: .*is a double quote left open"),
        (b"video,labels\na,run,jump\n", "line 2: there are more cells than columns"),
        (b"video,label\n", r"columns \['labels'\] are missing .*\['video', 'label'\]"),
        (b"video,labels,video\n", "line 1: the column 'video' is repeated"),
        (b"", "columns .* are missing"),
    ],
)
def test_csv_that_cannot_be_read_names_file_line_and_remedy(tmp_path, data, message):
    path = tmp_path / "labels.csv"
    path.write_bytes(data)
    with pytest.raises(WstalError, match=message) as caught:
        rows(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": [1,\n2, ]}', r"line 2 \(remove the comma before the closing bracket"),
        ('{"a": 1,\n}', r"line [12] \(remove the comma before the closing bracket"),
        ('{"a":\n[1', r"line 2 \(it ends too early"),
        ("", r"line 1 \(it is empty"),
        ("video,labels\n", r"line 1 \(Expecting value"),
        ('{"a": 1, "b": {"v": 1, "v": 2}}', "the key 'v' is repeated"),
        ('{"\\u00e9": 1, "e\\u0301": 2}', "the key 'é' is repeated"),
        ('{"a": "\\ud83d"}', "half of a surrogate pair"),
        ("[" * 100_000, "too many nested"),
    ],
)
def test_json_that_cannot_be_read_names_file_line_and_remedy(tmp_path, text, message):
    path = tmp_path / "gt.json"
    path.write_text(text)
    with pytest.raises(WstalError, match=message) as caught:
        read_json(path)
    assert str(path) in str(caught.value)


def test_json_escapes_are_composed_as_plain_text_is(tmp_path):
    path = tmp_path / "gt.json"
    path.write_text('{"e\\u0301": ["e\\u0301", 2]}')
    assert read_json(path) == {"é": ["é", 2]}


def test_an_incomplete_gzip_and_an_absent_file_are_refused_by_name(tmp_path):
    path = tmp_path / "gt.json.gz"
    path.write_bytes(gzip.compress(b"[1]")[:-9])
    with pytest.raises(WstalError, match=r"gt\.json\.gz is not complete gzip"):
        read_json(path)
    with pytest.raises(WstalError, match=r"none\.txt cannot be read .*expected a list"):
        read_text(tmp_path / "none.txt", "a list")
