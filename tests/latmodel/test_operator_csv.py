from __future__ import annotations

import gzip
import string
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latmodel import operator_csv as module
from latmodel.errors import FieldError, ProfileError
from latmodel.operator_csv import (
    MOST_LETTERS,
    operator_csv,
    parse_operator_csv,
    read_operator_csv,
)
from latmodel.operator_kinds import DIMS
from latmodel.operator_readings import OperatorReadings, joined
from latmodel.workload import DTYPES

MIXED = """\
kind,dtype,rows,in_features,out_features,width,latency_us,kernel,splits
linear,fp16,197,384,1536,,21.5,ampere_sgemm_128x64_tn,2
norm,fp16,197,,,384,5,,
linear,fp16,64,384,1536,,9,,
linear,fp32,64.0,384.0,1536.,,18,,1.0
"""


def plain(readings: tuple[OperatorReadings, ...]) -> list[object]:
    """Readings as values that can be compared."""
    return [
        (
            part.kind,
            part.dtype,
            {name: size.tolist() for name, size in part.sizes.items()},
            part.latency_ns.tolist(),
            part.kernels.tolist(),
            part.splits.tolist(),
        )
        for part in readings
    ]


@st.composite
def readings(draw: st.DrawFn) -> tuple[OperatorReadings, ...]:
    """Some readings of some kinds, each pair of kind and dtype once."""
    pairs = draw(st.sets(st.tuples(st.sampled_from(list(DIMS)), st.sampled_from(DTYPES))))
    names = st.text(string.ascii_letters + string.digits + '_<>,"', max_size=12)
    found = []
    for kind, dtype in pairs:
        count = draw(st.integers(1, 4))

        def some(
            elements: st.SearchStrategy[int], size: int = count
        ) -> st.SearchStrategy[list[int]]:
            return st.lists(elements, min_size=size, max_size=size)

        size = some(st.integers(1, 999_999_999))
        latencies = st.lists(st.floats(1.0, 3.6e12), min_size=count, max_size=count)
        found.append(
            OperatorReadings(
                kind=kind,
                dtype=dtype,
                sizes={name: np.array(draw(size), dtype=float) for name in DIMS[kind]},
                latency_ns=np.array(draw(latencies)),
                kernels=np.array(
                    draw(st.lists(names, min_size=count, max_size=count)), dtype=np.str_
                ),
                splits=np.array(draw(some(st.integers(0, 9999)))),
            )
        )
    return tuple(found)


@given(readings().filter(len))
def test_reading_what_was_written_is_the_identity(
    written: tuple[OperatorReadings, ...],
) -> None:
    assert plain(parse_operator_csv(operator_csv(written))) == plain(written)


def test_rows_are_grouped_by_kind_and_dtype_by_hand() -> None:
    """Sizes that a table with gaps turned into 64.0 are whole numbers still."""
    assert plain(parse_operator_csv(MIXED)) == [
        (
            "linear",
            "fp16",
            {"rows": [197, 64], "in_features": [384, 384], "out_features": [1536, 1536]},
            [21_500, 9_000],
            ["ampere_sgemm_128x64_tn", ""],
            [2, 0],
        ),
        ("norm", "fp16", {"rows": [197], "width": [384]}, [5_000], [""], [0]),
        (
            "linear",
            "fp32",
            {"rows": [64], "in_features": [384], "out_features": [1536]},
            [18_000],
            [""],
            [1],
        ),
    ]


def test_a_file_of_one_kind_is_told_its_kind_and_dtype() -> None:
    text = "latency_ms,k,n,m,batch\n0.5,1,2,3,4\n"
    (part,) = parse_operator_csv(text, kind="bmm", dtype="bf16")
    assert (part.kind, part.dtype, part.latency_ns.tolist()) == ("bmm", "bf16", [500_000])
    assert {name: size.tolist() for name, size in part.sizes.items()} == {
        "batch": [4],
        "m": [3],
        "n": [2],
        "k": [1],
    }


def test_columns_that_are_left_out_are_told() -> None:
    told: list[tuple[str, ...]] = []
    text = ",rows,width,latency_ns,device\n0,1,2,3,T4\n"
    (part,) = parse_operator_csv(text, kind="gelu", dtype="fp32", on_ignored=told.append)
    assert told == [("", "device")]
    assert part.latency_ns.tolist() == [3]


def test_nothing_is_told_where_every_column_is_known() -> None:
    told: list[tuple[str, ...]] = []
    parse_operator_csv(MIXED, on_ignored=told.append)
    assert told == []


HEADER = "kind,dtype,rows,width,m,latency_us,kernel,splits\n"
ROW = "norm,fp32,1,2,,3,,\n"
KINDS = "linear, bmm, softmax, norm, gelu, add, attention"
SIZE = "a whole number from 1 to 999999999 for norm"
LATENCY = "a number of us of at least 1 ns and at most 3600000000"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1, header: found '', allowed is one of latency_ms, latency_us, latency_ns"),
        ("kind,dtype,rows,width,latency_s\n",
         "line 1, header: found 'kind,dtype,rows,width,latency_s', allowed is one of "
         "latency_ms, latency_us, latency_ns"),
        ("kind,dtype,latency_ms,latency_us\n",
         "line 1, header: found 'kind,dtype,latency_ms,latency_us', allowed is one of "
         "latency_ms, latency_us, latency_ns"),
        ("kind,dtype,rows,rows,latency_us\n", "line 1, rows: found 2 such columns"),
        ("dtype,rows,width,latency_us\n",
         "line 1, kind: no such column; give the kind of all rows by --kind"),
        ("kind,rows,width,latency_us\n",
         "line 1, dtype: no such column; give the dtype of all rows by --dtype"),
        (HEADER, "line 1: found no row below the header, allowed is 1 or more"),
        (f"{HEADER}{ROW}norm,fp32,1,2,,3,4,,\n",
         "line 3: found 9 cells, allowed are 8 as in the header; a decimal comma is not "
         "allowed"),
        (f"{HEADER}conv,fp32,1,2,,3,,\n",
         f"line 2, kind: found 'conv', allowed is one of {KINDS}"),
        (f"{HEADER},fp32,1,2,,3,,\n", f"line 2, kind: found '', allowed is one of {KINDS}"),
        (f"{HEADER}norm,float16,1,2,,3,,\n",
         "line 2, dtype: found 'float16', allowed is one of fp32, fp16, bf16"),
        (f"{HEADER}norm,fp32,1,2,7,3,,\n", "line 2, m: found '7', allowed is nothing for norm"),
        (f"{HEADER}linear,fp32,1,,,3,,\n",
         "line 2, in_features: found '', allowed is a whole number from 1 to 999999999 for "
         "linear"),
        *((f"{HEADER}norm,fp32,1,{bad},,3,,\n",
           f"line 2, width: found '{bad}', allowed is {SIZE}")
          for bad in ("", "0", "-1", "1.5", "064", "1e3", "nan", "1_0", "1234567890",
                      "\u0661")),
        *((f"{HEADER}norm,fp32,1,2,,{bad},,\n",
           f"line 2, latency_us: found '{bad}', allowed is {LATENCY}")
          for bad in ("", "0", "-1", "nan", "inf", "1_0", "0.0009", "3600000001", "1e999",
                      "3 us")),
        *((f"{HEADER}norm,fp32,1,2,,3,,{bad}\n",
           f"line 2, splits: found '{bad}', allowed is nothing, or a whole number from 0 "
           "(unknown) to 9999") for bad in ("-1", "1.5", "10000")),
        (f"{HEADER}norm,fp32,1,2,,3,{'x' * 401},\n",
         f"line 2, kernel: found '{'x' * 37}...', allowed is a name of at most 400 letters"),
        (f'{HEADER}norm,fp32,1,2,,3,"x,\n', "line 2: not valid CSV: unexpected end of data"),
    ],
)  # fmt: skip
def test_what_is_no_reading_is_refused_by_line_and_column(text: str, message: str) -> None:
    with pytest.raises(FieldError) as caught:
        parse_operator_csv(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(("name", "value"), [("kind", "norm"), ("dtype", "fp16")])
def test_a_column_and_an_option_for_the_same_are_refused(name: str, value: str) -> None:
    given = {"kind": None, "dtype": None, name: value}
    with pytest.raises(FieldError) as caught:
        parse_operator_csv(HEADER + ROW, kind=given["kind"], dtype=given["dtype"])
    assert str(caught.value) == (
        f"line 1, {name}: found this column, and --{name} {value} beside it: leave out one of "
        "the two"
    )


def test_limits_are_read_and_one_more_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 3)
    longest = f"norm,fp32,1,2,,3,{'x' * MOST_LETTERS},9999\n"
    (part,) = parse_operator_csv(HEADER + longest + 2 * ROW)
    assert (len(part), part.splits.tolist()) == (3, [9999, 0, 0])
    with pytest.raises(FieldError) as caught:
        parse_operator_csv(HEADER + 4 * ROW)
    assert str(caught.value) == "line 5: allowed are at most 3 rows"


def test_a_zipped_file_is_read_like_a_plain_one(tmp_path: Path) -> None:
    (tmp_path / "it.csv").write_text(MIXED, encoding="utf-8")
    (tmp_path / "it.csv.gz").write_bytes(gzip.compress(MIXED.encode()))
    both = [read_operator_csv(tmp_path / name) for name in ("it.csv", "it.csv.gz")]
    assert plain(both[0]) == plain(both[1]) == plain(parse_operator_csv(MIXED))


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("it.csv", b"a,\xff\n", "not UTF-8 text (byte 2)"),
        ("it.csv", HEADER.encode() + b"x", "line 2: found 1 cells, allowed are 8 as in the "
         "header; a decimal comma is not allowed"),
        ("it.csv", b"\n" * 1001, "larger than 1000 bytes"),
        ("it.csv.gz", gzip.compress(b"\n" * 1001), "larger than 1000 bytes"),
        ("it.csv.gz", gzip.compress(b"\n" * 10**6)[:-9], "larger than 1000 bytes"),
        ("it.csv.gz", gzip.compress(MIXED.encode())[:-9], "not a whole gzip file"),
        ("it.csv.gz", MIXED.encode(), "not a whole gzip file"),
        ("it.csv.gz", gzip.compress(MIXED.encode())[:12] + b"\xff" * 50,
         "not a whole gzip file"),
    ],
    ids=["not UTF-8", "malformed", "huge", "bomb", "unpacked no further",
         "cut short", "plain", "broken"],
)  # fmt: skip
def test_errors_name_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, data: bytes, message: str
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 1000)
    (tmp_path / name).write_bytes(data)
    with pytest.raises(FieldError) as caught:
        read_operator_csv(tmp_path / name)
    assert str(caught.value) == f"{tmp_path / name}: {message}"


@pytest.mark.parametrize("name", ["none.csv", "none.csv.gz"])
def test_a_file_that_is_not_there_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ProfileError) as caught:
        read_operator_csv(tmp_path / name)
    assert str(caught.value) == f"{tmp_path / name}: No such file or directory"


def test_readings_of_several_files_are_joined_by_kind_and_dtype() -> None:
    linear, norm, other = parse_operator_csv(MIXED)
    again = joined([linear, norm, other, norm, linear])
    assert [(part.kind, part.dtype) for part in again] == [
        ("linear", "fp16"),
        ("norm", "fp16"),
        ("linear", "fp32"),
    ]
    assert again[0].latency_ns.tolist() == [21_500, 9_000] * 2
    assert again[0].sizes["rows"].tolist() == [197, 64] * 2
    assert again[0].kernels.tolist() == ["ampere_sgemm_128x64_tn", ""] * 2
    assert again[0].splits.tolist() == [2, 0] * 2
    assert plain(again[2:]) == plain((other,))
