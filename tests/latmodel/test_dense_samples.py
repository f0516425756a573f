from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from latmodel.dense_samples import DenseSamples, read_dense
from latmodel.errors import FieldError, MeasurementError, ProfileError

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def writing(text: str) -> Path:
        place = tmp_path / "dense.csv"
        place.write_bytes(text.encode())
        return place

    return writing


@pytest.mark.parametrize(
    ("text", "latency_ns"),
    [
        ("tokens,latency_ms\n1,0.5\n2,1\n", (500_000, 1_000_000)),
        ("tokens,latency_us\n1,5e2\n2,1.0e+3\n", (500_000, 1_000_000)),
        ("tokens,latency_ns\n1,500000.\n2,1000000\n", (500_000, 1_000_000)),
        ("latency_ms,tokens\n.5,1\n1,2\n", (500_000, 1_000_000)),
        ("\ufefftokens, latency_ms\r\n1, 0.5\r\n\r\n2,1", (500_000, 1_000_000)),
        ('"tokens","latency_ms"\n"1","0.5"\n"2","1"\n', (500_000, 1_000_000)),
    ],
    ids=["ms", "us", "ns", "swapped", "spreadsheet", "quoted"],
)
def test_a_table_of_two_columns_is_read(
    write: Write, text: str, latency_ns: tuple[float, ...]
) -> None:
    assert read_dense(write(text)) == DenseSamples("dense.csv", (1, 2), latency_ns)


def test_a_count_may_be_there_more_than_once(write: Write) -> None:
    assert read_dense(write("tokens,latency_ns\n7,1\n7,2\n7,1\n")).counts == (7, 7, 7)


COLUMNS = "allowed are tokens and one of latency_ms, latency_us, latency_ns"
COUNT = "allowed is a whole number from 1 to 999999"
LATENCY = "allowed is a number that is 1 ns or more and at most 9007199254740992 ns"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"line 1: found the columns none; {COLUMNS}"),
        ("1,2\n", f"line 1: found the columns 1, 2; {COLUMNS}"),
        ("tokens\n1\n", f"line 1: found the columns tokens; {COLUMNS}"),
        ("tokens,latency\n1,1\n", f"line 1: found the columns tokens, latency; {COLUMNS}"),
        ("tokens,tokens\n1,1\n", f"line 1: found the columns tokens, tokens; {COLUMNS}"),
        ("latency_ms,latency_us\n1,1\n",
         f"line 1: found the columns latency_ms, latency_us; {COLUMNS}"),
        ("layer,tokens,latency_ms\nq,1,1\n",
         f"line 1: found the columns layer, tokens, latency_ms; {COLUMNS}"),
        ("tokens;latency_ms\n1;1\n", f"line 1: found the columns tokens;latency_ms; {COLUMNS}"),
        ("tokens,latency_ms\n", "found no sample below the first line, allowed is 1 or more"),
        ("tokens,latency_ms\n1,1\n2\n", "line 3: found 1 values, allowed are 2"),
        ("tokens,latency_ms\n1,1,1\n", "line 2: found 3 values, allowed are 2"),
        ("tokens,latency_ms\n1,1\n0,1\n", f"line 3, column tokens: found '0', {COUNT}"),
        ("tokens,latency_ms\n-1,1\n", f"line 2, column tokens: found '-1', {COUNT}"),
        ("tokens,latency_ms\n1.0,1\n", f"line 2, column tokens: found '1.0', {COUNT}"),
        ("tokens,latency_ms\n1_0,1\n", f"line 2, column tokens: found '1_0', {COUNT}"),
        ("tokens,latency_ms\n\u0661,1\n", f"line 2, column tokens: found '\u0661', {COUNT}"),
        ("tokens,latency_ms\n1000000,1\n", f"line 2, column tokens: found '1000000', {COUNT}"),
        ("tokens,latency_ms\n1,\n", f"line 2, column latency_ms: found '', {LATENCY}"),
        ("tokens,latency_ms\n1,fast\n", f"line 2, column latency_ms: found 'fast', {LATENCY}"),
        ("tokens,latency_ms\n1,0\n", f"line 2, column latency_ms: found '0', {LATENCY}"),
        ("tokens,latency_ms\n1,-1\n", f"line 2, column latency_ms: found '-1', {LATENCY}"),
        ("tokens,latency_us\n1,nan\n", f"line 2, column latency_us: found 'nan', {LATENCY}"),
        ("tokens,latency_us\n1,inf\n", f"line 2, column latency_us: found 'inf', {LATENCY}"),
        ("tokens,latency_ns\n1,0.9\n", f"line 2, column latency_ns: found '0.9', {LATENCY}"),
        ("tokens,latency_ns\n1,1e99\n", f"line 2, column latency_ns: found '1e99', {LATENCY}"),
        ("tokens,latency_ms\n1," + "9" * 99,
         f"line 2, column latency_ms: found '{'9' * 40}', {LATENCY}"),
    ],
)  # fmt: skip
def test_what_is_no_such_table_is_refused_by_line_and_column(
    write: Write, text: str, message: str
) -> None:
    place = write(text)
    with pytest.raises(FieldError) as caught:
        read_dense(place)
    assert str(caught.value) == f"{place}: {message}"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('tokens,latency_ms\n1,"1', 2),
        ('tokens,latency_ms\n1,1\n2,"1"1\n', 3),
        ("tokens,latency_ms\n1," + "1" * 200_000, 2),
    ],
    ids=["open quote", "after a quote", "endless value"],
)
def test_what_is_no_csv_is_refused_by_line(write: Write, text: str, line: int) -> None:
    """The words after the line are the csv module's own."""
    place = write(text)
    with pytest.raises(FieldError) as caught:
        read_dense(place)
    assert str(caught.value).startswith(f"{place}: line {line}: not valid CSV: ")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_too_large_or_not_there_is_an_error(
    write: Write, tmp_path: Path
) -> None:
    place = write("tokens,latency_ms\n" + "1,1\n" * 250_000)
    with pytest.raises(FieldError) as caught:
        read_dense(place)
    assert str(caught.value) == f"{place}: larger than 1000000 bytes"
    with pytest.raises(ProfileError):
        read_dense(tmp_path / "none.csv")


@pytest.mark.parametrize(("counts", "latencies"), [((), ()), ((1, 2), (1.0,))])
def test_there_is_a_latency_for_each_count(
    counts: tuple[int, ...], latencies: tuple[float, ...]
) -> None:
    with pytest.raises(MeasurementError) as caught:
        DenseSamples("it", counts, latencies)
    assert str(caught.value) == (
        f"it: {len(counts)} counts and {len(latencies)} latencies; there must be as many of "
        "both, one at least"
    )
