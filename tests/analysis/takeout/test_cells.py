"""What stands in a cell comes back as it was, and no spreadsheet runs it."""

import csv
import io
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.cells import FORMULA, harmless, original
from analysis.takeout import TakeoutError
from analysis.takeout.cells import as_json, csv_bytes, data, number, read_csv, text, time, whole
from analysis.takeout.cells import yes_no as boolean

COLUMNS = [
    text("text", "…"), whole("whole", "…"), number("number", "…"), boolean("yes", "…"),
    time("time", "…"), data("data", "…"),
]  # fmt: skip
# As a database holds them: no NUL, no half of a pair.
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
odd = st.sampled_from([*FORMULA, "''", "'=1", "\r\n", 'a"b', "a,b", " ", "-", "\ufeff"])
numbers = st.floats(allow_nan=False, allow_infinity=False)
plain = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts
json_data = st.dictionaries(texts, plain | st.lists(plain) | st.dictionaries(texts, plain))
rows = st.fixed_dictionaries(
    {
        "text": texts | odd | st.tuples(odd, texts).map("".join),
        "whole": st.none() | st.integers(-(2**63), 2**63 - 1),
        "number": st.none() | numbers,
        "yes": st.none() | st.booleans(),
        "time": st.none() | st.datetimes(datetime(1000, 1, 1)).map(lambda t: t.replace(tzinfo=UTC)),
        "data": json_data,
    }
)


@given(st.lists(rows))
def test_every_row_comes_back(written):
    content = csv_bytes(COLUMNS, written)
    assert read_csv("x.csv", content, COLUMNS) == written
    assert csv_bytes(COLUMNS, read_csv("x.csv", content, COLUMNS)) == content


@given(texts | odd)
def test_no_text_starts_as_a_formula_does(given_text):
    assert original(harmless(given_text)) == given_text
    assert not harmless(given_text).startswith(tuple(set(FORMULA) - {"'"}))


@given(st.lists(rows))
def test_every_reader_of_csv_sees_as_many_rows(written):
    lines = csv.reader(io.StringIO(csv_bytes(COLUMNS, written).decode(), newline=""))
    assert len(list(lines)) == len(written) + 1


@pytest.mark.parametrize(
    ("value", "said"), [(-0.0, "0.0"), (1e22, "1" + "0" * 22), (1e-7, "1e-07")]
)
def test_json_is_what_every_database_gives(value, said):
    """PostgreSQL keeps numbers without a sign of zero and without exponents of large ones."""
    assert as_json({"b": value, "a": 1}) == f'{{"a":1,"b":{said}}}'


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "has other columns"),
        (b"text\r\n", "has other columns"),
        (b"\xff", "can't be read"),
        (b"text,whole,number,yes,time,data\r\na,1\r\n", "row 2, can't be read"),
        (b"text,whole,number,yes,time,data\r\na,one,,,,\r\n", "row 2, can't be read"),
        (b"text,whole,number,yes,time,data\r\na,1,,maybe,,\r\n", "neither true nor false"),
        (b"text,whole,number,yes,time,data\r\na,1,,,yesterday,\r\n", "row 2, can't be read"),
        (b"text,whole,number,yes,time,data\r\na,1,,,,{\r\n", "row 2, can't be read"),
        (b'text,whole,number,yes,time,data\r\n"a,1,,,,\r\n', "can't be read"),
    ],
)
def test_what_is_no_such_table_is_refused(content, words):
    with pytest.raises(TakeoutError, match=words):
        read_csv("x.csv", content, COLUMNS)
