from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latmodel.errors import FieldError, ProfileError
from latmodel.measurement import Measurement
from latmodel.readings import (
    MOST_ROWS,
    PARTS,
    Reading,
    Readings,
    parse_readings,
    read_readings,
)

FULL = 197
HEADER = "part,tokens,latency_ms\n"
ONLY_FULL = ("ends", "model")


@st.composite
def rows(draw: st.DrawFn) -> Reading:
    part = draw(st.sampled_from(PARTS))
    count = FULL if part in ONLY_FULL else draw(st.integers(1, FULL))
    latency_ns = draw(st.none() | st.integers(1, 3_600 * 10**9))
    return Reading(part, count, latency_ns)


@given(st.lists(rows(), max_size=20).map(tuple))
def test_reading_what_was_written_is_the_identity(written: tuple[Reading, ...]) -> None:
    """To the nanosecond, in ms; whatever the order and whether measured or not."""
    assert parse_readings(Readings(written).to_csv(), full=FULL) == Readings(written)


@pytest.mark.parametrize(
    "text",
    [
        "part,tokens,latency_ms\nblock,64,1.25\nblock,64,\nends,197,.5\n",
        "part,tokens,latency_us\nblock,64,1250\nblock,64,\nends,197,500.0\n",
        "part,tokens,latency_ns\nblock,64,1.25e6\nblock,64,\nends,197,5E+5\n",
        "latency_ms,part,tokens\n1.25,block,64\n,block,64\n0.5,ends,197\n",
        "\ufeffpart,tokens,latency_ms\r\nblock,64,1.25\r\nblock,64,\r\n\r\n,,\r\nends,197,0.5",
        ' part, tokens ,latency_ms\n"block", 64 , 1.25 \nblock,64,""\nends,197,0.5\n',
    ],
    ids=["ms", "us", "ns", "order", "spreadsheet", "quotes and spaces"],
)
def test_every_plain_way_to_write_it_is_read_alike(text: str) -> None:
    assert parse_readings(text, full=FULL).rows == (
        Reading("block", 64, 1_250_000),
        Reading("block", 64, None),
        Reading("ends", 197, 500_000),
    )


def test_repeats_are_samples_and_counts_ascend() -> None:
    text = f"{HEADER}block,64,2\nmlp,64,9\nblock,1,1\nblock,64,3\nblock,128,\n"
    readings = parse_readings(text, full=FULL)
    assert readings.measurements("block") == (
        Measurement(1, (1_000_000,)),
        Measurement(64, (2_000_000, 3_000_000)),
    )
    assert readings.measurements("cut") == ()


def test_a_row_is_pending_until_any_row_measures_it() -> None:
    text = f"{HEADER}block,1,\nblock,64,\nblock,64,\ncut,64,\nblock,64,2\n"
    assert parse_readings(text, full=FULL).pending == (("block", 1), ("cut", 64))


def test_asking_keeps_what_was_measured_and_replaces_what_was_not() -> None:
    readings = parse_readings(f"{HEADER}block,1,\nblock,64,2\nblock,64,3\n", full=FULL)
    assert readings.asking([("mlp", 7)]).to_csv() == (
        f"{HEADER}block,64,2.000000\nblock,64,3.000000\nmlp,7,\n"
    )


NUMBER = "nothing, or a number of ms of at least 1 ns and at most 3600000"
COUNT = "a whole number from 1 to 197"
COLUMNS = "part,tokens and one of latency_ms, latency_us, latency_ns"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"line 1, header: found '', allowed is {COLUMNS}"),
        ("block,1,2\n", f"line 1, header: found 'block,1,2', allowed is {COLUMNS}"),
        ("part;tokens;latency_ms\n",
         f"line 1, header: found 'part;tokens;latency_ms', allowed is {COLUMNS}"),
        ("part,tokens\n", f"line 1, header: found 'part,tokens', allowed is {COLUMNS}"),
        ("part,part,tokens,latency_ms\n",
         f"line 1, header: found 'part,part,tokens,latency_ms', allowed is {COLUMNS}"),
        ("part,tokens,latency_ms,latency_us\n",
         f"line 1, header: found 'part,tokens,latency_ms,latency_us', allowed is {COLUMNS}"),
        ("part,tokens,latency_ms,latency_ms\n",
         f"line 1, header: found 'part,tokens,latency_ms,latency_ms', allowed is {COLUMNS}"),
        ("part,tokens,latency_s\n",
         f"line 1, header: found 'part,tokens,latency_s', allowed is {COLUMNS}"),
        ("x" * 50, f"line 1, header: found '{'x' * 37}...', allowed is {COLUMNS}"),
        (f"{HEADER}block,1,2\n{HEADER}",
         "line 3: the header again; allowed is one, on line 1"),
        (f"{HEADER}block,1\n",
         "line 2: found 2 cells, allowed are 3: part,tokens,latency_ms; a decimal comma is not "
         "allowed"),
        (f"{HEADER}block,1,1,5\n",
         "line 2: found 4 cells, allowed are 3: part,tokens,latency_ms; a decimal comma is not "
         "allowed"),
        (f"{HEADER}blocks,1,2\n",
         "line 2, part: found 'blocks', allowed is one of block, mlp, cut, ends, model"),
        (f"{HEADER}block,0,2\n", f"line 2, tokens: found '0', allowed is {COUNT}"),
        (f"{HEADER}block,198,2\n", f"line 2, tokens: found '198', allowed is {COUNT}"),
        (f"{HEADER}block,-1,2\n", f"line 2, tokens: found '-1', allowed is {COUNT}"),
        (f"{HEADER}block,64.0,2\n", f"line 2, tokens: found '64.0', allowed is {COUNT}"),
        (f"{HEADER}block,064,2\n", f"line 2, tokens: found '064', allowed is {COUNT}"),
        (f"{HEADER}block,\u0661,2\n", f"line 2, tokens: found '\u0661', allowed is {COUNT}"),
        (f"{HEADER}block,,2\n", f"line 2, tokens: found '', allowed is {COUNT}"),
        (f"{HEADER}block,{'9' * 5000},2\n",
         f"line 2, tokens: found '{'9' * 37}...', allowed is {COUNT}"),
        (f"{HEADER}ends,64,2\n",
         "line 2, tokens: found '64', allowed is the full count 197 for ends"),
        (f"{HEADER}model,64,2\n",
         "line 2, tokens: found '64', allowed is the full count 197 for model"),
        *((f"{HEADER}block,1,2\nblock,1,{bad}\n",
           f"line 3, latency_ms: found '{bad}', allowed is {NUMBER}")
          for bad in ("-1", "nan", "inf", "0", "0.0000004", "1_0", "0x1", "1e", "3600000.1",
                      "1e999", "1e-999", "2 ms", "+1", "\u0661")),
        (f'{HEADER}block,1,"2\n3"\n', "line 2: not valid CSV: unexpected end of data"),
        (f'{HEADER}block,1,"2"3\n', "line 2: not valid CSV: ',' expected after '\"'"),
        (f"{HEADER}{'x' * 140_000}\n",
         "line 2: not valid CSV: field larger than field limit (131072)"),
    ],
)  # fmt: skip
def test_what_is_no_reading_is_refused_by_line_and_column(text: str, message: str) -> None:
    with pytest.raises(FieldError) as caught:
        parse_readings(text, full=FULL)
    assert str(caught.value) == message


def test_the_longest_and_the_shortest_latency_are_read() -> None:
    text = "part,tokens,latency_us\nblock,1,3600000000\nblock,2,0.0005001\n"
    assert [row.latency_ns for row in parse_readings(text, full=FULL).rows] == [36 * 10**11, 1]


def test_more_rows_than_a_profile_can_hold_are_refused() -> None:
    row = "block,1,1\n"
    assert len(parse_readings(HEADER + MOST_ROWS * row, full=FULL).rows) == MOST_ROWS
    with pytest.raises(FieldError) as caught:
        parse_readings(HEADER + (MOST_ROWS + 1) * row, full=FULL)
    assert str(caught.value) == f"line {MOST_ROWS + 2}: allowed are at most {MOST_ROWS} rows"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"part,tokens,latency_ms\nblock,1,\xff\n", "not UTF-8 text (byte 31)"),
        (b"part,tokens,latency_ms\n" + b"\n" * 1_000_000, "larger than 1000000 bytes"),
        (b"part,tokens,latency_ms\nblock,1,x\n",
         f"line 2, latency_ms: found 'x', allowed is {NUMBER}"),
    ],
    ids=["not UTF-8", "huge", "malformed"],
)  # fmt: skip
def test_errors_name_the_file(tmp_path: Path, data: bytes, message: str) -> None:
    place = tmp_path / "results.csv"
    place.write_bytes(data)
    with pytest.raises(FieldError) as caught:
        read_readings(place, full=FULL)
    assert str(caught.value) == f"{place}: {message}"


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProfileError) as caught:
        read_readings(tmp_path / "none.csv", full=FULL)
    assert str(caught.value) == f"{tmp_path / 'none.csv'}: No such file or directory"
